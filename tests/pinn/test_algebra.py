"""The smallest algebra for a set of derivatives: its size, and that arithmetic in it differentiates."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.errors import DomainError
from edgewise.pinn.algebra import Algebra, algebra
from edgewise.pinn.multi_index import Combination, Index, combination, laplacian, terms

BIHARMONIC = combination({(0, 0, 0, 0): 1.0, (0, 0, 1, 1): 2.0, (1, 1, 1, 1): 1.0})
Polynomial = Mapping[tuple[int, int], float]


def of(*wanted: Index | Combination) -> Algebra:
    return algebra(tuple(terms(w) for w in wanted), 2)


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        ([()], 1),
        ([(), (0,), (1,), (0, 0)], 4),
        ([(), (0,), combination({(1,): 1.0, (0, 0): -0.003})], 3),
        ([(0, 0), (1, 1)], 5),
        ([laplacian(0, 1)], 4),
        ([(0, 0, 0, 0)], 5),
        ([BIHARMONIC], 9),
        ([(0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 1, 1)], 13),
    ],
)
def test_no_more_parts_are_carried_than_the_product_rule_asks_for(
    wanted: list[Index | Combination], parts: int
) -> None:
    assert of(*wanted).parts == parts


def multiplied(a: list[float], b: list[float], within: Algebra) -> list[float]:
    """Product of two functions given by their parts, by the rule that `Algebra.products` states."""
    beyond = [
        a[0] * b[k] + a[k] * b[0] + sum(c * a[i] * b[j] for i, j, c in within.products[k])
        for k in range(1, within.parts)
    ]
    return [a[0] * b[0], *beyond]


def evaluated(polynomial: Polynomial, at: tuple[float, float], within: Algebra) -> list[float]:
    coordinates = [[at[c], *(seed[c] for seed in within.seeds[1:])] for c in (0, 1)]
    total = [0.0] * within.parts
    for powers, coefficient in polynomial.items():
        term = [coefficient, *[0.0] * (within.parts - 1)]
        for coordinate, power in zip(coordinates, powers, strict=True):
            for _ in range(power):
                term = multiplied(term, coordinate, within)
        total = [p + q for p, q in zip(total, term, strict=True)]
    return total


def derivative(polynomial: Polynomial, index: Index, at: tuple[float, float]) -> float:
    by = index.count(0), index.count(1)
    return sum(
        c * math.prod(math.perm(n, k) * x ** (n - k) if n >= k else 0.0 for n, k, x in zip(p, by, at, strict=True))
        for p, c in polynomial.items()
    )


numbers = st.integers(-3, 3).map(float)
indices = st.lists(st.integers(0, 1), max_size=4).map(tuple)
combinations = st.dictionaries(indices, numbers.filter(bool), min_size=1, max_size=3).map(combination)
polynomials = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), numbers, min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(st.lists(indices | combinations, min_size=1, max_size=4), polynomials, st.tuples(numbers, numbers))
def test_arithmetic_on_parts_differentiates_polynomials(
    wanted: list[Index | Combination], polynomial: Polynomial, at: tuple[float, float]
) -> None:
    within = of(*wanted)
    parts = evaluated(polynomial, at, within)
    for asked, made_of in zip(wanted, within.readout, strict=True):
        exact = sum(c * derivative(polynomial, index, at) for index, c in terms(asked))
        size = max((abs(c * parts[k]) for k, c in made_of), default=0.0)
        assert sum(c * parts[k] for k, c in made_of) == pytest.approx(exact, rel=1e-9, abs=1e-9 * (1 + size))


def test_a_coordinate_that_is_not_there_is_refused() -> None:
    with pytest.raises(DomainError, match="coordinate numbers 0 to 1"):
        of((2,))
    with pytest.raises(DomainError, match="expected finite numbers"):
        combination({(0,): math.nan})
