"""Kinks of a function that can only be evaluated: scanned for, isolated, located.

Every cell of a grid over |x| <= 1000 is judged by the seventh difference of eight values in it: where the function is
smooth it falls by 128 with every halving of the cell, at a jump it stays. Cells that do not pass are cut, and every
part judged again, so that kinks close together are all found and what is merely steep passes in the end.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.kinks import Derivative, merged, rounded

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
    return merged(found, within=1e-7, nearest=1e-2), cut_at


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
        narrow = 1e-8 * low.abs().clamp(min=1e-3)
        if bool((high - low <= narrow).all()):
            break
        low, high = _cut(low, high, narrow)
        if len(low) > MAX_CELLS:
            nearest = torch.argsort(torch.minimum(low.abs(), high.abs()))[:MAX_CELLS]
            reached = min(reached, float(low[nearest].abs().max()))
            low, high = low[nearest], high[nearest]
    return _located(derivative, order, low, high, usual), reached


def _parts(cells: int) -> int:
    """Into how many parts each of so many cells is cut: few large evaluations are much quicker than many small ones."""
    return max(2, min(16, 1024 // max(1, cells)))


def _cut(low: Tensor, high: Tensor, narrow: Tensor) -> tuple[Tensor, Tensor]:
    """The cells, those wider than `narrow` cut into equal parts."""
    wide = high - low > narrow
    parts = _parts(len(low))
    edges = low[wide, None] + (high - low)[wide, None] * (torch.arange(parts + 1, dtype=torch.float64) / parts)
    edges[:, -1] = high[wide]
    starts, ends = edges[:, :-1].reshape(-1), edges[:, 1:].reshape(-1)
    return torch.cat([low[~wide], starts]), torch.cat([high[~wide], ends])


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
    """One point for each narrow cell that holds a jump: narrowed to the part in which the values differ most."""
    if not len(low):
        return []
    parts = _parts(len(low))
    share = torch.arange(1, parts, dtype=torch.float64) / parts
    left, right = derivative(low, order), derivative(high, order)
    across = (right - left).abs()
    for _ in range(60):
        inner = low[:, None] + (high - low)[:, None] * share
        edges = torch.cat([low[:, None], inner, high[:, None]], 1)
        values = torch.cat([left[:, None], derivative(inner, order), right[:, None]], 1)
        differ = values.diff(dim=1).abs()
        differ = torch.where(torch.isnan(differ), math.inf, differ)
        # between neighbouring floats parts are empty, and what differs there is nothing
        differ = torch.where(edges.diff(dim=1) > 0, differ, -1.0)
        first = differ.argmax(1, keepdim=True)
        ends = [t.gather(1, i)[:, 0] for t in (edges, values) for i in (first, first + 1)]
        if torch.equal(ends[0], low) and torch.equal(ends[1], high):
            break
        low, high, left, right = ends
    jump = (right - left).abs()
    slight = jump <= 1e-8 * torch.maximum(left.abs(), right.abs()) + _NOISE * usual
    steep = jump <= 1e-4 * across  # a jump keeps its size, a slope across the cell does not
    real = ~(slight | steep)
    pairs = zip(low[real].tolist(), high[real].tolist(), strict=True)
    return [rounded(min(pair, key=lambda v: len(repr(v)))) for pair in pairs]


def _corners(derivative: Derivative) -> list[float]:
    """Corners of a function known by its values alone: where its seventh difference falls no faster than the cell."""
    low, high = _cells()
    usual = _usual_size(derivative, 0)
    for _ in range(60):
        low, high = _rough(derivative, 0, low, high, usual)
        narrow = 1e-4 * low.abs().clamp(min=1e-1)
        if bool((high - low <= narrow).all()) or len(low) > MAX_CELLS:
            break
        low, high = _cut(low, high, narrow)
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
                found.append(rounded(crossing))
    return found
