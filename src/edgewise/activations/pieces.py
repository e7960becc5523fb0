"""Piecewise trigonometric polynomials: the algebra behind closed-form Gaussian averages.

A piece is ``sum_j c_j z**n_j exp(i w_j z)`` on one interval; frequency 0 makes it an ordinary polynomial. Activations
that are made of such pieces declare them (or the formula parser derives them), and `edgewise.theory.averages`
integrates them exactly, so that an oscillating activation at K = 1e8 is no harder than ReLU at K = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """``amplitude * z**power * exp(1j * frequency * z)`` with an integer power >= 0."""

    amplitude: complex
    power: int = 0
    frequency: float = 0.0


@dataclass(frozen=True)
class Piece:
    """A sum of terms on the interval (low, high); conjugate terms make it real."""

    low: float
    high: float
    terms: tuple[Term, ...]


Pieces = tuple[Piece, ...]


def polynomial(coefficients: Iterable[float], low: float = -math.inf, high: float = math.inf) -> Piece:
    """The piece ``c0 + c1 z + c2 z**2 + ...`` on (low, high)."""
    return Piece(low, high, tuple(Term(complex(c), n) for n, c in enumerate(coefficients) if c != 0.0))


def cosine(frequency: float, amplitude: float = 1.0, power: int = 0) -> tuple[Term, ...]:
    """The two terms of ``amplitude * z**power * cos(frequency * z)``."""
    return Term(0.5 * amplitude, power, frequency), Term(0.5 * amplitude, power, -frequency)


def sine(frequency: float, amplitude: float = 1.0, power: int = 0) -> tuple[Term, ...]:
    """The two terms of ``amplitude * z**power * sin(frequency * z)``."""
    return Term(-0.5j * amplitude, power, frequency), Term(0.5j * amplitude, power, -frequency)


@dataclass(frozen=True)
class BandLimited:
    """``amplitude * sin(frequency * z) / (frequency * z)`` plus the polynomial ``c0 + c1 z + c2 z**2 + ...``.

    Not a piecewise trigonometric polynomial, but a mean of cosines: sin(w z)/(w z) is cos(t z) averaged over t uniform
    in [0, w], so its Gaussian averages are one-dimensional integrals of closed forms.
    """

    frequency: float
    amplitude: float = 1.0
    coefficients: tuple[float, ...] = ()
