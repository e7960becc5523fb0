"""The biharmonic equation: the deflection of a clamped square plate; fourth derivatives, mixed ones among them."""

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
from edgewise.pinn.problems.poisson_2d import SIDES
from edgewise.pinn.reference.exact import exact_reference
from edgewise.pinn.reference.galerkin import biharmonic as solve
from edgewise.pinn.reference.galerkin import clamped, square_reference
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.separable import Index, Polynomial, Separable, Wave

_UNIFORM = 49.4  # puts the largest deflection near 1
_COSINE = Wave(math.pi, amplitude=0.5, phase=math.pi / 2)
_HALF = Polynomial((0.5,))
# (1 + cos(pi x)) (1 + cos(pi y)) / 4, multiplied out
_COSINES = Separable(((_HALF, _HALF), (_COSINE, _HALF), (_HALF, _COSINE), (_COSINE, _COSINE)))
_BUBBLE = Polynomial((1.0, 0.0, -2.0, 0.0, 1.0))


def biharmonic(*, load: Literal["cosines", "uniform"] = "uniform") -> Equation:
    """u_xxxx + 2 u_xxyy + u_yyyy = q on [-1, 1]^2, u = 0 and no slope across the edge.

    load: "uniform", q = 49.4, whose solution has to be computed (Timoshenko & Woinowsky-Krieger 1959, section 44);
    "cosines", the q for which u = (1 + cos(pi x)) (1 + cos(pi y)) / 4. Raises DomainError for another one.
    """
    if load not in ("cosines", "uniform"):
        raise DomainError(f"load={load!r} given, expected 'cosines' or 'uniform'")
    q = _uniform if load == "uniform" else _cosines

    def operator(u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        return u[0, 0, 0, 0] + 2.0 * u[0, 0, 1, 1] + u[1, 1, 1, 1] - q(x)

    edges = [(axis, c, side, -1 if side == "low" else 1) for axis, c in enumerate("xy") for side in SIDES]
    return Equation(
        name="biharmonic",
        title="Clamped plate",
        formula="u_xxxx + 2 u_xxyy + u_yyyy = "
        + (f"{_UNIFORM}" if load == "uniform" else "q of u = (1 + cos(pi x)) (1 + cos(pi y)) / 4"),
        coordinates=("x", "y"),
        domain=((-1.0, -1.0), (1.0, 1.0)),
        wanted=((0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 1, 1)),
        operator=operator,
        conditions=(
            *(Condition(f"{c} = {at}", "value", axis=axis, side=side) for axis, c, side, at in edges),
            *(
                Condition(f"slope at {c} = {at}", "derivative", axis=axis, side=side, order=1)
                for axis, c, side, at in edges
            ),
        ),
        hard=Hard(Separable(()), Separable(((_BUBBLE, _BUBBLE),)), reason="u = (1 - x^2)^2 (1 - y^2)^2 N(x, y)"),
        solver=_solve_uniform if load == "uniform" else _solve_cosines,
        settings={"load": load},
    )


def _uniform(x: Tensor) -> Tensor:
    return torch.full_like(x[..., 0], _UNIFORM)


def _cosines(x: Tensor) -> Tensor:
    fourth = _COSINES.derivative(x, (0, 0, 0, 0)) + _COSINES.derivative(x, (1, 1, 1, 1))
    return fourth + 2.0 * _COSINES.derivative(x, (0, 0, 1, 1))


def _solve_uniform() -> Reference:
    return square_reference(solve, clamped, _uniform, 40)


def _solve_cosines() -> Reference:
    axis = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64)
    return exact_reference(_COSINES, (axis, axis.clone()), "(1 + cos(pi x)) (1 + cos(pi y)) / 4")
