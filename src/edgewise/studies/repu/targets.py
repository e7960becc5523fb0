"""What the regression networks of this study learn: polynomials and other differentiable functions, with derivatives.

All live on the box [-1, 1]^d. Networks see inputs of mean square 1 (x sqrt(3)) and targets of mean 0 and variance 1
over the box, so that no activation is favoured by the scale of the data; errors are relative and know nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.data.dataset import Split

INPUT_SCALE = math.sqrt(3.0)
"""A coordinate uniform on [-1, 1] has mean square 1/3."""


@dataclass(frozen=True)
class Target:
    """formula: as a caption prints it; function: of points [example, dimension], float64, to [example]."""

    key: str
    formula: str
    dimensions: int
    polynomial: bool
    function: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Learned:
    """A target on points of its own: what networks are given, and what their derivatives are measured against.

    split: inputs x sqrt(3), [example, dimension], and standardised targets [example, 1]; value [example], gradient
    [example, dimension] and second, all second derivatives, [example, dimension, dimension], float64, by the network's
    own inputs.
    """

    split: Split
    value: Tensor
    gradient: Tensor
    second: Tensor


def _quartic(x: Tensor) -> Tensor:
    return x[:, 0] ** 3 * x[:, 1] - 2.0 * (x[:, 0] * x[:, 1]) ** 2 + x[:, 1]


def _wave(x: Tensor) -> Tensor:
    return torch.sin(math.pi * x[:, 0]) * torch.cos(math.pi * x[:, 1] / 2.0)


def _bump(x: Tensor) -> Tensor:
    return torch.exp(-4.0 * x.square().sum(1)) + torch.tanh(3.0 * x[:, 0]) / 2.0


TARGETS = {
    target.key: target
    for target in (
        Target("xyz", "x y z", 3, True, lambda x: x.prod(1)),
        Target("quartic", "x³y − 2x²y² + y", 2, True, _quartic),
        Target("wave", "sin(πx) cos(πy/2)", 2, False, _wave),
        Target("bump", "exp(−4(x² + y²)) + tanh(3x)/2", 2, False, _bump),
    )
}


def sample(target: Target, examples: int, generator: torch.Generator) -> Learned:
    """The target on uniform random points of the box."""
    size = (examples, target.dimensions)
    points = torch.rand(size, generator=generator, device=generator.device).double() * 2.0 - 1.0
    return at(target, points)


def at(target: Target, points: Tensor) -> Learned:
    """The target on these points of the box, [example, dimension]."""
    mean, deviation = _moments(target)

    def standardised(inputs: Tensor) -> Tensor:
        return (target.function(inputs / INPUT_SCALE) - mean) / deviation

    inputs = (points.double() * INPUT_SCALE).requires_grad_(True)
    value = standardised(inputs)
    (gradient,) = torch.autograd.grad(value.sum(), inputs, create_graph=True)
    second = [torch.autograd.grad(gradient[:, i].sum(), inputs, retain_graph=True)[0] for i in range(target.dimensions)]
    return Learned(
        Split(inputs.detach().float(), value.detach().float()[:, None]),
        value.detach(),
        gradient.detach(),
        torch.stack(second, dim=1),
    )


def _moments(target: Target) -> tuple[float, float]:
    """Mean and standard deviation over the box, by Gauss-Legendre quadrature."""
    import numpy as np

    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(48))
    grid = torch.cartesian_prod(*[nodes] * target.dimensions)
    weight = torch.cartesian_prod(*[weights / 2.0] * target.dimensions).prod(1)
    values = target.function(grid)
    mean = float((weight * values).sum())
    return mean, math.sqrt(float((weight * (values - mean) ** 2).sum()))
