"""The networks that the tests of `ew.diagnose` look at."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

import edgewise as ew
from edgewise.measure.diagnosis import Problem


def he(model: nn.Module, scale: float = 1.0) -> nn.Module:
    """C_W = 2 scale and no bias."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            module.weight.data.mul_(math.sqrt(scale))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def mlp(activation: str = "relu", depth: int = 20, width: int = 64, **more: Any) -> nn.Module:
    torch.manual_seed(0)
    return ew.models.MLP(64, 10, depth=depth, width=width, activation=activation, **more)


def batch(samples: int = 32) -> Tensor:
    return torch.randn(samples, 64, generator=torch.Generator().manual_seed(1))


def problems(model: nn.Module, x: object, **more: Any) -> set[Problem]:
    return ew.diagnose(model, x, check=False, **more).problems()


def dead_model() -> nn.Module:
    model = he(mlp(depth=8))
    model.layers[3].linear.bias.data.sub_(6.0)
    return model


def off_scale() -> nn.Module:
    model = he(mlp(depth=8))
    model.layers[4].linear.weight.data.mul_(300.0)
    return model
