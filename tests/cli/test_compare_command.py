from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgewise.cli import main

QUICK = ("--seeds", "2", "--epochs", "1", "--learning-rate", "0.01", "--quiet")


def test_a_comparison_writes_page_numbers_and_pictures(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(
        main, ["compare", "relu", "mrepu(p=2)", "--data", "digits", "--out", str(out), "--json", *QUICK]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [s["activation"] for s in told["standings"]] == ["relu", "mrepu(p=2)"]
    assert told["settings"]["seeds"] == [0, 1]
    assert Path(told["page"]).read_text(encoding="utf8").startswith("<!DOCTYPE html>")
    assert len(json.loads(Path(told["json"]).read_text(encoding="utf8"))["trials"]) == 4
    assert sorted(p.name for p in (out / "figures").iterdir()) == ["accuracy.png", "cost.png", "curves.png"]


def test_the_scale_is_said(tmp_path: Path) -> None:
    options = [o for o in QUICK if o != "--quiet"]
    result = CliRunner().invoke(
        main, ["compare", "relu", "--data", "digits", "--train-size", "200", "--out", str(tmp_path), *options]
    )
    assert result.exit_code == 0, result.output
    assert "200 of 1,348 training images" in result.stderr
    assert "a small scale" in result.stderr


def test_a_recipe_says_its_scale_and_writes_the_usual_page(tmp_path: Path) -> None:
    small = ("--data", "digits", "--train-size", "200", "--epochs", "1", "--seeds", "2", "--device", "cpu")
    arguments = ["compare", "relu", "gelu", "--recipe", "fast", *small, "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "recipe fast, on a small scale for a CPU: fastcnn(width=8)" in result.stderr
    told = json.loads(result.stdout)
    assert told["settings"]["recipe"]["label_smoothing"] == 0.2
    assert told["settings"]["init"] == "paper"
    assert any("small scale for a CPU" in remark for remark in told["remarks"])
    assert [s["accuracy"]["n"] for s in told["standings"]] == [2, 2]
    assert "small scale for a CPU" in Path(told["page"]).read_text(encoding="utf8")


def test_help_shows_a_recipe_with_many_seeds_on_a_gpu() -> None:
    told = CliRunner().invoke(main, ["compare", "--help"]).stdout
    assert "--recipe fast --seeds 50 --device cuda" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give at least one activation"),
        (["relu", "--model", "resnet-20"], "did you mean resnet20"),
        (["nonsense"], "nonsense"),
        (["relu", "--data", "wdbc"], "holds no images"),
        (["relu", "--data", "minst"], "did you mean mnist"),
        (["relu", "--device", "tpu9"], "--device tpu9 given"),
        (["relu", "--train-size", "100000"], "100,000 training images wanted"),
        (["relu", "--learning-rate", "-1"], "--learning-rate"),
        (["relu", "--recipe", "slow"], "'fast'"),
        (["relu", "--recipe", "fast", "--optimiser", "adam"], "--optimiser adam given with --recipe fast"),
        (["relu", "--recipe", "fast", "--model", "mlp"], "a network with convolutions"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    given = arguments if "--data" in arguments else [*arguments, "--data", "digits"]
    result = CliRunner().invoke(main, ["compare", *given, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["mnist", pytest.param("cifar10", marks=pytest.mark.slow)])
def test_real_images_from_a_folder(name: str, data_folder: Path, tmp_path: Path) -> None:
    model = "mlp(depth=2,width=32)" if name == "mnist" else "resnet20(depth=8,width=4)"
    size = "1000" if name == "mnist" else "200"
    result = CliRunner().invoke(
        main,
        ["compare", "relu", "gelu", "--data", name, "--data-dir", str(data_folder), "--model", model, "--train-size",
         size, "--test-size", "500", "--out", str(tmp_path), "--json", *QUICK],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["data"]["train"], told["data"]["test"]) == (int(size), 500)
    # a guess is right for one in ten; 500 guesses spread by 0.013
    assert all(s["accuracy"]["estimate"] > 0.1 + 4 * 0.013 for s in told["standings"]) or name == "cifar10"


def test_ctrl_c_leaves_a_page_of_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewise.studies.images import comparing

    train, names = comparing.train_members, []

    def interrupted(*given: Any, **options: Any) -> Any:
        names.append(options["label"])
        if len(names) == 2:
            raise KeyboardInterrupt
        return train(*given, **options)

    monkeypatch.setattr(comparing, "train_members", interrupted)
    result = CliRunner().invoke(main, ["compare", "relu", "gelu", "--data", "digits", "--out", str(tmp_path), *QUICK])
    assert result.exit_code == 130
    assert "finished before the interruption: relu" in result.stderr
    assert "Interrupted: gelu not finished" in (tmp_path / "compare.html").read_text(encoding="utf8")
