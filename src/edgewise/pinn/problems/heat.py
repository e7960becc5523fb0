"""The heat equation: sine waves that decay, the short ones first; the solution is known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.boundary import Condition
from edgewise.pinn.hard import Hard
from edgewise.pinn.problems.equation import Equation, positive
from edgewise.pinn.reference.exact import exact_reference
from edgewise.pinn.separable import ONE, Exponential, Index, Polynomial, Separable, Wave

_DISTANCE = Separable(((Polynomial((0.0, 1.0, -1.0)), Polynomial((0.0, 1.0))),))


def heat(*, diffusion: float = 0.05, amplitudes: Sequence[float] = (1.0, 0.0, 0.5)) -> Equation:
    """u_t = D u_xx on x in [0, 1], t in [0, 1]; u(x, 0) = sum of amplitudes[n - 1] sin(n pi x), u = 0 at both ends.

    The solution is that sum with each term times exp(-D n^2 pi^2 t). Raises DomainError for a
    diffusion that is not above 0 and for amplitudes that are all 0 or none.
    """
    d = positive("diffusion", diffusion, "0.05")
    try:
        sizes = tuple(float(a) for a in amplitudes)
    except (TypeError, ValueError):
        sizes = ()
    if not any(sizes) or not all(map(math.isfinite, sizes)):
        raise DomainError(
            f"amplitudes={amplitudes!r} given, expected finite numbers, one of them not 0; try (1, 0, 0.5)"
        )
    waves = [(n, Wave(n * math.pi, amplitude=a)) for n, a in enumerate(sizes, start=1) if a]
    initial = Separable(tuple((wave, ONE) for _, wave in waves))
    solution = Separable(tuple((wave, Exponential(-d * (n * math.pi) ** 2)) for n, wave in waves))

    def operator(u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        return u[1,] - d * u[0, 0]

    grid = torch.linspace(0.0, 1.0, 101, dtype=torch.float64), torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    return Equation(
        name="heat",
        title="Heat",
        formula=f"u_t = {d:.4g} u_xx",
        coordinates=("x", "t"),
        domain=((0.0, 0.0), (1.0, 1.0)),
        wanted=((1,), (0, 0)),
        operator=operator,
        conditions=(
            Condition("initial", "value", axis=1, side="low", value=initial),
            Condition("x = 0", "value", axis=0, side="low"),
            Condition("x = 1", "value", axis=0, side="high"),
        ),
        hard=Hard(initial, _DISTANCE, reason="u = u(x, 0) + t x (1 - x) N(x, t)"),
        solver=lambda: exact_reference(solution, grid, "sum of decaying sine waves"),
        settings={"diffusion": d, "amplitudes": list(sizes)},
    )
