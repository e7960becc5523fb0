"""The ReLU family: piecewise linear units with a corner at the origin."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.activation import Definition, Facts
from edgewise.activations.pieces import polynomial
from edgewise.activations.registry import register


def _zero(x: Tensor) -> Tensor:
    return torch.where(torch.isnan(x), x, 0.0)


RELU = register(
    Definition(
        name="relu",
        derivatives=(
            torch.relu,
            lambda x: torch.where(torch.isnan(x), x, (x > 0).to(x.dtype)),
            _zero,
        ),
        facts=lambda: Facts(
            formula=r"\max(x, 0)",
            limits=(0.0, math.inf),
            kinks=(0.0,),
            homogeneity=1.0,
            smoothness=0,
            pieces=(polynomial([], high=0.0), polynomial([0.0, 1.0], low=0.0)),
        ),
        source="Nair & Hinton, ICML 2010",
        summary="The rectifier.",
    )
)
