"""Which points are kinks: where a derivative jumps, seen from both sides at two distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
