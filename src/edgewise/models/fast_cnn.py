"""The small network that learns CIFAR-10 fastest on one GPU, of K. Jordan 2024 (arXiv 2404.00498, "airbench94")."""

from __future__ import annotations

import itertools

import torch
from torch import Generator, Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError
from edgewise.models.parts import checked_count, reset_as_torch

_SIDE = 2
"""Of the patches that are whitened."""
_REGULAR = 5e-4
"""Added to the variances of the patches: where there is next to none, noise is not blown up."""


class FastCNN(nn.Module):
    """A fixed convolution that whitens patches, three groups of two convolutions, the maximum over the image, a head.

    width: channels of the first group; the others have four times as many; 64 is the paper's, with 1.97 million
    parameters for CIFAR-10. Each group halves the image once. Norms have no gain, only a shift; convolutions no bias,
    except the first, whose filters are not trained. The outputs are divided by 9, the paper's factor.
    Initialised as in the paper: the first filters of every convolution hand the channels on as they are, the others are
    drawn as PyTorch does, as is the head; the first layer's are drawn too, until `whiten_` shows it images.
    Raises DomainError for a count below 1, SpecError for an unknown activation.
    """

    def __init__(self, *, channels: int = 3, outputs: int = 10, width: int = 64, activation: object = "gelu") -> None:
        super().__init__()
        width, sigma = checked_count("width", width), as_activation(activation)
        filters = 2 * _SIDE**2 * checked_count("channels", channels)
        self.whitening = nn.Conv2d(channels, filters, _SIDE)
        self.whitening.weight.requires_grad_(False)
        self.activation = sigma.module()
        widths = (filters, width, 4 * width, 4 * width)
        self.groups = nn.Sequential(*(_group(a, b, sigma) for a, b in itertools.pairwise(widths)))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.head = nn.Linear(widths[-1], checked_count("outputs", outputs), bias=False)
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one; `whiten_` has to follow."""
        reset_as_torch(self, generator)
        with torch.no_grad():
            for module in self.groups.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.dirac_(module.weight[: module.in_channels])

    @torch.no_grad()
    def whiten_(self, images: Tensor) -> None:
        """Sets the filters of the first layer from images [image, channels, height, width], normalised as in training.

        They are the directions in which patches of the images vary independently, each scaled so that its output has
        mean square 1, and all of them once more with the opposite sign. Its biases become 0. Some thousand images are
        enough. Raises DomainError for images that are not of `channels` channels and at least 2x2 pixels.
        """
        layer = self.whitening
        if images.dim() != 4 or images.shape[1] != layer.in_channels or min(images.shape[2:]) < _SIDE:
            raise DomainError(
                f"images of shape {tuple(images.shape)} given, expected [image, {layer.in_channels}, height, width] of "
                f"at least {_SIDE}x{_SIDE} pixels"
            )
        variances, directions = torch.linalg.eigh(_patch_covariance(images))
        scaled = (directions / (variances.clamp(min=0.0) + _REGULAR).sqrt()).mT.flip(0)  # largest variance first
        layer.weight.copy_(torch.cat([scaled, -scaled]).view_as(layer.weight))
        assert layer.bias is not None
        layer.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """[image, channels, height, width], of at least 9x9 pixels, -> [image, outputs]."""
        x = self.groups(self.activation(self.whitening(images)))
        out: Tensor = self.head(self.pool(x).flatten(1)) / 9.0
        return out


def _group(before: int, after: int, sigma: Activation) -> nn.Sequential:
    group = nn.Sequential()
    for layer, channels in enumerate((before, after), 1):
        group.add_module(f"conv{layer}", nn.Conv2d(channels, after, 3, padding=1, bias=False))
        if layer == 1:
            group.add_module("pool", nn.MaxPool2d(2))
        # momentum as in the paper, which counts what is kept: 0.6; its eps matters to nothing but float16
        group.add_module(f"norm{layer}", norm := nn.BatchNorm2d(after, eps=1e-12, momentum=0.4))
        norm.weight.requires_grad_(False)
        group.add_module(f"activation{layer}", sigma.module())
    return group


def _patch_covariance(images: Tensor) -> Tensor:
    """Mean products of the numbers of a patch, over all patches: float64 [n, n], n = channels x 2 x 2."""
    height, width = images.shape[2] - _SIDE + 1, images.shape[3] - _SIDE + 1
    corners = [(i, j) for i in range(_SIDE) for j in range(_SIDE)]
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    for part in torch.split(images, 500):  # copies of a few images at a time
        shifted = torch.stack([part[:, :, i : i + height, j : j + width] for i, j in corners], 2)
        rows = shifted.flatten(1, 2).flatten(2)
        # float32 is enough within an image, and a quarter of the time; thousands of images are added up in float64
        total = total + (rows @ rows.mT).double().sum(0)
    return total / (len(images) * height * width)
