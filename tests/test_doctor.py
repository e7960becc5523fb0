"""`edgewise doctor` says what is there, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from edgewise import doctor as examination
from edgewise.cli import main


def found(name: str) -> examination.Check:
    return next(check for check in examination.doctor().checks if check.name == name)


def test_names_the_versions_that_are_installed() -> None:
    assert found("torch").found == importlib.metadata.version("torch")
    assert str(torch.get_num_threads()) in found("threads").found
    assert "1797" in found("digits").found


def test_a_data_folder_that_is_not_there_is_a_problem_with_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGEWISE_DATA", str(tmp_path / "nowhere"))
    check = found("EDGEWISE_DATA")
    assert (check.status, bool(check.advice)) == ("problem", True)
    monkeypatch.setenv("COLUMNS", "400")  # long paths are folded
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "nowhere" in result.stdout
    monkeypatch.setenv("EDGEWISE_DATA", str(tmp_path))
    assert found("EDGEWISE_DATA").status == "ok"


def test_no_compiler_is_only_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination.shutil, "which", lambda name: None)
    assert found("C++ compiler").status == "note"


def test_a_missing_requirement_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_version", lambda package: None if package == "scipy" else "1")
    check = found("scipy")
    assert (check.status, check.advice) == ("problem", "pip install scipy")


def test_json_is_the_same_findings() -> None:
    told = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert {check["name"] for check in told["checks"]} >= {"edgewise", "python", "torch", "threads", "C++ compiler"}
    assert told["healthy"] is True
