"""`edgewise pinn` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgewise.cli import main

QUICK = (
    "--depth",
    "2",
    "--width",
    "8",
    "--points",
    "100",
    "--batch",
    "50",
    "--adam-steps",
    "20",
    "--lbfgs-steps",
    "10",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["pinn", *arguments])


def test_the_equations_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # narrower tables wrap the equations
    shown = run("--list")
    assert shown.exit_code == 0
    assert "u_t + u u_x = 0.003183 u_xx" in shown.stdout
    told = json.loads(run("--list", "--json").stdout)
    assert {"burgers", "poisson_2d", "kdv"} <= {equation["name"] for equation in told}


def test_one_activation_gives_a_page_a_picture_numbers_and_a_network(tmp_path: Path) -> None:
    result = run("burgers", "--activation", "mrepu(p=2)", "--out", str(tmp_path), *QUICK)
    assert result.exit_code == 0, result.output
    assert "relative L2 error" in result.stdout
    assert "burgers, mrepu(p=2): 100 %" in result.stderr
    names = {path.name for path in tmp_path.iterdir()}
    stem = "burgers-mrepu-p-2"
    assert names == {"burgers.html", "burgers.json", f"{stem}.png", f"{stem}.safetensors"}  # no checkpoints are left
    page = (tmp_path / "burgers.html").read_text(encoding="utf-8")
    assert page.count('class="figure"') == 2
    assert 'src="http' not in page  # nothing is loaded from anywhere
    told = json.loads((tmp_path / "burgers.json").read_text())
    assert told["settings"]["adam_steps"] == 20
    assert len(told["grid"]["solution"]) == len(told["grid"]["axes"][0])


def test_several_activations_are_compared(tmp_path: Path) -> None:
    result = run(
        "heat", "--activation", "tanh", "--activation", "relu", "--members", "2", "--json", "--quiet",
        "--out", str(tmp_path), *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [s["activation"] for s in told["solutions"]] == ["tanh", "relu"]
    assert "u_xx is 0 at every point" in told["solutions"][1]["reason"]
    assert (tmp_path / "heat-comparison.png").stat().st_size > 10_000
    page = (tmp_path / "heat.html").read_text(encoding="utf-8")
    assert "Side by side" in page
    assert page.count('class="figure"') == 3 + 2


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    for arguments, words in (
        (("burger",), "problem 'burger' given, expected one of"),
        ((), "give an equation, such as burgers"),
        (("burgers", "--adaptive"), "give --resample too"),
        (("burgers", "--activation", "tahn", "--out", str(tmp_path)), "tahn"),
        (("burgers", "--weight", "-1", "--out", str(tmp_path)), "condition_weight=-1.0 given"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
