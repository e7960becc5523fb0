"""Calculus facts of an activation: range, Lipschitz constants, where it rises and bends, limits.

For GELU these are the facts of Lee, arXiv 2305.12073; here they are found for any function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch

from edgewise.activations import Activation, activation
from edgewise.activations.definition import Parity
from edgewise.activations.differentiable import closed_form
from edgewise.theory.landmarks import NEAR, SignPattern, Stretch, sign_pattern, stretches

Kind = Literal["minimum", "maximum", "inflection", "flat"]

_SHOWN = 10.0  # what is listed of a function that oscillates for ever
_BESIDE = 1e-12


@dataclass(frozen=True)
class Bound:
    """An infimum or supremum: its value, the single x where it is attained (or None) and `where` in words."""

    value: float
    at: float | None
    where: str


@dataclass(frozen=True)
class Point:
    """A stationary or inflection point of sigma; `value` is sigma(x)."""

    x: float
    value: float
    kind: Kind


@dataclass(frozen=True)
class Region:
    """An interval on which sigma keeps one character ("increasing", "convex", ...)."""

    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Properties:
    """Calculus facts.

    infimum, supremum: of sigma. slope_infimum, slope_supremum: of sigma'. lipschitz: sup |sigma'|.
    slope_lipschitz: sup |sigma''|, inf where sigma' jumps.
    limits: sigma at -inf, +inf; asymptotic_slopes: sigma' there (nan where there is none).
    monotone, curvature: regions that tile the line. stationary_points: sigma' = 0, or changes sign at a kink.
    inflection_points: sigma'' changes sign. zeros: isolated ones; zero_regions: intervals where sigma = 0.
    oscillates: infinitely many inflections towards -inf, +inf; then only what lies within `window` is listed, and
        `period` is the length of one swing out there (None where it does not oscillate).
    """

    infimum: Bound
    supremum: Bound
    slope_infimum: Bound
    slope_supremum: Bound
    lipschitz: Bound
    slope_lipschitz: Bound
    limits: tuple[float, float]
    asymptotic_slopes: tuple[float, float]
    monotone: tuple[Region, ...]
    curvature: tuple[Region, ...]
    stationary_points: tuple[Point, ...]
    inflection_points: tuple[Point, ...]
    zeros: tuple[float, ...]
    zero_regions: tuple[Region, ...]
    smoothness: float
    parity: Parity | None
    homogeneity: float | None
    kinks: tuple[float, ...]
    oscillates: tuple[bool, bool]
    period: float | None
    window: tuple[float, float]

    @property
    def bounded(self) -> bool:
        """Bounded on both sides."""
        return math.isfinite(self.infimum.value) and math.isfinite(self.supremum.value)


def properties(a: Activation | object) -> Properties:
    """The calculus facts of an activation, from scanning its closed forms between kinks for changes of sign."""
    act = activation(a)
    parts = stretches(act)
    zeros, first, second = ([sign_pattern(act, part, order) for part in parts] for order in (0, 1, 2))
    oscillates = _oscillates(second)
    limits = tuple(_limit(act, 0, side, oscillates) for side in (0, 1))
    slopes = tuple(_limit(act, 1, side, oscillates) for side in (0, 1))
    bends = tuple(_limit(act, 2, side, oscillates) for side in (0, 1))
    window = (-_SHOWN if oscillates[0] else -math.inf, _SHOWN if oscillates[1] else math.inf)
    dense = (-NEAR if oscillates[0] else -math.inf, NEAR if oscillates[1] else math.inf)  # beyond, samples miss turns
    turning, bending = (
        [x for p in patterns for x in (*p.crossings, *p.touches) if dense[0] < x < dense[1]]
        for patterns in (first, second)
    )
    sigma_bounds = _bounds(act, 0, parts, turning, limits, oscillates)
    slope_bounds = _bounds(act, 1, parts, bending, slopes, oscillates)
    monotone = _regions(first, ("decreasing", "constant", "increasing"), window)
    curvature = _curvature(act, second, window)
    return Properties(
        infimum=sigma_bounds[0],
        supremum=sigma_bounds[1],
        slope_infimum=slope_bounds[0],
        slope_supremum=slope_bounds[1],
        lipschitz=_largest(slope_bounds),
        slope_lipschitz=_slope_lipschitz(act, parts, bends, oscillates),
        limits=(limits[0], limits[1]),
        asymptotic_slopes=(slopes[0], slopes[1]),
        monotone=monotone,
        curvature=curvature,
        stationary_points=_stationary(act, monotone, [x for p in first for x in p.touches], window),
        inflection_points=_inflections(act, curvature),
        zeros=_zeros(act, zeros, window),
        zero_regions=tuple(Region(lo, hi, "zero") for p in zeros for lo, hi, s in p.signs if s == 0),
        smoothness=act.smoothness,
        parity=act.parity,
        homogeneity=act.homogeneity,
        kinks=act.kinks,
        oscillates=oscillates,
        period=_period(second, oscillates),
        window=window,
    )


def _at(a: Activation, x: float, order: int) -> float:
    return float(closed_form(a, torch.tensor([x], dtype=torch.float64), order)[0])


def _read(a: Activation, x: float, order: int) -> float:
    """sigma^(order) at a point that is itself rounded: 0 where the value is no more than what that rounding makes."""
    value = _at(a, x, order)
    slopes = [_at(a, x, higher) for higher in range(order + 1, 3)]
    if not slopes:  # sigma''' has no closed form, and its size is all that is needed
        left, right = _sides(x)
        slopes = [(_at(a, right, order) - _at(a, left, order)) / (right - left)]
    slack = 1e-15 * max(1.0, abs(x)) * sum(abs(slope) for slope in slopes)
    return 0.0 if abs(value) <= slack else value


def _sides(x: float) -> tuple[float, float]:
    """Points just left and right of x."""
    step = _BESIDE * max(1.0, abs(x))
    return x - step, x + step


# --- towards infinity -------------------------------------------------------------------------------------------------


def _oscillates(second: Sequence[SignPattern]) -> tuple[bool, bool]:
    """Whether sigma'' keeps changing sign towards the ends of what is sampled densely, left and right."""
    turns = [x for p in second for x in p.crossings]
    left, right = (sum(NEAR / 2 < side * x < NEAR for x in turns) >= 3 for side in (-1, 1))
    return left, right


def _period(second: Sequence[SignPattern], oscillates: tuple[bool, bool]) -> float | None:
    side = 1 if oscillates[1] else -1
    turns = sorted(side * x for p in second for x in p.crossings if NEAR / 2 < side * x < NEAR)
    return 2 * (turns[-1] - turns[0]) / (len(turns) - 1) if any(oscillates) else None


def _limit(a: Activation, order: int, side: int, oscillates: tuple[bool, bool]) -> float:
    """Limit of sigma^(order) at -inf (side 0) or +inf (side 1); nan where it oscillates with a lasting amplitude."""
    if order == 0 and not math.isnan(a.limits[side]):
        return a.limits[side]
    sign = 2 * side - 1
    if oscillates[side]:
        (_, near), (middle, far) = (_spread(a, order, sign * x) for x in (1e3, 1e5))
        return _rounded(middle) if far < 0.2 * near and far < 1e-3 else math.nan
    v = [_at(a, sign * x, order) for x in (1e3, 1e5, 1e7)]
    if not all(math.isfinite(y) for y in v):
        known = [y for y in v if not math.isnan(y)]
        return known[-1] if known else math.nan
    d1, d2 = v[2] - v[1], v[1] - v[0]
    if abs(d1) <= 1e-9 * max(1.0, abs(v[2])) or abs(d1) <= 0.5 * abs(d2):
        return _rounded(v[2] + (d1 * d1 / (d2 - d1) if d2 != d1 else 0.0))
    return math.copysign(math.inf, v[2])


def _rounded(x: float) -> float:
    """x without the last, extrapolated digits: 0.9999999999 is 1."""
    return 0.0 if abs(x) < 1e-6 else float(f"{x:.7g}") if abs(float(f"{x:.7g}") - x) < 1e-9 * abs(x) else x


def _spread(a: Activation, order: int, x: float) -> tuple[float, float]:
    """Middle and width of the values of sigma^(order) from x to 1.05 x."""
    beyond = torch.linspace(x, 1.05 * x, 4001, dtype=torch.float64)
    v = closed_form(a, beyond, order)
    low, high = float(v.min()), float(v.max())
    return 0.5 * (low + high), high - low


# --- bounds -----------------------------------------------------------------------------------------------------------


def _bounds(
    a: Activation,
    order: int,
    parts: Sequence[Stretch],
    turning: Sequence[float],
    limits: Sequence[float],
    oscillates: tuple[bool, bool],
) -> tuple[Bound, Bound]:
    """Infimum and supremum of sigma^(order): over turning points, both sides of every kink, and the two ends."""
    seen = [Bound(_read(a, x, order), x, f"x = {x:.7g}") for x in turning]
    for kink in a.kinks:
        if order == 0 and a.smoothness >= 0:
            seen.append(Bound(_at(a, kink, 0), kink, f"x = {kink:.7g}"))
        else:
            beside = zip(_sides(kink), ("below", "above"), strict=True)
            seen += [Bound(_tidy(_at(a, x, order)), None, f"x → {kink:.7g} from {word}") for x, word in beside]
    if not seen and order < 2:
        seen.append(Bound(_at(a, 0.0, order), 0.0, "x = 0"))
    for end, word, falls in zip(limits, ("−∞", "+∞"), oscillates, strict=True):
        if math.isnan(end):
            sign = -1 if word == "−∞" else 1
            if falls and _spread(a, order, sign * 1e5)[1] > 5 * _spread(a, order, sign * 1e3)[1]:
                seen += [Bound(extreme, None, f"x → {word}, oscillating") for extreme in (-math.inf, math.inf)]
        else:
            seen.append(Bound(end, None, f"x → {word}"))
    constant = [s for s in parts if bool((s.values[order] == s.values[order][0]).all())]
    for s in constant:
        seen.append(Bound(float(s.values[order][0]), None, f"everywhere {_interval(s.low, s.high)}"))
    return _extreme(seen, -1), _extreme(seen, 1)


def _extreme(seen: Sequence[Bound], sign: int) -> Bound:
    """The largest (sign 1) or smallest (sign -1) bound; of equal ones a whole stretch, then the one nearest to 0."""
    best = max(sign * b.value for b in seen)
    level = [b for b in seen if sign * b.value >= best - 1e-13 * max(1.0, abs(best))] if math.isfinite(best) else seen
    level = [b for b in level if math.isfinite(best) or sign * b.value == best]
    ends = {b.where for b in level}
    if all(b.at is None and "∞" in b.where for b in level) and len(ends) == 2:
        return Bound(level[0].value, None, level[0].where.replace("−∞", "±∞").replace("+∞", "±∞"))

    def order(b: Bound) -> tuple[bool, bool, float, bool]:
        return not b.where.startswith("everywhere"), b.at is None, round(abs(b.at or 0.0), 9), (b.at or 0.0) < 0

    return min(level, key=order)


def _interval(low: float, high: float) -> str:
    if math.isinf(low):
        return "on the line" if math.isinf(high) else f"at x < {high:.7g}"
    return f"at x > {low:.7g}" if math.isinf(high) else f"at {low:.7g} < x < {high:.7g}"


def _largest(bounds: tuple[Bound, Bound]) -> Bound:
    low, high = bounds
    bigger = high if high.value >= -low.value - 1e-13 * abs(low.value) else low
    return Bound(abs(bigger.value), bigger.at, bigger.where)


def _slope_lipschitz(
    a: Activation, parts: Sequence[Stretch], bends: Sequence[float], oscillates: tuple[bool, bool]
) -> Bound:
    for kink in a.kinks:
        left, right = (_at(a, x, 1) for x in _sides(kink))
        if abs(right - left) > 1e-8 * max(1.0, abs(left), abs(right)):
            return Bound(math.inf, None, f"x = {kink:.7g}, where σ' jumps")
    extremes = [_peak(a, s) for s in parts if not bool((s.values[2] == s.values[2][0]).all())]
    return _largest(_bounds(a, 2, parts, [x for x in extremes if x is not None], bends, oscillates))


def _peak(a: Activation, s: Stretch) -> float | None:
    """Where |sigma''| is largest inside a stretch, nearest to 0 if at several x; None where it is largest at an end."""
    size = s.values[2].abs()
    if int(size.argmax()) in (0, len(s.x) - 1):
        return None
    level = torch.nonzero(size[1:-1] >= (1 - 1e-3) * size.max()).flatten() + 1
    nearest = int(level[s.x[level].abs().argmin()])
    peaks = [_closed_in_peak(a, s, i) for i in (int(size.argmax()), nearest)]
    heights = [abs(_at(a, x, 2)) for x in peaks]
    best = peaks[1] if heights[1] >= heights[0] * (1 - 1e-12) else peaks[0]
    at_zero = abs(best) < 1e-6 and s.low < 0 < s.high and abs(_at(a, 0.0, 2)) >= max(heights) * (1 - 1e-12)
    return 0.0 if at_zero else best


def _closed_in_peak(a: Activation, s: Stretch, index: int) -> float:
    """The local maximum of |sigma''| by climbing over the samples from this one, then inside its neighbours."""
    from scipy.optimize import minimize_scalar

    size = s.values[2].abs()
    while 0 < index < len(s.x) - 1 and float(size[index - 1 : index + 2].max()) > float(size[index]):
        index += 1 if size[index + 1] > size[index - 1] else -1
    low, high = (float(s.x[min(max(i, 0), len(s.x) - 1)]) for i in (index - 1, index + 1))
    best = minimize_scalar(lambda x: -abs(_at(a, x, 2)), bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    found = [0.0] if low < 0 < high else []
    found += [float(s.x[index]), float(best.x)]
    top = max(abs(_at(a, x, 2)) for x in found)
    return next(x for x in found if abs(_at(a, x, 2)) >= top * (1 - 1e-15))


# --- regions and points -----------------------------------------------------------------------------------------------


def _regions(
    patterns: Sequence[SignPattern], names: tuple[str, str, str], window: tuple[float, float]
) -> tuple[Region, ...]:
    """Neighbouring intervals of one sign joined, within the window."""
    return _joined([(lo, hi, names[sign + 1]) for p in patterns for lo, hi, sign in p.signs], window)


def _joined(
    intervals: Sequence[tuple[float, float, str]], window: tuple[float, float], cuts: Sequence[float] = ()
) -> tuple[Region, ...]:
    joined: list[Region] = []
    for low, high, kind in intervals:
        lo, hi = max(low, window[0]), min(high, window[1])
        if hi <= lo:
            continue
        if joined and joined[-1].kind == kind and lo not in cuts:
            joined[-1] = Region(joined[-1].low, hi, kind)
        else:
            joined.append(Region(lo, hi, kind))
    return tuple(joined)


def _curvature(a: Activation, second: Sequence[SignPattern], window: tuple[float, float]) -> tuple[Region, ...]:
    """Convex, concave and linear regions, cut where sigma' jumps; one region where all bends and corners agree."""
    intervals = [(lo, hi, ("concave", "linear", "convex")[s + 1]) for p in second for lo, hi, s in p.signs]
    corners = {k: _corner(a, k) for k in a.kinks}
    bends = {kind for _, _, kind in intervals} - {"linear"} | {c for c in corners.values() if c}
    if len(bends) == 1 and "jump" not in bends:
        return _joined([(-math.inf, math.inf, bends.pop())], window)
    return _joined(intervals, window, cuts=[k for k, c in corners.items() if c])


def _corner(a: Activation, kink: float) -> str:
    """How sigma bends at a kink: "" where sigma' is continuous, "jump" where sigma itself is not."""
    left, right = _sides(kink)
    if abs(_at(a, right, 0) - _at(a, left, 0)) > 1e-8:
        return "jump"
    turn = _at(a, right, 1) - _at(a, left, 1)
    if abs(turn) <= 1e-8 * max(1.0, abs(_at(a, left, 1))):
        return ""
    return "convex" if turn > 0 else "concave"


def _stationary(
    a: Activation, monotone: Sequence[Region], touches: Sequence[float], window: tuple[float, float]
) -> tuple[Point, ...]:
    """Extrema between regions of opposite trend, flat points inside a region; constant regions have no single point."""
    points = []
    for left, right in pairwise(monotone):
        pair = (left.kind, right.kind)
        if pair in {("decreasing", "increasing"), ("increasing", "decreasing")} and a.smoothness >= 0:
            kind: Kind = "minimum" if pair[0] == "decreasing" else "maximum"
            points.append(Point(right.low, _read(a, right.low, 0), kind))
    points += [Point(x, _read(a, x, 0), "inflection") for x in touches if window[0] < x < window[1]]
    return tuple(sorted(points, key=lambda p: p.x))


def _inflections(a: Activation, curvature: Sequence[Region]) -> tuple[Point, ...]:
    bends = [r for r in curvature if r.kind != "linear"]
    return tuple(
        Point(right.low, _read(a, right.low, 0), "inflection")
        for left, right in pairwise(bends)
        if left.kind != right.kind and left.high == right.low
    )


def _zeros(a: Activation, patterns: Sequence[SignPattern], window: tuple[float, float]) -> tuple[float, ...]:
    inside = [x for p in patterns for x in (*p.crossings, *p.touches)]
    zero_edges = {edge for p in patterns for lo, hi, s in p.signs if s == 0 for edge in (lo, hi)}
    inside += [k for k in a.kinks if k not in zero_edges and _at(a, k, 0) == 0.0]
    return tuple(sorted({x for x in inside if window[0] <= x <= window[1]}))


def _tidy(x: float) -> float:
    """A one-sided value at a kink, read 1e-12 beside it: whole numbers come out whole."""
    return float(round(x)) if abs(x - round(x)) < 1e-10 else x
