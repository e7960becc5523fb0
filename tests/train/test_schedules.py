"""Schedules are those of torch.optim.lr_scheduler where it has them, and the formula written out where it has not."""

from __future__ import annotations

import math

import pytest
import torch

from edgewise.errors import DomainError
from edgewise.train import Constant, Linear, OneCycle, Step, Until, WarmupCosine

STEPS = 40


def factors(schedule) -> list[float]:
    return [schedule.factor(step, STEPS) for step in range(1, STEPS + 1)]


def by_torch(make) -> list[float]:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimiser)
    seen = []
    for _ in range(STEPS):
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return seen


def test_a_cosine_without_warm_up_is_that_of_torch() -> None:
    expected = by_torch(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.1))
    assert factors(WarmupCosine(to=0.1)) == pytest.approx(expected, rel=1e-12)


def test_a_warm_up_rises_linearly_and_the_cosine_takes_over() -> None:
    seen = factors(WarmupCosine(warmup=4))
    assert seen[:5] == pytest.approx([1 / 5, 2 / 5, 3 / 5, 4 / 5, 1.0], rel=1e-15)
    assert seen[4 + 18] == pytest.approx(0.5, rel=1e-12)
    assert seen[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 35 / 36)), rel=1e-12)
    assert factors(WarmupCosine(warmup=4, decay=False))[4:] == [1.0] * 36


@pytest.mark.parametrize(("arms", "torchs"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_is_that_of_torch(arms, torchs) -> None:
    expected = by_torch(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o,
            1.0,
            STEPS,
            pct_start=0.25,
            div_factor=10.0,
            final_div_factor=100.0,
            cycle_momentum=False,
            anneal_strategy=torchs,
        )
    )
    assert factors(OneCycle(rise=0.25, start=0.1, end=0.001, arms=arms)) == pytest.approx(expected, rel=1e-10)


def test_steps_are_those_of_torch() -> None:
    expected = by_torch(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], gamma=0.2))
    assert factors(Step((0.5, 0.75), 0.2)) == pytest.approx(expected, rel=1e-12)


def test_linear_falls_to_its_end_one_step_after_the_last() -> None:
    expected = by_torch(lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.25, STEPS))
    assert factors(Linear(to=0.25)) == pytest.approx(expected, rel=1e-10)
    assert factors(Linear(warmup=4))[:5] == pytest.approx([1 / 5, 2 / 5, 3 / 5, 4 / 5, 1.0], rel=1e-15)


def test_until_stops_for_good_after_its_last_step() -> None:
    seen, whole = factors(Until(15, Linear())), factors(Linear())
    assert seen == whole[:15] + [0.0] * (STEPS - 15)


def test_constant_is_one() -> None:
    assert factors(Constant()) == [1.0] * STEPS


@pytest.mark.parametrize(
    "schedule", [Constant(), WarmupCosine(1), WarmupCosine(), Linear(1), Step(), OneCycle(), OneCycle(rise=0.9)]
)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_short_runs_have_rates_too(schedule, steps) -> None:
    assert all(0.0 < schedule.factor(step, steps) <= 1.0 for step in range(1, steps + 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WarmupCosine(-1), "warmup=-1"),
        (lambda: WarmupCosine(to=2.0), r"to=2\.0"),
        (lambda: Linear(to=-1.0), r"to=-1\.0"),
        (lambda: Step((0.5, 1.5)), r"1\.5"),
        (lambda: Step(drop=0.0), r"drop=0\.0"),
        (lambda: OneCycle(rise=0.0), r"rise=0\.0"),
        (lambda: OneCycle(arms="round"), "arms='round'"),
        (lambda: Until(-1, Constant()), "last=-1"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(make, message) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
