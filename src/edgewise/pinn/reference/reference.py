"""A reference solution: values on a grid, at any other point too, and how far off they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from edgewise.errors import DomainError


@dataclass(frozen=True)
class Reference:
    """The solution of an equation, from an exact formula or an accurate solver.

    grid: float64, the points along each coordinate. values: float64, an axis a coordinate. error_estimate: the largest
    error measured, divided by the largest |value|; `reason` says how it was measured. method: how it was computed.
    at: the solution at float64 points [point, coordinate]; [point].
    """

    grid: tuple[Tensor, ...]
    values: Tensor
    error_estimate: float
    method: str
    reason: str
    at: Callable[[Tensor], Tensor] = field(repr=False, compare=False)

    def points(self) -> Tensor:
        """The grid as points [point, coordinate], the last coordinate running fastest, as in `values.flatten()`."""
        return torch.stack(torch.meshgrid(*self.grid, indexing="ij"), dim=-1).reshape(-1, len(self.grid))

    def interpolate(self, points: Tensor) -> Tensor:
        """The solution at points [..., coordinate] of the domain, as accurate as on the grid; [...], in their dtype.

        Raises DomainError for points of another number of coordinates.
        """
        if points.dim() == 0 or points.shape[-1] != len(self.grid):
            raise DomainError(
                f"points of shape {tuple(points.shape)} given, expected [..., {len(self.grid)}]: a number a coordinate"
            )
        flat = points.detach().to(device="cpu", dtype=torch.float64).reshape(-1, points.shape[-1])
        return self.at(flat).reshape(points.shape[:-1]).to(points)

    def relative_l2(self, predicted: Tensor, points: Tensor | None = None) -> Tensor:
        """||predicted - u|| / ||u|| over the points, by default those of the grid; [...] for predicted [..., point].

        Raises DomainError where the numbers of predictions and points differ.
        """
        truth = self.values.flatten() if points is None else self.interpolate(points.to(torch.float64))
        if predicted.shape[-1:] != truth.shape:
            raise DomainError(
                f"predictions of shape {tuple(predicted.shape)} given, expected [..., {len(truth)}]: one a point"
            )
        difference = predicted.detach().to(device="cpu", dtype=torch.float64) - truth
        error: Tensor = torch.linalg.vector_norm(difference, dim=-1) / torch.linalg.vector_norm(truth)
        return error

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, the values included."""
        return {
            "grid": [axis.tolist() for axis in self.grid],
            "values": self.values.tolist(),
            "error_estimate": self.error_estimate,
            "method": self.method,
            "reason": self.reason,
        }
