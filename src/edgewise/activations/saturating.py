"""Bounded units that saturate on both sides: tanh, sigmoid, erf, arctan, softsign and their hard forms."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.activations.activation import Definition, Facts
from edgewise.activations.registry import register


def _tanh_first(x: Tensor) -> Tensor:
    decay = torch.exp(-2 * x.abs())
    return 4 * decay / (1 + decay) ** 2


TANH = register(
    Definition(
        name="tanh",
        derivatives=(torch.tanh, _tanh_first, lambda x: -2 * torch.tanh(x) * _tanh_first(x)),
        facts=lambda: Facts(formula=r"\tanh x", limits=(-1.0, 1.0), parity="odd"),
        source="classical",
        summary="Hyperbolic tangent.",
    )
)
