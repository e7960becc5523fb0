"""The densely connected network for CIFAR of Huang, Liu, van der Maaten, Weinberger 2017 (arXiv 1608.06993)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError
from edgewise.models.parts import checked_count, reset_as_he


class DenseNet(nn.Module):
    """3 dense blocks, in which every layer sees the outputs of all layers before it; transitions halve the image.

    depth: 3n+4 layers, with bottleneck=True 6n+4; growth: new channels of a layer. bottleneck: the paper's DenseNet-BC,
    a 1x1 convolution to 4 `growth` channels before each 3x3, transitions that halve the channels, 2 `growth` channels
    after the first convolution instead of 16. DenseNet-100 with growth 12 has 7.0 million parameters, its BC form 0.8.
    Initialised as in the paper: convolutions by He et al. 2015 without biases; the head as PyTorch does.
    Raises DomainError when the depth does not fit, SpecError for an unknown activation.
    """

    def __init__(
        self,
        depth: int = 100,
        growth: int = 12,
        *,
        bottleneck: bool = False,
        outputs: int = 10,
        channels: int = 3,
        activation: object = "relu",
    ) -> None:
        super().__init__()
        period = 6 if bottleneck else 3
        per_block, rest = divmod(checked_count("depth", depth, least=period + 4) - 4, period)
        if rest:
            raise DomainError(
                f"depth={depth} given with bottleneck={bottleneck}, expected {period}n+4; "
                f"try depth={period * per_block + 4}"
            )
        growth = checked_count("growth", growth)
        sigma = as_activation(activation)
        now = 2 * growth if bottleneck else 16
        self.conv = nn.Conv2d(checked_count("channels", channels), now, 3, padding=1, bias=False)
        self.blocks = nn.Sequential()
        for block in range(3):
            for layer in range(per_block):
                made = DenseLayer(now, growth, sigma, bottleneck=bottleneck)
                self.blocks.add_module(f"block{block + 1}-layer{layer + 1}", made)
                now += growth
            if block < 2:
                after = now // 2 if bottleneck else now
                self.blocks.add_module(f"transition{block + 1}", _transition(now, after, sigma))
                now = after
        self.norm = nn.BatchNorm2d(now)
        self.activation = sigma.module()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(now, checked_count("outputs", outputs))
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_he(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width] -> [image, outputs]."""
        x = self.activation(self.norm(self.blocks(self.conv(images))))
        out: Tensor = self.head(self.pool(x).flatten(1))
        return out


class DenseLayer(nn.Module):
    """cat(x, branch(x)): `growth` new channels beside the old; every convolution after a norm and an activation."""

    def __init__(self, before: int, growth: int, sigma: Activation, *, bottleneck: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential()
        if bottleneck:
            self._add("1", sigma, nn.Conv2d(before, 4 * growth, 1, bias=False))
        last = 4 * growth if bottleneck else before
        self._add("2" if bottleneck else "1", sigma, nn.Conv2d(last, growth, 3, padding=1, bias=False))

    def _add(self, number: str, sigma: Activation, convolution: nn.Conv2d) -> None:
        self.branch.add_module(f"norm{number}", nn.BatchNorm2d(convolution.in_channels))
        self.branch.add_module(f"activation{number}", sigma.module())
        self.branch.add_module(f"conv{number}", convolution)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.branch(x)], dim=1)


def _transition(before: int, after: int, sigma: Activation) -> nn.Sequential:
    made = nn.Sequential()
    made.add_module("norm", nn.BatchNorm2d(before))
    made.add_module("activation", sigma.module())
    made.add_module("conv", nn.Conv2d(before, after, 1, bias=False))
    made.add_module("pool", nn.AvgPool2d(2))
    return made
