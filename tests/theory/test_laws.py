"""How the kernel moves near each critical point, against flows of ten thousand layers."""

from __future__ import annotations

import math

import pytest
import torch

import edgewise as ew
from edgewise.theory import kernel, kernel_flow
from edgewise.theory.criticality import critical_points

DEPTH = 10_000


@pytest.mark.parametrize(
    ("spec", "k0"),
    [
        ("tanh", 0.5),
        ("sin", 1.0),
        ("gcu", 0.1),
        ("erf", 0.3),
        ("elu", 0.5),
        ("softsign", 0.1),
        ("selu", 0.2),
        ("x-x**5", 0.1),
    ],
)
def test_the_power_laws_hold_to_ten_thousand_layers(spec: str, k0: float) -> None:
    """The next order in K changes K and 1 - chi by a relative O(log l/l), for s = 2 by O(l**(-1/2))."""
    a = ew.activation(spec)
    point = next(p for p in critical_points(a) if p.kernel == 0.0)
    s = point.law.exponent
    flow = kernel_flow(a, DEPTH, c_w=point.c_w, c_b=0.0, k0=k0)
    layer = torch.tensor([DEPTH - 1])
    assert point.p_perp is not None
    off = 8 * math.log(DEPTH) / DEPTH if s <= 1 else 8 / math.sqrt(DEPTH)
    assert float(flow.kernel[-1]) == pytest.approx(float(point.law.kernel(layer, k0)), rel=off)
    assert float((1 - flow.chi_parallel[-1]) * DEPTH) == pytest.approx(1 + 1 / s, rel=off)
    assert float((1 - flow.chi_perp[-1]) * DEPTH) == pytest.approx(point.p_perp, rel=off)


@pytest.mark.parametrize(("spec", "k0"), [("hardtanh", 0.2), ("relu6", 4.0), ("min(max(x,-1),2)", 0.3)])
def test_the_flat_law_holds_to_ten_thousand_layers(spec: str, k0: float) -> None:
    """The Gaussian tail beyond the kink is its leading term up to 1 - 3/(2u), u = c**2/2K, which moves u by 3/(2u)."""
    a = ew.activation(spec)
    point = critical_points(a)[0]
    flow = kernel_flow(a, DEPTH, c_w=point.c_w, k0=k0)
    u = 0.5 * point.law.distance**2 / float(flow.kernel[-1])
    by_law = 0.5 * point.law.distance**2 / float(point.law.kernel(torch.tensor([DEPTH - 1]), k0))
    assert u == pytest.approx(by_law, abs=2 * 1.5 / u)
    assert float((1 - flow.chi_parallel[-1]) * DEPTH) == pytest.approx(1.0, abs=2.5 / u)


@pytest.mark.parametrize(
    ("spec", "start"), [("mish", -0.2), ("snake", 0.2), ("serf", -0.1), ("arctan_squared_minus_x", 0.3)]
)
def test_the_half_stable_law_holds_to_ten_thousand_layers(spec: str, start: float) -> None:
    a = ew.activation(spec)
    point = critical_points(a)[0]
    assert point.kernel is not None
    assert point.p_perp is not None
    k0 = point.kernel * (1 + start)
    flow = kernel_flow(a, DEPTH, c_w=point.c_w, c_b=point.c_b, k0=k0)
    delta = float(flow.kernel[-1]) - point.kernel
    by_law = float(point.law.kernel(torch.tensor([DEPTH - 1]), k0)) - point.kernel
    # delta' = (c/2) delta**2 (1 + O(delta/K*)) with delta ~ 2/(|c| l): a relative O(log l/(|c| K* l))
    off = 4 * math.log(DEPTH) / (abs(point.law.coefficient) * point.kernel * DEPTH)
    assert off < 0.2
    assert delta == pytest.approx(by_law, rel=off)
    assert float((1 - flow.chi_parallel[-1]) * DEPTH) == pytest.approx(2.0, rel=off + 0.05)
    assert float((1 - flow.chi_perp[-1]) * DEPTH) == pytest.approx(point.p_perp, rel=off + 0.05)


@pytest.mark.parametrize(
    ("spec", "below", "above"), [("gelu", False, True), ("mish", True, False), ("silu", True, False)]
)
def test_half_stable_points_attract_from_one_side_only(spec: str, below: bool, above: bool) -> None:
    point = critical_points(spec)[0]
    assert point.kernel is not None
    assert point.basin is not None
    start = torch.tensor([0.995, 1.005], dtype=torch.float64) * point.kernel
    flow = kernel_flow(spec, 2000, c_w=point.c_w, c_b=point.c_b, k0=start)
    closer = (flow.kernel[-1] - point.kernel).abs() < (start - point.kernel).abs()
    assert closer.tolist() == [below, above]
    assert [point.basin[0] <= float(k) <= point.basin[1] for k in start] == [below, above]


@pytest.mark.parametrize(("spec", "low", "high"), [("gelu", 0.8, 0.9), ("silu", 1.01, 1.02), ("hardswish", 2, 3)])
def test_where_the_repelling_side_leads(spec: str, low: float, high: float) -> None:
    """Another fixed point of the same map, within these multiples of K*: K moves towards it from both sides."""
    point = critical_points(spec)[0]
    assert point.kernel is not None
    assert point.escapes_to is not None
    assert low < point.escapes_to / point.kernel < high
    beside = torch.tensor([0.999, 1.001], dtype=torch.float64) * point.escapes_to
    motion = point.c_b + point.c_w * kernel(spec, beside) - beside
    assert (motion > 0).tolist() == [True, False]


def test_mish_grows_without_bound_above_its_point() -> None:
    point = critical_points("mish")[0]
    assert point.escapes_to == math.inf
    assert "grows without bound" in point.reason


@pytest.mark.parametrize(("spec", "slope"), [("gelu", -2.87e-4), ("silu", 5.7e-6), ("mish", 1.6e-2)])
def test_the_strength_of_a_half_stable_point(spec: str, slope: float) -> None:
    assert critical_points(spec)[0].parallel_slope == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(
    ("spec", "a1"), [("mrepu(p=1)", 3), ("mrepu(p=2)", 18), ("mrepu(p=3)", 45), ("gelu", 6 / math.pi)]
)
def test_an_unstable_zero_runs_away_near_its_horizon(spec: str, a1: float) -> None:
    a = ew.activation(spec)
    point = next(p for p in critical_points(a) if p.kernel == 0.0)
    k0 = 1 / (2000 * a1)
    assert point.law.horizon(k0) == pytest.approx(2000, rel=1e-10)
    flow = kernel_flow(a, 2500, c_w=point.c_w, k0=k0)
    # until K has grown tenfold the next order, a relative O(a_1 K), is below one part in a hundred
    tenfold = int((flow.kernel > 10 * k0).nonzero()[0])
    assert tenfold == pytest.approx(0.9 * 2000, rel=0.05)
    assert float(flow.kernel[-1]) > 1000 * k0
