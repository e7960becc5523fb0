"""Conditions satisfied exactly: u = lift + distance * network, with derivatives by the product rule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from edgewise.pinn.embedding import Embedding
from edgewise.pinn.separable import Index, Known


@dataclass(frozen=True)
class Hard:
    """An output transform after which no training can violate the conditions it was made for.

    lift: any function that satisfies the conditions. distance: a function that vanishes, with as many normal
    derivatives as the conditions prescribe, where they hold (Lagaris et al. 1998). embedding: what the network
    must be fed instead of the coordinates for its part of the promise; None is nothing special.
    """

    lift: Known
    distance: Known
    reason: str
    embedding: Embedding | None = None

    def needs(self, wanted: Iterable[Index]) -> tuple[Index, ...]:
        """The derivatives of the network that those of u are made of, lowest order first."""
        found = {part for index in wanted for part, _, _ in self._terms(index)}
        return tuple(sorted(found, key=lambda i: (len(i), i)))

    def at(self, x: Tensor, wanted: Iterable[Index]) -> Callable[[Mapping[Index, Tensor]], dict[Index, Tensor]]:
        """The transform at points [..., example, coordinate]: what depends on them alone is computed once.

        The function it returns takes the network's derivatives [member, example, 1] of every index in `needs(wanted)`
        and gives those of u.
        """
        lifts = {index: self.lift.derivative(x, index)[..., None] for index in wanted}
        factors = {
            index: [
                (part, times * self.distance.derivative(x, rest)[..., None]) for part, rest, times in self._terms(index)
            ]
            for index in lifts
        }

        def transform(network: Mapping[Index, Tensor]) -> dict[Index, Tensor]:
            found = {}
            for index, value in lifts.items():
                for part, factor in factors[index]:
                    value = value + factor * network[part]
                found[index] = value
            return found

        return transform

    def __call__(self, network: Mapping[Index, Tensor], x: Tensor, wanted: Iterable[Index]) -> dict[Index, Tensor]:
        """The derivatives of u from those of the network, at points [..., example, coordinate]."""
        return self.at(x, wanted)(network)

    def _terms(self, index: Index) -> list[tuple[Index, Index, int]]:
        """(derivative of the network, derivative of the distance, times): Leibniz' rule without its zero terms."""
        return [term for term in leibniz(index) if not self.distance.vanishes(term[1])]


def leibniz(index: Index) -> list[tuple[Index, Index, int]]:
    """The derivative of a product f g as (derivative of f, derivative of g, how many times).

    >>> leibniz((0, 0))
    [((), (0, 0), 1), ((0,), (0,), 2), ((0, 0), (), 1)]
    """
    coordinates = sorted(set(index))
    orders = [index.count(c) for c in coordinates]
    found = []
    for split in itertools.product(*(range(order + 1) for order in orders)):
        left = tuple(c for c, k in zip(coordinates, split, strict=True) for _ in range(k))
        right = tuple(c for c, n, k in zip(coordinates, orders, split, strict=True) for _ in range(n - k))
        times = math.prod(math.comb(n, k) for n, k in zip(orders, split, strict=True))
        found.append((left, right, times))
    return found
