"""Figure 3: the mean output of many networks against the target on random test points, by depth.

The paper's target and settings are not known; here it is sin(πx) cos(πy/2), and MRePU stands beside RePU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from edgewise.activations import activation
from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, Check, Claim
from edgewise.studies.repu.contenders import start_at
from edgewise.studies.repu.fitting import Fitted, fit, log_ratios, told
from edgewise.studies.repu.targets import TARGETS, sample
from edgewise.studies.study import Context, Part
from edgewise.train import Shape, forward

SPECS = ("repu(p=2)", "mrepu(p=2)")
SHOWN = 160
"""Test points of a picture."""


@dataclass(frozen=True)
class Settings:
    """rates: learning rates tried; the one of lowest median validation error is kept."""

    width: int
    networks: int
    steps: int
    depths: tuple[int, ...] = (1, 3, 5)
    rates: tuple[float, ...] = (1e-3, 3e-3)
    batch: int = 64
    examples: int = 2048
    test: int = 1000
    target: str = "wave"


SMOKE = Settings(width=32, networks=10, steps=500, rates=(1e-2,))
FULL = Settings(width=64, networks=100, steps=3000)


def run(settings: Settings, context: Context) -> Claim:
    """Trains both ensembles at every depth."""
    s, target = settings, TARGETS[settings.target]
    test = sample(target, s.test, torch.Generator().manual_seed(context.seed + 303))
    total, done, panels = 2 * s.steps * sum(s.depths), 0, []
    for spec in SPECS:
        for depth in s.depths:
            shape = Shape(target.dimensions, s.width, depth, 1)
            sigma, initial = activation(spec), start_at(spec, shape, mean_square=1.0)

            def tick(step: int, before: int = done, depth: int = depth) -> None:
                context.progress(before + step * depth, total)

            fitted = fit(
                sigma, initial, shape, target, test, rates=s.rates, networks=s.networks, steps=s.steps, batch=s.batch,
                examples=s.examples, context=context, on_step=tick,
            )  # fmt: skip
            done += s.steps * depth
            panels.append(_panel(spec, depth, fitted, test))
    return _claim(s, panels)


PART = Part(
    key="mean-output",
    title="Mean output against the target",
    run=run,
    settings={"smoke": SMOKE, "full": FULL},
    seconds={"smoke": 8.0, "full": 420.0},
)


def _panel(spec: str, depth: int, fitted: Fitted, test: Any) -> dict[str, Any]:
    with torch.no_grad():
        like = fitted.parameters.first
        outputs = forward(fitted.sigma, fitted.parameters, test.split.inputs.to(like))[..., 0].cpu().double()
    alive = torch.isfinite(fitted.error)
    outputs = outputs[alive]
    mean = outputs.mean(0) if len(outputs) else torch.full_like(test.value, torch.nan)
    deviation = outputs.std(0) if len(outputs) > 1 else torch.full_like(test.value, torch.nan)
    return {
        "activation": spec,
        "depth": depth,
        "rate": fitted.rate,
        "error": evidence.median(fitted.error.tolist()),
        "errors": fitted.error.tolist(),
        "mean_error": float(torch.linalg.vector_norm(mean - test.value) / torch.linalg.vector_norm(test.value)),
        "diverged": int((~alive).sum()),
        "target": [round(v, 4) for v in test.value[:SHOWN].tolist()],
        "mean": [float(f"{v:.4e}") for v in mean[:SHOWN].tolist()],
        "deviation": [float(f"{v:.4e}") for v in deviation[:SHOWN].tolist()],
    }


def _claim(s: Settings, panels: list[dict[str, Any]]) -> Claim:
    by = {(panel["activation"], panel["depth"]): panel for panel in panels}
    shallow, deep = min(s.depths), max(s.depths)
    bad = evidence.median(log_ratios(by["repu(p=2)", deep]["errors"], by["repu(p=2)", shallow]["errors"]))
    better = evidence.median(log_ratios(by["repu(p=2)", deep]["errors"], by["mrepu(p=2)", deep]["errors"]))
    by_panel = "; ".join(
        f"{panel['activation']} with {panel['depth']} hidden layer{'s' if panel['depth'] > 1 else ''} "
        f"{told(panel['error'])}"
        for panel in panels
    )
    return Claim(
        key="mean-output",
        title="RePU fits with one hidden layer and no longer with five",
        says=(
            "RePU networks fail with depth. Of the figure only this is known to us: the mean output of 100 models "
            "against the target on random test data, for 1, 3 and 5 hidden layers, with a band of one standard "
            "deviation. That it should follow the target with one layer and leave it with five is our reading, and "
            "MRePU beside it our addition."
        ),
        where="Figure 3, our reading",
        of_paper=False,
        checks=(
            Check("RePU(2), one hidden layer: relative L2 error of the median network at most 0.5",
                  by["repu(p=2)", shallow]["error"], (0.0, 0.5)),
            Check(f"RePU(2), {deep} hidden layers: relative L2 error of the median network at least 0.5",
                  by["repu(p=2)", deep]["error"], (0.5, math.inf)),
            Check(f"RePU(2): log10 of the error with {deep} layers over that with {shallow}, same seed, median", bad,
                  ABOVE_ZERO, "decades"),
            Check(f"{deep} layers: log10 of the error of RePU(2) over that of MRePU(2), same seed, median", better,
                  ABOVE_ZERO, "decades"),
        ),
        measured=(
            f"relative L2 error of the median of {s.networks} networks of width {s.width} (99 % interval): {by_panel}"
        ),
        n=len(panels) * s.networks,
        settings={
            "formula": TARGETS[s.target].formula,
            "optimiser": "Adam, warm-up 5 %, cosine to 0, mean square error",
            "repu_start": "C_W = √(2/3) in every layer: K₁ = K_c, where an infinitely wide network would stay",
            "mrepu_start": "C_W = 1 and the first layer recommended for the depth",
        },
        numbers={
            "rows": [
                {**{k: panel[k] for k in ("activation", "depth", "rate", "mean_error", "diverged")},
                 "error": panel["error"].to_dict()}
                for panel in panels
            ]
        },
        figures=("mean_output.scatter",),
        data={"panels": [{k: v for k, v in panel.items() if k not in ("error", "errors")} for panel in panels]},
        remarks=("Target, width, optimiser and rates are ours; the paper's are not known.",),
    )  # fmt: skip
