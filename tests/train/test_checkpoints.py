"""A training that is killed at any moment goes on as if it had not been; what cannot be gone on from is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import interrupted
import pytest
import torch

from edgewise.errors import CheckpointError, DomainError, EdgewiseWarning
from edgewise.train import Adam, Checkpoints, Initial, Member, MLPEnsemble, Run, minimise
from edgewise.train.checkpoints import newest, save

INITIAL = Initial(c_w=1.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the killed process: sums of several threads may be added up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def same(ours: tuple[list[torch.Tensor], Run], theirs: tuple[list[torch.Tensor], Run]) -> None:
    """Bit for bit, nan where nan."""

    def equal(a: torch.Tensor, b: torch.Tensor) -> bool:
        return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())

    assert all(equal(a, b) for a, b in zip(ours[0], theirs[0], strict=True))
    mine, other = ours[1], theirs[1]
    assert equal(mine.losses, other.losses)
    assert torch.equal(mine.losses.isnan(), other.losses.isnan())
    assert torch.equal(mine.diverged_at, other.diverged_at)
    assert mine.why == other.why
    assert mine.recorded_at == other.recorded_at
    assert mine.records.keys() == other.records.keys()
    assert all(equal(mine.records[name], other.records[name]) for name in mine.records)


MOMENTS = [
    # a checkpoint makes 6 calls: fsync, rename and the folder's fsync for either file; from the third on 2 unlinks too;
    # steps before, at and after a checkpoint, in the middle of a pass, before and after members are lost
    *(f"ensemble-step-{n}" for n in (1, 2, 4, 5, 7, 11, 22)),
    *(f"ensemble-write-{n}" for n in range(1, 29)),
    *(
        f"{kind}-{moment}"
        for kind in ("network", "curvature")
        for moment in ("step-6", "step-14", "write-8", "write-17")
    ),
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a killed process left behind, for each moment."""
    if not hasattr(os, "fork"):
        pytest.skip("the processes to be killed are forked")
    folder = tmp_path_factory.mktemp("killed")
    told = subprocess.run(
        [sys.executable, interrupted.__file__, str(folder), *MOMENTS],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.splitlines() == [f"{moment} killed" for moment in MOMENTS]
    return folder


@pytest.mark.parametrize("kind", interrupted.KINDS)
def test_killed_at_any_moment_it_resumes_bit_for_bit(kind: str, killed: Path) -> None:
    whole = interrupted.train(kind)
    resumed_at = set()
    for moment in (m for m in MOMENTS if m.startswith(kind)):
        resumed = interrupted.train(kind, killed / moment)
        same(resumed, whole)
        resumed_at.add(resumed[1].resumed_at)
        assert not list((killed / moment).glob(".*"))  # nothing half written is left behind
        steps = sorted({path.stem for path in (killed / moment).iterdir()})
        assert len(steps) == 2
        assert steps[-1] == f"step-{interrupted.STEPS:09d}"
    assert len(resumed_at) > 1


def test_the_ensemble_of_these_tests_loses_members_at_several_steps() -> None:
    _, run = interrupted.train("ensemble")
    lost = run.diverged_at.tolist()
    assert lost[:3] == [0, 0, 0]
    assert all(step > 0 for step in lost[3:])
    assert len(set(lost[3:])) > 1


def test_a_finished_run_is_read_not_run_again(tmp_path: Path) -> None:
    first = interrupted.train("ensemble", tmp_path)
    seen: list[int] = []
    again = interrupted.train("ensemble", tmp_path, seen.append)
    same(again, first)
    assert seen == []
    assert again[1].resumed_at == interrupted.STEPS


def _stopped(tmp_path: Path, step: int) -> None:
    class Stop(Exception):
        pass

    def on_step(done: int) -> None:
        if done == step:
            raise Stop

    with pytest.raises(Stop):
        interrupted.train("ensemble", tmp_path, on_step)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("suffix", "damage", "told"),
    [
        (".safetensors", _truncate, r"its tensors have \d+ of \d+ bytes"),
        (".safetensors", _flip, "its tensors are not what was written"),
        (".safetensors", Path.unlink, "its tensors are missing"),
        (".json", _truncate, "its JSON is incomplete"),
        (
            ".json",
            lambda p: p.write_text(p.read_text().replace('"clip": 10.0', '"clip": 20.0')),
            "its JSON is not what was",
        ),
        (".json", lambda p: p.write_text("[]"), "its JSON is incomplete"),
        (".json", lambda p: p.write_bytes(b""), "its JSON is incomplete"),
    ],
)
def test_a_damaged_newest_is_told_and_the_one_before_used(suffix, damage, told, tmp_path: Path) -> None:
    _stopped(tmp_path, 14)
    damage(tmp_path / f"step-000000012{suffix}")
    with pytest.warns(EdgewiseWarning, match=rf"step-000000012: {told}.*going on from step 8"):
        resumed = interrupted.train("ensemble", tmp_path)
    assert resumed[1].resumed_at == 8
    same(resumed, interrupted.train("ensemble"))


def test_when_all_are_damaged_nothing_is_begun_anew_in_silence(tmp_path: Path) -> None:
    _stopped(tmp_path, 14)
    for path in tmp_path.glob("*.safetensors"):
        _truncate(path)
    with pytest.raises(CheckpointError, match=r"no whole checkpoint left: .*step-000000012.*step-000000008") as caught:
        interrupted.train("ensemble", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"steps": 41}, "steps 41 now, 40 there"),
        ({"learning_rate": 2e-3}, "learning_rates"),
        ({"optimiser": Adam(beta1=0.8)}, r"optimiser Adam\(beta1=0.8"),
        ({"clip": 1.0}, "clip 1.0 now, null there"),
        ({"seed": 2}, "starting values"),
        ({"order": 2}, "order seeds"),
        ({"activation": torch.sin}, "activation sin now, tanh there"),
        ({"batch": 5}, "batch 5 now, 4 there"),
    ],
)
def test_other_settings_are_refused_and_named(changed, told, tmp_path: Path) -> None:
    def run(*, seed=1, order=1, batch=4, activation=torch.tanh, **settings):
        member = Member(seed, 1e-3, INITIAL, order_seed=order)
        problem = MLPEnsemble.drawn(activation, interrupted.SHAPE, [member], interrupted.data(), batch=batch)
        return minimise(problem, **{"steps": 40, "checkpoints": Checkpoints(tmp_path, every=10), **settings})

    run()
    with pytest.raises(CheckpointError, match=told) as caught:
        run(**changed)
    assert "\n" not in str(caught.value)
    assert "another folder" in str(caught.value)


def test_a_compiled_run_does_not_go_on_from_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MLPEnsemble, "compile_", lambda self: None)

    def run(*, compile: bool) -> None:
        members = [Member(1, 1e-3, INITIAL)]
        problem = MLPEnsemble.drawn(torch.tanh, interrupted.SHAPE, members, interrupted.data(), batch=4)
        minimise(problem, steps=10, checkpoints=Checkpoints(tmp_path, every=10), compile=compile)

    run(compile=False)
    with pytest.raises(CheckpointError, match="compile true now, null there"):
        run(compile=True)


def test_the_files_are_plain_json_and_safetensors_and_only_the_newest_stay(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    (tmp_path / "step-notes.json").write_text("mine")
    interrupted.train("ensemble", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000020.json", "step-000000020.safetensors", "step-000000023.json", "step-000000023.safetensors",
        "step-notes.json",
    ]  # fmt: skip
    told = json.loads((tmp_path / "step-000000023.json").read_text())
    assert told["step"] == 23
    assert told["settings"]["steps"] == 23
    assert load_file(tmp_path / "step-000000023.safetensors")["losses"].shape == (23, 7)


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Checkpoints(tmp_path)
    monkeypatch.setattr("edgewise.train.checkpoints.FORMAT", 99)
    save(where, 3, {"a": torch.zeros(2)}, {}, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 99 found, expected 1"):
        newest(where, {})


def test_an_empty_folder_and_none_are_the_start(tmp_path: Path) -> None:
    assert newest(Checkpoints(tmp_path), {}) is None
    assert newest(Checkpoints(tmp_path / "none"), {}) is None


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(DomainError, match="every=0"):
        Checkpoints("folder", every=0)
