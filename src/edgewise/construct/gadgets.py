"""Sums of a few units that equal a product: the exact identities which the layers are made of.

A unit is a polynomial s(y) = sum_k s_k y**k of degree q for y >= -1 (see `Unit`). A gadget is a list of affine
arguments y_j = sum_i a_ji v_i of values |v_i| <= 1, and weights w_j for each target, such that sum_j w_j s(y_j) is the
target identically. All |y_j| <= 15/16, so that no kink lies in the box: RePU(2)'s second derivative, which PyTorch
takes as 0 at the kink, would be wrong there. Solved in rational numbers, rounded once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

REACH = Fraction(15, 16)
"""Largest |y| on the box; the kink is at y = -1."""


@dataclass(frozen=True)
class Gadget:
    """arguments[j][i]: coefficient a_ji of value i in y_j. weights[target][j]: w_j. constants[target]: to be added."""

    arguments: tuple[tuple[float, ...], ...]
    weights: dict[int, tuple[float, ...]]
    constants: dict[int, float]


@lru_cache(maxsize=128)
def powers(taylor: tuple[int, ...], degree: int) -> Gadget:
    """v, v**2, ..., v**degree from q units; the targets are the exponents."""
    q = len(taylor) - 1
    at = _spread(q)
    matrix = [[taylor[k] * a**k for a in at] for k in range(1, q + 1)]
    solved = _solve(matrix, [[Fraction(int(k == target)) for target in range(1, degree + 1)] for k in range(1, q + 1)])
    weights = {target: tuple(float(row[target - 1]) for row in solved) for target in range(1, degree + 1)}
    constants = {t: float(-taylor[0] * sum((row[t - 1] for row in solved), Fraction(0))) for t in weights}
    return Gadget(tuple((float(a),) for a in at), weights, constants)


@lru_cache(maxsize=128)
def powers_times(taylor: tuple[int, ...]) -> Gadget:
    """t, v t, ..., v**(q-1) t from differences s(a v + c t) - s(a v - c t); the targets are the exponents of v.

    A difference holds the monomials v**j t**k with odd k and j + k <= q alone; as many points (a, c) as there are such
    monomials, on rows of constant c, determine them.
    """
    q = len(taylor) - 1
    monomials = [(j, k) for k in range(1, q + 1, 2) for j in range(q + 1 - k)]
    rows = range(1, q + 1, 2)
    points = []
    for i, k in enumerate(rows):
        c = REACH * Fraction(i + 1, 2 * len(rows)) if q < 4 else REACH * Fraction(i + 1, len(rows) + 1)
        count = q + 1 - k
        half = REACH - c
        points += [(half * Fraction(2 * n - count + 1, max(1, count - 1)), c) for n in range(count)]
    matrix = [[_mixed(taylor, j, k) * 2 * a**j * c**k for a, c in points] for j, k in monomials]
    targets = [[Fraction(int((j, k) == (target, 1))) for target in range(q)] for j, k in monomials]
    solved = _solve(matrix, targets)
    arguments = tuple((float(a), sign * float(c)) for a, c in points for sign in (1.0, -1.0))
    weights = {t: tuple(sign * float(row[t]) for row in solved for sign in (1.0, -1.0)) for t in range(q)}
    return Gadget(arguments, weights, dict.fromkeys(weights, 0.0))


@lru_cache(maxsize=128)
def product(taylor: tuple[int, ...], factors: int) -> Gadget:
    """v_1 v_2 ... v_m for m <= q by polarisation: sums over all signs e of (prod e) s(c e·v); target 0.

    The signs leave the monomials odd in every v_i, of total degree m, m + 2, ...; as many scales c remove the later.
    """
    q = len(taylor) - 1
    degrees = range(factors, q + 1, 2)
    scales = [REACH / factors * Fraction(len(degrees) - i, len(degrees)) for i in range(len(degrees))]
    matrix = [[taylor[k] * c**k for c in scales] for k in degrees]
    # sum over signs of (prod e) (e·v)**m = 2**m m! v_1 ... v_m
    first = Fraction(1, 2**factors * math.factorial(factors))
    solved = _solve(matrix, [[first if k == factors else Fraction(0)] for k in degrees])
    signs = list(itertools.product((1, -1), repeat=factors))
    arguments = tuple(tuple(float(c * e) for e in sign) for c in scales for sign in signs)
    weights = tuple(float(row[0] * math.prod(sign)) for row in solved for sign in signs)
    return Gadget(arguments, {0: weights}, {0: 0.0})


def _spread(count: int) -> list[Fraction]:
    """`count` points other than 0 in [-REACH, REACH], ends included, near Chebyshev's."""
    even = count + count % 2
    half = [Fraction(round(64 * math.sin(math.pi * (2 * i + 1) / (2 * even))), 64) for i in range(even // 2)]
    both = sorted([-x * REACH / half[-1] for x in half] + [x * REACH / half[-1] for x in half])
    del both[even // 2 : even // 2 + even - count]
    return both


def _mixed(taylor: tuple[int, ...], j: int, k: int) -> int:
    """Coefficient of (a v)**j (c t)**k in s(a v + c t)."""
    return taylor[j + k] * math.comb(j + k, k)


def _solve(matrix: Sequence[Sequence[Fraction]], right: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """The solution of a square system in rational numbers, by Gauss-Jordan elimination."""
    size = len(matrix)
    rows = [[*map(Fraction, left), *map(Fraction, r)] for left, r in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = next(i for i in range(column, size) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [x / head for x in rows[column]]
        for i in range(size):
            if i != column and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[column], strict=True)]
    return [row[size:] for row in rows]
