"""A Monitor in a plain training loop: what it keeps, what it writes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.errors import DataError, DomainError


def model() -> nn.Module:
    torch.manual_seed(0)
    return ew.models.MLP(8, 2, depth=6, width=32, activation="relu")


def test_it_looks_every_k_steps_and_says_what_diagnose_says() -> None:
    net, x = model(), torch.randn(16, 8)
    monitor = ew.Monitor(net, every=5)
    returned = [monitor.step(step, x) for step in range(12)]
    assert [step for step, entry in enumerate(returned) if entry] == [0, 5, 10]
    assert [entry for entry in returned if entry] == monitor.history
    d = ew.diagnose(net, x, check=False)
    last = monitor.history[-1]
    assert (last["level"], last["headline"]) == (d.level, d.headline)
    for row, entry in zip(d.preactivations, last["layers"], strict=True):
        assert entry["kernel"] == pytest.approx(row.kernel, rel=1e-6)
        assert entry["gradient"] == pytest.approx(row.gradient, rel=1e-6)
        assert entry["dead_static"] == pytest.approx(row.dead_static)


def test_it_sees_training_change_the_model() -> None:
    net, x = model(), torch.randn(16, 8)
    monitor = ew.Monitor(net, every=1)
    monitor.step(0, x)
    with torch.no_grad():
        net.layers[2].linear.bias.sub_(100.0)
    monitor.step(1, x)
    before, after = (entry["layers"][2] for entry in monitor.history)
    assert before["dead_static"] < 1.0
    assert after["dead_static"] == 1.0
    assert "dead_units" in monitor.history[1]["problems"]


def test_a_loss_and_all_samples() -> None:
    net, x = model(), torch.randn(64, 8)
    target = torch.zeros(64, dtype=torch.long)
    monitor = ew.Monitor(net, every=1, samples=None)
    entry = monitor.step(0, x, loss=lambda output: nn.functional.cross_entropy(output, target))
    assert entry is not None
    assert entry["loss"] == pytest.approx(float(nn.functional.cross_entropy(net(x), target).detach()), rel=1e-6)


def test_only_the_first_samples_are_looked_at() -> None:
    monitor = ew.Monitor(model(), every=1, samples=10)
    monitor.step(0, torch.randn(500, 8))
    assert monitor.latest is not None
    assert {row.samples for row in monitor.latest.layers} == {10}


def test_the_history_is_one_json_line_a_look_and_is_continued(tmp_path: Path) -> None:
    path, net, x = tmp_path / "run" / "history.jsonl", model(), torch.randn(16, 8)
    first = ew.Monitor(net, every=1, path=path)
    for step in range(3):
        first.step(step, x)
    lines = path.read_text(encoding="utf8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2]
    assert [json.loads(line) for line in lines] == first.history
    with path.open("a", encoding="utf8") as file:
        file.write('{"step": 3, "lev')  # a crash in the middle of a line
    again = ew.Monitor(net, every=1, path=path)
    assert [entry["step"] for entry in again.history] == [0, 1, 2]
    again.step(3, x)
    assert [json.loads(line)["step"] for line in path.read_text(encoding="utf8").splitlines()] == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["not json\n", "[1, 2]\n", '{"other": 1}\n', "half a letter"])
def test_a_file_that_is_no_history_is_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text, encoding="utf8")
    with pytest.raises(DataError, match="no history of a Monitor"):
        ew.Monitor(model(), path=path)
    assert path.read_text(encoding="utf8") == text


def test_a_diverged_model_still_gives_plain_json(tmp_path: Path) -> None:
    net, path = model(), tmp_path / "history.jsonl"
    with torch.no_grad():
        net.layers[1].linear.weight.fill_(float("nan"))
    entry = ew.Monitor(net, every=1, path=path).step(0, torch.randn(16, 8))
    assert entry is not None
    assert "not_finite" in entry["problems"]
    assert entry["layers"][1]["kernel"] is None
    json.loads(path.read_text(encoding="utf8"))


@pytest.mark.parametrize("options", [{"every": 0}, {"every": 1.5}, {"samples": 0}, {"every": True}])
def test_wrong_numbers_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(DomainError, match="whole number"):
        ew.Monitor(model(), **options)  # type: ignore[arg-type]


def test_the_history_as_a_picture(tmp_path: Path) -> None:
    from edgewise.report import history_picture

    monitor = ew.Monitor(model(), every=1)
    with pytest.raises(DomainError, match="empty history"):
        history_picture(monitor.history, out=tmp_path / "h.png")
    for step in range(3):
        monitor.step(step, torch.randn(16, 8))
    made = history_picture(monitor.history, out=tmp_path / "h.png")
    assert made.read_bytes().startswith(b"\x89PNG")


def test_a_folder_and_a_step_that_is_no_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder, expected a file"):
        ew.Monitor(model(), path=tmp_path)
    with pytest.raises(DomainError, match="step='a' given, expected a whole number"):
        ew.Monitor(model()).step("a", torch.randn(4, 8))  # type: ignore[arg-type]
