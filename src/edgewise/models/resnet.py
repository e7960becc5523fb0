"""The residual network for CIFAR of He, Zhang, Ren, Sun 2016 (arXiv 1512.03385, section 4.2): ResNet-20, -32, -56 …"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Generator, Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.models.parts import checked_count, reset_as_he


class ResNet(nn.Module):
    """6n+2 layers: a 3x3 convolution, 3 stages of n residual blocks, the mean over the image, a linear head.

    The stages have `width`, 2 `width` and 4 `width` channels; the first block of the second and third halves the image.
    shortcut: where the shape changes, "A" takes every second pixel and pads the new channels with zeros (the paper's
    choice for CIFAR, no parameters), "B" is a 1x1 convolution with batch normalisation.
    ResNet-20 has 0.27 and ResNet-56 0.85 million parameters (the paper's table 6).
    Initialised as in the paper: convolutions by He et al. 2015 without biases; the head as PyTorch does.
    Raises DomainError when depth is not 6n+2, SpecError for an unknown activation or shortcut.
    """

    def __init__(
        self,
        depth: int = 20,
        *,
        outputs: int = 10,
        channels: int = 3,
        width: int = 16,
        activation: object = "relu",
        shortcut: Literal["A", "B"] = "A",
    ) -> None:
        super().__init__()
        per_stage, rest = divmod(checked_count("depth", depth, least=8) - 2, 6)
        if rest:
            raise DomainError(f"depth={depth} given, expected 6n+2; try depth={6 * per_stage + 2}")
        if shortcut not in ("A", "B"):
            raise SpecError(f"shortcut={shortcut!r} given, expected 'A' or 'B'; try shortcut='A'")
        width = checked_count("width", width)
        sigma = as_activation(activation)
        self.conv = nn.Conv2d(checked_count("channels", channels), width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.activation = sigma.module()
        self.stages = nn.Sequential()
        before = width
        for stage in range(3):
            after = width * 2**stage
            blocks = nn.Sequential()
            for block in range(per_stage):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(ResidualBlock(before, after, stride, sigma, shortcut))
                before = after
            self.stages.append(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, checked_count("outputs", outputs))
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_he(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width] -> [image, outputs]."""
        x = self.stages(self.activation(self.norm(self.conv(images))))
        out: Tensor = self.head(self.pool(x).flatten(1))
        return out


class ResidualBlock(nn.Module):
    """sigma(x + norm(conv(sigma(norm(conv(x)))))): two 3x3 convolutions, the second activation after the sum."""

    def __init__(self, before: int, after: int, stride: int, sigma: Activation, shortcut: Literal["A", "B"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.activation1 = sigma.module()
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride != 1:
            self.shortcut = _Subsample(after - before, stride) if shortcut == "A" else _project(before, after, stride)
        self.activation2 = sigma.module()

    def forward(self, x: Tensor) -> Tensor:
        branch = self.norm2(self.conv2(self.activation1(self.norm1(self.conv1(x)))))
        out: Tensor = self.activation2(self.shortcut(x) + branch)
        return out


class _Subsample(nn.Module):
    """Every `stride`-th pixel, and `new` further channels of zeros."""

    def __init__(self, new: int, stride: int) -> None:
        super().__init__()
        self.new, self.stride = new, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


def _project(before: int, after: int, stride: int) -> nn.Sequential:
    projection = nn.Sequential()
    projection.add_module("conv", nn.Conv2d(before, after, 1, stride=stride, bias=False))
    projection.add_module("norm", nn.BatchNorm2d(after))
    return projection
