"""A reference for an equation whose solution is a formula."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from edgewise.pinn.reference.reference import Reference


def exact_reference(solution: Callable[[Tensor], Tensor], grid: tuple[Tensor, ...], method: str) -> Reference:
    """The formula on a grid; its error is rounding, measured as how little it notices an argument off by one unit."""
    points = torch.stack(torch.meshgrid(*grid, indexing="ij"), dim=-1)
    values = solution(points)
    next_door = torch.nextafter(points, torch.full_like(points, torch.inf))
    measured = float((solution(next_door) - values).abs().max() / values.abs().max())
    return Reference(
        grid=grid,
        values=values,
        error_estimate=max(measured, torch.finfo(torch.float64).eps),
        method=method,
        reason="the formula is exact; arguments off by one unit in the last place change no value by more than "
        f"{measured:.1e} of the largest",
        at=solution,
    )
