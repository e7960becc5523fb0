"""The smallest algebra in which a network has to be evaluated for its wanted derivatives to come out.

Every wanted derivative at a point is a linear functional of the Taylor coefficients there. The functionals that the
product rule makes of it (u_xx asks for u_x and u of both factors) span a finite space, which is closed under the
product rule itself; carrying its basis is enough, and carrying less is not. It is the inverse system of Macaulay: for
u_x, u_xx, u_xxx, ... it holds the ordinary truncated Taylor series; for u_t - nu u_xx three functionals (u, u_x and
itself) instead of four, for the biharmonic operator in two dimensions 9 instead of the 15 coefficients of order <= 4.
Evaluating sums of highest derivatives as one is the "collapsing" of Dangel, Siebert, Zeinhofer & Walther, arXiv
2505.13644; the forward Laplacian is Li et al., arXiv 2307.08214.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product

import torch

from edgewise.pinn.multi_index import Exponents, Terms, exponents

Functional = dict[Exponents, Fraction]
"""Coefficients by which the Taylor coefficients of a function are weighted."""

Product = tuple[int, int, float]
"""(i, j, c): part k of a product of two functions gains c times part i of the one times part j of the other."""


@dataclass(frozen=True)
class Algebra:
    """Which parts of a function are carried, the value first, and how parts multiply.

    parts, order: how many are carried, and the last power of a function without its value that does not vanish, where
        the Taylor series of an activation may end.
    powers: for the m-th power of a function without its value, m = 1, 2, ..., the parts in which it does not vanish.
    products: for each part the products that make it, without those with the value (which multiplies every part).
    seeds: for each part what it is of every coordinate itself, the value apart.
    readout: for each wanted derivative the parts that it is made of, and their coefficients.
    """

    parts: int
    order: int
    powers: tuple[tuple[int, ...], ...]
    products: tuple[tuple[Product, ...], ...]
    seeds: tuple[tuple[float, ...], ...]
    readout: tuple[tuple[tuple[int, float], ...], ...]


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def algebra(wanted: tuple[Terms, ...], coordinates: int) -> Algebra:
    """The smallest one that yields these sums of derivatives. Raises DomainError for what is no derivative."""
    return _algebra(wanted, coordinates)


@lru_cache(maxsize=256)
def _algebra(wanted: tuple[Terms, ...], coordinates: int) -> Algebra:
    asked = [_functional(w, coordinates) for w in wanted]
    rows = _echelon(
        [part for functional in asked for part in _divisors(functional)] + [{(0,) * coordinates: Fraction(1)}]
    )
    scale = {pivot: Fraction(1) for pivot in rows}
    for functional in asked:  # a part that is wanted itself is carried as it is wanted
        inside = [pivot for pivot in rows if functional.get(pivot)]
        if len(inside) == 1 and any(inside[0]) and scale[inside[0]] == 1:
            scale[inside[0]] = functional[inside[0]]
    basis = [({a: c * scale[p] for a, c in row.items()}, p) for p, row in rows.items()]

    def coefficient(row: Functional, index: Exponents) -> Fraction:
        return row.get(index, Fraction(0))

    products = tuple(
        tuple(
            (i, j, float(c / (scale[p] * scale[q])))
            for i, (_, p) in enumerate(basis)
            for j, (_, q) in enumerate(basis)
            if any(p) and any(q) and (c := coefficient(row, _sum(p, q)))
        )
        for row, _ in basis
    )
    unit = [tuple(int(i == c) for i in range(coordinates)) for c in range(coordinates)]
    powers = _powers(products)
    return Algebra(
        parts=len(basis),
        order=len(powers),
        powers=powers,
        products=products,
        seeds=tuple(tuple(float(coefficient(row, e)) for e in unit) for row, _ in basis),
        readout=tuple(tuple((k, float(f[p] / scale[p])) for k, (_, p) in enumerate(basis) if f.get(p)) for f in asked),
    )


def _powers(products: tuple[tuple[Product, ...], ...]) -> tuple[tuple[int, ...], ...]:
    found = []
    present = tuple(range(1, len(products)))
    while present:
        found.append(present)
        present = tuple(k for k, row in enumerate(products) if any(i in present for i, _, _ in row))
    return tuple(found)


def _functional(wanted: Terms, coordinates: int) -> Functional:
    found: Functional = {}
    for written, c in wanted:
        index = exponents(written, coordinates)
        found[index] = found.get(index, Fraction(0)) + Fraction(c) * math.prod(map(math.factorial, index))
    return found


def _divisors(functional: Functional) -> list[Functional]:
    """The functionals that the product rule makes of it: those of one factor, whatever monomial the other is."""
    found = []
    for by in sorted({b for a in functional for b in product(*(range(e + 1) for e in a))}):
        rest = {
            tuple(i - j for i, j in zip(a, by, strict=True)): c
            for a, c in functional.items()
            if all(i >= j for i, j in zip(a, by, strict=True))
        }
        found.append(rest)
    return found


def _echelon(functionals: list[Functional]) -> dict[Exponents, Functional]:
    """A basis of their span by leading index, in each of which the leading indices of the others are missing."""
    columns = sorted({a for f in functionals for a in f}, key=lambda a: (-sum(a), a))
    rows = [dict(f) for f in functionals]
    basis: dict[Exponents, Functional] = {}
    for column in columns:
        chosen = next((r for r in rows if r.get(column)), None)
        if chosen is None:
            continue
        rows.remove(chosen)
        chosen = {a: c / chosen[column] for a, c in chosen.items() if c}
        rows = [_less(r, chosen, column) for r in rows]
        basis = {pivot: _less(r, chosen, column) for pivot, r in basis.items()} | {column: chosen}
    return dict(sorted(basis.items(), key=lambda item: (sum(item[0]), tuple(-e for e in item[0]))))


def _less(row: Functional, chosen: Functional, column: Exponents) -> Functional:
    factor = row.get(column, Fraction(0))
    if not factor:
        return row
    left = {a: row.get(a, Fraction(0)) - factor * chosen.get(a, Fraction(0)) for a in row.keys() | chosen.keys()}
    return {a: c for a, c in left.items() if c}


def _sum(a: Exponents, b: Exponents) -> Exponents:
    return tuple(i + j for i, j in zip(a, b, strict=True))
