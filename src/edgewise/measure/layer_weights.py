"""The weight and bias variances that a linear layer really has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.errors import ModelError
from edgewise.init import fans
from edgewise.init.graph import Node

_NOTICEABLE = 3.0
"""A mean of the weights counts from this many standard errors on; below it is the chance of the draw."""


@dataclass(frozen=True)
class LayerWeights:
    """c_w: fan-in x variance of the weights. c_b: mean square of the biases. drift: (fan-in x mean of the weights)**2,
    0 where the mean is no more than chance: K = c_b + c_w <x**2> + drift <x>**2."""

    c_w: float
    c_b: float
    fan_in: float
    drift: float = 0.0


def layer_weights(node: Node, modules: dict[str, nn.Module], parameters: dict[str, Tensor]) -> LayerWeights | None:
    """What a linear node multiplies by and adds, None where it has no weight of its own that could be read."""
    with torch.no_grad():
        if node.module is not None and node.module in modules:
            module = modules[node.module]
            found = fans.weights(module)
            if len(found) != 1:
                return None
            weight, bias = getattr(module, found[0].name), found[0].bias
            return _figures(weight, getattr(module, bias) if bias else None, found[0].fan_in)
        tensors = [parameters[name] for name in node.parameters if name in parameters]
        weight = next((t for t in tensors if t.ndim >= 2), None)
        if weight is None:
            return None
        bias_tensor = next((t for t in tensors if t.ndim == 1), None)
        try:
            return _figures(weight, bias_tensor, fans.matrix_fan(weight).fan_in)
        except ModelError:
            return None


def _figures(weight: Tensor, bias: Tensor | None, fan_in: float) -> LayerWeights | None:
    if not weight.numel():
        return None
    w = weight.detach().float()
    variance, mean = float(w.var(correction=0)), float(w.mean())
    standard_error = (variance / w.numel()) ** 0.5
    drift = (fan_in * mean) ** 2 if abs(mean) > _NOTICEABLE * standard_error else 0.0
    c_b = float(bias.detach().float().square().mean()) if bias is not None and bias.numel() else 0.0
    return LayerWeights(fan_in * variance, c_b, fan_in, drift)
