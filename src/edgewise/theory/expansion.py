"""g(K) near K = 0: the one-sided Taylor series of sigma at the origin, and what it makes of the kernel.

With ``sigma(+-y) = sum_k s_k y**k / k!`` on either side (y > 0), half-Gaussian moments
``<y**n>_half = (n-1)!! K**(n/2) / 2`` (times sqrt(2/pi) for odd n) turn sigma**2 and sigma'**2 into

    g(K) = A_2 K (1 + sum_m a_{m/2} K**(m/2)),   <sigma'**2> = A_2 (1 + sum_m b_{m/2} K**(m/2)),
    <z sigma sigma'>/K = g'(K) = A_2 (1 + sum_m (1 + m/2) a_{m/2} K**(m/2)),
    A_2 = (sigma'(0+)**2 + sigma'(0-)**2)/2.

Where sigma is smooth at 0 the half-integer powers cancel and a_1 = s_3/s_1 + 3/4 (s_2/s_1)**2, b_1 = s_3/s_1 +
(s_2/s_1)**2 (PDLT section 5.3.3); a kink at 0 leaves a_{1/2} = b_{1/2} = sqrt(2/pi) (s'_+ s''_+ - s'_- s''_-)/A_2. A
function that is linear on both sides up to its next kink has no power at all: its correction is exponentially small
("flat").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.activations.pieces import Piece
from edgewise.theory.averages import average

Array = npt.NDArray[np.float64]
Order = Literal["scale_invariant", "sqrt", "taylor", "power", "flat", "none"]

_ORDERS = 8  # sigma ... sigma^(7): corrections up to a_3 K**3
_NODES = 24
_WIDEST, _NARROWEST, _WIDTHS_COMPARED = 2.0, 2.0**-30, 4
_BESIDE_ZERO = 1e-300
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Jet:
    """Derivatives of y -> sigma(+-y) at y = 0+, orders 0, 1, 2, ..., and the absolute error of each."""

    derivatives: tuple[float, ...]
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Expansion:
    """The small-K expansion of g and of <sigma'**2>.

    value: sigma(0). slopes: sigma'(0-), sigma'(0+). a2: A_2.
    a_half, a1, b_half, b1: coefficients of sqrt(K) and K (see the module's head); None where they do not exist.
    order: which correction leads: "sqrt" (K**(1/2)), "taylor" (K), "power" (K**exponent), "flat" (exponentially small),
        "scale_invariant" (none at all); "none" where K* = 0 is no candidate.
    exponent, coefficient, perp_coefficient: of the leading correction, ``g = A_2 K (1 + coefficient K**exponent)``, and
        the coefficient of the same power in <sigma'**2>; None when it is no power.
    perp_leads: <sigma'**2> has a correction of lower order than g's: chi_perp settles more slowly than chi_parallel.
    jets: the one-sided series at 0- and 0+ in y = |x|; None where sigma'' has none.
    """

    value: float
    slopes: tuple[float, float]
    a2: float
    a_half: float | None
    a1: float | None
    b_half: float | None
    b1: float | None
    order: Order
    exponent: float | None
    coefficient: float | None
    perp_coefficient: float | None
    perp_leads: bool
    jets: tuple[Jet, Jet] | None
    reason: str


def expand_at_zero(a: Activation) -> Expansion:
    """The expansion of g about K = 0 with its leading correction, from the one-sided Taylor series of sigma at 0."""
    left, right = _jet(a, -1), _jet(a, +1)
    if left is None or right is None:
        return _expand_singular(a)
    value = right.derivatives[0]
    slopes = (_clean(-left.derivatives[1]), right.derivatives[1])
    a2 = 0.5 * (slopes[0] ** 2 + slopes[1] ** 2)
    nothing = _without_zero(a, value, slopes, a2, (left, right))
    if nothing is not None:
        return nothing
    g_powers = _powers(left, right, a2, derivative=0)
    perp_powers = _powers(left, right, a2, derivative=1)
    leading = next((m for m, (c, noise) in enumerate(g_powers, 1) if abs(c) > noise), None)
    perp_leading = next((m for m, (c, noise) in enumerate(perp_powers, 1) if abs(c) > noise), None)
    settled = [[c if abs(c) > noise else 0.0 for c, noise in powers] for powers in (g_powers, perp_powers)]
    order: Order = "flat"
    if leading is not None:
        order = "sqrt" if leading == 1 else "taylor" if leading == 2 else "power"
    elif a.homogeneity == 1.0 or not any(k != 0.0 for k in a.kinks):
        order = "scale_invariant"
    return Expansion(
        value=value,
        slopes=slopes,
        a2=a2,
        a_half=settled[0][0],
        a1=settled[0][1],
        b_half=settled[1][0],
        b1=settled[1][1],
        order=order,
        exponent=None if leading is None else leading / 2,
        coefficient=None if leading is None else settled[0][leading - 1],
        perp_coefficient=None if leading is None else settled[1][leading - 1],
        perp_leads=perp_leading is not None and (leading is None or perp_leading < leading),
        jets=(left, right),
        reason=_REASONS[order],
    )


_REASONS: dict[Order, str] = {
    "sqrt": "σ' or σ'' jumps at 0, so the first correction to g = A₂K is of order √K",
    "taylor": "the first correction to g = A₂K is the Taylor term a₁K",
    "power": "the corrections of order √K and K vanish; a higher power of K leads",
    "flat": "σ is straight on both sides of 0 up to its next kink, so every correction is exponentially small",
    "scale_invariant": "σ is straight on both sides of 0 all the way: no correction at all",
    "none": "K* = 0 is no candidate",
}


def _steepest(a: Activation) -> float:
    """The size of sigma' near 0, beside which a slope at 0 that is rounding error shows; at most 1."""
    beside = torch.logspace(-8, 0, 9, dtype=torch.float64)
    slopes = closed_form(a, torch.cat([beside, -beside]), 1).abs()
    return min(1.0, float(slopes.nan_to_num(posinf=1.0).max()))


def _without_zero(
    a: Activation, value: float, slopes: tuple[float, float], a2: float, jets: tuple[Jet, Jet] | None
) -> Expansion | None:
    """The expansion of a function for which K* = 0 is no candidate, or None when it is one."""
    reason = ""
    if not (math.isfinite(value) and math.isfinite(a2)):
        reason = "σ or σ' is not finite at 0, so g(K)/K has no limit as K → 0"
    elif abs(value) > 1e-13 * max(1.0, math.sqrt(a2)):
        reason = f"σ(0) = {value:.6g} is not 0, so K* = 0 would need C_b = −C_W σ(0)² < 0"
    elif a2 <= 1e-26 * _steepest(a) ** 2:
        reason = "σ'(0) = 0, so χ∥ and χ⊥ vanish with K and no C_W makes them 1 at K* = 0"
    if not reason:
        return None
    return Expansion(value, slopes, a2, None, None, None, None, "none", None, None, None, False, jets, reason)


def _powers(left: Jet, right: Jet, a2: float, *, derivative: int) -> list[tuple[float, float]]:
    """(a_{m/2}, error) for m = 1, 2, ... of g (derivative 0), or (b_{m/2}, error) of <sigma'**2> (derivative 1)."""
    shift = 2 - 2 * derivative  # sigma**2 starts at y**2, sigma'**2 at y**0
    found = []
    for m in range(1, _ORDERS - 1):
        power = m + shift
        half_moment = 0.5 * math.prod(range(power - 1, 0, -2)) * (math.sqrt(2 / math.pi) if power % 2 else 1.0)
        total = error = 0.0
        for jet in (left, right):
            s, noise = jet.derivatives[derivative:], jet.noise[derivative:]
            for i in range(power + 1):
                j = power - i
                if max(i, j) >= len(s):
                    continue
                weight = 1.0 / (math.factorial(i) * math.factorial(j))
                total += s[i] * s[j] * weight
                error += (2 * abs(s[i]) * noise[j] + 4 * _EPS * abs(s[i] * s[j])) * weight
        found.append((half_moment * total / a2, 4 * half_moment * error / a2))
    return found


def _jet(a: Activation, side: int) -> Jet | None:
    """The one-sided series on one side of 0, or None when sigma'' has no polynomial approximation beside 0."""
    if a.pieces is not None:
        inside = next(p for p in a.pieces if (p.low <= 0 < p.high if side > 0 else p.low < 0 <= p.high))
        return _jet_of_piece(inside, side)
    width = min([_WIDEST, *(abs(k) for k in a.kinks if k * side > 0)])
    found: list[Jet] = []
    while width >= _NARROWEST and len(found) < _WIDTHS_COMPARED:
        series = [s for order in (0, 1, 2) if (s := _chebyshev(a, side, order, width)) is not None]
        if len(series) == 3 and _reaches_zero(a, side, series):
            found.append(_jet_of_series(a, side, series, width))
        width /= 2
    return min(found, key=lambda jet: jet.noise[3], default=None)


def _reaches_zero(a: Activation, side: int, series: Sequence[tuple[Array, float]]) -> bool:
    """Whether the series of sigma and sigma' hold beside 0 too: a steep enough rise hides between 0 and the nodes."""
    beside = torch.tensor([side * _BESIDE_ZERO], dtype=torch.float64)
    for order in (0, 1):
        coefficients, error = series[order]
        direct, value = float(closed_form(a, beside, order)[0]), float(chebyshev.chebval(-1.0, coefficients))
        if abs(direct - value) > 0.1 * abs(direct) + 1e3 * error + 1e-9 * float(np.abs(coefficients).sum()):
            return False
    return True


def _jet_of_piece(piece: Piece, side: int) -> Jet:
    """Exact derivatives at 0 of ``sum c z**n exp(i w z)`` seen in y = side * z."""
    found = [0.0] * _ORDERS
    for term in piece.terms:
        for k in range(term.power, _ORDERS):
            j = k - term.power
            coefficient = term.amplitude * (1j * term.frequency) ** j / math.factorial(j)
            found[k] += (coefficient * side**k * math.factorial(k)).real
    return Jet(tuple(found), tuple(4 * _EPS * abs(f) for f in found))


def _chebyshev(a: Activation, side: int, order: int, width: float) -> tuple[Array, float] | None:
    """Chebyshev coefficients of sigma^(order)(side * y) on y in [0, width] and their error; None when unresolved."""
    t = _nodes()
    x = torch.from_numpy(side * 0.5 * width * (1 + t))
    values = closed_form(a, x, order).detach().numpy()
    if not np.isfinite(values).all():
        return None
    coefficients: Array = _to_coefficients() @ values
    size = float(np.abs(values).max())
    tail = float(np.abs(coefficients[-4:]).max())
    # A small sigma'' may be the difference of larger terms, whose rounding it then carries; sigma' sets their size.
    below = float(closed_form(a, x, order - 1).abs().max()) if order else 0.0
    if tail > _EPS * max(40 * size, below):
        return None
    kept = np.nonzero(np.abs(coefficients) > max(tail, _EPS * size))[0]
    return coefficients[: kept[-1] + 1 if len(kept) else 1], max(tail, _EPS * size)


@lru_cache(maxsize=1)
def _nodes() -> Array:
    return np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)


@lru_cache(maxsize=1)
def _to_coefficients() -> Array:
    """Matrix from values at the nodes to Chebyshev coefficients."""
    matrix: Array = 2.0 / _NODES * np.cos(np.outer(np.arange(_NODES), np.pi * (np.arange(_NODES) + 0.5) / _NODES))
    matrix[0] /= 2
    return matrix


def _jet_of_series(a: Activation, side: int, series: Sequence[tuple[Array, float]], width: float) -> Jet:
    """Derivatives at y = 0: orders 0, 1, 2 from their own series, higher ones by differentiating that of sigma''.

    Orders 0, 1, 2 are taken from the closed form beside 0 where that agrees with the series to the series' own error:
    exact numbers (a slope of 1) then stay exact.
    """
    derivatives, noise = [], []
    for k in range(_ORDERS):
        base = min(k, 2)
        coefficients, error = series[base]
        times = k - base
        scale = side**base * (2 / width) ** times
        at_end = chebyshev.chebder(coefficients, times) if times else coefficients
        value = scale * float(chebyshev.chebval(-1.0, at_end)) if len(at_end) else 0.0
        slack = abs(scale) * error * float(np.abs(_end_derivatives(len(coefficients), times)).sum())
        if k <= 2:
            beside = torch.tensor([side * _BESIDE_ZERO], dtype=torch.float64)
            direct = side**k * float(closed_form(a, beside, k)[0])
            if abs(direct - value) <= slack + 16 * _EPS * abs(value):
                value, slack = direct, min(slack, 4 * _EPS * abs(direct) + _EPS * error)
        derivatives.append(_clean(value))
        noise.append(slack)
    return Jet(tuple(derivatives), tuple(noise))


@lru_cache(maxsize=64)
def _end_derivatives(count: int, times: int) -> Array:
    """|T_j^(times)(-1)| for j < count: prod_i (j**2 - i**2)/(2i + 1)."""
    j = np.arange(count, dtype=float)
    found = np.ones(count)
    for i in range(times):
        found = found * (j**2 - i**2) / (2 * i + 1)
    sizes: Array = np.abs(found)
    return sizes


def _clean(value: float) -> float:
    return value + 0.0  # no negative zero


def _expand_singular(a: Activation) -> Expansion:
    """A function whose sigma'' is singular at 0 (x + x sqrt|x|): the leading power is fitted to g itself."""
    beside = torch.tensor([-_BESIDE_ZERO, _BESIDE_ZERO], dtype=torch.float64)
    slopes_at = [float(v) for v in closed_form(a, beside, 1)]
    slopes = (slopes_at[0], slopes_at[1])
    value = float(closed_form(a, beside, 0)[1])
    a2 = 0.5 * (slopes[0] ** 2 + slopes[1] ** 2)
    nothing = _without_zero(a, value, slopes, a2, None)
    if nothing is not None:
        return nothing
    kernel = torch.logspace(-10, -2, 9, dtype=torch.float64)
    g = average(a, kernel, (0, 0)).value / (a2 * kernel) - 1
    perp = average(a, kernel, (1, 1)).value / a2 - 1
    start = min([*(i for i, c in enumerate(g.tolist()) if abs(c) > 1e-8), 7])  # beyond rounding
    kernel, g, perp = (v[start : start + 2] for v in (kernel, g, perp))
    if not float(perp[0].abs()) < 0.5:  # sigma' has no limit at 0: what stands beside 0 does not last
        nothing = _without_zero(a, value, slopes, math.inf, None)
        assert nothing is not None
        return nothing
    fitted = math.log10(abs(float(g[1] / g[0])))
    simple = float(Fraction(fitted).limit_denominator(12))
    exponent = simple if abs(simple - fitted) < 0.01 else fitted

    def coefficient(corrections: Tensor) -> float:  # a K**s + b K**(2s), solved for a
        low, high = (float(c) / float(k) ** exponent for c, k in zip(corrections, kernel, strict=True))
        step = 10.0**-exponent
        return float((low - step * high) / (1 - step))

    return Expansion(
        value=value,
        slopes=slopes,
        a2=a2,
        a_half=None,
        a1=None,
        b_half=None,
        b1=None,
        order="power",
        exponent=exponent,
        coefficient=coefficient(g),
        perp_coefficient=coefficient(perp),
        perp_leads=False,
        jets=None,
        reason=f"σ'' is singular at 0; the leading power of K was read off g near K = {float(kernel[0]):.1g}",
    )
