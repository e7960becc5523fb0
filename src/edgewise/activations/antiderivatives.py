"""First and second antiderivatives of a given function on an interval, by Gauss-Legendre panels.

The integrals up to each panel edge are tabulated once; inside a panel the remainder is integrated from its edge to x,
so the result is as accurate as the rule (20 nodes a panel), differentiable in x, and keeps relative accuracy toward the
left end, where an integral of something positive is small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

_NODES = 20
_PANELS = 64


class Antiderivatives:
    """``first(x)`` = integral of f from low to x, ``second(x)`` = integral of ``first`` from low to x.

    low, high: the interval, finite; x beyond it is taken at its ends. kinks: points inside where f is not smooth.
    f maps a tensor to one of its shape and dtype.
    """

    def __init__(self, f: Function, low: float, high: float, kinks: Sequence[float] = ()) -> None:
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        self._f, self._low, self._high = f, low, high
        self._nodes = torch.from_numpy(0.5 * (nodes + 1))
        self._weights = torch.from_numpy(0.5 * weights)
        edges = np.unique(np.concatenate([np.linspace(low, high, _PANELS + 1), [k for k in kinks if low < k < high]]))
        self._edges = torch.from_numpy(edges)
        width = self._edges[1:] - self._edges[:-1]
        f_first, f_second = self._remainders(self._edges[:-1], width)
        zero = torch.zeros(1, dtype=torch.float64)
        self._first = torch.cat([zero, f_first.cumsum(0)])
        self._second = torch.cat([zero, (self._first[:-1] * width + f_second).cumsum(0)])

    @property
    def total(self) -> tuple[float, float]:
        """Both antiderivatives at the right end."""
        return float(self._first[-1]), float(self._second[-1])

    def _remainders(self, start: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Integrals of f(t) and of (x - t) f(t) for t from `start` to x = `start + length`."""
        nodes, weights = self._nodes.to(start), self._weights.to(start)
        values = self._f(start[..., None] + length[..., None] * nodes)
        return (values * weights).sum(-1) * length, (values * (weights * (1 - nodes))).sum(-1) * length.square()

    def _located(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x held inside the interval, the number of its panel, and how far into that panel it lies."""
        inside = x.clamp(self._low, self._high)
        edges = self._edges.to(x)
        panel = (inside.detach()[..., None] >= edges[1:-1]).sum(-1)
        start = edges[panel]
        return start, panel, inside - start

    def first(self, x: Tensor) -> Tensor:
        start, panel, length = self._located(x)
        return self._first.to(x)[panel] + self._remainders(start, length)[0]

    def second(self, x: Tensor) -> Tensor:
        start, panel, length = self._located(x)
        before = self._second.to(x)[panel] + self._first.to(x)[panel] * length
        return before + self._remainders(start, length)[1]


def checked_interval(owner: str, support: tuple[float, float]) -> tuple[float, float]:
    """`support` as two finite floats in ascending order. Raises SpecError otherwise."""
    from edgewise.errors import SpecError

    low, high = float(support[0]), float(support[1])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SpecError(f"{owner}: support=({low:g}, {high:g}) given, expected finite low < high; try (-1, 1)")
    return low, high
