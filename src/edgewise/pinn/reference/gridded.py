"""A function on a fine, equally spaced grid, read between its points by polynomials of high degree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_NUMBERS_AT_ONCE = 2**21


@dataclass(frozen=True)
class Gridded:
    """values [first, second] on equally spaced points from `lows` to `highs`, ends included; local interpolation.

    A point is interpolated from the nearest stencil x stencil values, in the barycentric form (Berrut & Trefethen 2004,
    eq. 5.1). Stencils stay inside the grid: nothing is assumed beyond its edges.
    """

    values: Tensor
    lows: tuple[float, float]
    highs: tuple[float, float]
    stencil: int = 12

    def __call__(self, points: Tensor) -> Tensor:
        """The function at points [point, 2]; [point]."""
        size = max(1, _NUMBERS_AT_ONCE // self.stencil**2)
        return torch.cat([self._read(part) for part in torch.split(points, size)])

    def _read(self, points: Tensor) -> Tensor:
        (rows, row_weights), (columns, column_weights) = (self._weights(points[:, i], i) for i in (0, 1))
        block = self.values[rows[:, :, None], columns[:, None, :]]
        return torch.einsum("pij,pi,pj->p", block, row_weights, column_weights)

    def _weights(self, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Which grid points, and by how much each counts; both [point, stencil]."""
        last = self.values.shape[axis] - 1
        place = (x - self.lows[axis]) / (self.highs[axis] - self.lows[axis]) * last
        start = (torch.floor(place) - (self.stencil // 2 - 1)).clamp(0, last - self.stencil + 1)
        local = torch.arange(self.stencil)
        signs = torch.tensor(
            [(-1.0) ** j * math.comb(self.stencil - 1, j) for j in range(self.stencil)], dtype=torch.float64
        )
        gap = (place - start)[:, None] - local
        hit = gap == 0.0
        weights = signs / torch.where(hit, torch.ones_like(gap), gap)
        weights = torch.where(hit.any(1, keepdim=True), hit.to(weights), weights)
        return start.to(torch.int64)[:, None] + local, weights / weights.sum(1, keepdim=True)
