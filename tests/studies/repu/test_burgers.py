"""The study's part on Burgers' equation: what it declares, what it measures, and how it is drawn."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from edgewise.report.drawing import png
from edgewise.report.figures.registry import drawing
from edgewise.studies.claim import Claim
from edgewise.studies.repu import STUDY, burgers
from edgewise.studies.study import Context

TINY = replace(burgers.SMOKE, seeds=2, width=6, points=60, batch=30, condition_points=30, adam_steps=10, lbfgs_steps=5)


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> tuple[Claim, ...]:
    seen: list[tuple[int, int]] = []
    folder = tmp_path_factory.mktemp("burgers")
    context = Context(0, torch.device("cpu"), torch.float32, folder, lambda done, total: seen.append((done, total)))
    found = burgers.run(TINY, context)
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    return found


def test_it_is_a_part_of_the_study() -> None:
    assert STUDY.part("burgers") is burgers.PART
    assert burgers.FULL.activations[:3] == burgers.RANKED == ("gelu", "mrepu(p=2)", "relu")


def test_relu_networks_have_no_second_derivative(claims: tuple[Claim, ...]) -> None:
    blind = claims[1]
    assert blind.verdict == "holds" or blind.checks[0].interval.estimate == 1.0
    assert blind.numbers["zero"] == blind.numbers["pairs"] == 2 * burgers.WHERE_BLIND
    assert blind.numbers["not_zero"]["gelu"] == 1.0


def test_claims_are_plain_and_draw_from_what_they_tell(claims: tuple[Claim, ...]) -> None:
    for claim in claims:
        again = Claim.from_dict(json.loads(json.dumps(claim.to_dict(), allow_nan=False)))
        assert again.verdict == claim.verdict
        for name in claim.figures:
            found = drawing("repu", name)
            assert found is not None
            assert found.caption(again.data).endswith(".")
            assert png(found.draw(again.data)).startswith(b"\x89PNG")


def test_the_gap_is_in_powers_of_ten_of_the_typical_error() -> None:
    gap = burgers.decades([1e-3, 2e-3, 5e-4], [1e-2, 2e-2, 5e-3])
    assert gap.estimate == pytest.approx(1.0)
    assert burgers.decades([1e-2, 2e-2, 5e-3], [1e-3, 2e-3, 5e-4]).estimate == pytest.approx(-1.0)
    assert burgers.decades([0.5, 0.5], [0.5, 0.5]).estimate == 0.0


def test_lost_networks_count_as_no_better_than_zero() -> None:
    from edgewise import pinn

    lost = pinn.solve(
        "burgers", "mrepu(p=2)", init="xavier", depth=7, width=20, points=50, batch=50, adam_steps=3, lbfgs_steps=0
    )
    assert math.isnan(lost.error)  # without a first layer of its own MRePU(2) overflows at this depth
    assert burgers.errors(lost) == [1.0]
