"""Where an activation is looked at: dense around 0 and its kinks, in the tails, and far out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_GOLDEN = 0.6180339887498949


def core(dtype: torch.dtype, kinks: Sequence[float]) -> Tensor:
    """Points of `dtype` within [-10, 10] and beside every kink, no kink among them, ascending."""
    smallest = 1e-300 if dtype == torch.float64 else 1e-30
    near_zero = [10.0**-k for k in (1, 2, 3, 4, 6, 8, 12)] + [smallest]
    even = [-8 + i / 8 for i in range(129)]
    scattered = [20 * ((i * _GOLDEN) % 1) - 10 for i in range(1, 90)]
    return _rounded([*even, *scattered, *near_zero, *(-x for x in near_zero), *_beside(kinks, dtype)], dtype, kinks)


def tails(dtype: torch.dtype, kinks: Sequence[float]) -> Tensor:
    """Points of `dtype` from |x| = 10 to far beyond where x**2 overflows, no kink among them, ascending."""
    last_normal = (600.0, 700.0) if dtype == torch.float64 else (80.0, 87.0)
    beyond = (1e8, 1e15, 1e30, 1e200) if dtype == torch.float64 else (1e8, 1e15, 1e30)
    logarithmic = [10 ** (1 + i / 6) for i in range(19)]
    sizes = [*logarithmic, 12.5, 15.0, 20.0, 26.0, 30.0, 37.0, 40.0, 75.0, 100.0, 350.0, *last_normal, *beyond]
    return _rounded([*sizes, *(-x for x in sizes)], dtype, kinks)


def smooth(kinks: Sequence[float], *, margin: float, count: int = 40, reach: float = 6.0) -> Tensor:
    """`count` scattered float64 points in [-reach, reach], none within `margin` of a kink, ascending."""
    candidates = (2 * reach * ((i * _GOLDEN) % 1) - reach for i in range(1, 20 * count))
    kept = [x for x in candidates if all(abs(x - k) > margin for k in kinks)][:count]
    return torch.tensor(sorted(kept), dtype=torch.float64)


def _beside(kinks: Sequence[float], dtype: torch.dtype) -> list[float]:
    """Both sides of every kink, from 8 units in the last place: a kink need not be a number of `dtype`."""
    offsets = (8 * torch.finfo(dtype).eps, 1e-5, 1e-3, 1e-2, 0.1) + ((1e-12, 1e-8) if dtype == torch.float64 else ())
    return [k + side * off * max(1.0, abs(k)) for k in kinks for off in offsets for side in (-1, 1)]


def _rounded(points: Sequence[float], dtype: torch.dtype, kinks: Sequence[float]) -> Tensor:
    """As ascending, distinct numbers of `dtype`, without those within 4 units in the last place of a kink."""
    x: Tensor = torch.unique(torch.tensor(points, dtype=torch.float64).to(dtype))
    for k in kinks:
        x = x[(x.double() - k).abs() > 4 * torch.finfo(dtype).eps * abs(k)]
    return x
