"""analyze, phase and report as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgewise.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_analyze_prints_the_verdict_and_its_json() -> None:
    shown = run("analyze", "gelu")
    assert shown.exit_code == 0
    assert "3.56155" in shown.stdout
    assert "\x1b" not in shown.stdout
    told = json.loads(run("analyze", "gelu", "--json").stdout)
    assert told["universality_class"] == "half_stable"
    assert told["critical"]["c_b"] == pytest.approx(0.172922390756, abs=1e-9)


def test_analyze_takes_a_formula_with_a_leading_minus() -> None:
    told = json.loads(run("analyze", "-x*tanh(x)", "--json").stdout)
    assert told["activation"]["spec"] == "-x*tanh(x)"
    assert told["critical"]["kernel"] == pytest.approx(3.580043405, abs=1e-8)  # that of lisht, its mirror image


def test_analyze_writes_a_page_of_its_own(tmp_path: Path) -> None:
    result = run("analyze", "relu", "--html", str(tmp_path / "relu.html"))
    assert result.exit_code == 0
    assert str(tmp_path / "relu.html") in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["relu.html"]
    text = (tmp_path / "relu.html").read_text(encoding="utf-8")
    assert text.count('class="figure"') == 8


def test_phase_writes_a_picture(tmp_path: Path) -> None:
    result = run("phase", "tanh", "--points", "12", "--depth", "8", "--out", str(tmp_path / "p.svg"))
    assert result.exit_code == 0
    assert (tmp_path / "p.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")
    told = json.loads(run("phase", "tanh", "--points", "12", "--depth", "8", "--json").stdout)
    assert len(told["chi_perp"]) == len(told["c_b"]) == len(told["c_w"]) == 12


def test_report_makes_the_page_and_says_where(tmp_path: Path) -> None:
    options = ["--no-training", "--quiet", "--depths", "2,4", "--width", "8", "--out", str(tmp_path / "r")]
    result = run("report", "-x", *options)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert f"page: {tmp_path / 'r' / 'report.html'}" in result.stdout
    assert "-x  ✓ Yes" in result.stdout
    again = run("report", "--from", str(tmp_path / "r" / "report.json"), "--out", str(tmp_path / "again"), "--json")
    told = json.loads(again.stdout)
    assert told["complete"] is True
    assert [entry["spec"] for entry in told["activations"]] == ["-x"]
    assert told["activations"][0]["recommended"]["c_w"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["analyze", "tanhh"], "did you mean tanh"),
        (["analyze", "mrepu(q=2)"], "it takes p, shift"),
        (["analyze", "prelu(a=nan)"], "nan"),
        (["analyze", "x.__class__"], "column"),
        (["report", "x*("], "never closed"),
        (["report"], "at least one SPEC"),
        (["report", "relu", "--depths", "5,x"], "5,20,50"),
        (["report", "relu", "--depths", "0"], "expected integers >= 2"),
        (["report", "--from", "nowhere.json"], "No such file"),
        (["phase", "tanh", "--k0", "nan"], "k0"),
        (["phase", "tanh", "--c-w", "-1"], "c_w"),
        (["phase", "tanh", "--out", "p.txt"], ".png, .svg or .pdf"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert list(tmp_path.iterdir()) == []
    assert result.exit_code == 2, result.stderr
    assert result.stderr.startswith("edgewise: ")
    assert result.stderr.count("\n") == 1
    assert told in result.stderr


def test_analyze_names_the_repair() -> None:
    shown = run("analyze", "relu2")
    assert 'ew.tailor("relu2", depth=100, width=128)' in shown.stdout
    told = json.loads(run("analyze", "relu2", "--json").stdout)
    assert told["tailored"]["method"] == "shift"
    none = json.loads(run("analyze", "identity", "--json").stdout)
    assert "linear" in none["tailored"]["reason"]
    assert "call" not in none["tailored"]
