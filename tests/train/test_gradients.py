"""Gradients by hand are autograd's, whatever the activation and the loss, and members do not meet in them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError
from edgewise.train import SGD, Adam, Initial, Member, MemberActivation, Shape, initialise, train
from edgewise.train.ensemble import forward_layers, preactivations
from edgewise.train.gradients import BackPropagation, loss_and_gradients
from edgewise.train.losses import member_losses

SHAPE = Shape(inputs=6, width=8, depth=4, outputs=3)
CRITICAL = Initial(c_w=1.0, c_b=0.1, first_c_w=1.0, first_c_b=0.2, last_c_w=0.5, last_c_b=0.3)
MEMBERS = 7
CONSTANTS = MemberActivation(ew.activation("gelu"), [(0.9 + 0.1 * i, 0.1 * i, 1.2, -0.02 * i) for i in range(MEMBERS)])


def layers(seeds=range(MEMBERS)) -> list[Tensor]:
    members = [Member(seed, 0.1, CRITICAL) for seed in seeds]
    return [t.clone() for t in initialise(SHAPE, members, dtype=torch.float64).layers()]


def batch(loss) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(3)
    inputs = torch.randn(MEMBERS, 11, SHAPE.inputs, generator=g, dtype=torch.float64)
    if loss == "cross_entropy":
        return inputs, torch.randint(0, SHAPE.outputs, (MEMBERS, 11), generator=g)
    return inputs, torch.randn(MEMBERS, 11, SHAPE.outputs, generator=g, dtype=torch.float64)


def quartic(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).pow(4).mean((1, 2))


def by_autograd(activation, tensors, inputs, targets, loss) -> tuple[Tensor, tuple[Tensor, ...]]:
    leaves = [t.detach().requires_grad_(True) for t in tensors]
    losses = member_losses(loss, forward_layers(activation, leaves, inputs), targets)
    return losses.detach(), torch.autograd.grad(losses.sum(), leaves)


def same(ours, theirs) -> None:
    """To rounding: sums of at most 11 x 8 products, five matrices deep."""
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-14 * float(other.abs().max()))


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", quartic])
@pytest.mark.parametrize(
    "activation",
    [
        *(
            ew.activation(s)
            for s in ("relu", "tanh", "sigmoid", "mrepu(p=2)", "gelu", "helu", "elu", "x*sigmoid(1.5*x)")
        ),
        torch.sin,
        CONSTANTS,
    ],
    ids=lambda a: getattr(a, "spec", "callable")[:24],
)
def test_gradients_are_those_of_autograd(activation, loss):
    tensors, (inputs, targets) = layers(), batch(loss)
    losses, gradients = loss_and_gradients(activation, tensors, inputs, targets, loss)
    expected, wanted = by_autograd(activation, tensors, inputs, targets, loss)
    # rounding in the first layer grows with the power in which the loss depends on it: 3 a layer of MRePU(2), 4 at last
    cubic = getattr(activation, "spec", "") == "mrepu(p=2)"
    power = (3**SHAPE.depth if cubic else 1) * (4 if loss is quartic else 1)
    torch.testing.assert_close(losses, expected, rtol=max(1e-14, power * torch.finfo(torch.float64).eps), atol=0.0)
    same(gradients, wanted)


@pytest.mark.parametrize("few", [2, MEMBERS])
@pytest.mark.parametrize("examples", [5, MEMBERS])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_inputs_and_targets_may_be_shared_by_all(loss, examples, few, monkeypatch):
    """Also where there are as many examples as members."""
    monkeypatch.setattr(BackPropagation, "_members_at_a_time", lambda *_: few)
    tensors, (inputs, targets) = layers(), batch(loss)
    x, y = inputs[0, :examples], targets[0, :examples]
    a = ew.activation("tanh")
    shared = loss_and_gradients(a, tensors, x, y, loss)
    repeated = loss_and_gradients(a, tensors, x.repeat(MEMBERS, 1, 1), y.repeat(MEMBERS, *[1] * y.dim()), loss)
    torch.testing.assert_close(shared[0], repeated[0], rtol=1e-14, atol=0.0)
    same(shared[1], repeated[1])


@pytest.mark.parametrize("few", [1, 3])
@pytest.mark.parametrize("a", [ew.activation("mrepu(p=2)"), CONSTANTS], ids=["mrepu", "constants"])
def test_how_many_members_go_through_the_cache_at_a_time_does_not_matter(a, few, monkeypatch):
    tensors, (inputs, targets) = layers(), batch("cross_entropy")
    whole = loss_and_gradients(a, tensors, inputs, targets)
    monkeypatch.setattr(BackPropagation, "_members_at_a_time", lambda *_: few)
    parts = loss_and_gradients(a, tensors, inputs, targets)
    assert torch.equal(whole[0], parts[0])
    assert all(torch.equal(mine, other) for mine, other in zip(parts[1], whole[1], strict=True))


def test_batch_after_batch_in_the_same_memory():
    """Of several sizes; the layers change in between, as a step changes them."""
    tensors, (inputs, targets) = layers(), batch("mse")
    a = ew.activation("tanh")
    back = BackPropagation(a, tensors, "mse")
    for examples in (11, 5, 11):
        x, y = inputs[:, :examples], targets[:, :examples]
        losses = back(x, y)
        expected, wanted = loss_and_gradients(a, tensors, x, y, "mse")
        assert torch.equal(losses, expected)
        assert all(torch.equal(mine, other) for mine, other in zip(back.gradients, wanted, strict=True))
        for t, slope in zip(tensors, back.gradients, strict=True):
            t.sub_(0.1 * slope)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_member_of_infinite_weights_changes_nobody(loss):
    tensors, (inputs, targets) = layers(), batch(loss)
    a = ew.activation("relu")
    before = loss_and_gradients(a, tensors, inputs, targets, loss)
    tensors[1][2] = torch.inf
    losses, gradients = loss_and_gradients(a, tensors, inputs, targets, loss)
    others = [0, 1, 3, 4, 5, 6]
    assert not torch.isfinite(losses[2])
    assert torch.equal(losses[others], before[0][others])
    for mine, other in zip(gradients, before[1], strict=True):
        assert torch.equal(mine[others], other[others])


def test_preactivations_are_those_of_every_layer():
    tensors, (inputs, _) = layers(), batch("mse")
    a = ew.activation("tanh")
    z = preactivations(a, tensors, inputs)
    assert [tuple(t.shape) for t in z] == [(MEMBERS, 11, n) for n in (8, 8, 8, 8, 3)]
    expected = torch.tanh(z[1]) @ tensors[2] + tensors[5 + 2]
    torch.testing.assert_close(z[2], expected, rtol=1e-13, atol=1e-14)
    assert torch.equal(z[-1], forward_layers(a, tensors, inputs))


def test_an_unknown_loss_is_refused_in_one_line():
    tensors, (inputs, targets) = layers(), batch("mse")
    with pytest.raises(DomainError, match="loss='hinge' given"):
        loss_and_gradients(ew.activation("tanh"), tensors, inputs, targets, "hinge")


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_batches_are_picked_from_the_data_by_row(loss):
    tensors, (inputs, targets) = layers(), batch(loss)
    g = torch.Generator().manual_seed(9)
    rows = torch.randint(0, 11, (MEMBERS, 5), generator=g)
    a = ew.activation("tanh")
    picked = loss_and_gradients(a, tensors, inputs[0], targets[0], loss, rows=rows)
    given = loss_and_gradients(a, tensors, inputs[0][rows], targets[0][rows], loss)
    assert torch.equal(picked[0], given[0])
    same(picked[1], given[1])


@pytest.mark.parametrize("activation", ["relu", "tanh", "mrepu(p=2)"])
@pytest.mark.parametrize("rule", [Adam(), Adam(weight_decay=0.1), SGD(0.9)], ids=["adam", "adamw", "sgd"])
def test_a_member_trains_to_the_same_bits_in_any_company(activation, rule, request):
    """On one thread, where every member's matrices begin at a multiple of 64 bytes: MKL rounds by how a product lies.

    Five outputs, so that no member's last biases end where a vector register does.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    g = torch.Generator().manual_seed(1)
    data = Split(torch.randn(48, 16, generator=g), torch.randint(0, 5, (48,), generator=g))
    shape = Shape(inputs=16, width=48, depth=3, outputs=5)
    tame = Initial(c_w=1.0, c_b=0.0, first_c_w=0.01, first_c_b=0.0, last_c_w=1.0)
    members = [Member(seed, rate, tame) for seed, rate in enumerate([1e-2, 1e-2, 3e-3, 1e-2, 1e-3])]
    options = {"steps": 12, "batch": 16, "optimiser": rule}
    together = train(ew.activation(activation), shape, members, data, **options)
    for chosen in ([0], [1, 2], [4, 0], [3]):
        apart = train(ew.activation(activation), shape, [members[i] for i in chosen], data, **options)
        assert torch.equal(apart.loss, together.loss[:, chosen])
        for mine, others in zip(apart.parameters.layers(), together.parameters.layers(), strict=True):
            assert torch.equal(mine, others[chosen])
