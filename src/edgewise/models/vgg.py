"""Plain networks in the manner of VGG (Simonyan & Zisserman 2015, arXiv 1409.1556, table 1), for small images."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor, nn

from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.models.parts import checked_count, reset_as_he

_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions in each of the five stages, by the depth in the paper's name (which counts three linear layers)."""


class VGG(nn.Module):
    """Five stages of 3x3 convolutions, the image halved by max pooling after each, the mean over what is left, a head.

    depth: 11, 13, 16 or 19, as the paper counts, or the convolutions of each stage, such as (2, 2, 2). The stages have
    `width`, 2, 4, 8 and 8 times `width` channels. Of the paper's three linear layers one is kept, as is usual for
    32x32 images; VGG-16 with norms has 14.7 million parameters. norm: "batch" or None, before every activation.
    Initialised as He et al. 2015; biases and the head as PyTorch does.
    Raises DomainError for another depth or an image too small to be halved that often, SpecError for another norm.
    """

    def __init__(
        self,
        depth: int | tuple[int, ...] = 16,
        *,
        outputs: int = 10,
        channels: int = 3,
        width: int = 64,
        activation: object = "relu",
        norm: Literal["batch"] | None = "batch",
    ) -> None:
        super().__init__()
        if norm not in (None, "batch"):
            raise SpecError(f"norm={norm!r} given, expected 'batch' or None; try norm='batch'")
        if isinstance(depth, int) and depth not in _STAGES:
            raise DomainError(f"depth={depth} given, expected 11, 13, 16, 19 or a count for each stage; try (2, 2, 2)")
        sizes = _STAGES[depth] if isinstance(depth, int) else depth
        width = checked_count("width", width)
        sigma = as_activation(activation)
        self.stages = nn.Sequential()
        before = checked_count("channels", channels)
        for stage, convolutions in enumerate(sizes):
            after = width * min(2**stage, 8)
            layers = nn.Sequential()
            for layer in range(checked_count("depth", convolutions)):
                layers.add_module(f"conv{layer + 1}", nn.Conv2d(before, after, 3, padding=1))
                if norm is not None:
                    layers.add_module(f"norm{layer + 1}", nn.BatchNorm2d(after))
                layers.add_module(f"activation{layer + 1}", sigma.module())
                before = after
            layers.add_module("pool", nn.MaxPool2d(2))
            self.stages.append(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, checked_count("outputs", outputs))
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_he(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width] -> [image, outputs]."""
        out: Tensor = self.head(self.pool(self.stages(images)).flatten(1))
        return out
