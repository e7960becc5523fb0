"""Training on an equation: it converges, resumes, tells what happened, and hands out the network."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import edgewise as ew
from edgewise import pinn
from edgewise.errors import DataError, DomainError, SpecError
from edgewise.pinn.blindness import blind_spot
from edgewise.pinn.solve import Now

SMALL: dict[str, Any] = {
    "width": 12, "depth": 2, "points": 200, "batch": 100, "condition_points": 40, "adam_steps": 40, "lbfgs_steps": 30,
}  # fmt: skip


@pytest.fixture(scope="module")
def solution() -> pinn.Solution:
    chosen = {**SMALL, "points": 300, "adam_steps": 60, "lbfgs_steps": 120}
    return pinn.solve("poisson_2d", "tanh", members=2, boundary="hard", **chosen)


def test_poisson_is_solved(solution: pinn.Solution) -> None:
    assert solution.error < 0.02
    assert solution.reason.startswith("tanh ")
    assert "relative L2 error" in solution.reason
    x = torch.tensor([[0.5, 0.5], [-0.5, 0.5]], dtype=torch.float64)  # the peaks of sin(pi x) sin(pi y)
    torch.testing.assert_close(solution.predict(x), torch.tensor([1.0, -1.0]).double(), rtol=0.0, atol=0.1)


def test_the_error_is_that_of_the_reference(solution: pinn.Solution) -> None:
    points = solution.reference.points()
    exact = torch.sin(math.pi * points[:, 0]) * torch.sin(math.pi * points[:, 1])
    for i in range(2):
        wrong = torch.linalg.vector_norm(solution.predict(points, i) - exact) / torch.linalg.vector_norm(exact)
        assert solution.relative_l2[i] == pytest.approx(float(wrong), rel=1e-9)


def test_the_best_member_is_chosen_by_its_loss(solution: pinn.Solution) -> None:
    assert solution.loss[solution.best] == min(solution.loss)
    torch.testing.assert_close(
        solution.values.flatten(), solution.predict(solution.reference.points(), solution.best), rtol=0.0, atol=0.0
    )


def test_history_goes_through_both_stages(solution: pinn.Solution) -> None:
    history = solution.history
    assert history.step[0] == 0
    assert history.step[-1] == 180
    assert set(history.stage) == {"adam", "lbfgs"}
    assert history.loss.shape == history.relative_l2.shape == (len(history.step), 2)
    assert bool((history.loss[-1] < history.loss[0]).all())


def test_a_saved_network_is_the_same(solution: pinn.Solution, tmp_path: Path) -> None:
    again = pinn.load(solution.save(tmp_path / "poisson.safetensors"))
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(again(x), solution.predict(x), rtol=0.0, atol=0.0)
    (tmp_path / "other.safetensors").write_bytes(b"not a network")
    with pytest.raises(DataError, match="expected a network saved by Solution"):
        pinn.load(tmp_path / "other.safetensors")


def test_plain_values_and_a_panel(solution: pinn.Solution) -> None:
    from rich.console import Console

    told = solution.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["grid"]["solution"][0][0] == pytest.approx(0.0, abs=1e-12)  # a corner, where u is built in
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(solution)
    assert "smallest loss: the one shown" in console.export_text()


def test_points_of_another_kind_are_refused(solution: pinn.Solution) -> None:
    with pytest.raises(DomainError, match=r"points of shape \(3,\) given, expected \[..., x, y\]"):
        solution.predict(torch.zeros(3))
    with pytest.raises(DomainError, match="member 2 given, expected one of 0 to 1"):
        solution.module(2)


class _Killed(Exception):
    pass


@pytest.mark.parametrize("after", [("Adam", 33), ("L-BFGS", 17)])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(after: tuple[str, int], tmp_path: Path) -> None:
    whole = pinn.solve("heat", "tanh", checkpoints=tmp_path / "whole", **SMALL)

    def kill(now: Now) -> None:
        if (now.stage, now.step) == after:
            raise _Killed

    with pytest.raises(_Killed):
        pinn.solve("heat", "tanh", checkpoints=tmp_path / "broken", on_step=kill, **SMALL)
    resumed = pinn.solve("heat", "tanh", checkpoints=tmp_path / "broken", **SMALL)
    for ours, theirs in zip(resumed.parameters.tensors(), whole.parameters.tensors(), strict=True):
        assert torch.equal(ours, theirs)
    assert resumed.loss == whole.loss
    assert torch.equal(resumed.history.relative_l2, whole.history.relative_l2)


def test_one_stage_alone_is_enough() -> None:
    adam = pinn.solve("heat", "tanh", **{**SMALL, "lbfgs_steps": 0})
    assert set(adam.history.stage) == {"adam"}
    lbfgs = pinn.solve("heat", "tanh", **{**SMALL, "adam_steps": 0})
    assert set(lbfgs.history.stage) == {"lbfgs"}
    assert lbfgs.history.step[0] == 0


def test_members_do_not_influence_one_another() -> None:
    chosen = {**SMALL, "lbfgs_steps": 0, "boundary": "hard"}
    both = pinn.solve("heat", "tanh", members=2, seed=3, **chosen)
    alone = pinn.solve("heat", "tanh", members=1, seed=4, **chosen)
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # one product and two side by side round differently, and 40 steps of Adam carry that on
    torch.testing.assert_close(both.predict(x, 1), alone.predict(x), rtol=1e-8, atol=1e-10)
    assert not torch.allclose(both.predict(x, 0), both.predict(x, 1), rtol=1e-3)


def test_a_diverged_member_is_named_and_does_not_count() -> None:
    lost = pinn.solve("heat", "repu(p=3)", init="he", **{**SMALL, "depth": 8, "lbfgs_steps": 0, "learning_rate": 1e4})
    assert lost.diverged_at[0] > 0
    assert math.isnan(lost.error)
    assert "every network diverged" in lost.reason
    assert lost.to_dict()["relative_l2"] == [None]


@pytest.mark.parametrize(
    ("chosen", "error", "told"),
    [
        ({"wdth": 3}, SpecError, "setting wdth given, expected one of width, depth"),
        ({"width": 0}, DomainError, "width=0 given, expected an integer >= 1"),
        ({"boundary": "firm"}, DomainError, "boundary='firm' given, expected one of soft, hard"),
        ({"adam_steps": 0, "lbfgs_steps": 0}, DomainError, "expected steps of at least one"),
        ({"learning_rate": math.nan}, DomainError, "learning_rate=nan given"),
        ({"batch": 0}, DomainError, "batch=0 given"),
    ],
)
def test_wrong_settings_are_told(chosen: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        pinn.solve("heat", "tanh", **chosen)


def test_blind_spots() -> None:
    burgers, kdv = pinn.problem("burgers"), pinn.problem("kdv")
    assert "u_xx is 0 at every point" in str(blind_spot(ew.activation("relu"), burgers))
    assert "u_xx is 0 at every point" in str(blind_spot(ew.activation("hardtanh"), burgers))
    assert blind_spot(ew.activation("gelu"), kdv) is None
    assert blind_spot(ew.activation("mrepu(p=2)"), burgers) is None  # C^1, with a bounded second derivative
    assert "repu(p=2) is only C^1, so that the residual misses what u_xxx has at kinks" in str(
        blind_spot(ew.activation("repu(p=2)"), kdv)
    )
    transport = replace(burgers, wanted=((), (0,), (1,)))
    assert blind_spot(ew.activation("relu"), transport) is None
