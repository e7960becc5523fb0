"""The PReLU study: its theory against closed forms, its networks against the paper's rules, its claims from JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgewise.models import PlainCNN
from edgewise.report.figures.registry import drawing
from edgewise.studies import find_study
from edgewise.studies.claim import Claim
from edgewise.studies.prelu import convergence, paper, slopes, variance
from edgewise.studies.prelu.learning import FOURTEEN, THIRTY, TWENTY_TWO, Learned, network, slopes_of
from edgewise.studies.study import Context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, torch.device("cpu"), torch.float32, tmp_path, lambda done, total: None)


def test_the_worked_example_is_the_papers() -> None:
    """5.9 x 4.2**2 x 2.9**2 x 2.1**4 with unrounded ratios; sqrt(2 / (9 d)) / 0.01 for d filters."""
    unrounded = math.sqrt(2 / 576) * (2 / 1152) * (2 / 2304) * (2 / 4608) ** 2 / 0.01**9
    assert variance.worked_example() == pytest.approx(unrounded, rel=1e-12)
    assert f"{variance.worked_example():.1e}" == "1.7e+04"


def test_bits_a_layer_are_those_of_the_law() -> None:
    bits = {rule.key: rule.bits for rule in variance.RULES}
    assert bits["he"] == bits["prelu"] == 0.0
    assert bits["xavier"] == -0.5  # a factor sqrt(2)
    assert bits["prelu-plain"] == pytest.approx(0.5 * math.log2(1 + 0.25**2))


@pytest.mark.parametrize(("kind", "scheme", "c_w"), [
    ("relu", "he", 2.0), ("relu", "xavier", 1.0), ("shared", "he", 2 / 1.0625), ("channel-wise", "he", 2 / 1.0625),
])  # fmt: skip
def test_networks_start_by_the_papers_rule(kind: Any, scheme: Any, c_w: float) -> None:
    model = network(FOURTEEN, kind, scheme, (3, 32, 32), 5)
    twin = network(FOURTEEN, kind, scheme, (3, 32, 32), 5)
    ratios = []
    for layer, same in zip(model.modules(), twin.modules(), strict=True):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            count = layer.weight.numel()
            ratios.append((float(layer.weight.detach().square().mean()) * fan_in / c_w - 1.0) / math.sqrt(2.0 / count))
            assert torch.equal(layer.weight, same.weight)
            assert not layer.bias.any()
    assert max(abs(z) for z in ratios) < 5.0  # in standard errors of a mean square
    assert all(set(values) == {0.25} for values in slopes_of(model).values())


def test_depths_and_slopes_are_counted_as_in_the_paper() -> None:
    assert [a.depth for a in (FOURTEEN, TWENTY_TWO, THIRTY)] == [14, 22, 30]
    shared = slopes_of(network(FOURTEEN, "shared", "he", (3, 32, 32), 0))
    wise = slopes_of(network(FOURTEEN, "channel-wise", "he", (3, 32, 32), 0))
    assert tuple(shared) == tuple(wise) == paper.LAYERS
    assert sum(map(len, shared.values())) == 13
    assert sum(map(len, wise.values())) == 16 + 4 * 16 + 6 * 32 + 2 * 64
    assert slopes_of(network(FOURTEEN, "relu", "he", (3, 32, 32), 0)) == {}


def test_the_same_seed_differs_between_rules_by_scale_alone() -> None:
    he, xavier = (network(THIRTY, "relu", scheme, (3, 32, 32), 3) for scheme in ("he", "xavier"))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    factor = float((xavier(images) / he(images)).detach().mean())
    assert factor == pytest.approx(2.0 ** (-THIRTY.depth / 2), rel=1e-3)  # ReLU is homogeneous and biases are 0


def _trained(losses: list[list[float]], scheme: Any, diverged: bool = False) -> convergence.Trained:
    runs = tuple(Learned(tuple(loss), 0.1, diverged, {}, 0, 0) for loss in losses)
    return convergence.Trained(THIRTY, scheme, runs, window=2)


def test_who_begins_earlier() -> None:
    fast = _trained([[2.3, 2.3, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]] * 2, "he")
    slow = _trained([[2.3] * 6 + [2.0] * 2, [2.3] * 8], "xavier")
    assert fast.begun == [4.0, 4.0]
    assert slow.begun == [8.0, math.inf]
    earlier = convergence._earlier(fast, slow)
    assert earlier.estimate == 1.0  # 8 steps against 4; the one that never began counts with its 8
    assert earlier.high == math.inf
    unknown = convergence._earlier(slow, slow)
    assert (unknown.low, unknown.high) == (-math.inf, math.inf)
    assert convergence._until(slow).low == 8.0
    assert convergence._until(fast).estimate == 4.0
    assert _trained([[2.3, 2.0]], "he", diverged=True).final == [math.inf]


TINY: dict[Any, Any] = {
    variance: variance.Settings(networks=4, depth=6, width=8, deep_networks=2),
    convergence: replace(
        convergence.PART.settings["smoke"], data="digits", steps=(4, 4, 4), train=100, test=50, batch=8
    ),
    slopes: replace(slopes.PART.settings["smoke"], data="digits", steps=4, train=100, test=50, batch=8),
}


@pytest.mark.parametrize("part", TINY, ids=lambda module: module.__name__.rsplit(".", 1)[1])
def test_a_part_gives_claims_that_draw_themselves_from_json(part: Any, context: Context) -> None:
    for claim in part.run(TINY[part], context):
        again = Claim.from_dict(json.loads(json.dumps(claim.to_dict(), allow_nan=False)))
        assert again.verdict == claim.verdict
        for name in again.figures:
            drawn = drawing("prelu", name)
            assert drawn is not None
            assert drawn.draw(again.data).axes
            assert len(drawn.caption(again.data)) > 50


def test_slopes_learn_and_are_not_decayed(context: Context) -> None:
    settings = replace(TINY[slopes], steps=30)
    _, early, counts = slopes.run(settings, context)
    measured = np.array(early.data["kinds"][0]["networks"])
    assert measured.shape == (settings.seeds, 13)
    assert np.abs(measured - 0.25).max() > 1e-3
    assert counts.numbers["slopes"] == {"relu": 0, "shared": 13, "channel-wise": 400}


def test_the_study_is_found_by_name() -> None:
    study = find_study("prelu")
    assert [part.key for part in study.parts] == ["variance", "convergence", "slopes"]
    assert isinstance(PlainCNN().activated()["fc2"], nn.Module)
