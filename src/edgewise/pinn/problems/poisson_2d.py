"""Poisson's equation on a square, with a source whose solution is a formula and one that has to be computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.boundary import Condition
from edgewise.pinn.hard import Hard
from edgewise.pinn.problems.equation import Equation
from edgewise.pinn.reference.exact import exact_reference
from edgewise.pinn.reference.galerkin import dirichlet, poisson, square_reference
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.separable import Index, Polynomial, Separable, Wave

_SINES = Separable(((Wave(math.pi), Wave(math.pi)),))
_BUBBLE = Polynomial((1.0, 0.0, -1.0))


def poisson_2d(*, source: Literal["sines", "bumps"] = "sines") -> Equation:
    """-(u_xx + u_yy) = f on [-1, 1]^2, u = 0 on the edge.

    source: "sines", f = 2 pi^2 sin(pi x) sin(pi y), so that u = sin(pi x) sin(pi y); "bumps", a Gaussian source and a
    weaker sink at places of no symmetry, solved by a spectral method. Raises DomainError for another one.
    """
    if source not in ("sines", "bumps"):
        raise DomainError(f"source={source!r} given, expected 'sines' or 'bumps'")
    f = _sines if source == "sines" else _bumps

    def operator(u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        return u[0, 0] + u[1, 1] + f(x)

    return Equation(
        name="poisson_2d",
        title="Poisson",
        formula="-(u_xx + u_yy) = " + ("2 pi^2 sin(pi x) sin(pi y)" if source == "sines" else "two Gaussian bumps"),
        coordinates=("x", "y"),
        domain=((-1.0, -1.0), (1.0, 1.0)),
        wanted=((0, 0), (1, 1)),
        operator=operator,
        conditions=tuple(
            Condition(f"{c} = {-1 if side == 'low' else 1}", "value", axis=axis, side=side)
            for axis, c in enumerate("xy")
            for side in SIDES
        ),
        hard=Hard(Separable(()), Separable(((_BUBBLE, _BUBBLE),)), reason="u = (1 - x^2) (1 - y^2) N(x, y)"),
        solver=_solve_sines if source == "sines" else lambda: square_reference(poisson, dirichlet, _bumps, 64),
        settings={"source": source},
    )


SIDES: tuple[Literal["low", "high"], ...] = ("low", "high")


def _sines(x: Tensor) -> Tensor:
    return -(_SINES.derivative(x, (0, 0)) + _SINES.derivative(x, (1, 1)))


def _bumps(x: Tensor) -> Tensor:
    first = (x[..., 0] - 0.3).square() + (x[..., 1] - 0.2).square()
    second = (x[..., 0] + 0.4).square() + (x[..., 1] + 0.3).square()
    return 40.0 * torch.exp(-25.0 * first) - 25.0 * torch.exp(-25.0 * second)


def _solve_sines() -> Reference:
    axis = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64)
    return exact_reference(_SINES, (axis, axis.clone()), "sin(pi x) sin(pi y)")
