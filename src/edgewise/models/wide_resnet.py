"""The wide residual network of Zagoruyko & Komodakis 2016 (arXiv 1605.07146): WRN-28-10, WRN-40-4 …"""

from __future__ import annotations

from torch import Generator, Tensor, nn

from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError
from edgewise.models.parts import checked_count, reset_as_he
from edgewise.models.preactivation_resnet import PreActivationUnit


class WideResNet(nn.Module):
    """A 3x3 convolution with 16 channels, 3 stages of n pre-activation units, a norm and an activation, mean, head.

    depth: 6n+4, as the paper counts; widen: the stages have 16, 32 and 64 times as many channels. The units are those
    of `PreActivationResNet` with two 3x3 convolutions; dropout is left out, as in the paper's main table.
    WRN-28-10 has 36.5 and WRN-40-4 has 8.9 million parameters.
    Initialised as in the paper: convolutions by He et al. 2015 without biases; the head as PyTorch does.
    Raises DomainError when depth is not 6n+4, SpecError for an unknown activation.
    """

    def __init__(
        self,
        depth: int = 28,
        widen: int = 10,
        *,
        outputs: int = 10,
        channels: int = 3,
        activation: object = "relu",
    ) -> None:
        super().__init__()
        per_stage, rest = divmod(checked_count("depth", depth, least=10) - 4, 6)
        if rest:
            raise DomainError(f"depth={depth} given, expected 6n+4; try depth={6 * per_stage + 4}")
        checked_count("widen", widen)
        sigma = as_activation(activation)
        self.conv = nn.Conv2d(checked_count("channels", channels), 16, 3, padding=1, bias=False)
        self.stages = nn.Sequential()
        before = 16
        for stage in range(3):
            after = 16 * widen * 2**stage
            units = nn.Sequential()
            for unit in range(per_stage):
                stride = 2 if stage > 0 and unit == 0 else 1
                units.append(PreActivationUnit(before, after, stride, sigma, "basic"))
                before = after
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
