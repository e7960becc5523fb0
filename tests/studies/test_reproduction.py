"""Running a study loses nothing: finished parts are kept, broken ones are named, settings that differ run again."""

from __future__ import annotations

import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from edgewise.errors import DataError, DomainError
from edgewise.studies import evidence, reproduction
from edgewise.studies.claim import Check, Claim
from edgewise.studies.reproduction import reproduce
from edgewise.studies.study import Context, Part, Study

CALLS: list[str] = []


@dataclass(frozen=True)
class Settings:
    n: int
    fail: bool = False
    interrupt: bool = False


def run(settings: Settings, context: Context) -> Claim:
    CALLS.append(f"{settings.n}")
    if settings.interrupt:
        raise KeyboardInterrupt
    if settings.fail:
        raise ArithmeticError("a slip") if settings.n < 100 else DataError("probes were not found")
    context.progress(1, 2)
    values = torch.randn(settings.n, generator=context.generator(settings.n)).tolist()
    check = Check("the mean is 0", evidence.mean(values), (-1.0, 1.0))
    return Claim(f"claim-{settings.n}", "A mean", "It is 0.", "Table 1", (check,), "measured", settings.n)


def study(*settings: Settings) -> Study:
    parts = tuple(
        Part(f"part-{i}", f"Part {i}", run, {"smoke": s, "full": s}, {"smoke": 1.0, "full": 1.0})
        for i, s in enumerate(settings)
    )
    return Study("probe", "A probe", "Nobody, 2026", "It probes", parts)


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLS.clear()


def test_finished_parts_are_read_back(tmp_path: Path) -> None:
    first = reproduce(study(Settings(40), Settings(50)), folder=tmp_path)
    again = reproduce(study(Settings(40), Settings(50)), folder=tmp_path)
    assert CALLS == ["40", "50"]
    assert [c.to_dict() for c in again.claims] == [c.to_dict() for c in first.claims]
    assert first.claims[0].settings["n"] == 40
    assert first.claims[0].provenance is not None


def test_other_settings_seeds_or_scales_run_again(tmp_path: Path) -> None:
    reproduce(study(Settings(40)), folder=tmp_path)
    reproduce(study(Settings(41)), folder=tmp_path)
    reproduce(study(Settings(41)), folder=tmp_path, seed=1)
    reproduce(study(Settings(41)), folder=tmp_path, seed=1, scale="full")
    reproduce(study(Settings(41)), folder=tmp_path, seed=1, scale="full", fresh=True)
    assert CALLS == ["40", "41", "41", "41", "41"]


def test_the_seed_decides_the_numbers(tmp_path: Path) -> None:
    made = [reproduce(study(Settings(40)), folder=tmp_path / str(i), seed=seed) for i, seed in enumerate((0, 0, 1))]
    means = [result.claims[0].checks[0].interval.estimate for result in made]
    assert means[0] == means[1] != means[2]


def test_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    reproduce(study(Settings(40)), folder=tmp_path)
    kept = tmp_path / "parts" / "probe" / "part-0-smoke.json"
    kept.write_text(kept.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    assert reproduce(study(Settings(40)), folder=tmp_path).claims[0].key == "claim-40"
    assert CALLS == ["40", "40"]


def test_a_broken_part_is_named_and_leaves_the_others(tmp_path: Path) -> None:
    result = reproduce(study(Settings(40, fail=True), Settings(50)), folder=tmp_path)
    assert [c.key for c in result.claims] == ["claim-50"]
    assert result.failed[0].key == "part-0"
    assert "ArithmeticError: a slip" in result.failed[0].why
    assert not list((tmp_path / "parts" / "probe").glob("part-0*"))  # it will be tried again


def test_a_part_without_its_data_is_no_failure(tmp_path: Path) -> None:
    result = reproduce(study(Settings(100, fail=True), Settings(50)), folder=tmp_path)
    assert "probes were not found" in result.missing[0].why
    assert not result.failed


def test_an_interruption_keeps_what_was_finished(tmp_path: Path) -> None:
    pages = []
    with pytest.raises(KeyboardInterrupt):
        reproduce(study(Settings(40), Settings(50, interrupt=True)), folder=tmp_path, on_part=pages.append)
    assert [c.key for c in pages[-1].claims] == ["claim-40"]
    assert pages[-1].missing[0].why == "not there yet"
    reproduce(study(Settings(40), Settings(60)), folder=tmp_path)
    assert CALLS == ["40", "50", "60"]


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    result = reproduce(study(Settings(40), Settings(50)), folder=tmp_path, only=["part-1"])
    assert CALLS == ["50"]
    assert [(part.key, part.why) for part in result.missing] == [("part-0", "not asked for")]


def test_side_by_side_gives_the_same(tmp_path: Path) -> None:
    probe = study(Settings(40), Settings(50), Settings(60, fail=True))
    alone = reproduce(probe, folder=tmp_path / "alone")
    apart = reproduce(probe, folder=tmp_path / "apart", jobs=2)
    assert [c.checks for c in apart.claims] == [c.checks for c in alone.claims]
    assert [part.why for part in apart.missing] == [part.why for part in alone.missing]


def test_a_process_that_dies_is_named_and_leaves_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __init__(self, *_: object, **__: object) -> None: ...

        def submit(self, *_: object) -> Future[object]:
            future: Future[object] = Future()
            future.set_exception(BrokenProcessPool())
            return future

        def shutdown(self, **_: object) -> None: ...

    monkeypatch.setattr(reproduction, "ProcessPoolExecutor", Dying)
    result = reproduce(study(Settings(40), Settings(50)), folder=tmp_path, jobs=2)
    assert [part.key for part in result.failed] == ["part-0", "part-1"]
    assert "its process died" in result.failed[0].why


def test_fresh_begins_without_the_checkpoints_of_before(tmp_path: Path) -> None:
    left = tmp_path / "parts" / "probe" / "part-0-smoke" / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    reproduce(study(Settings(40)), folder=tmp_path)
    assert left.exists()
    reproduce(study(Settings(40)), folder=tmp_path, fresh=True)
    assert not left.exists()
    assert CALLS == ["40", "40"]


@pytest.mark.parametrize(
    "options", [{"scale": "tiny"}, {"only": ["nothing"]}, {"device": "no-such-device"}, {"jobs": 0}]
)
def test_what_cannot_be_is_refused_in_a_line(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(DomainError, match="given, "):
        reproduce(study(Settings(40)), folder=tmp_path, **options)  # type: ignore[arg-type]


def test_a_kept_part_says_what_made_it(tmp_path: Path) -> None:
    reproduce(study(Settings(40)), folder=tmp_path)
    kept = json.loads((tmp_path / "parts" / "probe" / "part-0-smoke.json").read_text(encoding="utf-8"))
    assert kept["fingerprint"]["settings"] == {"n": 40, "fail": False, "interrupt": False}
    assert kept["fingerprint"]["seed"] == 0
