"""Functions of the coordinates as a network's inputs, with their derivatives: periodic networks are made of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

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

    def needs(self, wanted: Iterable[Index]) -> tuple[Index, ...]:
        """The derivatives by features that those by coordinates are made of, lowest order first."""
        found = {index for one in wanted for index, _ in _chain(self, one)}
        return tuple(sorted(found, key=lambda i: (len(i), i)))

    def chained(self, network: Mapping[Index, Tensor], x: Tensor, wanted: Iterable[Index]) -> dict[Index, Tensor]:
        """A network's derivatives by the coordinates from those by its features, [member, example, 1], at points x.

        The chain rule of every order (Faà di Bruno); x [..., example, coordinate], network: every index in `needs`.
        """
        slopes: dict[tuple[int, int], Tensor] = {}

        def slope(feature: int, order: int) -> Tensor:
            if (feature, order) not in slopes:
                i, f = self.features[feature]
                slopes[feature, order] = f.derivative(x[..., i], order)[..., None]
            return slopes[feature, order]

        found = {}
        for index in wanted:
            total: Tensor | None = None
            for inner, products in _chain(self, index):
                factor = sum(
                    (times * math.prod(slope(*s) for s in blocks) for blocks, times in products), x.new_zeros(())
                )
                term = network[inner] if not inner else factor * network[inner]
                total = term if total is None else total + term
            found[index] = torch.zeros_like(x[..., :1]) if total is None else total
        return found


Blocks = tuple[tuple[int, int], ...]
"""(feature, order): a product of derivatives of features."""


@lru_cache(maxsize=256)
def _chain(inputs: Embedding, index: Index) -> tuple[tuple[Index, tuple[tuple[Blocks, int], ...]], ...]:
    """A derivative of a function of the features: for each derivative by features the products before it, how often."""
    found: dict[Index, Counter[Blocks]] = {}
    for blocks in _partitions(index):
        if any(len(set(block)) > 1 for block in blocks):
            continue  # a feature depends on one coordinate
        choices = [
            [
                (f, len(block))
                for f, (i, factor) in enumerate(inputs.features)
                if i == block[0] and not factor.vanishes(len(block))
            ]
            for block in blocks
        ]
        for chosen in product(*choices):
            inner = tuple(sorted(f for f, _ in chosen))
            found.setdefault(inner, Counter())[tuple(sorted(chosen))] += 1
    return tuple((inner, tuple(counts.items())) for inner, counts in found.items())


def _partitions(index: Index) -> Iterator[tuple[Index, ...]]:
    """All ways to put the differentiations into groups, each taken to be different from the others."""
    if not index:
        yield ()
        return
    first, rest = index[0], index[1:]
    for groups in _partitions(rest):
        yield ((first,), *groups)
        for k, group in enumerate(groups):
            yield (*groups[:k], (first, *group), *groups[k + 1 :])


def periodic(periods: Sequence[float | None]) -> Embedding:
    """cos and sin of every coordinate that has a period, and the others as they are (Dong & Ni 2021).

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
