"""M small convolutional networks as one program: grouped convolutions, a group a member, and a batched linear head.

The channels of all members lie side by side, innermost in memory: oneDNN's grouped convolution is then up to twice as
fast as with the image innermost, and two to six times as fast as patches times weights by a batched product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.errors import DomainError
from edgewise.train.ensemble import Elementwise, Initial, Member

_KERNEL = 3


@dataclass(frozen=True)
class ConvShape:
    """A plain network on square images: `depth` convolutions 3 x 3 of `width` channels, the activation after each.

    channels, size: of the image. strides: one a layer, () for 1 everywhere. downsample: how a stride is taken, by the
    convolution itself ("stride"), or by the mean or the largest of that many values each way after the activation.
    head: the linear output takes the mean over the image, or all of it. padding: beyond the image lies 0, or its other
    side ("circular"), which makes every position alike, as theory has it (Xiao et al., arXiv 1806.05393).
    Raises DomainError for a count below 1, a wrong number of strides, or an image that strides make smaller than 1.
    """

    channels: int
    size: int
    width: int
    depth: int
    outputs: int
    strides: tuple[int, ...] = ()
    downsample: Literal["stride", "mean", "max"] = "stride"
    head: Literal["mean", "flatten"] = "mean"
    padding: Literal["zeros", "circular"] = "zeros"

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("channels", "size", "width", "depth", "outputs")}
        counts |= {f"strides[{i}]": stride for i, stride in enumerate(self.strides)}
        for name, count in counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise DomainError(f"{name}={count!r} given, expected an integer >= 1; try {name}=2")
        if len(self.strides) not in (0, self.depth):
            raise DomainError(
                f"{len(self.strides)} strides given for {self.depth} layers, expected one a layer; try strides=()"
            )
        choices = {"downsample": ("stride", "mean", "max"), "head": ("mean", "flatten")}
        for name, known in {**choices, "padding": ("zeros", "circular")}.items():
            if getattr(self, name) not in known:
                raise DomainError(f"{name}={getattr(self, name)!r} given, expected one of {', '.join(known)}")
        if self.sizes[-1] < 1:
            raise DomainError(f"strides={self.strides} leave nothing of an image of size {self.size}; try fewer")

    @property
    def steps(self) -> tuple[int, ...]:
        """The stride of every layer."""
        return self.strides or (1,) * self.depth

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the image, and of what every layer hands on."""
        sizes = [self.size]
        for step in self.steps:
            sizes.append(-(-sizes[-1] // step) if self.downsample == "stride" else sizes[-1] // step)
        return tuple(sizes)

    @property
    def features(self) -> int:
        """Numbers that the linear output takes."""
        return self.width * (self.sizes[-1] ** 2 if self.head == "flatten" else 1)

    @property
    def parameters(self) -> int:
        """Weights and biases of one member."""
        channels = (self.channels, *[self.width] * self.depth)
        return sum(b * (a * _KERNEL**2 + 1) for a, b in pairwise(channels)) + self.outputs * (self.features + 1)


@dataclass(frozen=True)
class ConvParameters:
    """The weights and biases of all members, input to output.

    weights: of convolutions [member, channel out, channel in, row, column], of the output [member, feature, output];
    biases: [member, channel], of the output [member, 1, output]. Features of a flattened image run channel by channel.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def layers(self) -> tuple[Tensor, ...]:
        """All weights, then all biases."""
        return *self.weights, *self.biases


def initialise_conv(
    shape: ConvShape,
    members: Sequence[Member],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> ConvParameters:
    """Random parameters of all members, each from its own seed, whatever else is in the ensemble.

    Variances as in `Initial`; the fan-in of a convolution is 9 times its channels.
    Raises DomainError for an empty ensemble.
    """
    if not members:
        raise DomainError("an ensemble of 0 members given, expected at least 1; try two seeds")
    drawn = [_drawn(shape, m.seed, m.initial) for m in members]
    layers = [torch.stack(tensors).to(device=device, dtype=dtype) for tensors in zip(*drawn, strict=True)]
    return ConvParameters(tuple(layers[: shape.depth + 1]), tuple(layers[shape.depth + 1 :]))


def _drawn(shape: ConvShape, seed: int, initial: Initial) -> list[Tensor]:
    """One member's layers: all weights, then all biases."""
    generator = torch.Generator().manual_seed(seed)

    def random(variance: float, *size: int) -> Tensor:
        if initial.distribution == "uniform":
            return (torch.rand(size, generator=generator) * 2.0 - 1.0) * math.sqrt(3.0 * variance)
        return torch.randn(size, generator=generator) * math.sqrt(variance)

    n, out, patch = shape.width, shape.outputs, _KERNEL**2
    fan_in = [patch * shape.channels] + [patch * n] * (shape.depth - 1)
    c_w = [initial.first_c_w] + [initial.c_w] * (shape.depth - 1)
    c_b = [initial.first_c_b] + [initial.c_b] * (shape.depth - 1)
    weights = [random(c / fan, n, fan // patch, _KERNEL, _KERNEL) for c, fan in zip(c_w, fan_in, strict=True)]
    weights.append(random(initial.last_c_w / shape.features, shape.features, out))
    return [*weights, *(random(c, n) for c in c_b), random(initial.last_c_b, 1, out)]


def forward_conv(activation: Elementwise, shape: ConvShape, layers: Sequence[Tensor], images: Tensor) -> Tensor:
    """Outputs [member, example, output] for images as of `preactivations_conv`; layers: `ConvParameters.layers`."""
    return preactivations_conv(activation, shape, layers, images)[-1]


def preactivations_conv(
    activation: Elementwise, shape: ConvShape, layers: Sequence[Tensor], images: Tensor
) -> tuple[Tensor, ...]:
    """z of every layer, [member, example, channel, row, column], the last being the outputs [member, example, output].

    images: [member, example, channel, row, column], or [example, channel, row, column] fed to all; differentiable.
    """
    members, depth = len(layers[0]), shape.depth
    weights, biases = layers[: depth + 1], layers[depth + 1 :]
    shared = images.dim() == 4
    x = images if shared else images.transpose(0, 1).flatten(1, 2)
    groups = 1 if shared else members
    found = []
    for i, step in enumerate(shape.steps):
        stride = step if shape.downsample == "stride" else 1
        x = x.contiguous(memory_format=torch.channels_last)
        padding: int = _KERNEL // 2
        if shape.padding == "circular":
            x, padding = functional.pad(x, (padding,) * 4, mode="circular"), 0
        x = functional.conv2d(x, weights[i].flatten(0, 1), biases[i].flatten(), stride, padding, groups=groups)
        found.append(_apart(x, members))
        x = activation(found[-1]).transpose(0, 1).flatten(1, 2)
        x = x if stride == step else _pooled(x, step, shape.downsample)
        groups = members
    x = _apart(x, members)
    features = x.mean((3, 4)) if shape.head == "mean" else x.flatten(2)
    return *found, torch.baddbmm(biases[-1], features, weights[-1])


def _apart(x: Tensor, members: int) -> Tensor:
    """A view [member, example, channel, row, column] of [example, the channels of all members, row, column]."""
    return x.view(len(x), members, -1, *x.shape[2:]).transpose(0, 1)


def _pooled(x: Tensor, step: int, how: str) -> Tensor:
    return functional.max_pool2d(x, step) if how == "max" else functional.avg_pool2d(x, step)
