"""The image claims of the RePU study: on the digits, and told as missing where a set is not at hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgewise.report.figures.registry import drawing
from edgewise.studies import find_study
from edgewise.studies.claim import Claim
from edgewise.studies.reproduction import reproduce
from edgewise.studies.repu import images, images_residual
from edgewise.studies.study import Context

TINY = {
    "mlp": (images.perceptrons, replace(images.PERCEPTRONS.settings["smoke"], width=16, seeds=2, steps=4)),
    "cnn": (
        images.convolutions,
        replace(images.CONVOLUTIONS.settings["smoke"], data="digits", depths=(2, 3), seeds=2, steps=3),
    ),
    "resnet": (
        images_residual.run,
        replace(
            images_residual.PART.settings["smoke"], data="digits", seeds=2, steps=2, examples=100, test=50, batch=8
        ),
    ),
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, torch.device("cpu"), torch.float32, tmp_path, lambda done, total: None)


@pytest.mark.parametrize("name", TINY)
def test_a_part_gives_claims_that_draw_themselves_from_json(name: str, context: Context) -> None:
    run, settings = TINY[name]
    claim = run(settings, context)
    again = Claim.from_dict(json.loads(json.dumps(claim.to_dict(), allow_nan=False)))
    assert again.verdict == claim.verdict
    assert len(again.numbers["rows"]) == len(settings.depths) * 4 * (2 if name == "resnet" else 1)
    for figure in again.figures:
        drawn = drawing("repu", figure)
        assert drawn is not None
        assert drawn.draw(again.data).axes
        assert len(drawn.caption(again.data)) > 50


def test_deep_mrepu_learns_the_digits_and_deep_repu_does_not(context: Context) -> None:
    settings = replace(
        images.PERCEPTRONS.settings["smoke"], depths=(20,), width=32, seeds=3, steps=100, rates=(1e-4,),
        contenders=(images.MREPU, images.REPU),
    )  # fmt: skip
    mrepu, repu = (row["accuracy"] for row in images.perceptrons(settings, context).numbers["rows"])
    assert min(mrepu) > 0.7  # a guess has 0.1
    assert max(repu) < 0.3


def test_a_resnet_keeps_mrepu_only_from_the_critical_start(context: Context) -> None:
    rows = images_residual.run(TINY["resnet"][1], context).numbers["rows"]
    lost = {(row["activation"], row["init"]): row["diverged"] for row in rows}
    assert lost[images.MREPU, "critical"] == 0
    assert lost[images.MREPU, "paper"] == 2


def test_data_that_are_not_at_hand_are_missing_and_not_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("EDGEWISE_DATA", str(empty))
    monkeypatch.setenv("XDG_CACHE_HOME", str(empty))
    result = reproduce(find_study("repu"), folder=tmp_path, only=["images-cnn"])
    (gone,) = [part for part in result.missing if part.key == "images-cnn"]
    assert gone.why.startswith("without its data: cifar10 was not found")
    assert result.failed == ()
