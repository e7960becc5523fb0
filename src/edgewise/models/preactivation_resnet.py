"""The pre-activation residual network for CIFAR of He, Zhang, Ren, Sun 2016 (arXiv 1603.05027): ResNet-110, -164 …"""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.models.parts import checked_count, reset_as_he


class PreActivationResNet(nn.Module):
    """A 3x3 convolution, 3 stages of residual units that normalise and activate first, a norm and an activation at the
    end, the mean over the image, a linear head.

    block: "bottleneck" (depth 9n+2; 1x1, 3x3, 1x1 convolutions, the last with four times the channels) or "basic"
    (depth 6n+2; two 3x3 convolutions). The stages are `width`, 2 `width` and 4 `width` wide; the first unit of the
    second and third halves the image. Shortcuts are the identity; where the shape changes, a 1x1 convolution of the
    activated input. ResNet-110 "basic" and ResNet-164 "bottleneck" have 1.7 million parameters each.
    Initialised as in the paper: convolutions by He et al. 2015 without biases; the head as PyTorch does.
    Raises DomainError when the depth does not fit the block, SpecError for an unknown activation or block.
    """

    def __init__(
        self,
        depth: int = 164,
        *,
        block: Literal["basic", "bottleneck"] = "bottleneck",
        outputs: int = 10,
        channels: int = 3,
        width: int = 16,
        activation: object = "relu",
    ) -> None:
        super().__init__()
        if block not in ("basic", "bottleneck"):
            raise SpecError(f"block={block!r} given, expected 'basic' or 'bottleneck'; try block='bottleneck'")
        period = 6 if block == "basic" else 9
        per_stage, rest = divmod(checked_count("depth", depth, least=period + 2) - 2, period)
        if rest:
            raise DomainError(
                f"depth={depth} given with block={block!r}, expected {period}n+2; try depth={period * per_stage + 2}"
            )
        width = checked_count("width", width)
        sigma = as_activation(activation)
        self.conv = nn.Conv2d(checked_count("channels", channels), width, 3, padding=1, bias=False)
        self.stages = nn.Sequential()
        before = width
        for stage in range(3):
            inner = width * 2**stage
            units = nn.Sequential()
            for unit in range(per_stage):
                stride = 2 if stage > 0 and unit == 0 else 1
                units.append(PreActivationUnit(before, inner, stride, sigma, block))
                before = inner if block == "basic" else 4 * inner
            self.stages.append(units)
        self.norm = nn.BatchNorm2d(before)
        self.activation = sigma.module()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, checked_count("outputs", outputs))
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        reset_as_he(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width] -> [image, outputs]."""
        x = self.activation(self.norm(self.stages(self.conv(images))))
        out: Tensor = self.head(self.pool(x).flatten(1))
        return out


class PreActivationUnit(nn.Module):
    """x + branch(x), where every convolution of the branch comes after a norm and an activation."""

    def __init__(
        self, before: int, inner: int, stride: int, sigma: Activation, block: Literal["basic", "bottleneck"]
    ) -> None:
        super().__init__()
        after = inner if block == "basic" else 4 * inner
        self.norm = nn.BatchNorm2d(before)
        self.activation = sigma.module()
        self.projects = before != after or stride != 1
        self.shortcut = nn.Conv2d(before, after, 1, stride=stride, bias=False) if self.projects else nn.Identity()
        self.branch = nn.Sequential()
        if block == "basic":
            self._add("1", None, nn.Conv2d(before, inner, 3, stride=stride, padding=1, bias=False))
            self._add("2", sigma, nn.Conv2d(inner, after, 3, padding=1, bias=False))
        else:
            self._add("1", None, nn.Conv2d(before, inner, 1, bias=False))
            self._add("2", sigma, nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False))
            self._add("3", sigma, nn.Conv2d(inner, after, 1, bias=False))

    def _add(self, number: str, sigma: Activation | None, convolution: nn.Conv2d) -> None:
        if sigma is not None:
            self.branch.add_module(f"norm{number}", nn.BatchNorm2d(convolution.in_channels))
            self.branch.add_module(f"activation{number}", sigma.module())
        self.branch.add_module(f"conv{number}", convolution)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activation(self.norm(x))
        shortcut: Tensor = self.shortcut(activated if self.projects else x)
        branch: Tensor = self.branch(activated)
        return shortcut + branch
