"""Self-gated units x * gate(x): gelu, swish/silu, mish, hardswish, lisht, telu, gcu's smooth relatives."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.activation import Definition, Facts
from edgewise.activations.registry import register

_SQRT2PI = math.sqrt(2 * math.pi)


def _normal_density(x: Tensor) -> Tensor:
    return torch.exp(-0.5 * x * x) / _SQRT2PI


def _normal_cdf(x: Tensor) -> Tensor:
    return torch.special.ndtr(x)


def _gelu(x: Tensor) -> Tensor:
    return x.clamp_min(-1e4) * _normal_cdf(x)


def _gelu_first(x: Tensor) -> Tensor:
    t = x.clamp(-1e4, 1e4)
    return _normal_cdf(t) + t * _normal_density(t)


def _gelu_second(x: Tensor) -> Tensor:
    t = x.clamp(-1e4, 1e4)
    return _normal_density(t) * (2 - t * t)


GELU = register(
    Definition(
        name="gelu",
        derivatives=(_gelu, _gelu_first, _gelu_second),
        facts=lambda: Facts(formula=r"x\,\Phi(x)", limits=(0.0, math.inf)),
        source="Hendrycks & Gimpel, arXiv 1606.08415",
        summary="Gaussian error linear unit.",
    )
)
