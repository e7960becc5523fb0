"""One solution of the criticality conditions, and what was ruled out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgewise.theory.laws import Law

UniversalityClass = Literal["scale_invariant", "k_star_zero", "k_star_zero_unstable", "half_stable", "none"]
Stability = Literal["neutral", "attracts from above", "attracts from below", "stable", "unstable"]


@dataclass(frozen=True)
class CriticalPoint:
    """One solution of chi_parallel(K*) = chi_perp(K*) = 1, K* = C_b + C_W g(K*).

    kernel: K*; None when every K is a solution (scale-invariant). stability: how K moves near K* in one word or three.
    correction: what makes chi_parallel leave 1 near K* ("a₁ K with a₁ = -2", "flat", "c (K - K*) with c = -2.87e-4").
    p_perp: chi_perp -> 1 - p_perp/l on the attracting side; None where that is not the form of the law.
    parallel_slope: dchi_parallel/dK at K* (None at K* = 0 and on a line). perp_slope: likewise for chi_perp.
    basin: starting kernels (low, high) that the flow takes to K*; None where nothing is attracted.
    escapes_to: for K* > 0, where K ends that starts on the repelling side: the next fixed point, 0 or inf.
    turning_kernel: for K* = 0 the nearest other fixed point of the same map: an unstable flow ends there, a stable one
        holds only below; None where there is none.
    """

    universality_class: UniversalityClass
    kernel: float | None
    c_b: float
    c_w: float
    stability: Stability
    correction: str
    p_perp: float | None
    law: Law
    reason: str
    parallel_slope: float | None = None
    perp_slope: float | None = None
    basin: tuple[float, float] | None = None
    escapes_to: float | None = None
    turning_kernel: float | None = None


@dataclass(frozen=True)
class Rejected:
    """A kernel where chi_parallel = chi_perp can be made 1, but only with C_b < 0."""

    kernel: float
    c_b: float
    c_w: float
    reason: str
