"""Several views of an image, whose outputs are averaged: what a network says of it with less chance in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.data import Augment
from edgewise.errors import DomainError


@dataclass(frozen=True)
class Views:
    """mirror: the image and its mirror image, half the weight each. shift: half of the weight goes to the image as it
    is, a quarter each to it moved by so many pixels up and left, and down and right, the border filled by reflection.

    Raises DomainError for a negative shift. Source: K. Jordan, arXiv 2404.00498, with both and a shift of one pixel.
    """

    mirror: bool = True
    shift: int = 1

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise DomainError(f"shift={self.shift!r} given, expected a number of pixels >= 0; try shift=1")

    @property
    def count(self) -> int:
        """How often the network is asked about an image."""
        return (2 if self.mirror else 1) * (3 if self.shift else 1)

    def outputs(self, network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """The weighted mean of the network's outputs, in float32 at least; inputs: [image, channel, height, width]."""
        total: Tensor | None = None
        for weight, view in self._weighted(inputs):
            seen = network(view)
            seen = weight * (seen if seen.dtype == torch.float64 else seen.float())
            total = seen if total is None else total + seen
        assert total is not None
        return total

    def _weighted(self, inputs: Tensor) -> Iterator[tuple[float, Tensor]]:
        moved = [(1.0, inputs)]
        if self.shift:
            height, width = inputs.shape[2:]
            padded = functional.pad(inputs, (self.shift,) * 4, mode="reflect")
            ends = (0, 2 * self.shift)
            moved = [(0.5, inputs)] + [(0.25, padded[:, :, i : i + height, i : i + width]) for i in ends]
        for weight, view in moved:
            if self.mirror:
                yield 0.5 * weight, view
                yield 0.5 * weight, view.flip(-1)
            else:
                yield weight, view


def views_like(augment: Augment | None) -> Views | None:
    """What goes with an augmentation: mirror images where it flips, a shift by a pixel where it crops."""
    return None if augment is None else Views(mirror=bool(augment.flip), shift=1 if augment.crop else 0)
