"""The plain convolutional networks of He, Zhang, Ren, Sun 2015 (arXiv 1502.01852, tables 1 and 3), for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Generator, Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.models.parts import checked_count, reset_as_he

_LEVEL = 2
"""What the last stage leaves is pooled to 2x2, one level of the paper's spatial pyramid."""


class PlainCNN(nn.Module):
    """A first 3x3 convolution, stages of convolutions without norms or shortcuts, two hidden linear layers, a head.

    stages: (convolutions, channels) of each; the image is halved by the first convolution's stride and by max pooling
    before every stage. kernel_size: 2 or 3, of the stages; the image keeps its size.
    hidden: units of each hidden linear layer. depth: layers with weights, 1 + convolutions + 3. The paper's 14 layers
    are first=64, stages=((4, 128), (6, 256)), kernel_size=2, its 30 layers ((4, 128), (22, 256)), its model B of 22
    layers first=96, ((6, 256), (6, 512), (6, 512)), kernel_size=3; on 224x224 images, where its first convolution is
    7x7. per_channel: what the activation learns is learned for every channel, of linear layers for every unit, instead
    of once a layer.
    padding_mode: what lies beyond the border, its nearest pixel ("replicate") or the other side ("circular"). Zeros
    would take a third of the signal away in every 3x3 layer on images as small as 4x4, which He's rule does not count.
    Initialised as in the paper, equation (10): variance 2/fan-in, biases and linear layers as PyTorch does.
    Raises DomainError for a count below 1 or another kernel, SpecError for an unknown activation or padding, and for
    per_channel with an activation that learns nothing.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        outputs: int = 10,
        first: int = 16,
        stages: Sequence[tuple[int, int]] = ((4, 16), (6, 32)),
        kernel_size: int = 2,
        hidden: int = 64,
        activation: object = "relu",
        per_channel: bool = False,
        padding_mode: Literal["replicate", "circular"] = "replicate",
    ) -> None:
        super().__init__()
        if padding_mode not in ("replicate", "circular"):
            raise SpecError(f"padding_mode={padding_mode!r} given, expected 'replicate' or 'circular'; try 'replicate'")
        if kernel_size not in (2, 3):
            raise DomainError(f"kernel_size={kernel_size!r} given, expected 2 or 3; try kernel_size=2")
        sigma = as_activation(activation)
        before = checked_count("first", first)
        self.layers = nn.Sequential()
        convolution = nn.Conv2d(
            checked_count("channels", channels), before, 3, stride=2, padding=1, padding_mode=padding_mode
        )
        self.layers.add_module("conv1", _layer(convolution, sigma, before if per_channel else 1))
        for stage, (count, after) in enumerate(stages, start=2):
            self.layers.add_module(f"pool{stage - 1}", nn.MaxPool2d(2, ceil_mode=True))
            for place in range(1, checked_count("convolutions of a stage", count) + 1):
                checked_count("channels of a stage", after)
                convolution = nn.Conv2d(before, after, kernel_size, padding="same", padding_mode=padding_mode)
                self.layers.add_module(f"conv{stage}_{place}", _layer(convolution, sigma, after if per_channel else 1))
                before = after
        self.pool = nn.AdaptiveMaxPool2d(_LEVEL)
        self.linear = nn.Sequential()
        features = before * _LEVEL**2
        for place in (1, 2):
            units = nn.Linear(features, checked_count("hidden", hidden))
            self.linear.add_module(f"fc{place}", _layer(units, sigma, hidden if per_channel else 1))
            features = hidden
        self.head = nn.Linear(features, checked_count("outputs", outputs))
        self.depth = 1 + sum(count for count, _ in stages) + 3
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_he(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width] -> [image, outputs]."""
        out: Tensor = self.head(self.linear(self.pool(self.layers(images)).flatten(1)))
        return out

    def activated(self) -> dict[str, nn.Module]:
        """The activation of every layer that has one, input to output, by the paper's names: conv1, conv2_1, … fc2."""
        layers = (*self.layers.named_children(), *self.linear.named_children())
        found = {name: getattr(layer, "activation", None) for name, layer in layers}
        return {name: module for name, module in found.items() if isinstance(module, nn.Module)}


def _layer(sums: nn.Module, sigma: Activation, values: int) -> nn.Sequential:
    layer = nn.Sequential()
    layer.add_module("sums", sums)
    layer.add_module("activation", sigma.module(num_parameters=values))
    return layer
