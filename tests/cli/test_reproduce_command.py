"""edgewise reproduce as a user types it, on a study of a moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgewise.cli import main
from edgewise.studies import registry
from edgewise.studies.claim import Check, Claim
from edgewise.studies.evidence import Interval
from edgewise.studies.study import Context, Part, Study


@dataclass(frozen=True)
class Settings:
    high: float


def probe(settings: Settings, context: Context) -> Claim:
    if settings.high < 0:
        raise ValueError("a slip")
    check = Check(
        "it is below 1", Interval(settings.high, settings.high - 0.4, settings.high, 0.99, 5, "mean"), (0.0, 1.0)
    )
    return Claim(f"c{settings.high:g}".replace(".", "-"), "It is below 1", "So.", "Table 1", (check,), "measured", 5)


def part(key: str, high: float) -> Part:
    s = Settings(high)
    return Part(key, key.title(), probe, {"smoke": s, "full": s}, {"smoke": 1.0, "full": 200.0})


STUDY = Study("probe", "A probe", "Nobody", "It probes", (part("one", 0.5), part("two", 2.0)))
BROKEN = Study("broken", "Broken", "Nobody", "It breaks", (part("one", -1.0), part("two", 0.5)))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"probe": STUDY, "broken": BROKEN}
    monkeypatch.setattr(registry, "studies", lambda: tuple(known))
    real = registry.find_study
    monkeypatch.setattr(registry, "find_study", lambda name: known[name] if name in known else real(name))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reproduce", *arguments])


def test_bare_it_lists_the_studies() -> None:
    shown = run()
    assert shown.exit_code == 0
    assert "A probe" in shown.stdout
    assert "3 min" in shown.stdout
    told = json.loads(run("--json").stdout)
    assert [part["key"] for part in told[0]["parts"]] == ["one", "two"]


def test_it_writes_page_and_json_and_exits_with_0_whatever_the_verdicts(tmp_path: Path) -> None:
    result = run("probe", "--out", str(tmp_path), "--quiet")
    assert result.exit_code == 0
    assert "of 2 claims 1 holds, 1 does not hold" in result.stdout
    assert "✕ does not hold" in (tmp_path / "probe.html").read_text(encoding="utf-8")
    told = json.loads(run("probe", "--out", str(tmp_path), "--quiet", "--json").stdout)
    assert [claim["verdict"] for claim in told[0]["claims"]] == ["holds", "does not hold"]
    assert json.loads((tmp_path / "probe.json").read_text(encoding="utf-8"))["scale"] == "smoke"


def test_the_page_is_drawn_again_from_the_json(tmp_path: Path) -> None:
    run("probe", "--out", str(tmp_path / "a"), "--quiet")
    again = run("probe", "--from", str(tmp_path / "a" / "probe.json"), "--out", str(tmp_path / "b"))
    assert again.exit_code == 0
    assert (tmp_path / "a" / "probe.html").read_bytes() == (tmp_path / "b" / "probe.html").read_bytes()


def test_only_a_part(tmp_path: Path) -> None:
    told = json.loads(run("probe", "--only", "two", "--out", str(tmp_path), "--quiet", "--json").stdout)
    assert [part["why"] for part in told[0]["missing"]] == ["not asked for"]


def test_progress_goes_to_stderr(tmp_path: Path) -> None:
    result = run("probe", "--out", str(tmp_path))
    assert "probe: One: done" in result.stderr
    assert "done (" not in result.stdout


def test_a_broken_part_is_told_and_the_exit_code_is_70(tmp_path: Path) -> None:
    result = run("broken", "--out", str(tmp_path), "--quiet")
    assert result.exit_code == 70
    assert "ValueError: a slip" in result.stdout
    assert "of 1 claim 1 holds; one failed" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["nosuchstudy"], ["probe", "--only", "three"], ["probe", "--scale", "huge"], ["probe", "--device", "nowhere"]],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    result = run(*arguments, "--out", str(tmp_path), "--quiet")
    assert result.exit_code == 2
    assert result.stderr.startswith("edgewise: ")
    assert result.stderr.count("\n") == 1


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    for text in ("{", "{}"):
        (tmp_path / "x.json").write_text(text, encoding="utf-8")
        result = run("--from", str(tmp_path / "x.json"), "--out", str(tmp_path))
        assert result.exit_code == 2
        assert "edgewise reproduce" in result.stderr
