"""chi_parallel, chi_perp and their ratio against K."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import AverageError
from edgewise.measure.jsonable import jsonable
from edgewise.theory.kernels import chi_parallel, chi_perp

_POINTS = 161


def susceptibility(a: Activation, *, c_w: float, marked: tuple[float, ...] = ()) -> dict[str, Any]:
    """Both susceptibilities on a logarithmic grid of K that holds every K in `marked` with room to spare.

    c_w: the weight variance (times fan-in) that both are shown at.
    Raises AverageError where not even the smallest K has finite averages; where only the large ones diverge or
    overflow, the
    grid ends there and "ends_at" says so.
    """
    positive = [k for k in marked if k > 0.0]
    low = min([1e-3, *(0.03 * k for k in positive)])
    high = max([1e3, *(30.0 * k for k in positive)])
    grid = torch.logspace(math.log10(low), math.log10(high), _POINTS, dtype=torch.float64)
    parallel, perp = _as_far_as_finite(a, grid, c_w)
    reached = len(parallel)
    return {
        "c_w": c_w,
        "kernel": jsonable(grid[:reached]),
        "chi_parallel": jsonable(parallel),
        "chi_perp": jsonable(perp),
        "ratio": jsonable(parallel / perp),
        "ends_at": float(grid[reached - 1]) if reached < len(grid) else None,
    }


def _as_far_as_finite(a: Activation, grid: Tensor, c_w: float) -> tuple[Tensor, Tensor]:
    """The susceptibilities on the longest initial stretch of the grid where they are finite (found by bisection)."""

    def upto(count: int) -> tuple[Tensor, Tensor]:
        return chi_parallel(a, grid[:count], c_w), chi_perp(a, grid[:count], c_w)

    try:
        return upto(len(grid))
    except AverageError:
        works, fails = 1, len(grid)
        best = upto(works)
    while fails - works > 1:
        middle = (works + fails) // 2
        try:
            best, works = upto(middle), middle
        except AverageError:
            fails = middle
    return best
