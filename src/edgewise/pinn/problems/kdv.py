"""The Korteweg-de Vries equation: a cosine breaks up into a train of solitons; third derivatives."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from edgewise.pinn.boundary import Condition
from edgewise.pinn.embedding import periodic
from edgewise.pinn.hard import Hard
from edgewise.pinn.problems.equation import Equation, positive
from edgewise.pinn.reference.periodic import Evolution, dealiased, solve_periodic
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.separable import ONE, Index, Polynomial, Separable, Wave

_INITIAL = Separable(((Wave(math.pi, phase=math.pi / 2), ONE),))
_TIME = Separable(((ONE, Polynomial((0.0, 1.0))),))


def kdv(*, dispersion: float = 0.0025) -> Equation:
    """u_t + u u_x + mu u_xxx = 0 on x in [-1, 1], t in [0, 1], periodic; u(x, 0) = cos(pi x).

    The equation of Zabusky & Kruskal 1965 with the numbers of Raissi et al. 2019. Raises DomainError for
    a dispersion that is not above 0.
    """
    mu = positive("dispersion", dispersion, "0.0025")

    def operator(u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        return u[1,] + u[()] * u[0,] + mu * u[0, 0, 0]

    return Equation(
        name="kdv",
        title="Korteweg-de Vries",
        formula=f"u_t + u u_x + {mu:.4g} u_xxx = 0",
        coordinates=("x", "t"),
        domain=((-1.0, 0.0), (1.0, 1.0)),
        wanted=((), (0,), (1,), (0, 0, 0)),
        operator=operator,
        conditions=(
            Condition("initial", "value", axis=1, side="low", value=_INITIAL),
            *(Condition(name, "periodic", axis=0, side="both", order=n) for n, name in enumerate(_PERIODIC)),
        ),
        hard=Hard(
            _INITIAL,
            _TIME,
            reason="u = cos(pi x) + t N(cos(pi x), sin(pi x), t)",
            embedding=periodic((2.0, None)),
        ),
        solver=lambda: _solve(mu),
        settings={"dispersion": mu},
    )


_PERIODIC = ("periodic u", "periodic u_x", "periodic u_xx")


def _solve(mu: float) -> Reference:
    def rest(k: Tensor, v: Tensor, x: Tensor, t: float) -> Tensor:
        keep = dealiased(k)
        u = torch.fft.irfft(keep * v, n=len(x), norm="forward")
        square: Tensor = torch.fft.rfft(u * u, norm="forward")
        return -0.5j * k * keep * square

    equation = Evolution(linear=lambda k: 1j * mu * k**3, rest=rest, initial=lambda x: torch.cos(math.pi * x))
    return solve_periodic(equation, points=384, steps=2400)
