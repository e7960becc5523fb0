"""All solutions of chi_parallel = chi_perp = 1 with C_b >= 0: at K* = 0, at finite K*, on whole lines of K.

Both susceptibilities carry the same factor C_W, so critical kernels are the zeros of ``chi_parallel/chi_perp - 1``; there
C_W = 1/<sigma'**2> and C_b = K* - C_W g(K*), admissible when it is not negative (PDLT section 5.1). The universality class of a
solution says how the kernel moves around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.polynomial import chebyshev

from edgewise.activations import Activation, activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory import laws
from edgewise.theory.asymptotics import Asymptotics, Limit, asymptotics
from edgewise.theory.expansion import Expansion, expand_at_zero
from edgewise.theory.laws import Law
from edgewise.theory.scan import Moments, Scan, moments, scan

UniversalityClass = Literal["scale_invariant", "k_star_zero", "k_star_zero_unstable", "half_stable", "none"]
Stability = Literal["neutral", "attracts from above", "attracts from below", "stable", "unstable"]

_FLOOR = 1e-12  # of chi_parallel/chi_perp: averages are good to 1e-11 of their magnitude, mostly far better
_PREFERENCE = {"half_stable": 0, "scale_invariant": 0, "k_star_zero": 1, "k_star_zero_unstable": 2}


@dataclass(frozen=True)
class CriticalPoint:
    """One solution of chi_parallel(K*) = chi_perp(K*) = 1, K* = C_b + C_W g(K*).

    kernel: K*; None when every K is a solution (scale-invariant). stability: how K moves near K* in one word or three.
    correction: what makes chi_parallel leave 1 near K* ("a₁ K with a₁ = -2", "flat", "c (K - K*) with c = -2.87e-4").
    p_perp: chi_perp -> 1 - p_perp/l on the attracting side; None where that is not the form of the law.
    parallel_slope: dchi_parallel/dK at K* (None at K* = 0 and on a line). perp_slope: likewise for chi_perp.
    basin: starting kernels (low, high) that the flow takes to K*; None where nothing is attracted.
    turning_kernel: for K* = 0 the nearest other fixed point of the same map: an unstable flow ends there, a stable one holds
        only below; None where there is none.
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
    turning_kernel: float | None = None


@dataclass(frozen=True)
class Rejected:
    """A kernel where chi_parallel = chi_perp can be made 1, but only with C_b < 0."""

    kernel: float
    c_b: float
    c_w: float
    reason: str


@dataclass(frozen=True)
class Criticality:
    """All that was found out on the way: solutions (preferred one first), what was rejected, and the evidence.

    scan is None for homogeneous functions, whose averages are powers of K.
    """

    solutions: tuple[CriticalPoint, ...]
    rejected: tuple[Rejected, ...]
    expansion: Expansion
    asymptotics: Asymptotics | None
    scan: Scan | None

    @property
    def critical(self) -> CriticalPoint | None:
        return self.solutions[0] if self.solutions else None


def critical_points(a: Activation | object) -> tuple[CriticalPoint, ...]:
    """All admissible solutions of the criticality conditions, the preferred one first; empty when there is none.

    Half-stable and scale-invariant solutions come before a stable K* = 0, that before an unstable one; of several half-stable
    ones the one with the smallest |K* dchi_parallel/dK|, which holds the kernel for the most layers, comes first.
    Raises AverageError when sigma has no finite Gaussian average at any K.
    """
    return criticality(activation(a)).solutions


def criticality(a: Activation) -> Criticality:
    """The solutions with everything they were concluded from."""
    expansion = expand_at_zero(a)
    if a.smoothness < 0:
        return Criticality((), (), expansion, None, None)
    if a.homogeneity is not None:
        lines = (_scale_invariant(expansion.a2),) if a.homogeneity == 1.0 else ()
        return Criticality(lines, (), expansion, _homogeneous_limits(a), None)
    seen = scan(a)
    limits = asymptotics(seen, expansion)
    if _every_kernel_is_critical(seen.moments):
        return _line(seen, expansion, limits)
    found: list[CriticalPoint] = []
    rejected: list[Rejected] = []
    for k in _finite_roots(a, seen.moments):
        point = _finite_point(a, seen.moments, k)
        (found if isinstance(point, CriticalPoint) else rejected).append(point)  # type: ignore[arg-type]
    if expansion.order != "none":
        found.append(_zero_point(a, seen.moments, expansion))
    elif (bad := _rejected_zero(expansion, limits.to_zero)) is not None:
        rejected.append(bad)
    found.sort(key=_preference)
    return Criticality(tuple(found), tuple(rejected), expansion, limits, seen)


def _preference(point: CriticalPoint) -> tuple[int, float]:
    strength = abs(point.parallel_slope * point.kernel) if point.parallel_slope and point.kernel else 0.0
    return _PREFERENCE[point.universality_class], strength


# --- lines of critical kernels ---------------------------------------------------------------------------------------------


def _every_kernel_is_critical(m: Moments) -> bool:
    """chi_parallel = chi_perp = const at every K looked at, to rounding."""
    if not bool((m.perp > 0).all()):
        return False
    tolerance = torch.maximum(8 * m.excess_noise, torch.tensor(_FLOOR, dtype=torch.float64))
    same = m.excess.abs() <= tolerance
    constant = (m.perp / m.perp.median() - 1).abs() <= tolerance
    return bool((same & constant).all())


def _line(seen: Scan, expansion: Expansion, limits: Asymptotics) -> Criticality:
    m = seen.moments
    middle = len(m.kernel) // 2
    c_w = float(1 / m.perp[middle])
    c_b = float(m.kernel[middle] - c_w * m.g[middle])
    if abs(c_b) <= 1e-12 * float(m.kernel[middle]):
        if expansion.order != "none":
            c_w = 1 / expansion.a2
        return Criticality((_scale_invariant(1 / c_w),), (), expansion, limits, seen)
    why = f"every K has χ∥ = χ⊥, but σ(0) = {expansion.value:.6g} ≠ 0 would need C_b = {c_b:.6g} < 0"
    return Criticality((), (Rejected(float(m.kernel[middle]), c_b, c_w, why),), expansion, limits, seen)


def _scale_invariant(a2: float) -> CriticalPoint:
    return CriticalPoint(
        universality_class="scale_invariant",
        kernel=None,
        c_b=0.0,
        c_w=1 / a2,
        stability="neutral",
        correction="none",
        p_perp=0.0,
        law=laws.scale_invariant(),
        reason=f"σ(cx) = c σ(x) for c > 0, so g(K) = A₂K with A₂ = {a2:.9g}: at C_W = 1/A₂ every K is a fixed point",
        basin=(0.0, math.inf),
    )


def _homogeneous_limits(a: Activation) -> Asymptotics | None:
    """sigma(cx) = c**p sigma(x) makes chi_parallel/chi_perp = (2p-1)/p at every K (chi_parallel ~ p g/K)."""
    p = a.homogeneity
    if p is None or p <= 0.5:
        return None
    ratio = (2 * p - 1) / p
    at_one = closed_form(a, torch.tensor([-1.0, 1.0], dtype=torch.float64), 1)
    a2 = float((at_one**2).mean())
    c_w = (1 / a2, 1 / a2) if p == 1 else (math.inf, 0.0) if p > 1 else (0.0, math.inf)
    text = f"the ratio χ∥/χ⊥ is (2p−1)/p = {ratio:.6g} at every K (p = {p:g})"
    return Asymptotics(
        Limit(0.0, ratio, c_w[0], p, "constant", f"As K → 0 {text}."),
        Limit(math.inf, ratio, c_w[1], p, "constant", f"As K → ∞ {text}."),
    )


# --- finite K* -------------------------------------------------------------------------------------------------------------


def _finite_roots(a: Activation, m: Moments) -> list[float]:
    """Kernels where chi_parallel/chi_perp - 1 crosses or touches 0, beyond the noise of the averages."""
    brackets, doubles = _brackets(a, m)
    return sorted([*(_polished(a, low, high) for low, high in brackets), *doubles])


def _brackets(a: Activation, m: Moments) -> tuple[list[tuple[float, float]], list[float]]:
    live = m.perp > 0
    kernel, excess = m.kernel[live], m.excess[live]
    noise = (8 * m.excess_noise[live]).clamp_min(_FLOOR)
    sure = torch.nonzero(excess.abs() > noise).flatten().tolist()
    brackets = [
        (float(kernel[i]), float(kernel[j]))
        for i, j in zip(sure, sure[1:], strict=False)
        if bool(excess[i] * excess[j] < 0)
    ]
    doubles = []
    for i, j, k in zip(sure, sure[1:], sure[2:], strict=False):
        here = abs(float(excess[j]))
        same_side = bool(excess[i] * excess[j] > 0) and bool(excess[j] * excess[k] > 0)
        if k == i + 2 and same_side and here < 0.03 and here <= min(abs(float(excess[i])), abs(float(excess[k]))):
            crossings, touch = _closer(a, float(kernel[i]), float(kernel[k]))
            brackets += crossings
            doubles += touch
    return brackets, doubles


def _closer(a: Activation, low: float, high: float) -> tuple[list[tuple[float, float]], list[float]]:
    """Brackets of crossings, or else the point of touching, inside an interval where |excess| has a minimum."""
    for _ in range(6):
        fine = moments(a, torch.logspace(math.log10(low), math.log10(high), 33, dtype=torch.float64))
        e, k = fine.excess, fine.kernel
        crossings = [(float(k[i]), float(k[i + 1])) for i in range(32) if bool(e[i] * e[i + 1] < 0)]
        if crossings:
            return crossings, []
        best = int(e.abs().argmin())
        if float(e[best].abs()) <= max(_FLOOR, 8 * float(fine.excess_noise[best])):
            return [], [float(k[best])]
        low, high = float(k[max(best - 1, 0)]), float(k[min(best + 1, 32)])
    return [], []


def _excess_at(a: Activation, log_kernel: float) -> float:
    return float(moments(a, torch.tensor([math.exp(log_kernel)], dtype=torch.float64)).excess[0])


def _polished(a: Activation, low: float, high: float) -> float:
    from scipy.optimize import brentq

    root, _ = brentq(
        lambda u: _excess_at(a, u), math.log(low), math.log(high), xtol=1e-15, rtol=1e-15, full_output=True
    )
    return math.exp(root)


def _slopes(a: Activation, kernel: float) -> tuple[float, float]:
    """d/dK of <z sigma sigma'>/K and of <sigma'**2> at K, through Chebyshev interpolation in log K.

    The averages are analytic for |Im log K| < pi/2, so 21 nodes over half a unit on either side leave 1e-14.
    """
    count, half = 21, 0.5
    t = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    near = moments(a, kernel * torch.exp(half * torch.from_numpy(t)))
    at_centre = [
        float(chebyshev.chebval(0.0, chebyshev.chebder(chebyshev.chebfit(t, v.numpy(), count - 1)))) / (half * kernel)
        for v in (near.parallel, near.perp)
    ]
    return at_centre[0], at_centre[1]


def _finite_point(a: Activation, m: Moments, kernel: float) -> CriticalPoint | Rejected:
    at = moments(a, torch.tensor([kernel], dtype=torch.float64))
    c_w = 1 / float(at.perp[0])
    c_b = kernel - c_w * float(at.g[0])
    if c_b < -1e-12 * kernel:
        why = f"χ∥ = χ⊥ at K = {kernel:.6g}, but holding it there would need C_b = {c_b:.6g} < 0"
        return Rejected(kernel, c_b, c_w, why)
    c_b = max(c_b, 0.0)
    c, d = (c_w * slope for slope in _slopes(a, kernel))
    above = c < 0
    p_perp = 2 * d / c
    basin = _basin(m, kernel, c_b, c_w, above=above)
    reach = f"from K* {'up' if above else 'down'} to {basin[1] if above else basin[0]:.4g}"
    return CriticalPoint(
        universality_class="half_stable",
        kernel=kernel,
        c_b=c_b,
        c_w=c_w,
        stability="attracts from above" if above else "attracts from below",
        correction=f"dχ∥/dK = {c:.4g} at K*",
        p_perp=p_perp,
        law=laws.half_stable(kernel, c, p_perp),
        reason=(
            f"χ∥ = χ⊥ = 1 at K* = {kernel:.9g}; dχ∥/dK = {c:.3g} {'<' if above else '>'} 0 there, so K* attracts from "
            f"{'above' if above else 'below'} (starting kernels {reach}) and repels on the other side"
        ),
        parallel_slope=c,
        perp_slope=d,
        basin=basin,
    )


def _basin(m: Moments, kernel: float, c_b: float, c_w: float, *, above: bool) -> tuple[float, float]:
    """Starting kernels on the attracting side that move towards K*: up to the next fixed point on that side."""
    k = m.kernel
    motion = (c_b + c_w * m.g - k) / k
    away = motion > _FLOOR if above else motion < -_FLOOR
    beyond = k[away & (k > kernel * 1.2 if above else k < kernel / 1.2)]
    if above:
        return kernel, float(beyond.min()) if len(beyond) else math.inf
    return (float(beyond.max()) if len(beyond) else 0.0), kernel


# --- K* = 0 ----------------------------------------------------------------------------------------------------------------


def _rejected_zero(expansion: Expansion, end: Limit) -> Rejected | None:
    """K -> 0 as a critical point that only sigma(0) != 0 rules out (sigmoid)."""
    if expansion.a2 < 1e-26 or end.ratio is None or abs(end.ratio - 1) > 1e-9 or not math.isfinite(expansion.a2):
        return None
    c_w = 1 / expansion.a2
    c_b = -c_w * expansion.value**2
    why = f"χ∥/χ⊥ → 1 as K → 0, but σ(0) = {expansion.value:.6g} ≠ 0 would need C_b = {c_b:.6g} < 0"
    return Rejected(0.0, c_b, c_w, why)


def _zero_point(a: Activation, m: Moments, e: Expansion) -> CriticalPoint:
    c_w = 1 / e.a2
    growth = c_w * m.g / m.kernel - 1
    sure = torch.nonzero(growth.abs() > 1e-11).flatten().tolist()
    first = float(growth[sure[0]]) if sure else 0.0
    sign = e.coefficient if e.coefficient is not None else first
    stable = sign < 0
    turning = _turning(a, m, growth, sure, c_w, positive=not stable)
    p_perp: float | None = None
    if e.exponent is not None and e.coefficient is not None:
        b = e.perp_coefficient or 0.0
        p_perp = b / (e.exponent * e.coefficient) if not e.perp_leads else None
        law = laws.power(e.exponent, e.coefficient, p_perp, b)
        correction = _written(e)
    else:
        law, correction = _flat_law(a, e, stable=stable), "flat: exponentially small as K → 0"
    name: UniversalityClass = "k_star_zero" if stable else "k_star_zero_unstable"
    return CriticalPoint(
        universality_class=name,
        kernel=0.0,
        c_b=0.0,
        c_w=c_w,
        stability="stable" if stable else "unstable",
        correction=correction,
        p_perp=p_perp,
        law=law,
        reason=_zero_reason(e, c_w, correction, stable=stable, turning=turning),
        basin=(0.0, math.inf if turning is None else turning) if stable else None,
        turning_kernel=turning,
    )


def _written(e: Expansion) -> str:
    name, power = {0.5: ("a_½", "√K"), 1.0: ("a₁", "K")}.get(e.exponent or 0.0, ("a", f"K^{e.exponent:g}"))
    return f"{name} {power} with {name} = {e.coefficient:.6g}"


def _zero_reason(e: Expansion, c_w: float, correction: str, *, stable: bool, turning: float | None) -> str:
    said = (
        f"σ(0) = 0 and σ'(0) ≠ 0, so K* = 0 is critical at C_b = 0, C_W = 1/A₂ = {c_w:.9g}; the leading correction to "
        f"g = A₂K is {correction}: "
    )
    if stable:
        said += "K shrinks, ever more slowly, and K* = 0 attracts"
        return said + ("" if turning is None else f" every K₀ < {turning:.4g}; larger ones grow")
    said += "K grows away from 0, ever faster"
    if turning is not None:
        said = said.replace(", ever faster", "") + f", but only until K ≈ {turning:.4g}, where g(K) = A₂K again"
    return said


def _turning(
    a: Activation, m: Moments, growth: torch.Tensor, sure: list[int], c_w: float, *, positive: bool
) -> float | None:
    """The smallest K > 0 at which C_W g(K) = K beyond noise, K moving the other way above it."""
    from scipy.optimize import brentq

    other = next((n for n, i in enumerate(sure) if bool(growth[i] < 0) == positive), None)
    if not other:
        return None

    def motion(log_kernel: float) -> float:
        k = torch.tensor([math.exp(log_kernel)], dtype=torch.float64)
        return float(c_w * moments(a, k).g[0] / k[0] - 1)

    low, high = (math.log(float(m.kernel[sure[n]])) for n in (other - 1, other))
    return math.exp(float(brentq(motion, low, high, xtol=1e-12)))


def _flat_law(a: Activation, e: Expansion, *, stable: bool) -> Law:
    """B, q and c of the exponentially small correction, from the jump of sigma' or sigma'' at the nearest kinks."""
    kinks = sorted((k for k in a.kinks if k != 0.0), key=abs)
    for kink in kinks:
        c = abs(kink)
        level = [k for k in kinks if abs(abs(k) - c) < 1e-9 * c]
        for order in (1, 2):
            total = sum(2 * _outward(a, k, 0) * _jump(a, k, order) for k in level)
            if abs(total) > 1e-6:
                coefficient = total / (math.sqrt(2 * math.pi) * e.a2 * c ** (order + 1))
                return laws.flat(coefficient, order - 0.5, c)
    kept = "shrinks" if stable else "grows"
    return Law(f"K {kept}, more slowly than any power of K: |K' − K| is exponentially small in 1/K", "flat")


def _outward(a: Activation, x: float, order: int) -> float:
    """Derivative of y -> sigma(sign(x) y) at y = |x|."""
    at = torch.tensor([x], dtype=torch.float64)
    return math.copysign(1.0, x) ** order * float(closed_form(a, at, order)[0])


def _jump(a: Activation, kink: float, order: int) -> float:
    return _outward(a, kink * (1 + 1e-9), order) - _outward(a, kink * (1 - 1e-9), order)
