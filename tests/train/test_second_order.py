"""L-BFGS step by step is torch.optim.LBFGS in one go, with fewer losses computed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError, TrainingError
from edgewise.train import Initial, Member, MLPEnsemble, Problem, Shape, gradient_norms, lbfgs
from edgewise.train.problem import Slope

SHAPE = Shape(inputs=2, width=8, depth=2, outputs=1)
INITIAL = Initial(1.0, 0.0, 0.5, 0.0, 1.0)


def problem(dtype: torch.dtype = torch.float64, members: int = 1) -> MLPEnsemble:
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    data = Split(x, torch.sin(3 * x.prod(1, keepdim=True)))
    several = [Member(seed, 1.0, INITIAL) for seed in range(members)]
    return MLPEnsemble.drawn(ew.activation("tanh"), SHAPE, several, data, batch=60, loss="mse", dtype=dtype)


class Counted(Problem):
    """How many losses of another problem are asked for."""

    members = 1

    def __init__(self, of: Problem) -> None:
        self._of, self.count = of, 0

    def tensors(self) -> tuple[Tensor, ...]:
        return self._of.tensors()

    def losses(self, step: int) -> Tensor:
        return self._of.losses(step)

    def losses_and_gradients(self, step: int) -> Slope:
        self.count += 1
        return self._of.losses_and_gradients(step)

    def select(self, members: Tensor) -> Problem:
        return self


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_is_torch_lbfgs_to_the_last_bit(dtype) -> None:
    steps, ours, theirs = 40, Counted(problem(dtype)), problem(dtype)
    run = lbfgs(ours, steps=steps, history=7)
    tensors, calls = theirs.tensors(), 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        losses, gradients = theirs.losses_and_gradients(1)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = gradient.clone()
        return losses.sum()

    optimiser = torch.optim.LBFGS(
        tensors, max_iter=steps, max_eval=10**6, history_size=7, line_search_fn="strong_wolfe", tolerance_grad=1e-9,
        tolerance_change=torch.finfo(dtype).eps,
    )  # fmt: skip
    optimiser.step(closure)
    assert all(torch.equal(a, b) for a, b in zip(ours.tensors(), tensors, strict=True))
    assert len(run.losses) == steps
    # torch starts every call of step() with one more loss; taken one step a call that would be 40 more
    assert ours.count <= calls + 2
    assert all(tensor.grad is None for tensor in ours.tensors())


class Quadratic(Problem):
    """x' A x / 2 with condition number 100, one member."""

    members = 1

    def __init__(self, start: float = 1.0) -> None:
        self._x = torch.full((1, 6), start, dtype=torch.float64).requires_grad_(True)

    def tensors(self) -> tuple[Tensor, ...]:
        return (self._x,)

    def losses(self, step: int) -> Tensor:
        return (torch.logspace(0, 2, 6, dtype=torch.float64) * self._x.square()).sum(1) / 2

    def select(self, members: Tensor) -> Problem:
        return self


def test_it_stops_at_the_minimum_and_says_so() -> None:
    seen: list[int] = []
    quadratic = Quadratic()
    run = lbfgs(quadratic, steps=200, on_step=seen.append, record={"g": gradient_norms()}, record_every=5)
    assert 6 <= len(run.losses) < 60
    assert seen[-1] == 200
    assert "stopped after step" in run.reason
    assert quadratic.tensors()[0].abs().max() < 1e-7
    assert run.recorded_at[0] == 0
    assert float(run.records["g"][0, 0, 0]) == pytest.approx(math.sqrt(sum(10.0 ** (0.8 * i) for i in range(6))))


def test_a_line_search_comes_back_from_where_there_is_no_loss() -> None:
    """The minimum of sum (x - 0.9)**2 lies near a cliff: below x = 0.85 there is no loss."""

    class Cliff(Quadratic):
        def losses(self, step: int) -> Tensor:
            return torch.where(self._x.min(1).values > 0.85, (self._x - 0.9).square().sum(1), math.nan)

    cliff = Cliff()
    lbfgs(cliff, steps=20)
    torch.testing.assert_close(cliff.tensors()[0].detach(), torch.full((1, 6), 0.9, dtype=torch.float64))


def test_a_step_out_of_the_finite_numbers_is_undone_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    quadratic = Quadratic()
    monkeypatch.setattr(torch.optim.LBFGS, "step", lambda rule, closure: quadratic.tensors()[0].data.fill_(math.nan))
    run = lbfgs(quadratic, steps=9)
    assert torch.equal(quadratic.tensors()[0].detach(), torch.ones(1, 6, dtype=torch.float64))
    assert "would have left the finite numbers" in run.stopped


def test_a_loss_that_is_not_finite_at_the_start_is_divergence() -> None:
    run = lbfgs(Quadratic(math.inf), steps=9)
    assert run.diverged_at.tolist() == [1]
    assert run.why == ("at step 1: its loss was inf",)


def test_ensembles_and_settings_out_of_range_are_refused() -> None:
    with pytest.raises(TrainingError, match="a problem of 3 members given, expected one"):
        lbfgs(problem(members=3), steps=1)
    with pytest.raises(DomainError, match="steps=0"):
        lbfgs(Quadratic(), steps=0)
    with pytest.raises(DomainError, match="record_every=0"):
        lbfgs(Quadratic(), steps=1, record_every=0)
