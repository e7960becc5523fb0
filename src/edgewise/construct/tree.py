"""Products over the variables as a tree: each layer multiplies the results of up to q groups of variables.

A sum over indices is taken inside the tree: in sum_jk c_jk T_j(x) T_k(y) = sum_k T_k(y) [sum_j c_jk T_j(x)] the bracket
is a linear combination, which costs no unit, so that n products do the work of n**2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgewise.construct.layer import Affine, Layer, combination
from edgewise.construct.series import Exponents

Polynomial = Mapping[Exponents, float]
"""Multi-index over a group's variables to coefficient, in products of Chebyshev polynomials."""


@dataclass(frozen=True)
class Group:
    """Consecutive variables; no children for a single variable."""

    variables: int
    children: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Term:
    """scale * the product of the children's results; factors: (child, number of the child's result)."""

    scale: float
    factors: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Plan:
    """What a group delivers: for a single variable `wanted` itself, else per polynomial its constant and its terms."""

    wanted: tuple[Polynomial, ...]
    sums: tuple[tuple[float, tuple[Term, ...]], ...] = ()
    children: tuple[Plan, ...] = ()

    @property
    def height(self) -> int:
        """Layers of products."""
        return 1 + self.children[0].height if self.children else 0


def planned(polynomial: Polynomial, variables: int, q: int) -> Plan:
    """The plan of a polynomial over a balanced tree."""
    groups = [Group(1) for _ in range(variables)]
    while len(groups) > 1:
        count = -(-len(groups) // q)
        cuts = [round(i * len(groups) / count) for i in range(count + 1)]
        chunks = [groups[a:b] for a, b in pairwise(cuts)]
        groups = [Group(sum(g.variables for g in chunk), tuple(chunk)) for chunk in chunks]
    return _plan(groups[0], (polynomial,))


def delivered(plan: Plan, layers: Sequence[Layer], values: Iterable[list[Affine]]) -> list[Affine]:
    """The plan's polynomials after `height` layers; values: T_1, ..., T_n of each variable in turn, before them."""
    return _deliver(plan, layers, iter(values))


def _deliver(plan: Plan, layers: Sequence[Layer], values: Iterable[list[Affine]]) -> list[Affine]:
    if not plan.children:
        chebyshev = next(iter(values))
        return [
            combination(((c, chebyshev[k[0] - 1]) for k, c in p.items() if k[0]), p.get((0,), 0.0)) for p in plan.wanted
        ]
    below = [_deliver(child, layers, values) for child in plan.children]
    layer = layers[plan.height - 1]
    made: dict[tuple[tuple[int, int], ...], Affine] = {}

    def made_once(factors: tuple[tuple[int, int], ...]) -> Affine:
        if factors not in made:
            made[factors] = layer.product([below[child][number] for child, number in factors])
        return made[factors]

    return [combination(((t.scale, made_once(t.factors)) for t in terms), constant) for constant, terms in plan.sums]


def _plan(group: Group, wanted: Sequence[Polynomial]) -> Plan:
    if not group.children:
        return Plan(tuple(wanted))
    head = group.children[0].variables
    contracted = sum(len({k[head:] for k in p}) for p in wanted)
    separate = len({k for p in wanted for k in p})
    asked: list[dict[frozenset[tuple[Exponents, float]], int]] = [{} for _ in group.children]
    sums = []
    for p in wanted:
        parts: dict[Exponents, dict[Exponents, float]] = {}
        for k, c in p.items():
            key, rest = (k[head:], k[:head]) if contracted <= separate else (k, ())
            parts.setdefault(key, {})[rest] = c
        constant, terms = 0.0, []
        for key, carried in parts.items():
            indices = _split(key, group.children, skip=contracted <= separate)
            factors = [(i, _number(asked[i], {k: 1.0})) for i, k in indices if any(k)]
            scale = sum(map(abs, carried.values()))
            if any(map(any, carried)):
                factors.insert(0, (0, _number(asked[0], {k: c / scale for k, c in carried.items()})))
            else:
                scale = sum(carried.values())
            if factors:
                terms.append(Term(scale, tuple(factors)))
            else:
                constant += scale
        sums.append((constant, tuple(terms)))
    children = tuple(
        _plan(child, [dict(polynomial) for polynomial in requests])
        for child, requests in zip(group.children, asked, strict=True)
    )
    return Plan(tuple(wanted), tuple(sums), children)


def _split(key: Exponents, children: Sequence[Group], *, skip: bool) -> list[tuple[int, Exponents]]:
    """A multi-index as (child, its part); skip: the first child's part is not in it."""
    found, start = [], 0
    for i, child in enumerate(children):
        if i == 0 and skip:
            continue
        found.append((i, key[start : start + child.variables]))
        start += child.variables
    return found


def _number(asked: dict[frozenset[tuple[Exponents, float]], int], polynomial: Polynomial) -> int:
    return asked.setdefault(frozenset(polynomial.items()), len(asked))
