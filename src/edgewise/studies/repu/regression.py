"""Regression of polynomials and other smooth functions: value, first and second derivative, by activation and depth.

The paper's functions beside x y z, its widths and its optimiser are not known; ours are stated. Every activation starts
from the best initialisation that edgewise knows for it and has its own learning rate, chosen on validation points.
Derivatives of the trained networks are exact, by jets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.pinn.jets import derivatives
from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, BELOW_ZERO, Check, Claim
from edgewise.studies.evidence import Interval
from edgewise.studies.repu.contenders import TAILORED, contender
from edgewise.studies.repu.fitting import Fitted, fit, log_ratios, relative_error, told
from edgewise.studies.repu.targets import INPUT_SCALE, TARGETS, Learned, Target, at, sample
from edgewise.studies.study import Context, Part
from edgewise.train import Shape

MREPU, REPU, RELU, GELU = "mrepu(p=2)", "repu(p=2)", "relu", "gelu"
CONTENDERS = (MREPU, TAILORED + REPU, REPU, RELU, GELU, "silu", "tanh")
FITS, FAILS = 0.1, 0.5
"""A network with a relative L2 error below FITS fits; above FAILS it fails (1 is the error of predicting the mean)."""
ORDERS = ("value", "gradient", "second")


@dataclass(frozen=True)
class Settings:
    """rates: learning rates tried, for each activation, target and depth; the best by validation is kept."""

    width: int
    networks: int
    steps: int
    depths: tuple[int, ...]
    rates: tuple[float, ...]
    targets: tuple[str, ...]
    contenders: tuple[str, ...] = CONTENDERS
    batch: int = 128
    examples: int = 4096
    test: int = 1000


SMOKE = Settings(
    width=32, networks=8, steps=150, depths=(5,), rates=(1e-2,), targets=("xyz", "wave"),
    contenders=(MREPU, TAILORED + REPU, REPU, RELU, GELU),
)  # fmt: skip
FULL = Settings(width=48, networks=10, steps=1500, depths=(2, 5, 10), rates=(1e-3, 3e-3, 1e-2), targets=tuple(TARGETS))


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Fits every activation to every target at every depth, and judges three statements."""
    s = settings
    total = len(s.contenders) * len(s.targets) * sum(s.depths) * s.steps
    done, cells, slices = 0, [], []
    for key in s.targets:
        target = TARGETS[key]
        test = sample(target, s.test, torch.Generator().manual_seed(context.seed + 303))
        for depth in s.depths:
            for name in s.contenders:
                shape = Shape(target.dimensions, s.width, depth, 1)
                sigma, initial = contender(name, shape)

                def tick(step: int, before: int = done, depth: int = depth) -> None:
                    context.progress(before + step * depth, total)

                fitted = fit(
                    sigma, initial, shape, target, test, rates=s.rates, networks=s.networks, steps=s.steps,
                    batch=s.batch, examples=s.examples, context=context, on_step=tick,
                )  # fmt: skip
                cells.append({"target": key, "depth": depth, "activation": name, **_measured(fitted, test)})
                if key == "wave" and depth == s.depths[len(s.depths) // 2] and name in (MREPU, RELU, GELU):
                    slices.append({"activation": name, "depth": depth, **_slice(fitted, target)})
                done += s.steps * depth
    return _polynomials(s, cells), _smoothness(s, cells, slices), _by_depth(s, cells)


PART = Part(
    key="regression",
    title="Regression of polynomials and smooth functions",
    run=run,
    settings={"smoke": SMOKE, "full": FULL},
    seconds={"smoke": 12.0, "full": 700.0},
)


def _measured(fitted: Fitted, test: Learned) -> dict[str, Any]:
    """The relative L2 errors of every network: of its value, its gradient, its second derivatives."""
    found = _jets(fitted, test.split.inputs.double())
    truth = {"value": test.value[:, None], "gradient": test.gradient, "second": test.second}
    lost = ~torch.isfinite(fitted.error)
    errors = {
        order: torch.where(lost, torch.inf, relative_error(found[order], truth[order])).tolist() for order in ORDERS
    }
    return {"rate": fitted.rate, "diverged": int(lost.sum()), **errors}


def _jets(fitted: Fitted, inputs: Tensor) -> dict[str, Tensor]:
    """value [network, example, 1], gradient [.., dimension], second [.., dimension, dimension]; float64."""
    layers = [layer.double().cpu() for layer in fitted.parameters.layers()]
    axes = range(inputs.shape[1])
    pairs = [(i, j) for i in axes for j in axes if i <= j]
    with torch.no_grad():
        jet = derivatives(fitted.sigma, layers, inputs, [(), *((i,) for i in axes), *pairs])
    rows = [torch.cat([jet[min(i, j), max(i, j)] for j in axes], dim=2) for i in axes]
    return {
        "value": jet[()],
        "gradient": torch.cat([jet[(i,)] for i in axes], dim=2),
        "second": torch.stack(rows, dim=2),
    }


def _slice(fitted: Fitted, target: Target, points: int = 241) -> dict[str, Any]:
    """The median network and the target along the first coordinate: value, slope, curvature by x in [-1, 1]."""
    line = torch.zeros(points, target.dimensions, dtype=torch.float64)
    line[:, 0] = torch.linspace(-1.0, 1.0, points, dtype=torch.float64)
    truth, found, i = at(target, line), _jets(fitted, line * INPUT_SCALE), fitted.median
    scale = (1.0, INPUT_SCALE, INPUT_SCALE**2)  # by x, not by the network's own input
    rows = zip(
        (found["value"][i, :, 0], found["gradient"][i, :, 0], found["second"][i, :, 0, 0]),
        (truth.value, truth.gradient[:, 0], truth.second[:, 0, 0]), scale, strict=True,
    )  # fmt: skip
    drawn = [(_rounded(mine * c), _rounded(theirs * c)) for mine, theirs, c in rows]
    return {"x": _rounded(line[:, 0]), "network": [m for m, _ in drawn], "target": [t for _, t in drawn]}


def _polynomials(s: Settings, cells: list[dict[str, Any]]) -> Claim:
    depth = s.depths[len(s.depths) // 2]
    of = {cell["activation"]: cell for cell in cells if cell["target"] == "xyz" and cell["depth"] == depth}
    error = {name: evidence.median(cell["value"]) for name, cell in of.items()}
    checks = [
        Check(f"MRePU(2), {depth} layers, x y z: relative L2 error of the median network at most {FITS}", error[MREPU],
              (0.0, FITS))
    ]  # fmt: skip
    checks += [
        Check(f"{name}, {depth} layers, x y z: the same, at least {FAILS}", error[name], (FAILS, math.inf))
        for name in (RELU, GELU)
    ]
    by_name = ", ".join(f"{name} {told(error[name])}" for name in s.contenders)
    return Claim(
        key="regression-polynomials",
        title="MRePU fits x y z where the others fail",
        says="On polynomials, x y z among them, MRePU networks fit and ReLU and GELU networks fail to train.",
        where="the regression experiments on polynomials",
        checks=tuple(checks),
        measured=(
            f"relative L2 error on x y z with {depth} hidden layers, median of {s.networks} networks of width "
            f"{s.width} (99 % interval): {by_name}"
        ),
        n=s.networks * len(of),
        settings=_common(s),
        numbers={"rows": [_row(cell) for cell in cells if TARGETS[cell["target"]].polynomial]},
        figures=("regression.errors",),
        data=_data(s, cells),
        remarks=(
            "The paper's depth, width, optimiser and learning rates are not known. Here every activation has its own "
            "initialisation and the best of its learning rates, which is more than ReLU and GELU had to begin with.",
        ),
    )


def _smoothness(s: Settings, cells: list[dict[str, Any]], slices: list[dict[str, Any]]) -> Claim:
    chosen = [key for key in s.targets if not TARGETS[key].polynomial]
    depth = s.depths[len(s.depths) // 2]

    def ratios(order: str) -> Interval:
        """log10 of ReLU's error over MRePU's, network by network, over all differentiable targets."""
        of = {(c["target"], c["activation"]): c[order] for c in cells if c["depth"] == depth}
        return evidence.median([r for key in chosen for r in log_ratios(of[key, RELU], of[key, MREPU])])

    value, gradient, second = (ratios(order) for order in ORDERS)

    def power(found: Interval) -> str:
        return f"10^{found.estimate:+.2f} ({found.low:+.2f} to {found.high:+.2f})"

    return Claim(
        key="regression-smoothness",
        title="On differentiable functions ReLU has the lower loss, MRePU the smoother derivatives",
        says=(
            "On differentiable functions that are no polynomials ReLU reaches the lower L2 loss, while MRePU's "
            "derivatives and contours are smoother."
        ),
        where="the regression experiments on differentiable functions",
        checks=(
            Check("value: log10 of ReLU's relative L2 error over MRePU's, same seed, median", value, BELOW_ZERO,
                  "decades"),
            Check("first derivative: the same", gradient, ABOVE_ZERO, "decades"),
            Check("second derivative: the same", second, ABOVE_ZERO, "decades"),
        ),
        measured=(
            f"with {depth} hidden layers ReLU's error is {power(value)} times MRePU's for the value, "
            f"{power(gradient)} for the gradient and {power(second)} for the second derivatives; median of "
            f"{s.networks} pairs of networks on each of {len(chosen)} functions"
        ),
        n=2 * s.networks * len(chosen),
        settings=_common(s),
        numbers={"rows": [_row(cell) for cell in cells if not TARGETS[cell["target"]].polynomial]},
        figures=("regression.slices",),
        data={"slices": slices, "formula": TARGETS["wave"].formula},
        remarks=(
            "A ReLU network is piecewise linear: its second derivatives are 0 almost everywhere, a relative error of "
            "exactly 1, whatever it learns.",
        ),
    )  # fmt: skip


def _by_depth(s: Settings, cells: list[dict[str, Any]]) -> Claim:
    deep = max(s.depths)
    of = {(c["activation"], c["target"]): c["value"] for c in cells if c["depth"] == deep}

    def over(name: str) -> Interval:
        return evidence.median([r for key in s.targets for r in log_ratios(of[REPU, key], of[name, key])])

    against = {name: over(name) for name in (MREPU, TAILORED + REPU)}
    repu = evidence.median([e for key in s.targets for e in of[REPU, key]])
    mrepu = evidence.median([e for key in s.targets for e in of[MREPU, key]])
    mended = evidence.median([e for key in s.targets for e in of[TAILORED + REPU, key]])
    return Claim(
        key="regression-depth",
        title="Deep RePU networks fail where MRePU, and RePU once tailored, do better",
        says="RePU networks fail with depth, on regression too; MRePU mends that; so does tailoring (our addition).",
        where="the regression experiments, by depth",
        checks=(
            Check(f"RePU(2), {deep} layers, all functions: relative L2 error of the median network at least {FAILS}",
                  repu, (FAILS, math.inf)),
            Check(f"log10 of RePU's error over MRePU's, {deep} layers, same seed, median", against[MREPU],
                  ABOVE_ZERO, "decades"),
            Check(f"log10 of RePU's error over tailored RePU's, {deep} layers, same seed, median",
                  against[TAILORED + REPU], ABOVE_ZERO, "decades"),
        ),
        measured=(
            f"with {deep} hidden layers, over {len(s.targets)} functions and {s.networks} networks each, the median "
            f"relative L2 error is {told(repu)} for RePU, {told(mrepu)} for MRePU and {told(mended)} for RePU "
            f"tailored to the depth"
        ),
        n=3 * s.networks * len(s.targets),
        settings=_common(s),
        numbers={"rows": [_row(cell) for cell in cells if cell["depth"] == deep]},
        figures=("regression.errors",),
        data=_data(s, cells),
    )  # fmt: skip


def _common(s: Settings) -> dict[str, Any]:
    return {
        "formulas": {key: TARGETS[key].formula for key in s.targets},
        "optimiser": "Adam, warm-up 5 %, cosine to 0, mean square error",
        "initialisation": "recommended for each activation (critical point, tailored operating point, or least bad)",
    }


def _data(s: Settings, cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"targets": {key: TARGETS[key].formula for key in s.targets}, "cells": [_row(cell) for cell in cells]}


def _row(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell with the interval of its median instead of every network's errors."""
    same = {key: cell[key] for key in ("target", "depth", "activation", "rate", "diverged")}
    return same | {order: evidence.median(cell[order]).to_dict() for order in ORDERS}


def _rounded(values: Sequence[float] | Tensor) -> list[float]:
    return [float(f"{float(value):.4e}") for value in values]
