"""The verdict follows the theory, and the measurement where the two disagree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.report import Report
from edgewise.report.model import Part, Subject
from edgewise.report.words import verdict


def trained(subject: Subject, mean: float, *, diverged: bool = False) -> Subject:
    """The subject as if its deepest networks had reached this accuracy with every initialisation."""
    runs = [
        {
            "depth": 8, "scheme": scheme, "principle": "half_stable", "chosen": True, "mean": mean, "spread": 0.01,
            "diverged": [diverged] * 2,
        }
        for scheme in ("recommended", "he", "pytorch")
    ]  # fmt: skip
    data: dict[str, Any] = {"depths": [8], "width": 8, "seeds": 2, "chance": 0.1, "runs": runs}
    return subject.with_part("training", Part("done", data=data))


def test_theory_alone_gives_the_class(small: Report) -> None:
    levels = {subject.spec: verdict(subject).level for subject in small.data.subjects}
    assert levels == {"mrepu(p=2)": "care", "gelu": "yes", "-x*tanh(x)": "yes"}


@pytest.mark.parametrize(
    ("mean", "level", "words"),
    [(0.95, "yes", "Trains deep"), (0.46, "care", "learned only in part"), (0.11, "care", "did not learn")],
)
def test_a_measurement_that_disagrees_changes_the_verdict(small: Report, mean: float, level: str, words: str) -> None:
    said = verdict(trained(small.data.subjects[1], mean))
    assert said.level == level
    assert words in said.headline
    assert f"{100 * mean:.1f} %" in said.evidence


def test_networks_too_deep_for_their_width_are_told_so(small: Report) -> None:
    gelu = small.data.subjects[1]
    flow = gelu.data("flow")
    assert flow is not None
    assert flow["band"]["relative_vertex"][-1] / 8 > 0.5  # V/K**2 grows by about 5 per layer, over 7 layers
    assert "Wider or shallower" in verdict(trained(gelu, 0.4)).theory
    assert "Wider or shallower" not in verdict(trained(gelu, 0.9)).theory
    still = {**flow, "band": {**flow["band"], "relative_vertex": [0.0, 1.0]}}
    assert "Wider or shallower" not in verdict(trained(gelu.with_part("flow", Part("done", data=still)), 0.4)).theory


def test_divergence_is_said_in_words(small: Report) -> None:
    said = verdict(trained(small.data.subjects[1], 0.1, diverged=True))
    assert said.evidence.count("every run diverged") == 3


def test_a_failed_theory_is_no_verdict(small: Report) -> None:
    failed = small.data.subjects[1].with_part("theory", Part("failed", "no finite average"))
    said = verdict(replace(failed))
    assert (said.level, said.theory) == ("unknown", "no finite average")
