"""The training check inside a report: numbers, sentences and pictures come from the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgewise.report import Report, report
from edgewise.report.figures.training import accuracy_figure, loss_figure
from edgewise.report.progress import Silent
from edgewise.report.results import chosen, training_summary

OPTIONS: dict[str, Any] = {
    "depths": (2, 4), "width": 16, "seeds": 2,
    "epochs": 2, "learning_rates": (0.1, 0.3), "members": 2, "figures": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(["tanh", "repu(p=3)"], out=tmp_path_factory.mktemp("t"), progress=False, **OPTIONS)


def test_the_report_holds_the_study(trained: Report) -> None:
    assert trained.broken == ()
    assert trained.data.complete
    data = trained.data.subjects[0].data("training")
    assert data is not None
    runs = chosen(data)
    assert [(run["depth"], run["scheme"]) for run in runs] == [
        (depth, scheme) for depth in (2, 4) for scheme in ("recommended", "he", "pytorch")
    ]
    assert len(data["runs"]) == 2 * 3 * 2
    for run in runs:
        rivals = [r for r in data["runs"] if (r["depth"], r["scheme"]) == (run["depth"], run["scheme"])]
        assert sum(run["validation_accuracy"]) == max(sum(r["validation_accuracy"]) for r in rivals)


def test_the_summary_speaks_of_the_deepest_networks(trained: Report) -> None:
    summary = training_summary(trained.data.subjects[0])
    assert summary is not None
    data = trained.data.subjects[0].data("training")
    assert data is not None
    deepest = [run for run in chosen(data) if run["depth"] == 4]
    assert "networks of 4 layers" in summary.sentence
    for run, cell in zip(deepest, summary.cells, strict=True):
        assert f"{100 * run['mean']:.1f} %" in cell or (cell == "diverged" and all(run["diverged"]))
        assert cell in summary.sentence or all(run["diverged"])


def test_a_diverged_run_is_named_as_such(trained: Report) -> None:
    data = trained.data.subjects[1].data("training")
    assert data is not None
    lost = [run for run in chosen(data) if all(run["diverged"])]
    assert lost, "He's initialisation of repu(p=3) at depth 4 has K = 5.5e37 at the last layer"
    summary = training_summary(trained.data.subjects[1])
    assert summary is not None
    assert "every run diverged" in summary.sentence
    html = trained.page.read_text(encoding="utf-8")
    assert ">diverged</td>" in html


def test_pictures_show_every_seed(trained: Report) -> None:
    data = trained.data.subjects[0].data("training")
    assert data is not None
    drawn = sum(
        len(line.get_xdata()) for line in accuracy_figure(data).axes[0].lines if line.get_marker() not in ("None", "")
    )
    assert drawn == 2 * 3 * 2
    assert [axes.get_title(loc="center") for axes in loss_figure(data).axes] == ["2 layers", "4 layers"]


class StopAfterFirstDepth(Silent):
    """Ctrl-C when the training part has passed its first depth (2 of 2 + 4 layers' work)."""

    def advance(self, fraction: float) -> None:
        if 0.4 < fraction < 1.0 and self.training:
            raise KeyboardInterrupt

    def begin(self, subject: str, part: str, weight: float) -> None:
        self.training = part == "training"


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    with pytest.raises(KeyboardInterrupt):
        report("tanh", out=tmp_path, progress=StopAfterFirstDepth(), **OPTIONS)
    return tmp_path


def test_an_interrupted_training_keeps_the_finished_depths(interrupted: Path) -> None:
    found = json.loads((interrupted / "report.json").read_text(encoding="utf-8"))
    part = found["activations"][0]["parts"]["training"]
    assert part["status"] == "interrupted"
    assert part["data"]["depths"] == [2]
    assert found["missing"] == ["tanh: training"]
    html = (interrupted / "report.html").read_text(encoding="utf-8")
    assert "this is what was finished" in html
