"""Figure 4: chi_par, chi_perp and their ratio for MRePU p = 2 and 3 at (C_W, C_b) = (1, 0), and RePU's constant ratio.

To first order in K, chi_par = 1 + 2 a1 K and chi_perp = 1 + b1 K, so that the ratio leaves 1 with the slope
2 a1 - b1 = 5 p**2 - 3 p. RePU is homogeneous: its ratio is (2p - 1)/p at every K.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import activation
from edgewise.measure.wording import number
from edgewise.studies import evidence
from edgewise.studies.claim import Check, Claim
from edgewise.studies.repu.perturbed import Susceptibilities, measured_susceptibilities
from edgewise.studies.study import Context, Part
from edgewise.theory import chi_parallel, chi_perp, expand_at_zero

SLOPE_KERNELS = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
"""Where the slope of ratio - 1 is fitted: a parabola through these, so that the next order in K does not enter it."""


@dataclass(frozen=True)
class Settings:
    """width, networks: random layers that are perturbed; kernels: where Figure 4 is measured."""

    width: int
    networks: int
    kernels: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
    agree_below: float = 0.1
    powers: tuple[int, ...] = (2, 3)


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Two claims: MRePU's ratio goes to 1 with K, RePU's never does."""
    total = 2 * len(settings.powers)
    found, slopes, repu = {}, {}, {}
    for i, p in enumerate(settings.powers):
        a, source = activation(f"mrepu(p={p})"), context.generator(0, p)
        chosen = (*settings.kernels, *(k for k in SLOPE_KERNELS if k not in settings.kernels))
        made = measured_susceptibilities(
            a, chosen, width=settings.width, networks=settings.networks, c_w=1.0, generator=source
        )
        found[p] = made
        slopes[p] = _slopes(made.ratio[:, [chosen.index(k) for k in SLOPE_KERNELS]])
        context.progress(2 * i + 1, total)
        repu[p] = measured_susceptibilities(
            activation(f"repu(p={p})"), (1.0,), width=settings.width, networks=settings.networks, c_w=1.0,
            generator=context.generator(1, p),
        )  # fmt: skip
        context.progress(2 * i + 2, total)
    return _mrepu(settings, found, slopes), _repu(settings, repu)


PART = Part(
    key="susceptibility",
    title="Susceptibilities",
    run=run,
    settings={"smoke": Settings(width=200, networks=800), "full": Settings(width=500, networks=3000)},
    seconds={"smoke": 6.0, "full": 120.0},
)


def _slopes(ratio: Tensor) -> list[float]:
    """d(ratio)/dK at K = 0 of every network: (ratio - 1)/K = slope + c K + d K**2, fitted to [network, kernel]."""
    k = np.asarray(SLOPE_KERNELS)
    design = np.stack([np.ones_like(k), k, k * k], axis=1) * k[:, None]  # ratio - 1 itself, where noise is even in K
    solved = np.linalg.lstsq(design, (ratio - 1.0).numpy().T, rcond=None)[0]
    slopes: list[float] = solved[0].tolist()
    return slopes


def _mrepu(s: Settings, found: dict[int, Susceptibilities], slopes: dict[int, list[float]]) -> Claim:
    checks: list[Check] = []
    rows: list[dict[str, Any]] = []
    panels: list[dict[str, Any]] = []
    near = [i for i, k in enumerate(s.kernels) if k <= s.agree_below]
    for p in s.powers:
        spec, made = f"mrepu(p={p})", found[p]
        expansion = expand_at_zero(activation(spec))
        assert expansion.a1 is not None
        assert expansion.b1 is not None
        predicted = 2.0 * expansion.a1 - expansion.b1
        slope = evidence.mean(slopes[p])
        smallest = evidence.mean((made.ratio[:, 0] - 1.0).tolist())
        worst = {
            name: _worst(values[:, near], theory(spec, torch.tensor([s.kernels[i] for i in near])).double())
            for name, values, theory in (
                ("χ∥", made.over_linear_parallel, chi_parallel),
                ("χ⊥", made.over_linear_perp, chi_perp),
            )
        }
        checks += [
            Check(f"p = {p}: χ∥/χ⊥ − 1 is below a thousandth at K = {number(s.kernels[0])}", smallest, (-1e-3, 1e-3)),
            Check(f"p = {p}: the ratio leaves 1 with the slope 2a₁ − b₁ = {predicted:g} in K", slope,
                  (0.9 * predicted, 1.1 * predicted)),
            *(
                Check(f"p = {p}: {name} measured over theory, at the K ≤ {s.agree_below:g} where they differ most",
                      interval, (0.9, 1.1))
                for name, interval in worst.items()
            ),
        ]  # fmt: skip
        rows.append({"p": p, "a1": expansion.a1, "b1": expansion.b1, "slope": slope.to_dict(), "predicted": predicted})
        panels.append(_panel(p, s, made, predicted))
    told = " and ".join(
        f"{row['slope']['estimate']:.2f} ({row['slope']['low']:.2f} to {row['slope']['high']:.2f}) for p = {row['p']}, "
        f"predicted {row['predicted']:g}"
        for row in rows
    )
    return Claim(
        key="mrepu-ratio-to-one",
        title="MRePU: χ∥/χ⊥ goes to 1 as K → 0, so that it has a critical point at C_W = 1",
        says=(
            "For MRePU the ratio χ∥/χ⊥, evaluated numerically at (C_W, C_b) = (1, 0), goes to 1 as K → 0 and both "
            "go to 1 themselves: criticality can be met in that limit."
        ),
        where="Figure 4, p = 2 and 3",
        checks=tuple(checks),
        measured=(
            f"one layer of {s.networks} random networks of width {s.width} was perturbed along and across its input: "
            f"the ratio leaves 1 with slope {told}; 99 % intervals of the mean over networks"
        ),
        n=s.networks,
        settings={"c_w": 1.0, "c_b": 0.0, "slope_kernels": SLOPE_KERNELS},
        numbers={"rows": rows},
        figures=("susceptibility.mrepu",),
        data={"panels": panels, "width": s.width, "networks": s.networks},
        remarks=(
            "No first layer is involved here: K is set directly. Criticality is met at K = 0 only: 2a₁ − b₁ = 5p² − 3p "
            "is positive, and so is a₁ = 6p² − 3p, so that at every K > 0 the kernel grows; the guideline claims show "
            "for how long that can be borne.",
            "What is compared with theory is measured over what the same weights do in a linear network, which removes "
            "the part of the fluctuations that has nothing to do with the activation; the marks in the figure are "
            "the plain values.",
        ),
    )


def _repu(s: Settings, found: dict[int, Susceptibilities]) -> Claim:
    checks: list[Check] = []
    rows: list[dict[str, Any]] = []
    for p in s.powers:
        expected = (2.0 * p - 1.0) / p
        ratio = evidence.mean(found[p].ratio[:, 0].tolist())
        checks.append(
            Check(f"RePU({p}): χ∥/χ⊥ = (2p − 1)/p = {expected:.4g} at any K", ratio, (0.9 * expected, 1.1 * expected))
        )
        rows.append({"p": p, "expected": expected, "ratio": ratio.to_dict()})
    told = " and ".join(f"{row['ratio']['estimate']:.3f} for p = {row['p']}" for row in rows)
    return Claim(
        key="repu-ratio-constant",
        title="RePU: χ∥/χ⊥ is (2p − 1)/p whatever K is, so that no C_W makes both 1",
        says="For RePU χ∥ : χ⊥ = (2p − 1) : p. They are equal for p = 1 only, so RePU with p > 1 is never critical.",
        where="criticality of RePU",
        checks=tuple(checks),
        measured=(
            f"in one layer of {s.networks} random networks of width {s.width} the ratio is {told}; σ is homogeneous, "
            "so that it is the same at every K"
        ),
        n=s.networks,
        settings={"kernel": 1.0, "c_w": 1.0},
        numbers={"rows": rows},
        figures=("susceptibility.repu",),
        data={"rows": rows, "mrepu": _curves(s.powers), "width": s.width, "networks": s.networks},
    )


def _worst(values: Tensor, theory: Tensor) -> evidence.Interval:
    """The interval of the mean of measured/theory at the kernel where it is farthest from 1, of several looked at."""
    level = 1.0 - (1.0 - evidence.LEVEL) / values.shape[1]  # Bonferroni: the farthest of so many
    found = [evidence.mean(column, level=level) for column in (values / theory).T.tolist()]
    return max(found, key=lambda interval: abs(interval.estimate - 1.0))


def _panel(p: int, s: Settings, made: Susceptibilities, predicted: float) -> dict[str, Any]:
    """Curves of theory and marks of measurement, mean and standard error over networks."""
    count = len(s.kernels)

    def marks(values: Tensor) -> dict[str, list[float]]:
        shown = values[:, :count]
        return {"mean": shown.mean(0).tolist(), "error": (shown.std(0) / len(shown) ** 0.5).tolist()}

    return {
        "p": p,
        **_curve(f"mrepu(p={p})"),
        "predicted_slope": predicted,
        "measured_kernels": list(s.kernels),
        "measured": {
            "chi_parallel": marks(made.parallel),
            "chi_perp": marks(made.perp),
            "ratio": marks(made.ratio),
        },
    }


def _curves(powers: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"p": p, **_curve(f"mrepu(p={p})")} for p in powers]


def _curve(spec: str) -> dict[str, Any]:
    k = torch.logspace(-6, 1, 71, dtype=torch.float64)
    return {
        "kernel": k.tolist(),
        "chi_parallel": chi_parallel(spec, k).tolist(),
        "chi_perp": chi_perp(spec, k).tolist(),
    }
