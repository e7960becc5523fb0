"""Random weights of one variance: normal, uniform, truncated, orthogonal, and orthogonal in a convolution's centre."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from edgewise.init.apply import normal
from edgewise.init.fans import Weight

Distribution = Literal["normal", "uniform", "truncated"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)

_TRUNCATED_STD = 0.8796256610342398
"""Standard deviation of N(0, 1) cut off at +-2."""


def independent(shape: torch.Size, std: float, distribution: Distribution, generator: torch.Generator) -> Tensor:
    """Independent entries of mean 0 and standard deviation `std`, float32 on the CPU; "truncated" at two deviations."""
    if distribution == "normal":
        return normal(shape, std, generator)
    if distribution == "uniform":
        centred: Tensor = torch.rand(shape, generator=generator) * 2.0 - 1.0
        return centred * (std * math.sqrt(3.0))
    tail = 0.5 * math.erfc(2.0 / math.sqrt(2.0))
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64) * (1.0 - 2.0 * tail) + tail
    cut: Tensor = torch.special.ndtri(uniform)
    return (cut * (std / _TRUNCATED_STD)).float()


def orthogonal(shape: torch.Size, weight: Weight, std: float, generator: torch.Generator) -> Tensor:
    """Each block's matrix (outputs x inputs and positions) with orthonormal rows or columns, whichever are fewer.

    Scaled so that its entries have mean square std**2, as every other distribution here.
    """
    blocks = _blocks(shape, weight)
    count, rows, *rest = blocks
    drawn = torch.stack([_semi_orthogonal(rows, math.prod(rest), generator) for _ in range(count)])
    scale = std * math.sqrt(max(rows, math.prod(rest)))
    return _restored(drawn.reshape(blocks) * scale, shape, weight)


def delta_orthogonal(shape: torch.Size, weight: Weight, std: float, generator: torch.Generator) -> Tensor:
    """An orthogonal matrix at the centre of a kernel and zeros around it (Xiao et al. 2018, algorithm 1).

    std: of the entries at the centre.
    """
    count, rows, columns, *taps = _blocks(shape, weight)
    drawn = torch.zeros(count, rows, columns, *taps)
    centre = tuple(size // 2 for size in taps)
    for block in drawn:
        matrix = _semi_orthogonal(rows, columns, generator) * (std * math.sqrt(max(rows, columns)))
        block[(slice(None), slice(None), *centre)] = matrix
    return _restored(drawn, shape, weight)


def _blocks(shape: torch.Size, weight: Weight) -> tuple[int, ...]:
    """(blocks, outputs, inputs, positions...) of a weight's independent matrices."""
    first, second, *taps = shape
    if weight.output_axis == 0:
        return (weight.blocks, first // weight.blocks, second, *taps)
    return (weight.blocks, second, first // weight.blocks, *taps)


def _restored(drawn: Tensor, shape: torch.Size, weight: Weight) -> Tensor:
    return (drawn if weight.output_axis == 0 else drawn.transpose(1, 2)).reshape(shape)


def _semi_orthogonal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Haar-distributed: Q of a Gaussian matrix, with R's signs taken out (Mezzadri 2007)."""
    flat = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    q, r = torch.linalg.qr(flat)
    q = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    found: Tensor = q if rows >= columns else q.T
    return found
