"""The integrand ``z**m prod_i sigma^(o_i)(z)`` as a symbol: products and derivatives of piecewise trigonometric
polynomials.

They are again piecewise trigonometric polynomials, so whoever integrates a piece can integrate every susceptibility.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from edgewise.activations.definition import Activation
from edgewise.activations.pieces import Piece, Pieces, Term

_Sum = dict[tuple[int, float], complex]
"""Amplitude by (power, frequency)."""


def symbol(activation: Activation) -> Pieces | None:
    """The activation in closed form, or None where it has none.

    A sinc becomes ``(exp(i w z) - exp(-i w z)) / (2 i w z)`` with power -1 on the whole line: the sum is regular at 0.
    """
    facts = activation.facts
    if facts.pieces is not None:
        return facts.pieces
    if facts.bandlimited is None:
        return None
    b = facts.bandlimited
    half = b.amplitude / (2j * b.frequency)
    sinc = (Term(half, -1, b.frequency), Term(-half, -1, -b.frequency))
    rest = tuple(Term(complex(c), n) for n, c in enumerate(b.coefficients) if c != 0.0)
    return (Piece(-math.inf, math.inf, sinc + rest),)


@lru_cache(maxsize=512)
def integrand(pieces: Pieces, orders: tuple[int, ...], z_power: int) -> Pieces:
    """``z**z_power`` times the product of the derivatives of these orders, piece by piece; zero pieces are left out."""
    found = []
    for piece in pieces:
        total: _Sum = {(z_power, 0.0): 1.0}
        for order in orders:
            total = _product(total, _derivative(piece.terms, order))
        terms = tuple(Term(c, n, w) for (n, w), c in sorted(total.items()) if c != 0)
        if terms:
            found.append(Piece(piece.low, piece.high, terms))
    return tuple(found)


def _derivative(terms: Sequence[Term], order: int) -> _Sum:
    total: _Sum = {}
    for t in terms:
        _add(total, t.power, t.frequency, t.amplitude)
    for _ in range(order):
        previous, total = total, {}
        for (n, w), c in previous.items():
            if n != 0:
                _add(total, n - 1, w, c * n)
            if w != 0.0:
                _add(total, n, w, c * 1j * w)
    return total


def _product(left: _Sum, right: _Sum) -> _Sum:
    total: _Sum = {}
    for (n, w), c in left.items():
        for (m, v), d in right.items():
            _add(total, n + m, w + v, c * d)
    return total


def _add(total: _Sum, power: int, frequency: float, amplitude: complex) -> None:
    key = (power, frequency)
    total[key] = total.get(key, 0.0) + amplitude
