"""What is called wrong, and what is not: figures made by hand that follow known laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from edgewise.measure.diagnosis import Finding, LayerDiagnosis, Problem
from edgewise.measure.verdict import Broken, findings


def rows(
    depth: int,
    kernel: Callable[[int], float] = lambda n: 1.0,
    gradient: Callable[[int], float] = lambda n: 1.0,
    gap: Callable[[int], float] = lambda n: 0.5,
    **more: Any,
) -> list[LayerDiagnosis]:
    """Layers 1 .. depth; gradient is the squared norm."""
    return [
        LayerDiagnosis(
            name=f"fc{n}", kind="linear", detail="Linear", number=n, role="preactivation", units=128, samples=64,
            kernel=kernel(n), mean=0.0, bad=0, activation="relu", gradient_norm=math.sqrt(gradient(n)),
            one_minus_rho=gap(n), effective_rank=2.0, compared=64, **more,
        )
        for n in range(1, depth + 1)
    ]  # fmt: skip


def found(layers: list[LayerDiagnosis], **more: Any) -> list[Finding]:
    options = {"broken": None, "input_kernel": 1.0, "input_one_minus_rho": 1.0, "gradients": True} | more
    return findings(layers, **options)


def problems(layers: list[LayerDiagnosis], **more: Any) -> set[Problem]:
    return {f.problem for f in found(layers, **more)}


@pytest.mark.parametrize("depth", [4, 10, 50, 500])
@pytest.mark.parametrize("power", [-2.0, -1.0, 0.0, 1.0])
def test_powers_of_the_depth_are_what_criticality_does(depth: int, power: float) -> None:
    law = lambda n: float(n) ** power  # noqa: E731
    assert problems(rows(depth, kernel=law, gradient=law)) == set()
    assert problems(rows(depth, gap=lambda n: min(1.0, 9 * math.pi**2 / 2 / n**2))) == set()


@pytest.mark.parametrize("depth", [10, 50])
@pytest.mark.parametrize(
    ("rate", "signal", "gradients"),
    [(3.1, "signal_explodes", "gradients_vanish"), (1 / 3.1, "signal_vanishes", "gradients_explode")],
)
def test_exponentials_are_found_with_their_rate(depth: int, rate: float, signal: str, gradients: str) -> None:
    told = {f.problem: f for f in found(rows(depth, kernel=lambda n: rate**n, gradient=lambda n: rate**n))}
    assert {signal, gradients} <= set(told)
    assert "3.1× a layer" in told[signal].text
    assert "3.1× a layer" in told[gradients].text


def test_the_layer_where_it_begins_is_named() -> None:
    (finding,) = found(rows(12, kernel=lambda n: 1.0 if n <= 5 else 3.0 ** (n - 5)))
    assert finding.layer == "fc6"
    assert "from layer 6 (fc6) on" in finding.text
    assert "3× a layer" in finding.text


def test_graver_is_what_one_learning_rate_cannot_bridge() -> None:
    assert {f.level for f in found(rows(10, kernel=lambda n: 3.0**n))} == {"care"}
    assert {f.level for f in found(rows(20, kernel=lambda n: 3.0**n))} == {"no"}


def test_one_layer_alone_is_a_jump() -> None:
    (finding,) = found(rows(10, kernel=lambda n: 1.0 if n < 7 else 1e5))
    assert (finding.problem, finding.layer) == ("jump", "fc7")


def test_a_drift_that_theory_does_not_see_is_chance_or_training() -> None:
    drifting = rows(40, kernel=lambda n: 1.2**n, predicted=1.0)
    assert problems(drifting) == {"too_narrow"}


def test_overflow_names_the_place_and_the_size_before_it() -> None:
    layers = rows(8, kernel=lambda n: 10.0 ** (2**n) if n < 6 else math.inf)
    told = found(layers, broken=Broken("fc6", "Linear", forward=True))
    assert [f.problem for f in told[:2]] == ["not_finite", "signal_explodes"]
    assert "fc6" in told[0].text


def test_samples_that_become_alike_exponentially_are_a_collapse() -> None:
    (finding,) = found(rows(20, gap=lambda n: 0.3**n))
    assert finding.problem == "rank_collapse"
    assert finding.level == "no"
    alike_already = found(rows(20, gap=lambda n: 1e-8), input_one_minus_rho=1e-8)
    assert alike_already == []  # the batch is, not the network


def test_samples_are_compared_with_a_critical_relu_network_that_starts_where_they_do() -> None:
    depth, start = 40, 0.01
    gaps = [start]
    for _ in range(depth - 1):  # 1 - C(1 - u) of the arc-cosine kernel
        c = 1.0 - gaps[-1]
        gaps.append(1.0 - (math.sqrt(1.0 - c * c) + c * (math.pi - math.acos(c))) / math.pi)
    assert found(rows(depth, gap=lambda n: gaps[n - 1]), input_one_minus_rho=start) == []
    (finding,) = found(rows(depth, gap=lambda n: gaps[n - 1] * 0.05 ** (n / depth)), input_one_minus_rho=start)
    assert finding.problem == "rank_collapse"
    law = float(finding.text.rpartition("depth has 1 − ")[2].partition(";")[0])
    assert law == pytest.approx(gaps[-1], rel=0.05)  # the continuous law, to one or two digits


def test_half_of_a_relu_is_dead_in_good_health() -> None:
    assert problems(rows(8, dead_static=0.5, dead_dynamic=0.05, dead_expected=0.5)) == set()
    assert problems(rows(8, dead_static=0.75, dead_dynamic=0.05, dead_expected=0.5)) == {"dead_units"}
    (finding,) = found(rows(8, dead_static=1.0, dead_dynamic=0.0, dead_expected=0.5))
    assert finding.level == "no"


def test_dead_units_count_in_shallow_networks_too() -> None:
    assert problems(rows(2, dead_static=0.95, dead_dynamic=0.0, dead_expected=0.5)) == {"dead_units"}


def test_saturation() -> None:
    assert problems(rows(5, saturated=0.4)) == set()
    assert problems(rows(5, saturated=0.6)) == {"saturated"}


def test_no_gradient_at_all_is_cut_off_unless_it_underflowed() -> None:
    cut = rows(6, gradient=lambda n: 0.0 if n <= 3 else 1.0)
    assert problems(cut) == {"cut_off"}
    underflowed = rows(12, gradient=lambda n: 0.0 if n <= 3 else 1e-5 ** (12 - n))
    assert problems(underflowed) == {"gradients_vanish"}
    assert "underflowed" in found(underflowed)[0].text


@pytest.mark.parametrize(("kernel", "wrong"), [(1.0, False), (50.0, False), (2e4, True), (1e-5, True), (0.0, False)])
def test_the_scale_of_the_input(kernel: float, wrong: bool) -> None:
    assert ("unnormalised_input" in problems(rows(5), input_kernel=kernel)) == wrong


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nothing_is_said_of_depth_where_there_is_none(depth: int) -> None:
    assert problems(rows(depth, kernel=lambda n: 9.0**n, gradient=lambda n: 9.0**n, gap=lambda n: 0.1**n)) == set()


@pytest.mark.parametrize("depth", [4, 12])
@pytest.mark.parametrize("change", [1 / 50.0, 50.0])
def test_a_head_of_another_scale_than_the_branches_before_it_is_no_matter_of_depth(depth: int, change: float) -> None:
    size = lambda n: change if n == depth else 1.0  # noqa: E731
    assert problems(rows(depth, kernel=lambda n: size(n) ** 2)) == set()
    assert problems(rows(depth, gradient=size)) == set()
