"""An ensemble is exactly its members trained one by one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError
from edgewise.train import Initial, Member, Shape, accuracy, forward, initialise, train

SHAPE = Shape(inputs=6, width=8, depth=3, outputs=4)
CRITICAL = Initial(c_w=2.0, c_b=0.1, first_c_w=1.0, first_c_b=0.2, last_c_w=0.5, last_c_b=0.3)


def toy(examples: int = 40) -> Split:
    g = torch.Generator().manual_seed(5)
    return Split(torch.randn(examples, 6, generator=g), torch.randint(0, 4, (examples,), generator=g))


def as_modules(parameters, member: int) -> nn.Sequential:
    p = parameters
    weights = [p.first[member], *p.hidden[:, member], p.last[member]]
    biases = [p.first_bias[member], *p.hidden_bias[:, member], p.last_bias[member]]
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        linear = nn.Linear(*weight.shape, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias[0])
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def test_forward_is_that_of_the_plain_networks():
    parameters = initialise(SHAPE, [Member(s, 0.1, CRITICAL) for s in (1, 2, 3)], dtype=torch.float64)
    x = torch.randn(5, 6, dtype=torch.float64)
    outputs = forward(ew.activation("tanh"), parameters, x)
    for m in range(3):
        torch.testing.assert_close(outputs[m], as_modules(parameters, m)(x), rtol=1e-12, atol=1e-12)


def test_training_is_that_of_torch_sgd_with_layer_rates():
    """Full-batch steps, so that the order of the data does not matter; float64, so that rounding stays near 1e-15."""
    data = toy()
    rates = (0.5, 1.0, 2.0, 0.25)
    member = Member(7, 0.2, CRITICAL, weight_rates=rates, bias_rates=(0.1, 0.2, 0.3, 0.4))
    other = Member(8, 0.05, CRITICAL)
    options = {"steps": 12, "batch": len(data.labels), "momentum": 0.9, "dtype": torch.float64}
    trained = train(ew.activation("tanh"), SHAPE, [other, member], data, **options)

    network = as_modules(initialise(SHAPE, [member], dtype=torch.float64), 0)
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    groups = []
    for linear, weight_rate, bias_rate in zip(linears, rates, member.bias_rates, strict=True):
        groups += [
            {"params": [linear.weight], "lr": 0.2 * weight_rate},
            {"params": [linear.bias], "lr": 0.2 * bias_rate},
        ]
    optimiser = torch.optim.SGD(groups, momentum=0.9)
    for step in range(12):
        loss = nn.functional.cross_entropy(network(data.inputs.double()), data.labels)
        assert float(loss.detach()) == pytest.approx(float(trained.loss[step, 1]), rel=1e-10)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(trained.parameters.hidden[0, 1].T, linears[1].weight.detach(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(trained.parameters.last_bias[1, 0], linears[3].bias.detach(), rtol=1e-10, atol=1e-12)


def test_a_diverging_member_is_frozen_and_named_and_poisons_nobody():
    """The survivors end exactly where they end without it."""
    data = toy()
    wild = Member(1, 1e30, CRITICAL)
    calm = [Member(s, 0.05, CRITICAL) for s in (2, 3, 4, 5)]
    options = {"steps": 30, "batch": 10}
    a = ew.activation("relu")
    together = train(a, SHAPE, [calm[0], wild, *calm[1:]], data, **options)
    apart = train(a, SHAPE, calm, data, **options)
    assert together.diverged.tolist() == [False, True, False, False, False]
    step = int(together.diverged_at[1])
    assert 1 <= step <= 3
    assert torch.isnan(together.loss[step - 1 :, 1]).all()
    assert torch.isfinite(together.loss[: step - 1, 1]).all()
    survivors = [0, 2, 3, 4]
    assert torch.isfinite(together.loss[:, survivors]).all()
    # the same arithmetic in another batch size of the matrix product: only rounding may differ
    torch.testing.assert_close(together.loss[:, survivors], apart.loss, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wild", [1, 4])
def test_frozen_members_keep_their_place_when_they_are_taken_out(wild):
    """One of five is carried along, four of five are taken out: the same answer for the calm ones."""
    data = toy()
    members = [Member(s, 1e30 if s < wild else 0.05, CRITICAL) for s in range(5)]
    trained = train(ew.activation("relu"), SHAPE, members, data, steps=20, batch=10)
    assert trained.diverged.tolist() == [s < wild for s in range(5)]
    alone = train(ew.activation("relu"), SHAPE, [members[4]], data, steps=20, batch=10)
    torch.testing.assert_close(trained.loss[:, 4], alone.loss[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trained.parameters.last[4], alone.parameters.last[0], rtol=1e-4, atol=1e-5)


def test_when_everyone_diverged_it_stops_and_says_so():
    seen = []
    huge = Initial(c_w=1e30, c_b=0.0, first_c_w=1e30, first_c_b=0.0, last_c_w=1e30)
    trained = train(
        ew.activation("relu"), SHAPE, [Member(0, 0.1, huge), Member(1, 0.1, huge)], toy(), steps=50, batch=10,
        on_step=seen.append,
    )  # fmt: skip
    assert trained.diverged_at.tolist() == [1, 1]
    assert seen == [1, 50]
    assert trained.loss.shape == (50, 2)
    assert torch.isnan(trained.loss).all()


def test_variances_at_initialisation():
    """The variance of n numbers has relative error sqrt(2/n) for a normal, sqrt(0.8/n) for a uniform distribution."""
    for distribution, kurtosis_minus_1 in (("normal", 2.0), ("uniform", 0.8)):
        initial = Initial(2.0, 0.1, 1.0, 0.2, 0.5, 0.3, distribution)
        p = initialise(SHAPE, [Member(s, 0.1, initial) for s in range(200)], dtype=torch.float64)
        for tensor, variance in (
            (p.first, 1.0 / 6), (p.first_bias, 0.2), (p.hidden, 2.0 / 8), (p.hidden_bias, 0.1), (p.last, 0.5 / 8),
            (p.last_bias, 0.3),
        ):  # fmt: skip
            error = math.sqrt(kurtosis_minus_1 / tensor.numel())
            assert abs(float(tensor.square().mean()) / variance - 1.0) < 4.5 * error


def test_a_member_does_not_depend_on_its_company():
    one = initialise(SHAPE, [Member(11, 0.1, CRITICAL)])
    many = initialise(SHAPE, [Member(3, 0.1, CRITICAL), Member(11, 0.2, CRITICAL)])
    assert torch.equal(one.hidden[:, 0], many.hidden[:, 1])


def test_outputs_that_are_not_finite_are_wrong_answers():
    parameters = initialise(SHAPE, [Member(0, 0.1, CRITICAL), Member(1, 0.1, CRITICAL)])
    parameters.last[0] = torch.nan
    right, loss = accuracy(ew.activation("tanh"), parameters, toy())
    assert right[0] == 0.0
    assert torch.isnan(loss[0])
    assert torch.isfinite(loss[1])


def started(begun, trained):
    start = initialise(SHAPE, [Member(seed, 0.1, CRITICAL) for seed in begun])
    members = [Member(seed, 0.1, CRITICAL) for seed in trained]
    return train(ew.activation("relu"), SHAPE, members, toy(), steps=1, batch=4, start=start)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shape(6, 0, 3, 4), "width=0"),
        (lambda: Initial(-1.0, 0.0, 1.0, 0.0, 1.0), r"c_w=-1\.0"),
        (lambda: initialise(SHAPE, []), "0 members"),
        (lambda: train(ew.activation("relu"), SHAPE, [Member(0, 0.1, CRITICAL)], toy(), steps=0, batch=4), "steps=0"),
        (lambda: train(ew.activation("relu"), SHAPE, [Member(0, 0.1, CRITICAL)], toy(), steps=1, batch=41), "batch=41"),
        (
            lambda: train(ew.activation("relu"), SHAPE, [Member(0, 0.1, CRITICAL, (1.0,))], toy(), steps=1, batch=4),
            "1 weight_rates given",
        ),
        (lambda: started([0, 1], [0]), "parameters of 2 networks given for 1 members"),
        (lambda: started([0], [0, 1]), "parameters of 1 networks given for 2 members"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(make, message):
    with pytest.raises(DomainError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
