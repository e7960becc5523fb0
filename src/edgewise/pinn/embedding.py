"""Functions of the coordinates as a network's inputs, with their derivatives: periodic networks are made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.pinn.separable import Factor, Index, Polynomial, Wave


@dataclass(frozen=True)
class Embedding:
    """What a network is fed instead of its coordinates: features, each a function of one coordinate.

    features: (number of the coordinate, function).
    """

    features: tuple[tuple[int, Factor], ...]

    def __len__(self) -> int:
        return len(self.features)

    def __call__(self, x: Tensor) -> Tensor:
        """The features of points [..., coordinate]; [..., feature]."""
        return self.derivative(x, ())

    def derivative(self, x: Tensor, index: Index) -> Tensor:
        """A derivative of all features with respect to the coordinates; [..., feature]."""
        columns = [
            f.derivative(x[..., i], len(index)) if index.count(i) == len(index) else torch.zeros_like(x[..., i])
            for i, f in self.features
        ]
        return torch.stack(columns, dim=-1)


def periodic(periods: Sequence[float | None]) -> Embedding:
    """cos and sin of every coordinate that has a period, and the others as they are (Dong & Ni 2021, section 2.3).

    Whatever the network, it is periodic in those coordinates with all its derivatives.
    """
    features: list[tuple[int, Factor]] = []
    for i, period in enumerate(periods):
        if period is None:
            features.append((i, Polynomial((0.0, 1.0))))
        else:
            w = 2.0 * math.pi / period
            features += [(i, Wave(w, phase=math.pi / 2)), (i, Wave(w))]
    return Embedding(tuple(features))
