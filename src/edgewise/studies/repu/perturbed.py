"""The susceptibilities of one layer of a real network, measured by perturbing what enters it.

For z = sqrt(K) xi and z' = W sigma(z): chi_par is how much (1/n)|z'|**2 changes when K does; chi_perp is the squared
length of the change of z' over that of a small change of z in a direction of its own. Both are also divided by what the
same W and the same directions do in a linear network, where they are 1 at C_W = 1 whatever the width: this takes the
noise of W away that has nothing to do with sigma. Every xi is used with both signs, which cancels what is odd in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_STEP = 1e-4
"""Relative step of the central differences; their error is its square."""
_DIRECTIONS = 2
_BYTES = 2**22
"""Networks are measured in groups whose weights stay below this, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Susceptibilities:
    """float64 [network, kernel]. parallel, perp: as measured, with C_W; over_linear_*: over the linear network's."""

    parallel: Tensor
    perp: Tensor
    over_linear_parallel: Tensor
    over_linear_perp: Tensor

    @property
    def ratio(self) -> Tensor:
        """chi_par/chi_perp with the noise of the weights taken out."""
        return self.over_linear_parallel / self.over_linear_perp


def measured_susceptibilities(
    a: Callable[[Tensor], Tensor], kernels: Sequence[float], *, width: int, networks: int, c_w: float,
    generator: torch.Generator,
) -> Susceptibilities:  # fmt: skip
    """One layer of `networks` random networks, perturbed at each of the kernels with the same weights and units."""
    group = max(1, _BYTES // (8 * width * width))
    sizes = [min(group, networks - start) for start in range(0, networks, group)]
    with torch.no_grad():
        parts = [_measured(a, kernels, width, size, c_w, generator) for size in sizes]
    return Susceptibilities(*(torch.cat([part[i] for part in parts]).cpu() for i in range(4)))


def _measured(
    a: Callable[[Tensor], Tensor], kernels: Sequence[float], width: int, networks: int, c_w: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device).double()

    weights = normal(networks, width, width) * math.sqrt(c_w / width)
    unit = normal(networks, width, 1)
    directions = normal(networks, width, _DIRECTIONS)
    k = torch.tensor(kernels, dtype=torch.float64, device=generator.device)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64, device=generator.device)

    def through(columns: Tensor) -> Tensor:
        """W applied to [network, unit, ...] as one product; mean square over the units, [network, ...]."""
        flat = weights @ columns.flatten(2)
        return flat.square().mean(1).reshape(-1, *columns.shape[2:])

    z = unit[..., None] * k.sqrt()[:, None] * sign  # [network, unit, kernel, sign]
    square = unit.square().mean(1)
    above, below = (through(a(z * math.sqrt(1.0 + s))) for s in (_STEP, -_STEP))
    parallel = (above - below) / (2.0 * _STEP * k[:, None] * square[..., None])  # [network, kernel, sign]
    linear_parallel = through(unit) / square

    steps = _STEP * directions[:, :, None, None, :]
    change = a(z[..., None] + steps) - a(z[..., None] - steps)  # [network, unit, kernel, sign, direction]
    length = directions.square().mean(1)[:, None, None, :]
    perp = through(change) / (2.0 * _STEP) ** 2 / length
    linear_perp = (through(directions) / directions.square().mean(1))[:, None, None, :]
    return (
        parallel.mean(2),
        perp.mean((2, 3)),
        (parallel / linear_parallel[..., None]).mean(2),
        (perp / linear_perp).mean((2, 3)),
    )
