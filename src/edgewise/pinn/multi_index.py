"""Which Taylor coefficients of a network are propagated, and which products of them make up which.

A mixed derivative is a multi-index. In the interface it is written as the coordinates it differentiates by, in any
order: ``()`` is the value, ``(0, 0, 1)`` is d^3/dx0^2 dx1. Inside it is a tuple of exponents, one a coordinate: (2, 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from edgewise.errors import DomainError

Wanted = tuple[int, ...]
"""The coordinates that are differentiated by, in any order."""

Exponents = tuple[int, ...]


def exponents(wanted: Wanted, coordinates: int) -> Exponents:
    """How often each coordinate is differentiated by.

    Raises DomainError where an entry is not the number of a coordinate.
    """
    if not isinstance(wanted, tuple) or any(
        isinstance(c, bool) or not isinstance(c, int) or not 0 <= c < coordinates for c in wanted
    ):
        raise DomainError(
            f"derivative {wanted!r} given, expected a tuple of coordinate numbers 0 to {coordinates - 1}; "
            "try () for the value, (0, 0) for the second derivative by the first coordinate"
        )
    return tuple(wanted.count(c) for c in range(coordinates))


@dataclass(frozen=True)
class Coefficients:
    """The Taylor coefficients that travel through the network together: a set that holds every divisor of its members.

    indices: exponents in order of their total degree, the value first.
    """

    indices: tuple[Exponents, ...]

    @property
    def order(self) -> int:
        """The highest total degree."""
        return sum(self.indices[-1])

    def position(self, index: Exponents) -> int:
        """Where that coefficient stands."""
        return self.indices.index(index)

    def products(self, index: Exponents) -> tuple[tuple[int, int], ...]:
        """Positions (a, b) of the pairs of coefficients other than the value whose product contributes to `index`."""
        return _products(self.indices, index)


@lru_cache(maxsize=1024)
def _products(indices: tuple[Exponents, ...], index: Exponents) -> tuple[tuple[int, int], ...]:
    where = {a: i for i, a in enumerate(indices)}
    found = []
    for a in indices[1:]:
        b = tuple(i - j for i, j in zip(index, a, strict=True))
        if any(b) and min(b) >= 0:
            found.append((where[a], where[b]))
    return tuple(found)


def coefficients(wanted: Iterable[Exponents], coordinates: int) -> Coefficients:
    """The smallest set of coefficients that the chain rule needs for those derivatives."""
    return _closure(tuple(sorted(set(wanted))), coordinates)


@lru_cache(maxsize=256)
def _closure(wanted: Sequence[Exponents], coordinates: int) -> Coefficients:
    closed = {(0,) * coordinates}
    for index in wanted:
        closed |= set(product(*(range(e + 1) for e in index)))
    return Coefficients(tuple(sorted(closed, key=lambda a: (sum(a), tuple(-e for e in a)))))


def factorial(index: Exponents) -> int:
    """What turns the Taylor coefficient into the derivative."""
    return math.prod(math.factorial(e) for e in index)
