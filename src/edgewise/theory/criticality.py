"""All solutions of chi_parallel = chi_perp = 1 with C_b >= 0: at K* = 0, at finite K*, on whole lines of K.

Both susceptibilities carry the same factor C_W, so critical kernels are the zeros of ``chi_parallel/chi_perp - 1``;
there C_W = 1/<sigma'**2> and C_b = K* - C_W g(K*), admissible when it is not negative (PDLT section 5.1). The
universality class of a solution says how the kernel moves around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.polynomial import chebyshev

from edgewise.activations import Activation, activation
from edgewise.activations.differentiable import closed_form
from edgewise.errors import AverageError
from edgewise.theory import laws
from edgewise.theory.asymptotics import Asymptotics, Limit, asymptotics
from edgewise.theory.at_zero import point_at_zero, rejected_at_zero
from edgewise.theory.averages import average
from edgewise.theory.critical_point import CriticalPoint, Rejected
from edgewise.theory.expansion import Expansion, expand_at_zero
from edgewise.theory.scan import Moments, Scan, moments, scan

__all__ = ["CriticalPoint", "Criticality", "Rejected", "critical_points", "criticality", "degree_of"]

_FLOOR = 1e-12  # of chi_parallel/chi_perp: averages are good to 1e-11 of their magnitude, mostly far better
_PREFERENCE = {"half_stable": 0, "scale_invariant": 0, "k_star_zero": 1, "k_star_zero_unstable": 2}


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

    Half-stable and scale-invariant solutions come before a stable K* = 0, that before an unstable one; of several
    half-stable ones the one with the smallest |K* dchi_parallel/dK|, which holds the kernel for the most layers.
    Raises AverageError when sigma has no finite Gaussian average at any K, or one too small for a float64 at all K.
    """
    return criticality(activation(a)).solutions


def criticality(a: Activation) -> Criticality:
    """The solutions with everything they were concluded from."""
    expansion = expand_at_zero(a)
    if a.smoothness < 0:
        return Criticality((), (), expansion, None, None)
    degree = degree_of(a)
    if degree is not None:
        if degree == 1.0 and expansion.a2 < 2.0**-1022:
            raise AverageError(
                f"{a.spec}: sigma**2 is below the smallest float64; expected a larger sigma, scale it up"
            )
        lines = (_scale_invariant(expansion.a2),) if degree == 1.0 else ()
        return Criticality(lines, (), expansion, _homogeneous_limits(a, degree), None)
    seen = scan(a)
    limits = asymptotics(seen, expansion)
    if _every_kernel_is_critical(seen.moments):
        return _line(a, seen, expansion, limits)
    found: list[CriticalPoint] = []
    rejected: list[Rejected] = []
    for k in _finite_roots(a, seen.moments):
        point = _finite_point(a, seen.moments, k)
        (found if isinstance(point, CriticalPoint) else rejected).append(point)  # type: ignore[arg-type]
    if expansion.order != "none":
        found.append(point_at_zero(a, seen.moments, expansion))
    elif (bad := rejected_at_zero(expansion, limits.to_zero)) is not None:
        rejected.append(bad)
    found.sort(key=_preference)
    return Criticality(tuple(found), tuple(rejected), expansion, limits, seen)


def degree_of(a: Activation) -> float | None:
    """The degree of a homogeneous function, None for any other."""
    return a.homogeneity if a.homogeneity is not None and math.isfinite(a.homogeneity) else None


def _preference(point: CriticalPoint) -> tuple[int, float]:
    strength = abs(point.parallel_slope * point.kernel) if point.parallel_slope and point.kernel else 0.0
    return _PREFERENCE[point.universality_class], strength


# --- lines of critical kernels ----------------------------------------------------------------------------------------


def _every_kernel_is_critical(m: Moments) -> bool:
    """chi_parallel = chi_perp at every K looked at, as far as <sigma'**2> is not an underflowing tail."""
    live = _live(m)
    tolerance = (8 * m.excess_noise[live]).clamp_min(_FLOOR)
    return bool(live.any() and (m.excess[live].abs() <= tolerance).all())


def _live(m: Moments) -> torch.Tensor:
    """Where <sigma'**2> is no underflowing tail."""
    return m.perp > 1e-6 * m.perp.median()


def _line(a: Activation, seen: Scan, expansion: Expansion, limits: Asymptotics) -> Criticality:
    """chi_parallel = chi_perp at every K: one (C_b, C_W) for all of them, or a pair of its own for each.

    Piecewise linear functions have <z sigma sigma'>/K - <sigma'**2> = <sigma sigma''> = a sum over kinks c of sigma(c)
    times a Gaussian: it vanishes identically where sigma is zero at all its kinks (relu, softshrink, max(x - 1, 0)).
    """
    m = seen.moments
    c_w = 1 / m.perp
    c_b = m.kernel - c_w * m.g
    middle = int((m.kernel.log().abs()).argmin())
    live = _live(m)
    if bool(((m.perp[live] / m.perp[middle] - 1).abs() < 1e-9).all()):
        if abs(float(c_b[middle])) <= 1e-11 * float(m.kernel[middle]):
            a2 = expansion.a2 if expansion.order != "none" else float(m.perp[middle])
            return Criticality((_scale_invariant(a2),), (), expansion, limits, seen)
    else:
        usual = m.perp > 0.1 * m.perp[-1]  # where C_W is not of an astronomical size
        allowed = torch.nonzero(usual & (c_b > 1e-12 * m.kernel)).flatten()
        if len(allowed):
            nearest = allowed[(m.kernel[allowed].log().abs()).argmin()]
            point = _finite_point(a, m, float(m.kernel[nearest]))
            assert isinstance(point, CriticalPoint)
            return Criticality((replace(point, reason=_family(point)),), (), expansion, limits, seen)
    why = f"every K has χ∥ = χ⊥, but would need C_b < 0 (C_b = {float(c_b[middle]):.6g} at K = 1)"
    rejected = Rejected(float(m.kernel[middle]), float(c_b[middle]), float(c_w[middle]), why)
    return Criticality((), (rejected,), expansion, limits, seen)


def _family(point: CriticalPoint) -> str:
    return (
        "σ is straight between kinks and 0 at each of them, which makes χ∥ = χ⊥ at every K: a whole family of critical "
        f"points, each K* with its own (C_b, C_W), of which this is the one at K* = {point.kernel:.6g}; " + point.reason
    )


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


def _homogeneous_limits(a: Activation, p: float) -> Asymptotics | None:
    """sigma(cx) = c**p sigma(x) makes chi_parallel/chi_perp = (2p-1)/p at every K (chi_parallel ~ p g/K)."""
    if p <= 0.5:
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


# --- finite K* --------------------------------------------------------------------------------------------------------


def _finite_roots(a: Activation, m: Moments) -> list[float]:
    """Kernels where chi_parallel/chi_perp - 1 crosses or touches 0, beyond the noise of the averages."""
    brackets, doubles = _brackets(a, m)
    return sorted([*(_polished(a, low, high) for low, high in brackets), *doubles])


def _brackets(a: Activation, m: Moments) -> tuple[list[tuple[float, float]], list[float]]:
    live = m.perp > 0
    kernel, excess = m.kernel[live], m.excess[live]
    noise = (8 * m.excess_noise[live]).clamp_min(_FLOOR)
    sure = torch.nonzero(excess.abs() > noise).flatten().tolist()
    brackets = [(float(kernel[i]), float(kernel[j])) for i, j in pairwise(sure) if bool(excess[i] * excess[j] < 0)]
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

    root: float = brentq(lambda u: _excess_at(a, u), math.log(low), math.log(high), xtol=1e-15, rtol=1e-15)
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
    below_it, above_it = _neighbours(a, m, kernel, c_b, c_w)
    basin = (kernel, above_it) if above else (below_it, kernel)
    escape = below_it if above else above_it
    return CriticalPoint(
        universality_class="half_stable",
        kernel=kernel,
        c_b=c_b,
        c_w=c_w,
        stability="attracts from above" if above else "attracts from below",
        correction=f"dχ∥/dK = {c:.4g}",
        p_perp=p_perp,
        law=laws.half_stable(kernel, c, p_perp),
        reason=(
            f"dχ∥/dK = {c:.3g} {'<' if above else '>'} 0 at K*, so it attracts from {'above' if above else 'below'} "
            f"({_reach(basin, above=above)}) and repels on the other side, where K {_escaping(escape)}"
        ),
        parallel_slope=c,
        perp_slope=d,
        basin=basin,
        escapes_to=escape,
    )


def _neighbours(a: Activation, m: Moments, kernel: float, c_b: float, c_w: float) -> tuple[float, float]:
    """The nearest other fixed points of the map below and above K*; 0 and inf where there is none."""
    found = []
    for side, end in ((-1, float(m.kernel[0])), (1, float(m.kernel[-1]))):
        far = max(abs(math.log(end / kernel)), 2e-3)
        k = kernel * torch.exp(side * torch.logspace(-3, math.log10(far), 120, dtype=torch.float64))
        motion = (c_b + c_w * average(a, k, (0, 0)).value - k) / k
        sure = torch.nonzero(motion.abs() > 1e-13).flatten()
        turn = torch.nonzero(motion[sure] * motion[sure[:1]] < 0).flatten()
        if not len(turn):
            found.append(0.0 if side < 0 else math.inf)
            continue
        i, j = (int(sure[turn[0] - 1]), int(sure[turn[0]]))
        found.append(_fixed_point(a, c_b, c_w, float(k[i]), float(k[j])))
    return found[0], found[1]


def _fixed_point(a: Activation, c_b: float, c_w: float, start: float, end: float) -> float:
    """K = C_b + C_W g(K) between two kernels that move in opposite directions."""
    from scipy.optimize import brentq

    def motion(log_kernel: float) -> float:
        k = torch.tensor([math.exp(log_kernel)], dtype=torch.float64)
        return float((c_b + c_w * average(a, k, (0, 0)).value[0] - k[0]) / k[0])

    return math.exp(brentq(motion, math.log(start), math.log(end), xtol=1e-10))


def _escaping(to: float) -> str:
    return "grows without bound" if math.isinf(to) else "vanishes" if to == 0 else f"ends at {to:.4g}"


def _reach(basin: tuple[float, float], *, above: bool) -> str:
    if above:
        return "every larger K" if math.isinf(basin[1]) else f"K up to {basin[1]:.4g}"
    return "every smaller K" if basin[0] == 0 else f"K down to {basin[0]:.4g}"
