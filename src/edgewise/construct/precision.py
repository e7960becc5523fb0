"""How far a network is from its polynomial, in value, first and second derivatives: measured in twice the precision."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.construct.double_double import DoubleDouble, exact, rounded
from edgewise.construct.series import Series

_MARGIN = 4.0
"""Rounding noise is larger between the some hundred points than at them: by up to 2.2 in a hundred cases tried."""
_WORK = 2e6
_POINTS = (24, 600)
_CORNERS = 32


@dataclass(frozen=True)
class Precision:
    """Of orders 0, 1, 2: sup norms over the box and estimated errors relative to them.

    Derivatives are by u = (x - centre) / half-width, so that no unit of length enters; the largest component counts.
    Where a derivative vanishes identically its error is relative to the sup norm of the polynomial.
    """

    norms: tuple[float, float, float]
    errors: tuple[float, float, float]


def precision(network: nn.Module, polynomial: Series, dtype: torch.dtype) -> Precision:
    """Compares the network with the series at points of the box: ends, corners, random ones crowded to the ends."""
    x = _points(polynomial, dtype)
    reference = _Reference(polynomial, x.double())
    norms, errors = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for orders, found in _network_derivatives(network, x, polynomial):
        wanted, order = reference.derivative(orders), sum(orders)
        difference = (exact(found.double()) - wanted).high
        norms[order] = max(norms[order], float(wanted.high.abs().max()))
        errors[order] = max(errors[order], _largest(difference))
    floor = torch.finfo(dtype).eps
    scales = [norm or norms[0] or 1.0 for norm in norms]
    relative = [max(_MARGIN * error / scale, floor) for error, scale in zip(errors, scales, strict=True)]
    return Precision((norms[0], norms[1], norms[2]), (relative[0], relative[1], relative[2]))


def _largest(difference: Tensor) -> float:
    largest = float(difference.abs().max())
    return largest if math.isfinite(largest) else math.inf


def _orders(variables: int) -> list[tuple[int, ...]]:
    """Every multi-index of order 0, 1 and 2."""
    units = [tuple(int(i == j) for j in range(variables)) for i in range(variables)]
    pairs = itertools.combinations_with_replacement(units, 2)
    return [(0,) * variables, *units, *(tuple(a + b for a, b in zip(*pair, strict=True)) for pair in pairs)]


def _points(polynomial: Series, dtype: torch.dtype) -> Tensor:
    """[points, variables] in the box; the number falls with the work a point takes."""
    d, low_high = polynomial.variables, torch.tensor(polynomial.box, dtype=torch.float64)
    work = max(1, len(polynomial.terms)) * max(1, (d + 1) * (d + 2) // 2)
    count = int(min(max(_WORK / work, _POINTS[0]), _POINTS[1]))
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(count, d, generator=generator, dtype=torch.float64)
    crowded = 0.5 - 0.5 * torch.cos(math.pi * uniform)
    corners = torch.randint(0, 2, (min(2**d, _CORNERS), d), generator=generator).double()
    ends = torch.tensor([[0.0] * d, [0.5] * d, [1.0] * d], dtype=torch.float64)
    degrees = torch.tensor(polynomial.degrees, dtype=torch.float64)
    near = 0.5 * (degrees + 2) ** (
        -2.5 * uniform.flip(0)
    )  # errors grow like T_n', which is n² within 1 / n² of the ends
    near = torch.where(torch.rand(count, d, generator=generator) < 0.5, near, 1 - near)
    third = count // 3
    u = torch.cat([uniform[:third], crowded[third : 2 * third], near[: count - 2 * third], corners, ends])
    x = (low_high[:, 0] * (1 - u) + low_high[:, 1] * u).to(dtype)
    return x.clamp(low_high[:, 0].to(dtype), low_high[:, 1].to(dtype))


def _network_derivatives(network: nn.Module, x: Tensor, polynomial: Series) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """(orders, derivative by u of those orders) by automatic differentiation."""
    d = polynomial.variables
    half = [float(polynomial.half_width(i)) for i in range(d)]
    x = x.clone().requires_grad_()
    with torch.enable_grad():
        value = network(x)[:, 0]
        first = _gradient(value, x)
        seconds = [_gradient(first[:, i], x) for i in range(d)]
    for orders in _orders(d):
        axes = [i for i, order in enumerate(orders) for _ in range(order)]
        if not axes:
            yield orders, value.detach()
        elif len(axes) == 1:
            yield orders, first[:, axes[0]].detach().double() * half[axes[0]]
        else:
            yield orders, seconds[axes[0]][:, axes[1]].detach().double() * (half[axes[0]] * half[axes[1]])


def _gradient(value: Tensor, x: Tensor) -> Tensor:
    if not value.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(value.sum(), x, create_graph=True, allow_unused=True, materialize_grads=True)
    return found


class _Reference:
    """The series and its derivatives in doubled precision at points x [points, variables]."""

    def __init__(self, polynomial: Series, x: Tensor) -> None:
        self._index = torch.tensor(list(polynomial.terms), dtype=torch.long).reshape(-1, polynomial.variables)
        self._coefficients = rounded(polynomial.terms.values())
        self._points = len(x)
        self._tables = []
        for i, degree in enumerate(polynomial.degrees):
            scale, shift = rounded([1 / polynomial.half_width(i)]), rounded([-polynomial.centre(i)])
            self._tables.append(_tables((exact(x[:, i]) + shift) * scale, degree))

    def derivative(self, orders: tuple[int, ...]) -> DoubleDouble:
        """[points]"""
        used = (self._index >= torch.tensor(orders)).all(1)
        index = self._index[used]
        value = DoubleDouble(
            self._coefficients.high[used].expand(self._points, -1),
            self._coefficients.low[used].expand(self._points, -1),
        )
        for i, order in enumerate(orders):
            if bool((index[:, i] > 0).any()):
                value = value * self._tables[i][order][:, index[:, i]]
        return value.sum()


def _tables(u: DoubleDouble, degree: int) -> tuple[DoubleDouble, DoubleDouble, DoubleDouble]:
    """T_k, T_k', T_k'' for k = 0..degree, each [points, degree + 1]: T_{k+1} = 2 u T_k - T_{k-1}, differentiated."""
    zero, one = exact(torch.zeros_like(u.high)), exact(torch.ones_like(u.high))
    two, twice = exact(torch.full_like(u.high, 2.0)), u + u
    rows = [[one, zero, zero], [u, one, zero]]
    for k in range(1, degree):
        now, before = rows[k], rows[k - 1]
        slope = two * now[1]
        rows.append(
            [
                twice * now[0] - before[0],
                two * now[0] + twice * now[1] - before[1],
                slope + slope + twice * now[2] - before[2],
            ]
        )
    rows = rows[: degree + 1]
    stacked = [
        DoubleDouble(torch.stack([r[o].high for r in rows], 1), torch.stack([r[o].low for r in rows], 1))
        for o in range(3)
    ]
    return stacked[0], stacked[1], stacked[2]
