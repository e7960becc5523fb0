"""A plain convolutional network of any depth: no pooling between layers, no residual connection."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor, nn

from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.models.parts import checked_count, reset_as_torch


class CNN(nn.Module):
    """`depth` convolutions of stride 1 with the activation after each, the mean over the image, then a linear head.

    channels: of the input. outputs: numbers per image. kernel_size: odd, so that the image keeps its size.
    padding_mode: "circular" makes every position alike, as in the theory of Xiao et al. 2018 (arXiv 1806.05393);
    "zeros" is the usual one, which loses signal at the border of the image in every layer.
    norm: "batch" puts a BatchNorm2d between each convolution and its activation.
    Initialised as PyTorch does: uniform in +-1/sqrt(fan-in).
    Raises DomainError for a count below 1 or an even kernel, SpecError for an unknown activation, norm or padding.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        depth: int = 8,
        width: int = 32,
        activation: object = "relu",
        kernel_size: int = 3,
        padding_mode: Literal["circular", "zeros"] = "circular",
        norm: Literal["batch"] | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if norm not in (None, "batch"):
            raise SpecError(f"norm={norm!r} given, expected 'batch' or None; try norm='batch'")
        if padding_mode not in ("circular", "zeros"):
            raise SpecError(f"padding_mode={padding_mode!r} given, expected 'circular' or 'zeros'; try 'zeros'")
        if checked_count("kernel_size", kernel_size) % 2 == 0:
            raise DomainError(f"kernel_size={kernel_size} given, expected an odd number; try kernel_size=3")
        width = checked_count("width", width)
        sigma = as_activation(activation)
        self.layers = nn.Sequential()
        for layer in range(checked_count("depth", depth)):
            block = nn.Sequential()
            convolution = nn.Conv2d(
                width if layer else checked_count("channels", channels),
                width,
                kernel_size,
                padding=kernel_size // 2,
                padding_mode=padding_mode,
                bias=bias,
            )
            block.add_module("conv", convolution)
            if norm is not None:
                block.add_module("norm", nn.BatchNorm2d(width))
            block.add_module("activation", sigma.module())
            self.layers.append(block)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, checked_count("outputs", outputs), bias=bias)
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_torch(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width] -> [image, outputs]."""
        out: Tensor = self.head(self.pool(self.layers(images)).flatten(1))
        return out
