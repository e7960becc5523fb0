"""Calculus facts: GELU's and Swish's known values, and claims that must hold for every registered activation."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import mpmath as mp
import pytest
import torch

import edgewise as ew
from edgewise.activations.differentiable import closed_form
from edgewise.theory.properties import Properties, Region, properties

CASES = [*ew.activations(), "mrepu(p=3)", "repu(p=2.5)", "swish(beta=5)", "x*relu(x+1)**2", "sin(x)+x", "abs(x**2-1)"]


@pytest.fixture(scope="module")
def facts() -> Callable[[str], Properties]:
    known: dict[str, Properties] = {}

    def of(spec: str) -> Properties:
        if spec not in known:
            known[spec] = properties(spec)
        return known[spec]

    return of


def values(spec: str, order: int, x: torch.Tensor) -> torch.Tensor:
    return closed_form(ew.activation(spec), x, order)


def test_gelu() -> None:
    p = properties("gelu")
    with mp.workdps(30):
        at = mp.findroot(lambda x: mp.ncdf(x) + x * mp.npdf(x), -0.75)
        lowest, steepest = at * mp.ncdf(at), mp.ncdf(mp.sqrt(2)) + mp.sqrt(2) * mp.npdf(mp.sqrt(2))
    assert [q.kind for q in p.stationary_points] == ["minimum"]
    assert p.stationary_points[0].x == pytest.approx(float(at), abs=1e-13)
    assert p.stationary_points[0].x == pytest.approx(-0.7517915, abs=5e-8)
    assert p.infimum.value == pytest.approx(float(lowest), abs=1e-15)
    assert p.infimum.at == p.stationary_points[0].x
    assert [q.x for q in p.inflection_points] == pytest.approx([-math.sqrt(2), math.sqrt(2)], abs=1e-13)
    assert p.lipschitz.value == pytest.approx(float(steepest), rel=1e-14)
    assert p.lipschitz.value == pytest.approx(1.1289041452, abs=5e-11)
    assert p.slope_infimum.value == pytest.approx(1 - float(steepest), abs=1e-14)
    assert p.slope_lipschitz.value == pytest.approx(2 / math.sqrt(2 * math.pi), rel=1e-12)  # sigma''(0) = 2 phi(0)
    assert p.supremum.value == math.inf
    assert p.limits == (0.0, math.inf)
    assert p.asymptotic_slopes == (0.0, 1.0)
    assert [r.kind for r in p.monotone] == ["decreasing", "increasing"]
    assert [r.kind for r in p.curvature] == ["concave", "convex", "concave"]
    assert p.zeros == (0.0,)
    assert p.smoothness == math.inf


def test_swish() -> None:
    p = properties("swish")
    assert (p.infimum.value, p.infimum.at) == pytest.approx((-0.2784645, -1.2784645), abs=5e-8)
    assert (p.lipschitz.value, p.lipschitz.at) == pytest.approx((1.09984, 2.39936), abs=5e-6)


@pytest.mark.parametrize("power", [1, 2, 3, 2.5])
def test_mrepu_has_its_minimum_at_minus_one_over_p_plus_one(power: float) -> None:
    p = properties(f"mrepu(p={power})")
    assert [(q.x, q.kind) for q in p.stationary_points] == [(pytest.approx(-1 / (power + 1), abs=1e-13), "minimum")]
    assert p.infimum.value == pytest.approx(-((power / (power + 1)) ** power) / (power + 1), rel=1e-13)
    assert p.zero_regions == (Region(-math.inf, -1.0, "zero"),)
    assert p.lipschitz.value == math.inf


def test_relu() -> None:
    p = properties("relu")
    assert (p.infimum.value, p.supremum.value, p.lipschitz.value) == (0.0, math.inf, 1.0)
    assert p.slope_lipschitz.value == math.inf
    assert [(r.low, r.high, r.kind) for r in p.monotone] == [
        (-math.inf, 0.0, "constant"),
        (0.0, math.inf, "increasing"),
    ]
    assert p.curvature == (Region(-math.inf, math.inf, "convex"),)
    assert p.stationary_points == p.inflection_points == ()


def test_hardtanh_keeps_its_straight_pieces_apart() -> None:
    p = properties("hardtanh")
    assert p.bounded
    assert [(r.low, r.high) for r in p.curvature] == [(-math.inf, -1.0), (-1.0, 1.0), (1.0, math.inf)]
    assert {r.kind for r in p.curvature} == {"linear"}


def test_corners_can_be_extrema() -> None:
    p = properties("abs(x**2-1)")
    kinds = [(q.x, q.kind) for q in p.stationary_points]
    assert kinds == [
        (pytest.approx(-1), "minimum"),
        (pytest.approx(0, abs=1e-12), "maximum"),
        (pytest.approx(1), "minimum"),
    ]
    assert p.infimum.value == pytest.approx(0.0, abs=1e-12)


def test_a_flat_point_is_no_extremum() -> None:
    p = properties("x**3")
    assert [(q.x, q.kind) for q in p.stationary_points] == [(0.0, "inflection")]
    assert p.monotone == (Region(-math.inf, math.inf, "increasing"),)


@pytest.mark.parametrize(
    ("spec", "period", "bounded"),
    [("sin(omega=3)", 2 * math.pi / 3, True), ("cos", 2 * math.pi, True), ("sin(x)+x", 2 * math.pi, False)],
)
def test_what_oscillates_says_so(spec: str, period: float, bounded: bool) -> None:
    p = properties(spec)
    assert p.oscillates == (True, True)
    assert p.period == pytest.approx(period, rel=1e-6)
    assert p.bounded is bounded
    assert p.window == (-10.0, 10.0)
    assert all(-10 <= q.x <= 10 for q in (*p.stationary_points, *p.inflection_points))


def test_growing_oscillations_are_unbounded() -> None:
    p = properties("gcu")
    assert (p.infimum.value, p.supremum.value, p.lipschitz.value) == (-math.inf, math.inf, math.inf)
    assert "oscillating" in p.supremum.where


def test_dying_oscillations_have_limits() -> None:
    p = properties("sinc_plus_x")
    assert p.asymptotic_slopes == pytest.approx((1.0, 1.0), abs=1e-6)
    with mp.workdps(20):
        at = mp.findroot(lambda x: 1 + mp.diff(lambda t: mp.sin(mp.pi * t) / (mp.pi * t), x), 0.34)
    assert p.stationary_points[0].x == pytest.approx(float(at), abs=1e-10)
    assert [q.kind for q in p.stationary_points] == ["maximum", "minimum"]


@pytest.mark.parametrize("spec", CASES)
def test_no_value_is_beyond_the_bounds(spec: str, facts: Callable[[str], Properties]) -> None:
    p = facts(spec)
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(4000, dtype=torch.float64, generator=generator) * 6
    sigma, slope = values(spec, 0, x), values(spec, 1, x)
    room = 1e-12
    assert float(sigma.max()) <= p.supremum.value + room
    assert float(sigma.min()) >= p.infimum.value - room
    assert float(slope.abs().max()) <= p.lipschitz.value + room
    assert float(values(spec, 2, x).abs().max()) <= p.slope_lipschitz.value * (1 + 1e-9) + room
    for bound in (p.infimum, p.supremum):
        if bound.at is not None:
            here = float(values(spec, 0, torch.tensor([bound.at], dtype=torch.float64))[0])
            assert here == pytest.approx(bound.value, abs=1e-12)


@pytest.mark.parametrize("spec", CASES)
def test_regions_tile_the_line_and_hold(spec: str, facts: Callable[[str], Properties]) -> None:
    p = facts(spec)
    generator = torch.Generator().manual_seed(8)
    for regions, order in ((p.monotone, 1), (p.curvature, 2)):
        assert regions[0].low == p.window[0]
        assert regions[-1].high == p.window[1]
        assert all(a.high == b.low for a, b in pairwise(regions))
        for r in regions:
            low, high = max(r.low, -20.0), min(r.high, 20.0)
            x = low + (high - low) * torch.rand(200, dtype=torch.float64, generator=generator)
            v = values(spec, order, x)
            if r.kind in {"increasing", "convex"}:
                assert bool((v >= -1e-12).all())
            elif r.kind in {"decreasing", "concave"}:
                assert bool((v <= 1e-12).all())
            else:
                assert bool((v == 0).all())


@pytest.mark.parametrize("spec", CASES)
def test_limits_are_those_of_large_arguments(spec: str, facts: Callable[[str], Properties]) -> None:
    p = facts(spec)
    far = torch.tensor([-1e7, 1e7], dtype=torch.float64)
    for side in (0, 1):
        for limit, order in ((p.limits[side], 0), (p.asymptotic_slopes[side], 1)):
            v = float(values(spec, order, far)[side])
            if math.isinf(limit):
                assert math.copysign(1.0, v) == math.copysign(1.0, limit)
                assert abs(v) > 5
            elif not math.isnan(limit):
                assert v == pytest.approx(limit, abs=2e-3)


def test_zeros_are_zeros(facts: Callable[[str], Properties]) -> None:
    for spec in CASES:
        zeros = torch.tensor(facts(spec).zeros, dtype=torch.float64)
        scale = 1 + values(spec, 1, zeros).abs()
        assert bool((values(spec, 0, zeros).abs() <= 1e-12 * scale).all()), spec
