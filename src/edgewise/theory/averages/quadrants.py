"""Pairs of piecewise polynomials, in closed form: moments of a bivariate normal over quadrants.

A piecewise polynomial is one of its pieces plus steps, ``D(z) 1[z > c]`` or ``D(z) 1[z < c]``, so a pair average is
a sum over
pairs of steps of ``int int x**j y**k phi2(x, y; r)`` over a quadrant. The quadrant's probability is Owen's T
function; all
higher moments follow by Gaussian integration by parts. A few hundred array operations, however many pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edgewise.activations.pieces import Piece, Pieces
from edgewise.theory.averages.correlation import Correlation
from edgewise.theory.averages.integrand import integrand

Real = npt.NDArray[np.float64]
_EPS = 2.0**-52
_TINY = 1e-300
_FAR_LEFT = -9.0
_SQRT_2PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class _Step:
    """``sum_n coefficients[n] z**n`` where ``side * z > side * threshold``; everywhere for threshold -inf."""

    coefficients: tuple[float, ...]
    threshold: float
    side: int


def polynomial_pair(
    pieces: Pieces, k1: Real, k2: Real, correlation: Correlation, orders: tuple[int, int]
) -> tuple[Real, Real] | None:
    """(value, error) of ``<sigma^(i)(z1) sigma^(j)(z2)>``, shape [pair]; None unless sigma is piecewise polynomial."""
    if any(t.frequency != 0.0 or t.power < 0 for p in pieces for t in p.terms):
        return None
    value = np.zeros_like(k1)
    error = np.zeros_like(k1)
    for left in _steps(integrand(pieces, (orders[0],), 0)):
        for right in _steps(integrand(pieces, (orders[1],), 0)):
            v, e = _step_pair(left, right, k1, k2, correlation)
            value, error = value + v, error + e
    return value, error


def _steps(pieces: Pieces) -> list[_Step]:
    """The function as a base piece and steps away from it; the base is a zero piece, else the one around 0."""
    ordered = sorted(pieces, key=lambda p: p.low)
    edges = sorted({e for p in ordered for e in (p.low, p.high) if math.isfinite(e)})
    bounds = [-math.inf, *edges, math.inf]
    polynomials = [
        _polynomial(ordered, 0.5 * (max(a, -1e300) + min(b, 1e300)) if a != -math.inf or b != math.inf else 0.0)
        for a, b in pairwise(bounds)
    ]
    zero = [i for i, p in enumerate(polynomials) if not any(p)]
    around = max(i for i, low in enumerate(bounds[:-1]) if low <= 0.0)
    base = min(zero, key=lambda i: abs(i - around)) if zero else around
    steps = [_Step(polynomials[base], -math.inf, 1)] if any(polynomials[base]) else []
    steps += [_Step(_minus(polynomials[i + 1], polynomials[i]), edges[i], 1) for i in range(base, len(edges))]
    steps += [_Step(_minus(polynomials[i], polynomials[i + 1]), edges[i], -1) for i in range(base)]
    return [s for s in steps if any(s.coefficients)]


def _polynomial(pieces: list[Piece], at: float) -> tuple[float, ...]:
    """Coefficients of the piece that holds the point; none of them where no piece does."""
    for p in pieces:
        if p.low <= at <= p.high:
            top = max(t.power for t in p.terms)
            return tuple(sum(t.amplitude.real for t in p.terms if t.power == n) for n in range(top + 1))
    return ()


def _minus(left: tuple[float, ...], right: tuple[float, ...]) -> tuple[float, ...]:
    size = max(len(left), len(right))
    padded = [(*p, *(0.0,) * (size - len(p))) for p in (left, right)]
    return tuple(a - b for a, b in zip(*padded, strict=True))


def _step_pair(left: _Step, right: _Step, k1: Real, k2: Real, correlation: Correlation) -> tuple[Real, Real]:
    root1, root2 = np.sqrt(k1), np.sqrt(k2)
    a = left.side * left.threshold / root1
    b = right.side * right.threshold / root2
    c = correlation if left.side == right.side else correlation.flipped()
    moments = quadrant_moments(a, b, c, len(left.coefficients) - 1, len(right.coefficients) - 1)
    ours, our_size = _scaled(left, root1)
    theirs, their_size = _scaled(right, root2)
    value = np.zeros_like(k1)
    for p, row in zip(ours, moments, strict=True):
        if p is None:
            continue
        inner = sum((q * m for q, m in zip(theirs, row, strict=True) if q is not None), np.zeros_like(k1))
        value += p * inner
    reach = 1.0 if a.max() <= 0 and b.max() <= 0 else np.exp(-0.25 * (np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2))
    return value, (4 * _EPS) * our_size * their_size * reach


def _scaled(step: _Step, root: Real) -> tuple[list[Real | None], Real]:
    """The step's coefficients in units of the standard deviation, and the root mean square of their terms' sum."""
    power = np.ones_like(root)
    terms: list[Real | None] = []
    size = np.zeros_like(root)
    for n, c in enumerate(step.coefficients):
        terms.append(c * power if c != 0.0 else None)
        if c != 0.0:
            size += abs(c) * math.sqrt(_odd_factorial(2 * n - 1)) * np.abs(power)
        power = power * (step.side * root)
    return terms, size


def _odd_factorial(n: int) -> float:
    """n!! for odd n, 1 at n = -1."""
    return float(math.prod(range(n, 1, -2)))


def quadrant_moments(a: Real, b: Real, c: Correlation, top_x: int, top_y: int) -> list[list[Real]]:
    """``m[j][k] = int_{x>a, y>b} x**j y**k phi2(x, y; r)`` for j <= top_x, k <= top_y; a and b may be -inf.

    ``m[j+1][k] = j m[j-1][k] + r k m[j][k-1] + a**j A[k] + r b**k B[j]`` with the edge integrals
    ``A[k] = int_b^inf y**k phi2(a, y) dy`` and ``B[j] = int_a^inf x**j phi2(x, b) dx``, because
    ``x phi2 = -(d/dx + r d/dy) phi2``.
    """
    r = c.r
    variance = c.one_minus * c.one_plus
    s = np.maximum(np.sqrt(variance), _TINY)
    whole_a, whole_b = bool(np.isneginf(a).all()), bool(np.isneginf(b).all())
    safe_a, safe_b = (np.zeros_like(r) if w else e for w, e in ((whole_a, a), (whole_b, b)))
    density_a, density_b = (
        np.zeros_like(r) if w else np.exp(-0.5 * e * e) / _SQRT_2PI for w, e in ((whole_a, a), (whole_b, b))
    )
    up = _beyond(safe_a, b, c, s)  # (b - r a)/s
    right = _beyond(safe_b, a, c, s)
    with np.errstate(over="ignore"):
        corner = np.zeros_like(r) if whole_b else density_a * np.exp(-0.5 * up * up) * (s / _SQRT_2PI)
    edge_a = _edge(density_a, up, r * safe_a, safe_b, variance, corner, top_y)
    edge_b = _edge(density_b, right, r * safe_b, safe_a, variance, corner, top_x)
    powers_a, powers_b = _powers(safe_a, top_x), _powers(safe_b, top_y)
    moments: list[list[Real]] = [[_quadrant(a, b, up, right, c)]]
    for k in range(top_y):  # the first row: the same recurrence in y
        value = powers_b[k] * edge_b[0] + r * edge_a[k]
        if k > 0:
            value = value + k * moments[0][k - 1]
        moments[0].append(value)
    for j in range(top_x):
        row = []
        for k in range(top_y + 1):
            value = powers_a[j] * edge_a[k] + r * powers_b[k] * edge_b[j]
            if j > 0:
                value = value + j * moments[j - 1][k]
            if k > 0:
                value = value + k * r * moments[j][k - 1]
            row.append(value)
        moments.append(row)
    return moments


def _beyond(a: Real, b: Real, c: Correlation, s: Real) -> Real:
    """(b - r a)/s without cancellation at r near +-1."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(c.r >= 0, (b - a) + a * c.one_minus, (b + a) - a * c.one_plus)
        return np.clip(distance / s, -1e300, 1e300)


def _powers(x: Real, top: int) -> list[Real]:
    powers = [np.ones_like(x)]
    for _ in range(top):
        powers.append(powers[-1] * x)
    return powers


def _edge(density: Real, beyond: Real, mean: Real, edge: Real, variance: Real, corner: Real, top: int) -> list[Real]:
    """``density * int_edge^inf y**k N(y; mean, variance) dy`` for k = 0..top."""
    from scipy.special import ndtr

    found = [density * ndtr(-beyond)]
    power = corner
    for k in range(top):
        value = mean * found[k] + power
        if k > 0:
            value = value + k * variance * found[k - 1]
        found.append(value)
        power = power * edge
    return found


def _quadrant(a: Real, b: Real, up: Real, right: Real, c: Correlation) -> Real:
    """P(x > a, y > b) through Owen's T function (Owen 1956, eq. 2.1); absolute error a few ulp."""
    from scipy.special import ndtr

    for one, other in ((a, b), (b, a)):
        if np.isneginf(one).all():
            marginal: Real = ndtr(-other)
            return marginal
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        same = np.sqrt(c.one_minus / np.maximum(c.one_plus, _TINY))
        opposite = -np.sqrt(c.one_plus / np.maximum(c.one_minus, _TINY))
        slope_a = np.where(a == b, same, np.where((a == -b) & (a != 0), opposite, up / np.where(a == 0, -0.0, a)))
        slope_b = np.where(a == b, same, np.where((a == -b) & (a != 0), opposite, right / np.where(b == 0, -0.0, b)))
    outside = (a * b < 0) | ((a * b == 0) & (a + b > 0))
    first = _owen(a, slope_a)
    second = first if (a == b).all() else _owen(b, slope_b)
    both: Real = 0.5 * (ndtr(-a) + ndtr(-b)) - first - second - 0.5 * outside
    return np.maximum(both, 0.0)


def _owen(h: Real, slope: Real) -> Real:
    """Owen's T, left out (it is below 1e-19) where h is far on the left, so that the probability is near 1."""
    from scipy.special import owens_t

    near = h > _FAR_LEFT
    if near.all():
        everywhere: Real = owens_t(h, slope)
        return everywhere
    found = np.zeros_like(h)
    found[near] = owens_t(h[near], slope[near])
    return found
