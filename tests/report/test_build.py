"""Making a report: every outcome leaves valid files that say what is in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgewise.activations import Activation
from edgewise.errors import DataError, DivergentAverageError, DomainError, SpecError
from edgewise.report import Report, render, report
from edgewise.report.model import PARTS, from_dict
from edgewise.report.progress import Silent

SMALL: dict[str, Any] = {
    "depths": (3, 8),
    "width": 8,
    "members": 4,
    "training": False,
    "figures": False,
    "progress": False,
}


def stored(folder: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return found


def test_json_is_strict_and_complete(small: Report) -> None:
    found = stored(small.json_file.parent)
    assert found["format"] == "edgewise-report"
    assert found["complete"] is True
    assert {"seed", "edgewise", "torch", "python", "revision", "device", "dtype", "threads", "numpy"} <= set(
        found["provenance"]
    )
    assert found["settings"]["depths"] == [3, 8]
    for entry in found["activations"]:
        assert set(entry["parts"]) == set(PARTS)
        assert entry["verdict"]["level"] in ("yes", "care", "no")
    gelu = found["activations"][1]["parts"]
    critical = gelu["theory"]["data"]["critical"]
    assert critical["c_b"] == pytest.approx(0.172922390756, abs=1e-9)
    assert critical["c_w"] == pytest.approx(1.983058257438, abs=1e-9)
    kernel = gelu["flow"]["data"]["theory"]["kernel"]
    assert len(kernel) == 8
    assert kernel == pytest.approx([critical["kernel"]] * 8, rel=1e-6)


def test_json_is_the_whole_report(small: Report, tmp_path: Path) -> None:
    data = from_dict(stored(small.json_file.parent))
    assert data.to_dict() == small.data.to_dict()
    again = render(small.json_file, out=tmp_path)
    assert again.page.read_text(encoding="utf-8") == small.page.read_text(encoding="utf-8")
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == sorted(
        p.name for p in (small.page.parent / "figures").iterdir()
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "edgewise-report", "version": 1, "activations": [{}]}'])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(DataError):
        render(tmp_path / "report.json", out=tmp_path)


def test_figures_are_png_files_named_after_their_activation(small: Report) -> None:
    files = list((small.page.parent / "figures").iterdir())
    assert {"gelu-kernel.png", "mrepu-p-2-phase.png", "x-tanh-x-shape.png", "compare-ratio.png"} <= {
        f.name for f in files
    }
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in files)


def test_an_activation_without_averages_says_so_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgewise.report import plan

    real = plan.theory

    def diverges(a: Activation, **options: Any) -> dict[str, Any]:
        if a.name == "tanh":
            return real(a, **options)
        raise DivergentAverageError("<sigma**2> is infinite at every K")

    monkeypatch.setattr(plan, "theory", diverges)
    made = report(["relu", "tanh"], out=tmp_path, **SMALL)
    bad, good = made.data.subjects
    assert (bad.parts["theory"].status, bad.parts["theory"].message) == ("failed", "<sigma**2> is infinite at every K")
    assert bad.parts["shape"].status == "done"
    assert bad.parts["flow"].status == "failed"
    assert "infinite at every K" in bad.parts["flow"].message
    assert all(part.status in ("done", "skipped") for part in good.parts.values())
    assert made.broken == ()
    assert made.data.complete
    assert "No flow through the layers" in made.page.read_text(encoding="utf-8")
    assert made.verdicts[0][1].level == "unknown"


def test_averages_that_end_somewhere_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    made = report("exp(x**2)", out=tmp_path, **SMALL)
    assert made.broken == ()
    shown = made.data.subjects[0].data("susceptibility")
    assert shown is not None
    assert 0.1 < shown["ends_at"] < 0.25  # <exp(2 x**2)> is finite for K < 1/4
    assert made.verdicts[0][1].level == "no"


def test_a_slip_in_one_part_is_told_and_spares_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewise.report import plan

    def slip(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(plan, "shape", slip)
    made = report("tanh", out=tmp_path, **SMALL)
    assert made.broken == ("tanh: shape: ZeroDivisionError: a slip",)
    assert made.data.subjects[0].parts["flow"].status == "done"
    assert "internal error" in made.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"specs": "tanhh"}, SpecError),
        ({"specs": ["tanh", "mrepu(q=1)"]}, SpecError),
        ({"specs": []}, DomainError),
        ({"specs": "tanh", "depths": ()}, DomainError),
        ({"specs": "tanh", "depths": (1,)}, DomainError),
        ({"specs": "tanh", "width": 0}, DomainError),
        ({"specs": "tanh", "members": 0}, DomainError),
        ({"specs": "tanh", "seeds": 0}, DomainError),
        ({"specs": "tanh", "epochs": 0}, DomainError),
        ({"specs": "tanh", "learning_rates": (0.0,)}, DomainError),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(
    wrong: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    options = {**SMALL, **wrong}
    with pytest.raises(error):
        report(options.pop("specs"), out=tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


class Interrupt(Silent):
    """Ctrl-C when a part begins."""

    def begin(self, subject: str, part: str, weight: float) -> None:
        if part == "flow":
            raise KeyboardInterrupt


def test_an_interruption_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        report("tanh", out=tmp_path, **{**SMALL, "progress": Interrupt()})
    found = stored(tmp_path)
    assert (found["complete"], found["interrupted"]) == (False, True)
    assert found["missing"] == ["tanh: flow", "tanh: phase", "tanh: tailored", "tanh: training"]
    assert found["activations"][0]["parts"]["theory"]["status"] == "done"
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "interrupted; not there yet: tanh: flow" in html
    assert html.rstrip().endswith("</html>")


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to a child needs POSIX")
def test_ctrl_c_in_the_terminal_leaves_valid_files(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from edgewise.cli import main; main()",
        "report",
        "relu",
        "tanh",
        "gelu",
        "--out",
        "r",
    ]
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a suite run in the background ignores Ctrl-C
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=listening
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (tmp_path / "r" / "figures").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert told.rstrip().endswith("edgewise: interrupted")
    found = stored(tmp_path / "r")
    assert found["interrupted"] is True
    assert any(item.startswith("gelu: ") for item in found["missing"])
    assert (tmp_path / "r" / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [p.name for p in (tmp_path / "r").iterdir() if p.name.endswith(".part")] == []


def test_a_report_of_before_there_was_a_tailored_part_is_still_drawn(small: Report) -> None:
    stored = json.loads(small.json_file.read_text(encoding="utf-8"))
    for entry in stored["activations"]:
        del entry["parts"]["tailored"]
    data = from_dict(stored)
    assert {subject.parts["tailored"].status for subject in data.subjects} == {"skipped"}
    assert not data.missing


def test_the_tailored_part_holds_the_call_that_makes_it(small: Report) -> None:
    part = small.data.subjects[0].data("tailored")
    assert part is not None
    assert part["call"] == 'ew.tailor("mrepu(p=2)", depth=8, width=8)'
    assert part["method"] == "dks"
    assert all(c["met"] for c in part["conditions"])
    middle = part["starts"].index(1.0)
    assert part["kernel"][middle] == pytest.approx([1.0] * 8, abs=1e-9)
    assert "Repaired for deep networks" in small.page.read_text(encoding="utf-8")
