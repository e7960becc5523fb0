"""Branched models: the worst sub-network, against composing the maps one by one."""

from __future__ import annotations

import math

import pytest

import edgewise as ew
from edgewise.tailor.subnetworks import Stack


def composed_slopes(stack: Stack, layer: float) -> list[float]:
    """Slopes at c = 1 of all sub-networks that begin where a block begins, and of pieces of branches, one by one."""
    block = stack.skip**2 + (1 - stack.skip**2) * layer**stack.layers
    return [block**n * layer**k for n in range(stack.blocks) for k in range(stack.layers + 1)] + [block**stack.blocks]


@pytest.mark.parametrize("stack", [Stack(7), Stack(4, 3, 0.8), Stack(1, 5, 0.0), Stack(50, 2, 0.99)])
@pytest.mark.parametrize("layer", [1.0, 1.01, 1.3])
def test_the_slope_is_the_largest_of_all_subnetworks(stack: Stack, layer: float) -> None:
    assert stack.slope(layer) == pytest.approx(max(composed_slopes(stack, layer)), rel=1e-14)


@pytest.mark.parametrize("stack", [Stack(100), Stack(20, 2, 0.9), Stack(1, 1, 0.0)])
def test_one_layers_slope_gives_the_target_back(stack: Stack) -> None:
    assert stack.slope(stack.layer_slope(1.5)) == pytest.approx(1.5, rel=1e-13)
    assert stack.curvature(stack.layer_curvature(0.3)) == pytest.approx(0.3, rel=1e-14)


def test_a_plain_chain_gets_the_root_of_zeta() -> None:
    assert Stack(100).layer_slope(1.5) == pytest.approx(1.5**0.01, rel=1e-14)


def test_curvatures_add_up_where_slopes_are_one() -> None:
    stack, layer = Stack(6, 2, 0.7), 1e-3

    def branch(c: float) -> float:
        for _ in range(stack.layers):
            c = c + 0.5 * layer * (c - 1) ** 2
        return c

    def network(c: float) -> float:
        for _ in range(stack.blocks - 1):
            c = stack.skip**2 * c + (1 - stack.skip**2) * branch(c)
        return branch(c)

    h = 1e-3
    second = (network(1 + h) - 2 * network(1.0) + network(1 - h)) / h**2
    assert second == pytest.approx(stack.curvature(layer), rel=1e-5)


def test_a_skip_allows_more_nonlinear_layers_than_a_chain() -> None:
    chain, stack = ew.tailor("gelu", depth=64), ew.tailor("gelu", depth=64, branches=32)
    assert stack.tailoring.stack == Stack(32, 2, math.sqrt(1 - 1 / 32))
    assert stack.tailoring.chosen.perp - 1 > 10 * (chain.tailoring.chosen.perp - 1)
    assert not stack.tailoring.missed


def test_the_leaky_form_composes_through_the_worst_subnetwork() -> None:
    plain, branched = ew.tailor("relu", depth=40), ew.tailor("relu", depth=40, branches=20, skip=0.6)
    assert branched.tailoring.base.parameters["a"] < plain.tailoring.base.parameters["a"]
    assert not branched.tailoring.missed
