"""How derivatives are asked for: by the coordinates they differentiate by, and as constant combinations of such.

``()`` is the value, ``(0, 0, 1)`` is d^3/dx0^2 dx1, coordinates in any order. Inside, a derivative is a tuple of
exponents, one a coordinate: (2, 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgewise.errors import DomainError

Index = tuple[int, ...]
"""The coordinates that are differentiated by."""

Exponents = tuple[int, ...]
"""How often each coordinate is differentiated by."""


Terms = tuple[tuple[Index, float], ...]
"""A sum of derivatives with constant coefficients."""


@dataclass(frozen=True)
class Combination:
    """A sum of derivatives with constant coefficients, carried through the network as one."""

    terms: Terms


Wanted = Index | Combination


def combination(coefficients: Mapping[Index, float]) -> Combination:
    """The sum of ``c * derivative``, cheaper than its parts.

    ``combination({(1,): 1.0, (0, 0): -nu})`` is u_t - nu u_xx.
    Raises DomainError where a coefficient is not a finite number, or there is none.
    """
    if not coefficients or not all(isinstance(c, int | float) and math.isfinite(c) for c in coefficients.values()):
        raise DomainError(
            f"combination of {dict(coefficients)!r} given, expected finite numbers by derivative; "
            "try combination({(0, 0): 1.0, (1, 1): 1.0})"
        )
    return Combination(tuple((tuple(index), float(c)) for index, c in coefficients.items()))


def laplacian(*coordinates: int) -> Combination:
    """The sum of the second derivatives by these coordinates."""
    return combination({(c, c): 1.0 for c in coordinates})


def exponents(index: Index, coordinates: int) -> Exponents:
    """How often each coordinate is differentiated by.

    Raises DomainError where an entry is not the number of a coordinate.
    """
    if not isinstance(index, tuple) or any(
        isinstance(c, bool) or not isinstance(c, int) or not 0 <= c < coordinates for c in index
    ):
        raise DomainError(
            f"derivative {index!r} given, expected a tuple of coordinate numbers 0 to {coordinates - 1}; "
            "try () for the value, (0, 0) for the second derivative by the first coordinate"
        )
    return tuple(index.count(c) for c in range(coordinates))


def terms(wanted: Wanted) -> Terms:
    """What is wanted as a sum of derivatives."""
    return wanted.terms if isinstance(wanted, Combination) else ((wanted, 1.0),)
