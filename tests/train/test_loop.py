"""One loop minimises anything: what it does to each member is what would have been done to it alone."""

from __future__ import annotations

import io
import json
import math

import pytest
import torch
from rich.console import Console
from torch import Tensor

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError, TrainingError
from edgewise.train import (
    SGD,
    Adam,
    Constant,
    Initial,
    Member,
    MLPEnsemble,
    Problem,
    Shape,
    WarmupCosine,
    batch_losses,
    empirical_kernels,
    gradient_norms,
    minimise,
    outputs,
    parameter_norms,
    train,
)  # fmt: skip


class Bowls(Problem):
    """Member m minimises curvature_m x**2 / 2, from x = 1: a step of rate r multiplies x by 1 - r curvature."""

    def __init__(self, curvature: Tensor, x: Tensor | None = None) -> None:
        self.curvature, self.members = curvature, len(curvature)
        x = torch.ones(len(curvature), 1, dtype=torch.float64) if x is None else x
        self._x = (x.requires_grad_(True),)

    def tensors(self) -> tuple[Tensor, ...]:
        return self._x

    def losses(self, step: int) -> Tensor:
        return self.curvature * self._x[0].square().sum(1) / 2

    def select(self, members: Tensor) -> Bowls:
        return Bowls(self.curvature[members], self._x[0].detach()[members])


def bowls(*curvature: float) -> Bowls:
    return Bowls(torch.tensor(curvature, dtype=torch.float64))


def test_every_member_takes_its_own_rate_and_the_schedule() -> None:
    problem = bowls(1.0, 2.0, 3.0)
    rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    schedule = WarmupCosine(2)
    run = minimise(problem, steps=9, optimiser=SGD(0.0), learning_rate=rates, schedule=schedule)
    for m, (curvature, rate) in enumerate(((1.0, 0.1), (2.0, 0.2), (3.0, 0.3))):
        x = 1.0
        for step in range(1, 10):
            assert float(run.losses[step - 1, m]) == pytest.approx(curvature * x * x / 2, rel=1e-12)
            x *= 1.0 - curvature * rate * schedule.factor(step, 9)
        assert problem.tensors()[0][m].item() == pytest.approx(x, rel=1e-12)
    assert run.reason.startswith("3 networks, 9 steps; last loss")
    assert run.reason.endswith("none diverged")


def test_members_that_diverge_are_frozen_named_and_told_why() -> None:
    """x -> -9 x: the loss passes 1e6 in the step where 81**k / 2 does. One of five is carried along, four taken out."""
    for lost in (1, 4):
        problem = bowls(*(10.0 if m < lost else 1.0 for m in range(5)))
        run = minimise(problem, steps=30, optimiser=SGD(0.0), learning_rate=1.0 - 1e-3, loss_bound=1e6)
        k = next(k for k in range(30) if 5.0 * (1 - 9.99) ** (2 * k) > 1e6)
        assert run.diverged_at.tolist() == [k + 1] * lost + [0] * (5 - lost)
        assert run.diverged.tolist() == [True] * lost + [False] * (5 - lost)
        loss = 5.0 * (1 - 9.99) ** (2 * k)
        assert run.why[0] == f"at step {k + 1}: its loss {loss:.3g} was above 1e+06"
        assert run.why[4] == ""
        assert torch.isnan(run.losses[k:, 0]).all()
        assert torch.isfinite(run.losses[:k, 0]).all()
        x = problem.tensors()[0].detach().flatten()
        assert float(x[0]) == pytest.approx((1 - 9.99) ** k, rel=1e-12)  # as before the step that was not made
        assert float(x[4]) == pytest.approx(1e-3**30, rel=1e-6)
        assert f"{lost} of 5 diverged: member 0 at step {k + 1}" in run.reason


def test_a_loss_or_a_gradient_that_is_not_finite_is_divergence() -> None:
    class Edge(Bowls):
        def losses(self, step: int) -> Tensor:
            x = self._x[0][:, 0]
            return torch.stack([x[0].square(), (x[1] - 1.0).sqrt(), x[2] / 0.0, x[3].square()])

    run = minimise(Edge(torch.ones(4, dtype=torch.float64)), steps=3, optimiser=Adam())
    assert run.diverged_at.tolist() == [0, 1, 1, 0]
    assert run.why[1] == "at step 1: its gradient was not finite (loss 0)"
    assert run.why[2] == "at step 1: its loss was inf"


def test_parameters_lost_in_the_last_step_are_told() -> None:
    problem = Bowls(torch.ones(2), torch.ones(2, 1))
    run = minimise(problem, steps=1, optimiser=SGD(0.0), learning_rate=torch.tensor([1.0, 1e38]) * 10.0)
    assert run.diverged_at.tolist() == [0, 1]
    assert run.why[1] == "at step 1: its parameters were not finite after it"


def test_it_stops_where_nobody_is_left() -> None:
    seen: list[int] = []
    run = minimise(bowls(math.nan, math.nan), steps=9, on_step=seen.append)
    assert seen == [1, 9]
    assert run.diverged_at.tolist() == [1, 1]
    assert run.losses.shape == (9, 2)
    assert run.stopped == "nothing left to train after step 1"
    assert "nothing left" in run.reason


def test_clipping_shortens_long_gradients_alone() -> None:
    problem = bowls(0.5, 40.0)
    minimise(problem, steps=1, optimiser=SGD(0.0), learning_rate=0.1, clip=2.0)
    assert problem.tensors()[0].flatten().tolist() == pytest.approx([1 - 0.05, 1 - 0.2], rel=1e-12)


def test_a_rate_for_each_tensor() -> None:
    data = Split(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(8, dtype=torch.int64))
    shape = Shape(2, 3, 1, 2)
    initial = Initial(1.0, 0.0, 1.0, 0.0, 1.0)
    members = [Member(0, 0.1, initial), Member(1, 0.1, initial)]
    problem = MLPEnsemble.drawn(ew.activation("tanh"), shape, members, data, batch=8)
    before = [t.detach().clone() for t in problem.tensors()]
    minimise(problem, steps=2, learning_rate=[0.0, torch.tensor([0.0, 0.1]), 0.0, 0.1])
    changed = [(a != b).flatten(1).any(1).tolist() for a, b in zip(problem.tensors(), before, strict=True)]
    assert changed == [[False, False], [False, True], [False, False], [True, True]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": 1.5}, r"steps=1\.5"),
        ({"steps": 1, "record_every": 0}, "record_every=0"),
        ({"steps": 1, "clip": 0.0}, r"clip=0\.0"),
        ({"steps": 1, "learning_rate": [0.1, 0.1]}, "2 learning rates given for 1 tensors"),
        ({"steps": 1, "learning_rate": torch.ones(3)}, r"shape \(3,\) given for 2 members"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(settings, message) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        minimise(bowls(1.0, 2.0), **settings)
    assert "\n" not in str(caught.value)


SHAPE = Shape(inputs=3, width=5, depth=2, outputs=2)
INITIAL = Initial(1.0, 0.1, 1.0, 0.1, 1.0)


def regression(examples: int = 24) -> Split:
    x = torch.randn(examples, 3, generator=torch.Generator().manual_seed(1))
    return Split(x, torch.stack([x.prod(1), x.sum(1).sin()], 1))


def test_records_are_what_the_networks_were_at_those_steps() -> None:
    """Each look at a run of many steps is the last look of a run that ends there."""
    data, probe = regression(), regression().inputs[:4]
    members = [Member(1, 0.05, INITIAL, input_scale=0.5), Member(2, 1e30, INITIAL), Member(3, 0.01, INITIAL)]
    recorders = {
        "kernels": empirical_kernels(probe), "outputs": outputs(probe), "gradients": gradient_norms(),
        "parameters": parameter_norms(), "loss": batch_losses(),
    }  # fmt: skip
    options = {"batch": 8, "loss": "mse", "momentum": 0.5, "record": recorders}
    a = ew.activation("tanh")
    run = train(a, SHAPE, members, data, steps=7, record_every=3, **options).run
    assert run.recorded_at == (0, 3, 6, 7)
    shapes = {name: tuple(values.shape) for name, values in run.records.items()}
    assert shapes == {
        "kernels": (4, 3, 3, 4), "outputs": (4, 3, 4, 2), "gradients": (4, 3, 6), "parameters": (4, 3, 6),
        "loss": (4, 3),
    }  # fmt: skip
    for look, steps in enumerate(run.recorded_at[1:], start=1):
        short = train(a, SHAPE, members, data, steps=steps, record_every=[], **options).run
        assert short.recorded_at == (steps,)
        for name, values in run.records.items():
            assert torch.equal(values[look, [0, 2]], short.records[name][0, [0, 2]])
            assert torch.isnan(values[look, 1]).all()
            assert torch.isfinite(values[0, 1]).all()  # before it diverged
    for step in (0, 3, 6):
        assert torch.equal(run.records["loss"][run.recorded_at.index(step)][[0, 2]], run.losses[step, [0, 2]])
    x = probe * 0.5
    trained = train(a, SHAPE, members, data, steps=7, **options)
    layers = [t[0] for t in trained.parameters.layers()]
    for i, (weight, bias) in enumerate(zip(layers[:3], layers[3:], strict=True)):
        z = x @ weight + bias
        torch.testing.assert_close(trained.run.records["kernels"][-1, 0, i], z.square().mean(1))
        x = z.tanh()
    norms = torch.tensor([float(t.norm()) for t in layers])
    torch.testing.assert_close(trained.run.records["parameters"][-1, 0], norms)


def test_looking_changes_nothing() -> None:
    data = regression()
    members = [Member(1, 0.05, INITIAL), Member(2, 0.01, INITIAL)]
    options = {"steps": 9, "batch": 8, "loss": "mse"}
    plain = train(ew.activation("tanh"), SHAPE, members, data, **options)
    record = {"g": gradient_norms(), "k": empirical_kernels(data.inputs)}
    looked = train(ew.activation("tanh"), SHAPE, members, data, record=record, **options)
    assert torch.equal(plain.loss, looked.loss)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters.tensors(), looked.parameters.tensors(), strict=True))


def test_a_problem_without_layers_says_that_it_has_none() -> None:
    with pytest.raises(TrainingError, match="Bowls shows no layers"):
        minimise(bowls(1.0), steps=1, record={"kernels": empirical_kernels(torch.zeros(1, 1))})


def test_a_recorder_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(TrainingError, match="recorder 'mean' gave shape"):
        minimise(bowls(1.0, 2.0), steps=1, record={"mean": lambda look: look.losses.mean()})


def test_regression_learns_and_a_loss_of_ones_own_is_the_same() -> None:
    """A network of 5 tanh units fits sin of a sum far better than its mean does: variance of the targets about 1."""
    data = regression()
    members = [Member(s, 3e-2, INITIAL) for s in range(3)]
    options = {"steps": 300, "batch": 24, "optimiser": Adam(), "schedule": Constant()}
    named = train(ew.activation("tanh"), SHAPE, members, data, loss="mse", **options)
    assert (named.loss[-1] < 0.25 * data.labels.var(0).mean()).all()

    def own(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean((1, 2))

    torch.testing.assert_close(
        train(ew.activation("tanh"), SHAPE, members, data, loss=own, **options).loss[:30], named.loss[:30]
    )


def test_a_run_tells_itself_in_plain_numbers() -> None:
    run = minimise(bowls(1.0, math.nan), steps=3, record={"x": lambda look: look.problem.tensors()[0]}, record_every=2)
    told = run.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["recorded_at"] == [0, 2, 3]
    assert told["losses"][0] == [0.5, None]
    console = Console(width=100, file=io.StringIO())
    console.print(run)
    assert "1 of 2 diverged: member 1 at step 1" in console.file.getvalue()
