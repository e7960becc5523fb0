"""Kinks of a function that can only be evaluated: scanned for, isolated, located.

Every cell of a grid over |x| <= 1000 is judged by the seventh difference of eight values in it: where the function is
smooth it falls by 128 with every halving of the cell, at a jump it stays. Cells that do not pass are halved, both
halves again, so that kinks close together are all found and what is merely steep passes in the end.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.kinks import Derivative

REACH = 1000.0
MAX_CELLS = 20_000
_BINOMIAL = torch.tensor([(-1.0) ** j * math.comb(7, j) for j in range(8)], dtype=torch.float64) / 128
_PLACES = torch.linspace(0, 1, 8, dtype=torch.float64)
_TOLERANCE = 1e-9
_NOISE = 1e-10


def scanned(derivative: Derivative, exact_order: int) -> tuple[list[float], float]:
    """Candidates for kinks, ascending, and the |x| up to which the search was complete.

    derivative: exact up to `exact_order`; jumps of these are located to the last bits. Corners of a function that
        torch cannot differentiate are located to about 1e-9.
    """
    found: list[float] = []
    cut_at = REACH
    for order in range(min(exact_order, 3) + 1):
        places, reached = _jumps_of(derivative, order)
        found += places
        cut_at = min(cut_at, reached)
    if exact_order == 0:
        found += _corners(derivative)
    return _merged(found), cut_at


def _cells() -> tuple[Tensor, Tensor]:
    near = torch.arange(0, 16, 0.125, dtype=torch.float64)
    far = torch.arange(16, REACH + 0.5, 0.5, dtype=torch.float64)
    edges = torch.cat([near, far])
    edges = torch.cat([-edges[1:].flip(0), edges]) + 1e-4 / math.pi  # off the round numbers where kinks like to be
    return edges[:-1], edges[1:]


def _jumps_of(derivative: Derivative, order: int) -> tuple[list[float], float]:
    low, high = _cells()
    usual = _usual_size(derivative, order)
    reached = REACH
    for _ in range(60):
        low, high = _rough(derivative, order, low, high, usual)
        narrow = high - low <= 1e-8 * low.abs().clamp(min=1e-3)
        if bool(narrow.all()):
            break
        middle = 0.5 * (low + high)
        split = ~narrow
        low, high = torch.cat([low, middle[split]]), torch.cat([torch.where(split, middle, high), high[split]])
        if len(low) > MAX_CELLS:
            nearest = torch.argsort(torch.minimum(low.abs(), high.abs()))[:MAX_CELLS]
            reached = min(reached, float(low[nearest].abs().max()))
            low, high = low[nearest], high[nearest]
    return _located(derivative, order, low, high, usual), reached


def _usual_size(derivative: Derivative, order: int) -> float:
    """The largest value, of this order or a lower one, on |x| <= 3: the scale of its rounding errors."""
    x = torch.cat([torch.linspace(-3, 3, 1201, dtype=torch.float64), torch.logspace(-6, 0, 200, dtype=torch.float64)])
    sizes = [derivative(x + 0.000217, k).abs() for k in range(order + 1)]
    return max((float(s[torch.isfinite(s)].max()) for s in sizes if bool(torch.isfinite(s).any())), default=0.0)


def noise(derivative: Derivative, orders: int) -> list[float]:
    """For each order, the size below which differences are taken for rounding: 1e-10 of the usual largest value."""
    return [_NOISE * _usual_size(derivative, k) for k in range(orders + 1)]


def _rough(derivative: Derivative, order: int, low: Tensor, high: Tensor, usual: float) -> tuple[Tensor, Tensor]:
    """The cells in which the derivative of that order is not smooth, as far as eight values tell."""
    if not len(low):
        return low, high
    x = low[:, None] + (high - low)[:, None] * _PLACES
    value = derivative(x, order)
    finite = torch.isfinite(value).all(1)
    known = (finite | (low.abs() < 20)) & (
        torch.isfinite(derivative(x, 0)).all(1) if not bool(finite.all()) else finite
    )
    difference = (value @ _BINOMIAL).abs()
    size = value.abs().amax(1)
    rounding = 1e-13 * size if order == 0 else 1e-11 * size
    smooth = difference <= _TOLERANCE * size + _NOISE * usual + rounding
    keep = known & ~smooth
    return low[keep], high[keep]


def _located(derivative: Derivative, order: int, low: Tensor, high: Tensor, usual: float) -> list[float]:
    """One point for each narrow cell that holds a jump: bisected toward the side where the values differ more."""
    if not len(low):
        return []
    left, right = derivative(low, order), derivative(high, order)
    for _ in range(60):
        middle = 0.5 * (low + high)
        if bool(((middle == low) | (middle == high)).all()):
            break
        centre = derivative(middle, order)
        go_left = ((centre - left).abs() > (right - centre).abs()) | ~torch.isfinite(centre)
        low, high = torch.where(go_left, low, middle), torch.where(go_left, middle, high)
        left, right = torch.where(go_left, left, centre), torch.where(go_left, centre, right)
    jump = (right - left).abs()
    real = ~(jump <= 1e-8 * torch.maximum(left.abs(), right.abs()) + _NOISE * usual)
    ends = zip(low[real].tolist(), high[real].tolist(), strict=True)
    return [_rounded(min(pair, key=lambda v: len(repr(v)))) for pair in ends]


def _corners(derivative: Derivative) -> list[float]:
    """Corners of a function known by its values alone: where its seventh difference falls no faster than the cell."""
    low, high = _cells()
    usual = _usual_size(derivative, 0)
    for _ in range(60):
        low, high = _rough(derivative, 0, low, high, usual)
        narrow = high - low <= 1e-4 * low.abs().clamp(min=1e-1)
        if bool(narrow.all()) or len(low) > MAX_CELLS:
            break
        middle, split = 0.5 * (low + high), ~narrow
        low, high = torch.cat([low, middle[split]]), torch.cat([torch.where(split, middle, high), high[split]])
    found = []
    for a, b in zip(low.tolist(), high.tolist(), strict=True):
        width = b - a
        left = torch.linspace(a - 2 * width, a - width, 2, dtype=torch.float64)
        right = torch.linspace(b + width, b + 2 * width, 2, dtype=torch.float64)
        (p, q), (r, s) = derivative(left, 0).tolist(), derivative(right, 0).tolist()
        slope_left, slope_right = (q - p) / width, (s - r) / width
        if abs(slope_left - slope_right) > 1e-6 * max(abs(slope_left), abs(slope_right)):
            crossing = (q - slope_left * (a - width) - r + slope_right * (b + width)) / (slope_right - slope_left)
            if a - width <= crossing <= b + width:
                found.append(_rounded(crossing))
    return found


def _rounded(point: float) -> float:
    """The short decimal number that the point is but for rounding, where there is one."""
    if abs(point) < 1e-15:
        return 0.0
    for digits in range(1, 13):
        short = float(f"{point:.{digits}g}")
        if abs(short - point) <= 4 * math.ulp(point):
            return short
    return point


def _merged(points: list[float]) -> list[float]:
    """Ascending, those within 1e-7 of each other merged to the one with the shortest text."""
    merged: list[float] = []
    for p in sorted(points):
        if merged and abs(p - merged[-1]) <= 1e-7 * max(abs(p), 1e-2):
            merged[-1] = min(merged[-1], p, key=lambda v: (len(repr(v)), abs(v)))
        else:
            merged.append(p)
    return merged
