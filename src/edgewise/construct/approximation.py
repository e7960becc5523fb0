"""`edgewise.construct.approximate`: a function as a network, through its Chebyshev interpolant on a box."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import torch
from torch import Tensor

from edgewise.construct.build import check_dtype, described
from edgewise.construct.given import MOST_DEGREE, MOST_TERMS, box_given
from edgewise.construct.network import PolynomialNetwork
from edgewise.construct.series import Box, series
from edgewise.construct.unit import unit_of
from edgewise.errors import ConstructionError

_CHECKED = 500


def approximate(
    f: Callable[..., Any],
    domain: object = (-1.0, 1.0),
    degree: int | Sequence[int] = 16,
    activation: object = "mrepu",
    *,
    everywhere: bool | None = None,
    dtype: torch.dtype = torch.float64,
    tolerance: float | None = None,
) -> PolynomialNetwork:
    """A network that equals the interpolant of f at Chebyshev points of a box, [..., variables] -> [..., 1].

    f: takes a float64 tensor [points] for each variable and gives [points]. domain: (low, high), or a pair for each
    variable. degree: in each variable, one number or one for each. The rest as in `polynomial`.
    Where the s-th derivative of f jumps inside, the k-th derivative converges like n**(k - s) there and like
    n**(2 k - s - 1) at the ends; where f is analytic in the ellipse of semi-axis sum rho, like rho**(-n) up to powers
    of n (Trefethen, Approximation Theory and Approximation Practice, theorems 7.2 and 8.2): Corollary 10 of Kim & Kang,
    arXiv 2408.02697, with a rate. Coefficients at the level of rounding are left out.
    ``.construction.function_error`` holds the largest |f - network| seen off the points. Raises ConstructionError.
    """
    unit = unit_of(activation, everywhere)
    check_dtype(dtype)
    box = box_given(domain, None)
    degrees = _degrees(degree, len(box))
    if not callable(f):
        raise ConstructionError(f"f={f!r} given, expected a function of a tensor for each variable; try torch.sin")
    coefficients = _values(f, _grid(box, degrees)).reshape([n + 1 for n in degrees])
    largest = float(coefficients.abs().max())
    for axis, n in enumerate(degrees):
        coefficients = torch.tensordot(_transform(n), coefficients.movedim(axis, 0), 1).movedim(0, axis)
    chopped = torch.where(coefficients.abs() <= torch.finfo(torch.float64).eps * largest, 0.0, coefficients)
    indices = product(*(range(n + 1) for n in degrees))
    terms = dict(zip(indices, map(Fraction, chopped.flatten().tolist()), strict=True))
    network = described(series(terms, box), unit, dtype, tolerance, float(chopped.abs().sum()))
    network.construction = replace(network.construction, function_error=_distance(f, network, box, dtype))
    return network


def _degrees(degree: object, variables: int) -> tuple[int, ...]:
    entries: tuple[Any, ...] = tuple(degree) if isinstance(degree, Sequence) else (degree,) * variables
    try:
        found = tuple(operator.index(n) for n in entries)
    except TypeError:
        found = ()
    if (
        len(found) != variables
        or min(found) < 0
        or max(found) > MOST_DEGREE
        or any(isinstance(n, bool) for n in entries)
    ):
        raise ConstructionError(
            f"degree={degree!r} given, expected a whole number from 0 to {MOST_DEGREE}, or {variables} of them; "
            "try degree=16"
        )
    if math.prod(n + 1 for n in found) > MOST_TERMS:
        raise ConstructionError(
            f"degree={degree!r} in {variables} variables makes {math.prod(n + 1 for n in found)} terms, "
            f"expected at most {MOST_TERMS}; lower the degree"
        )
    return found


def _nodes(n: int) -> Tensor:
    """Chebyshev points of the first kind, n + 1 of them, as sines so that they are symmetric to the last bit."""
    return torch.sin(math.pi * torch.arange(n, -n - 1, -2, dtype=torch.float64) / (2 * (n + 1)))


def _transform(n: int) -> Tensor:
    """[n + 1 coefficients, n + 1 values]: c_k = (2 - [k = 0]) / (n + 1) sum_j f(u_j) T_k(u_j)."""
    j = torch.arange(n + 1, dtype=torch.float64)
    angles = torch.remainder(torch.outer(j, 2 * j + 1), 4 * (n + 1)) * (math.pi / (2 * (n + 1)))
    matrix = torch.cos(angles) * (2.0 / (n + 1))
    matrix[0] /= 2
    return matrix


def _grid(box: Box, degrees: tuple[int, ...]) -> list[Tensor]:
    axes = [_at(_nodes(n), low, high) for n, (low, high) in zip(degrees, box, strict=True)]
    return [axis.reshape(-1) for axis in torch.meshgrid(*axes, indexing="ij")]


def _at(u: Tensor, low: float, high: float) -> Tensor:
    return ((low + high) / 2 + (high - low) / 2 * u).clamp(low, high)


def _values(f: Callable[..., Any], points: list[Tensor]) -> Tensor:
    """f at the points, float64 [points]."""
    count = len(points[0])
    try:
        with torch.no_grad():
            found = torch.as_tensor(f(*points))
    except Exception as error:
        raise ConstructionError(
            f"f failed on {len(points)} float64 tensors of {count} points ({type(error).__name__}: {error}); "
            "give a function of one tensor for each variable"
        ) from error
    if found.shape == ():
        found = found.expand(count)
    if found.shape != (count,) or found.is_complex():
        raise ConstructionError(
            f"f gave shape {tuple(found.shape)} and {found.dtype} for {count} points, expected one real number a point"
        )
    if not bool(found.isfinite().all()):
        raise ConstructionError("f is not finite everywhere on the domain; give a domain where it is")
    return found.double()


def _distance(f: Callable[..., Any], network: PolynomialNetwork, box: Box, dtype: torch.dtype) -> float:
    """The largest |f - network| over the largest |f| at random points."""
    generator = torch.Generator().manual_seed(1)
    columns = [_at(2 * torch.rand(_CHECKED, generator=generator, dtype=torch.float64) - 1, *pair) for pair in box]
    values = _values(f, columns)
    with torch.no_grad():
        found = network(torch.stack(columns, 1).to(dtype))[:, 0].double()
    return float((values - found).abs().max()) / (float(values.abs().max()) or 1.0)
