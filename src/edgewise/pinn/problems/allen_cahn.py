"""The Allen-Cahn equation: a reaction pulls u to -1 and 1, diffusion keeps thin layers between; hard to train."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from edgewise.pinn.boundary import Condition
from edgewise.pinn.embedding import periodic
from edgewise.pinn.hard import Hard
from edgewise.pinn.problems.equation import Equation, positive
from edgewise.pinn.reference.periodic import Evolution, solve_periodic
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.reference.seam import HealedSquare
from edgewise.pinn.separable import ONE, Index, Polynomial, Separable, Times, Wave

_SQUARE = Polynomial((0.0, 0.0, 1.0))
_INITIAL = Separable(((Times(_SQUARE, Wave(math.pi, phase=math.pi / 2)), ONE),))
_SMOOTHED = Separable((*_INITIAL.terms, (_SQUARE, ONE)))
_TIME = Separable(((ONE, Polynomial((0.0, 1.0))),))


def allen_cahn(*, diffusion: float = 1e-4, reaction: float = 5.0) -> Equation:
    """u_t = D u_xx + r (u - u^3) on x in [-1, 1], t in [0, 1], periodic; u(x, 0) = x^2 cos(pi x).

    The numbers of Raissi et al. 2019. The initial values are periodic, their slope is not: it jumps by 4
    where x = -1 and 1 meet, and is continuous as soon as t > 0. Raises DomainError for a setting that is not above 0.
    """
    d, r = positive("diffusion", diffusion, "1e-4"), positive("reaction", reaction, "5.0")

    def operator(u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        value = u[()]
        return u[1,] - d * u[0, 0] - r * (value - value * value * value)

    return Equation(
        name="allen_cahn",
        title="Allen-Cahn",
        formula=f"u_t = {d:.4g} u_xx + {r:.4g} (u - u^3)",
        coordinates=("x", "t"),
        domain=((-1.0, 0.0), (1.0, 1.0)),
        wanted=((), (0,), (1,), (0, 0)),
        operator=operator,
        conditions=(
            Condition("initial", "value", axis=1, side="low", value=_INITIAL),
            Condition("periodic u", "periodic", axis=0, side="both"),
            Condition("periodic u_x", "periodic", axis=0, side="both", order=1),
        ),
        hard=Hard(
            _Healed(HealedSquare(d)),
            _TIME,
            reason="u = x^2 cos(pi x) with its kink at the ends diffused + t N(cos(pi x), sin(pi x), t)",
            embedding=periodic((2.0, None)),
        ),
        solver=lambda: _solve(d, r),
        settings={"diffusion": d, "reaction": r},
    )


@dataclass(frozen=True)
class _Healed:
    """u(x, 0) + x^2 - W: the initial values at t = 0, smooth across the ends for t > 0."""

    square: HealedSquare

    def derivative(self, x: Tensor, index: Index) -> Tensor:
        return _SMOOTHED.derivative(x, index) - self.square.derivative(x, index)

    def vanishes(self, index: Index) -> bool:
        return False


def _solve(d: float, r: float) -> Reference:
    """What is left beside the kink as a Fourier series: v = u + exp(-2 r t) W.

    At the ends u is near -1, where the reaction is -2 r (u + 1): the factor takes the kink out of that term as well.
    """
    square = HealedSquare(d)

    def kink(x: Tensor, t: Tensor) -> Tensor:
        return -torch.exp(-2.0 * r * t) * square.derivative(torch.stack([x, t], dim=-1), ())

    @lru_cache(maxsize=4)  # the stages of a step ask for three times, two of them twice
    def on_grid(points: int, t: float) -> Tensor:
        x = torch.linspace(-1.0, 1.0, points + 1, dtype=torch.float64)[:-1]
        return kink(x, torch.full_like(x, t))

    def rest(k: Tensor, v: Tensor, x: Tensor, t: float) -> Tensor:
        known = on_grid(len(x), round(t, 9))
        u = torch.fft.irfft(v, n=len(x), norm="forward") + known
        reaction: Tensor = torch.fft.rfft(r * (u - u * u * u + 2.0 * known), norm="forward")
        return reaction

    def start(x: Tensor) -> Tensor:
        return _SMOOTHED(torch.stack([x, torch.zeros_like(x)], dim=-1))

    equation = Evolution(linear=lambda k: -d * k**2, rest=rest, initial=start, added=kink)
    return solve_periodic(equation, points=2048, steps=400)
