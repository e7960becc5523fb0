"""Which points are kinks: where a derivative jumps, seen from both sides at two distances; and how they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Derivative = Callable[[Tensor, int], Tensor]
"""``derivative(x, order)``, elementwise in float64; order 0 is the function."""

Derivatives = Callable[[Tensor, int], list[Tensor]]
"""``derivatives(x, highest)``: all orders from 0 to the highest."""

MAX_ORDER = 8


@dataclass(frozen=True)
class Kink:
    """A point and the lowest order of derivative that jumps there (0: the function itself)."""

    at: float
    order: int


def jumps(
    derivatives: Derivatives, points: Sequence[float], *, max_order: int = MAX_ORDER, noise: Sequence[float] = ()
) -> tuple[Kink, ...]:
    """The points where some derivative of order <= `max_order` jumps or is infinite, with the lowest such order.

    A jump keeps its size when the two sides close in from 1e-5 to 1e-7 of the distance to the neighbouring points;
    what is smooth shrinks by that factor, and a fractional power u**p grows from its order ceil(p) on.
    noise: for each order, the size below which a difference is rounding (none where left out).
    """
    if not points:
        return ()
    at = torch.tensor(sorted(points), dtype=torch.float64)
    room = torch.full_like(at, 1.0)
    if len(at) > 1:
        gaps = at.diff()
        room[1:], room[:-1] = torch.minimum(room[1:], gaps), torch.minimum(room[:-1], gaps)
    far, near = 1e-5 * room, 1e-7 * room
    resolution = 64 * torch.finfo(torch.float64).eps * at.abs()
    far, near = torch.maximum(far, 1e2 * resolution), torch.maximum(near, resolution)
    blur = 1e-9 + 16 * torch.finfo(torch.float64).eps * at.abs() / near
    order = torch.full_like(at, math.inf)
    left_far, right_far, left_near, right_near = (
        derivatives(at + shift, max_order) for shift in (-far, far, -near, near)
    )
    for k in reversed(range(max_order + 1)):
        floor = noise[k] if k < len(noise) else 1e-290
        wide, close = (right_far[k] - left_far[k]).abs(), (right_near[k] - left_near[k]).abs()
        size = torch.maximum(left_near[k].abs(), right_near[k].abs())
        steady = (close > 0.5 * wide) & (close > blur * size) & (close > floor)
        before = torch.maximum(left_far[k].abs(), right_far[k].abs())
        infinite = ~torch.isfinite(size) | ((size > 1.3 * before) & (size > 1e-9) & (size > floor) & (before > 0))
        order = torch.where(steady | infinite, float(k), order)
    return tuple(Kink(float(p), int(k)) for p, k in zip(at, order, strict=True) if math.isfinite(k))


def rounded(point: float) -> float:
    """The short decimal number that the point is but for rounding, where there is one."""
    short = float(f"{point:.12g}")
    if abs(point) < 1e-15:
        return 0.0
    return short if abs(short - point) <= 4 * math.ulp(point) else point


def merged(points: Iterable[float], *, within: float, nearest: float) -> list[float]:
    """Ascending; those within `within` of each other, relative to their size, merged to the one with the shortest text.

    nearest: the size below which distances are no longer relative.
    """
    kept: list[float] = []
    for p in sorted(0.0 if abs(p) < 1e-15 else p for p in points):
        if kept and abs(p - kept[-1]) <= within * max(abs(p), nearest):
            kept[-1] = min(kept[-1], p, key=lambda v: (len(repr(v)), abs(v)))
        else:
            kept.append(p)
    return kept
