"""Burgers' equation: a sine wave steepens into a shock at x = 0, which viscosity keeps some 2 nu wide."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from edgewise.pinn.boundary import Condition
from edgewise.pinn.hard import Hard
from edgewise.pinn.problems.equation import Equation, positive
from edgewise.pinn.reference.cole_hopf import burgers_reference
from edgewise.pinn.separable import Index, Polynomial, Separable, Wave

_INITIAL = Separable(((Wave(math.pi, amplitude=-1.0), Polynomial((1.0,))),))
_DISTANCE = Separable(((Polynomial((1.0, 0.0, -1.0)), Polynomial((0.0, 1.0))),))


def burgers(*, viscosity: float = 0.01 / math.pi) -> Equation:
    """u_t + u u_x = nu u_xx on x in [-1, 1], t in [0, 1]; u(x, 0) = -sin(pi x), u = 0 at both ends.

    The standard test of physics-informed networks (Raissi et al. 2019). Raises DomainError for a
    viscosity that is not above 0.
    """
    nu = positive("viscosity", viscosity, "0.003")

    def operator(u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        return u[1,] + u[()] * u[0,] - nu * u[0, 0]

    grid = torch.linspace(-1.0, 1.0, 257, dtype=torch.float64), torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    return Equation(
        name="burgers",
        title="Burgers",
        formula=f"u_t + u u_x = {nu:.4g} u_xx",
        coordinates=("x", "t"),
        domain=((-1.0, 0.0), (1.0, 1.0)),
        wanted=((), (0,), (1,), (0, 0)),
        operator=operator,
        conditions=(
            Condition("initial", "value", axis=1, side="low", value=_INITIAL),
            Condition("x = -1", "value", axis=0, side="low"),
            Condition("x = 1", "value", axis=0, side="high"),
        ),
        hard=Hard(_INITIAL, _DISTANCE, reason="u = -sin(pi x) + t (1 - x^2) N(x, t)"),
        solver=lambda: burgers_reference(nu, grid),
        settings={"viscosity": nu},
    )
