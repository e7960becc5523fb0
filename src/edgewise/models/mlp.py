"""A plain fully connected network."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor, nn

from edgewise.activations import activation as as_activation
from edgewise.errors import SpecError
from edgewise.models.parts import checked_count, reset_as_torch

_NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": nn.RMSNorm}


class MLP(nn.Module):
    """`depth` hidden layers of `width` units with the activation after each, then a linear head.

    inputs, outputs: numbers per example. activation: what `ew.activation` takes. norm: a normalisation of the
    preactivations, between each hidden linear layer and its activation, or None.
    Initialised as PyTorch does: uniform in +-1/sqrt(fan-in).
    Raises DomainError for a count below 1, SpecError for what makes no activation or norm.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depth: int = 4,
        width: int = 128,
        activation: object = "relu",
        norm: Literal["batch", "layer", "rms"] | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if norm is not None and norm not in _NORMS:
            raise SpecError(f"norm={norm!r} given, expected one of {', '.join(_NORMS)} or None; try norm='layer'")
        width = checked_count("width", width)
        sigma = as_activation(activation)
        self.layers = nn.Sequential()
        for layer in range(checked_count("depth", depth)):
            fan_in = width if layer else checked_count("inputs", inputs)
            block = nn.Sequential()
            block.add_module("linear", nn.Linear(fan_in, width, bias=bias))
            if norm is not None:
                block.add_module("norm", _NORMS[norm](width))
            block.add_module("activation", sigma.module())
            self.layers.append(block)
        self.head = nn.Linear(width, checked_count("outputs", outputs), bias=bias)
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_torch(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]; with norm="batch", [example, inputs] only."""
        out: Tensor = self.head(self.layers(x))
        return out
