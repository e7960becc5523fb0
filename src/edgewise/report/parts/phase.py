"""The phase diagram over (C_W, C_b), on a window that shows where the recommended and the usual initialisations lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.measure.jsonable import jsonable
from edgewise.report.schemes import RECOMMENDED
from edgewise.theory import domain
from edgewise.theory.analysis import analyze
from edgewise.theory.phase import PHASES, phase_diagram
from edgewise.theory.recommendation import recommend

_DIGITS = 5
"""Significant digits kept of grid values: they are colours."""


def phase(
    a: Activation,
    *,
    depth: int,
    k0: float,
    c_w_max: float,
    c_b_max: float,
    points: int = 97,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """What networks of this depth do at every (C_W, C_b) of a grid that starts at 0.

    marks: (C_W, C_b) of the initialisations to show in it, by name.
    """
    c_w = torch.linspace(0.0, c_w_max, points + 1, dtype=torch.float64)[1:]
    c_b = torch.linspace(0.0, c_b_max, points, dtype=torch.float64)
    diagram = phase_diagram(a, c_w=c_w, c_b=c_b, depth=depth, k0=k0)
    line = diagram.line
    shown = (line.c_w <= 1.5 * c_w_max) & (line.c_b <= 1.5 * c_b_max)
    return {
        "depth": depth,
        "k0": k0,
        "c_w": jsonable(c_w),
        "c_b": jsonable(c_b),
        "chi_perp": jsonable(_rounded(diagram.chi_perp)),
        "phase": diagram.phase.tolist(),
        "phases": list(PHASES),
        "line": {name: jsonable(getattr(line, name)[shown]) for name in ("kernel", "c_w", "c_b", "chi_parallel")},
        "marks": {name: list(place) for name, place in (marks or {}).items()},
        "reason": diagram.reason,
    }


def diagram(
    a: Activation,
    *,
    depth: int,
    k0: float | None = None,
    c_w_max: float | None = None,
    c_b_max: float | None = None,
    points: int = 97,
) -> dict[str, Any]:
    """`phase` for an activation alone: what is not given is chosen from its theory.

    Raises NoInitialisationError where k0 is not given and nothing can be recommended.
    """
    found: Mapping[str, Any] = analyze(a).to_dict()
    made = recommend(a, depth)
    c_w, c_b = window(found, made.c_w, made.k0)
    for name, value in (("c_w", c_w_max), ("c_b", c_b_max)):
        if value is not None:
            domain.positive(name, value)
    return phase(
        a,
        depth=depth,
        k0=made.k0 if k0 is None else k0,
        c_w_max=c_w_max or c_w,
        c_b_max=c_b_max or c_b,
        points=points,
        marks={RECOMMENDED: (made.c_w, made.c_b)},
    )


def window(theory_data: Mapping[str, Any], c_w: float, k0: float) -> tuple[float, float]:
    """(largest C_W, largest C_b) worth showing, for an analysis and the recommended C_W and K0.

    About twice the recommended C_W, and He's 2 unless that is far away. C_b to 2.5 times the critical one; where that
    is 0 to the scale on which C_b changes the kernel: 1 in general, (1 - C_W)**2/(4 a1) next to an unstable K* = 0
    (where
    g = K + a1 K**2 has fixed points up to there), a few times K0 without any critical point.
    """
    wide = max(2.2 * c_w, 2.2) if c_w > 0.3 else 5.0 * c_w
    critical = theory_data["critical"]
    if critical is None:
        return wide, min(1.0, 5.0 * k0)
    if critical["c_b"] > 0.0:
        return wide, 2.5 * float(critical["c_b"])
    a1 = theory_data["expansion"].get("a1")
    if critical["universality_class"] == "k_star_zero_unstable" and isinstance(a1, float) and a1 > 0.0:
        return wide, min(1.0, 1.3 / (4.0 * a1))
    return wide, 1.0


def _rounded(values: Tensor) -> Tensor:
    """The values with few digits, so that a page of JSON does not become ten."""
    scale = 10.0 ** (_DIGITS - 1 - values.abs().clamp_min(1e-300).log10().floor())
    return torch.where(torch.isfinite(values), (values * scale).round() / scale, values)
