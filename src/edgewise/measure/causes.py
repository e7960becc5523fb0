"""Why a signal grows or falls: what the activation's critical point asks of the weights, beside what they have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.measure.diagnosis import LayerDiagnosis
from edgewise.measure.wording import factor, number
from edgewise.theory.critical_point import CriticalPoint

CLOSE = 0.05
"""Relative distance of C_W from the critical one that a layer of a few hundred units has by chance: under
sqrt(2/fan-in/width), far less than this."""
PYTORCH = 1.0 / 3.0
"""C_W of PyTorch's default, U(-1/sqrt(fan-in), 1/sqrt(fan-in)), for linear layers and convolutions."""


@lru_cache(maxsize=32)
def preferred_point(a: Activation) -> CriticalPoint | None:
    """The critical point that an initialisation would use, None where there is none."""
    from edgewise.theory.criticality import critical_points

    order = ("half_stable", "scale_invariant", "k_star_zero", "k_star_zero_unstable")
    try:
        points = [p for p in critical_points(a) if p.universality_class in order]
    except EdgewiseError:
        return None
    return min(points, key=lambda p: order.index(p.universality_class), default=None)


def operating_kernel(a: Activation) -> float | None:
    """K at which a tailored activation is meant to work, None for others."""
    point = getattr(a.facts, "operating_point", None)
    return None if point is None else float(point[0])


def cause(a: Activation, layers: Sequence[LayerDiagnosis]) -> str:
    """One sentence on why the layers with this activation do not keep their scale; empty where theory sees no cause."""
    rows = [row for row in layers if row.activation == a.spec]
    weights = [row.next_c_w for row in rows if row.next_c_w is not None]
    c_w = median(weights) if weights else None
    if operating_kernel(a) is not None:
        return _tailored(a, rows, c_w)
    point = preferred_point(a)
    if point is None:
        return f"no weight variance keeps both the signal and the gradient: {a.spec} has no critical point"
    if c_w is None:
        return ""
    usual = " (PyTorch's default)" if abs(c_w / PYTORCH - 1.0) < CLOSE else ""
    wants = f"{a.spec} is critical at C_W = {number(point.c_w, 4)}"
    if point.c_b:
        wants += f", C_b = {number(point.c_b, 4)} and K = {number(point.kernel, 4)}"
    if abs(c_w / point.c_w - 1.0) > CLOSE:
        return f"the weights have C_W = {number(c_w)}{usual}, but {wants}"
    if point.universality_class == "k_star_zero_unstable":
        worst = max((row.kernel for row in rows if math.isfinite(row.kernel)), default=math.nan)
        return f"the weights are critical, but {a.spec}'s K* = 0 repels and K has reached {number(worst)}"
    if point.kernel and rows:
        k = median([row.kernel for row in rows])
        if math.isfinite(k) and not 0.5 < k / point.kernel < 2.0:
            return f"the weights have C_W = {number(c_w)}, but K = {number(k)} is not where {wants}"
    return ""


def _tailored(a: Activation, rows: Sequence[LayerDiagnosis], c_w: float | None) -> str:
    kernel = operating_kernel(a) or 1.0
    first = next((row.kernel for row in rows), math.nan)
    if c_w is not None and abs(c_w - 1.0) > CLOSE:
        return (
            f"the activation {a.spec} is tailored to C_W = 1 and K = {number(kernel)}, but the weights have "
            f"C_W = {number(c_w)}"
        )
    if a.homogeneity != 1.0 and math.isfinite(first) and not 0.5 < first / kernel < 2.0:
        return (
            f"the activation {a.spec} is tailored to K = {number(kernel)}, but its first layer has K = {number(first)}"
        )
    return ""


def susceptibility_note(rows: Sequence[LayerDiagnosis]) -> str:
    """The median chi_perp, for a sentence on gradients."""
    values = [row.chi_perp for row in rows if row.chi_perp is not None and math.isfinite(row.chi_perp)]
    if not values:
        return ""
    middle = median(values)
    off = factor(max(middle, 1.0 / middle)) if middle else "∞"
    return f"at the measured K theory has χ⊥ = {number(middle)} a layer, {off} off 1"
