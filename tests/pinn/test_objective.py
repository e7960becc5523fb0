"""The loss of networks on an equation, against one written by hand with nested autograd."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.errors import ModelError
from edgewise.pinn import Settings, problem
from edgewise.pinn.objective import Objective
from edgewise.pinn.start import start
from edgewise.train import Member, Shape, initialise

SETTINGS = Settings(width=7, depth=3, members=2, points=30, batch=None, condition_points=12, init="xavier")


def objective(name: str = "burgers", activation: str = "tanh", **chosen: object) -> Objective:
    settings = replace(SETTINGS, **chosen)  # type: ignore[arg-type]
    equation = problem(name)
    fed = equation.hard.embedding if settings.boundary == "hard" and equation.hard else None
    shape = Shape(2 if fed is None else len(fed), settings.width, settings.depth, 1)
    begin = start(settings.init, ew.activation(activation), shape)
    members = [Member(settings.seed + i, 1e-3, begin.initial) for i in range(settings.members)]
    return Objective(equation, ew.activation(activation), initialise(shape, members, dtype=torch.float64), settings)


def by_hand(made: Objective, member: int) -> Tensor:
    """Burgers' loss of one network, from its definition: residual, u(x, 0) = -sin(pi x), u(-1, t) = u(1, t) = 0."""
    weights_and_biases = [t[member] for t in made.tensors()]
    depth = len(weights_and_biases) // 2

    def u(x: Tensor, t: Tensor) -> Tensor:
        h = torch.stack([x, 2.0 * t - 1.0], -1)
        for i in range(depth):
            h = h @ weights_and_biases[i] + weights_and_biases[depth + i]
            h = torch.tanh(h) if i < depth - 1 else h
        return h[:, 0]

    x, t = (c.clone().requires_grad_() for c in made.points[member].unbind(-1))
    value = u(x, t)
    u_x, u_t = torch.autograd.grad(value.sum(), (x, t), create_graph=True)
    (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
    loss = (u_t + value * u_x - 0.01 / math.pi * u_xx).square().mean()
    (penalty,) = made._penalties
    for points in penalty.points.split(4):  # type: ignore[no-untyped-call]
        wanted = -torch.sin(math.pi * points[:, 0]) if bool((points[:, 1] == 0.0).all()) else torch.zeros(4).double()
        loss = loss + (u(points[:, 0], points[:, 1]) - wanted).square().mean()
    return loss


def test_loss_and_gradients_equal_those_written_by_hand() -> None:
    made = objective()
    losses, gradients = made.losses_and_gradients(1)
    expected = torch.stack([by_hand(made, 0), by_hand(made, 1)])
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=0.0)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected.sum(), made.tensors()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-13)


def test_chunks_do_not_change_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = objective().losses_and_gradients(1)
    monkeypatch.setattr("edgewise.pinn.objective.ROWS", 14)
    parts = objective().losses_and_gradients(1)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-15)


def test_a_member_alone_is_the_member_among_others() -> None:
    made = objective()
    alone = made.select(torch.tensor([1]))
    torch.testing.assert_close(alone.losses(1)[0], made.losses(1)[1], rtol=1e-13, atol=0.0)
    assert not torch.equal(made.points[0], made.points[1])


def test_batches_go_round_the_points() -> None:
    made = objective(batch=20)
    points = made.points
    torch.testing.assert_close(made._batch(1), points[:, :20], rtol=0.0, atol=0.0)
    torch.testing.assert_close(made._batch(2), torch.cat([points[:, 20:], points[:, :10]], 1), rtol=0.0, atol=0.0)


def test_new_points_come_when_they_are_due_and_are_saved() -> None:
    made = objective(resample_every=5, adaptive=True)
    first = made.points
    made.losses_and_gradients(5)
    assert made.points is first
    made.losses_and_gradients(6)
    assert not torch.equal(made.points, first)
    restored = objective(resample_every=5, adaptive=True)
    restored.load_state(made.state())
    torch.testing.assert_close(restored.losses(7), made.losses(7), rtol=0.0, atol=0.0)


def test_adaptive_points_go_where_the_residual_is_large() -> None:
    made = objective(points=400, resample_every=1, adaptive=True, members=1)
    evenly = float(made.residual(made.points).detach().square().mean())
    made.losses_and_gradients(2)
    assert float(made.residual(made.points).detach().square().mean()) > evenly


@pytest.mark.parametrize("name", ["burgers", "kdv", "allen_cahn", "heat"])
def test_hard_conditions_hold_for_any_network(name: str) -> None:
    made = objective(name, boundary="hard")
    initial = next(c for c in made.equation.conditions if c.name == "initial")
    lows, highs = made.equation.domain
    x = torch.linspace(lows[0], highs[0], 11, dtype=torch.float64)
    start_of_time = torch.stack([x, torch.zeros_like(x)], -1)
    torch.testing.assert_close(
        made.values(start_of_time), initial.target(start_of_time).expand(2, -1), rtol=0.0, atol=1e-14
    )
    assert bool(torch.isfinite(made.losses(1)).all())


def test_periodic_features_have_the_derivatives_of_finite_differences() -> None:
    made = objective("kdv", boundary="hard")
    x = torch.tensor([[0.3, 0.6]], dtype=torch.float64)
    found = {k: v.detach()[..., 0] for k, v in made.derivatives(x, [(0,), (0, 0, 0)]).items()}

    def at(shift: float) -> Tensor:
        return made.values(x + torch.tensor([shift, 0.0], dtype=torch.float64))

    def first(h: float) -> Tensor:
        return (at(h) - at(-h)) / (2 * h)

    def third(h: float) -> Tensor:
        return (at(2 * h) - 2 * at(h) + 2 * at(-h) - at(-2 * h)) / (2 * h**3)

    # Richardson's combination leaves an error of order h**4 u^(7), here about 1e-11 * 1e6, and rounding 1e-15 / h**3
    h = 2e-3
    torch.testing.assert_close(found[0,], (4 * first(h) - first(2 * h)) / 3, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(found[0, 0, 0], (4 * third(h) - third(2 * h)) / 3, rtol=1e-4, atol=1e-4)


def test_an_equation_without_a_hard_form_says_so() -> None:
    without = replace(problem("burgers"), hard=None)
    made = objective()
    with pytest.raises(ModelError, match="burgers has no exact conditions; try boundary='soft'"):
        Objective(without, made.activation, made.parameters, replace(SETTINGS, boundary="hard"))
