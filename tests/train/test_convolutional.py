"""Convolutional networks trained together are the separate nn.Modules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError
from edgewise.train import Adam, Initial, Member, empirical_kernels, minimise
from edgewise.train.conv_ensemble import ConvEnsemble, conv_layer_rates
from edgewise.train.convolutional import ConvShape, forward_conv, initialise_conv, preactivations_conv

INITIAL = Initial(c_w=2.0, c_b=0.1, first_c_w=1.0, first_c_b=0.2, last_c_w=0.5, last_c_b=0.3)
MEMBERS = [Member(seed, 1e-2, INITIAL) for seed in (4, 5, 6)]
SHAPES = [
    ConvShape(2, 6, 4, 3, 5),
    ConvShape(1, 7, 4, 2, 5, strides=(2, 1), head="flatten"),
    ConvShape(2, 8, 3, 3, 5, strides=(1, 2, 2), downsample="mean", head="flatten"),
    ConvShape(2, 7, 3, 2, 5, strides=(2, 1), downsample="max"),
    ConvShape(1, 6, 4, 2, 5, strides=(1, 2), padding="circular"),
]


def as_module(shape: ConvShape, layers, member: int) -> nn.Sequential:
    """The network as anybody would write it."""
    count = shape.depth + 1
    modules: list[nn.Module] = []
    for i, step in enumerate(shape.steps):
        weight, bias = layers[i][member], layers[count + i][member]
        conv = nn.Conv2d(
            weight.shape[1], shape.width, 3, stride=step if shape.downsample == "stride" else 1, padding=1,
            padding_mode=shape.padding, dtype=weight.dtype,
        )  # fmt: skip
        with torch.no_grad():
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)
        modules += [conv, nn.Tanh()]
        if shape.downsample != "stride" and step > 1:
            modules.append(nn.AvgPool2d(step) if shape.downsample == "mean" else nn.MaxPool2d(step))
    modules += [nn.AdaptiveAvgPool2d(1)] if shape.head == "mean" else []
    linear = nn.Linear(shape.features, shape.outputs, dtype=layers[0].dtype)
    with torch.no_grad():
        linear.weight.copy_(layers[count - 1][member].T)
        linear.bias.copy_(layers[-1][member, 0])
    return nn.Sequential(*modules, nn.Flatten(), linear)


def images(shape: ConvShape, *leading: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    return torch.randn(*leading, shape.channels, shape.size, shape.size, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_gradients_are_those_of_the_plain_networks(shape):
    """float64; sums of at most 9 x 4 products a layer."""
    layers = [t.requires_grad_(True) for t in initialise_conv(shape, MEMBERS, dtype=torch.float64).layers()]
    x = images(shape, 3, 4)
    outputs = forward_conv(ew.activation("tanh"), shape, layers, x)
    gradients = torch.autograd.grad(outputs.square().sum(), layers)
    for m in range(3):
        network = as_module(shape, layers, m)
        alone = network(x[m])
        torch.testing.assert_close(outputs[m], alone, rtol=1e-12, atol=1e-13)
        slopes = torch.autograd.grad(alone.square().sum(), list(network.parameters()))
        for i in range(shape.depth):
            torch.testing.assert_close(gradients[i][m], slopes[2 * i], rtol=1e-11, atol=1e-12)
            torch.testing.assert_close(gradients[shape.depth + 1 + i][m], slopes[2 * i + 1], rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(gradients[shape.depth][m].T, slopes[-2], rtol=1e-11, atol=1e-12)
        assert sum(p.numel() for p in network.parameters()) == shape.parameters


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_may_be_shared_by_all(shape):
    layers = initialise_conv(shape, MEMBERS, dtype=torch.float64).layers()
    x, a = images(shape, 4), ew.activation("tanh")
    shared = preactivations_conv(a, shape, layers, x)
    repeated = preactivations_conv(a, shape, layers, x.expand(3, *x.shape))
    assert [t.shape for t in shared] == [t.shape for t in repeated]
    for one, other in zip(shared, repeated, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_training_is_that_of_torch_adam_on_every_network():
    """Full batches, so that the order of the data does not matter."""
    shape = SHAPES[1]
    x = images(shape, 12)
    data = Split(x.flatten(1), torch.randint(0, 5, (12,), generator=torch.Generator().manual_seed(2)))
    members = [Member(1, 1e-2, INITIAL), Member(2, 1e-3, INITIAL, weight_rates=(0.5,) * 3, bias_rates=(0.5,) * 3)]
    problem = ConvEnsemble.drawn(ew.activation("tanh"), shape, members, data, batch=12, dtype=torch.float64)
    start = [t.detach().clone() for t in problem.tensors()]
    run = minimise(problem, steps=15, optimiser=Adam(), learning_rate=conv_layer_rates(shape, members))
    for m, rate in enumerate((1e-2, 5e-4)):
        network = as_module(shape, start, m)
        optimiser = torch.optim.Adam(network.parameters(), lr=rate)
        for step in range(15):
            loss = nn.functional.cross_entropy(network(x), data.labels)
            assert float(loss.detach()) == pytest.approx(float(run.losses[step, m]), rel=1e-9)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        torch.testing.assert_close(problem.tensors()[0][m].detach(), network[0].weight.detach(), rtol=1e-7, atol=1e-9)


def test_a_diverging_member_is_frozen_and_the_others_do_not_notice():
    shape = SHAPES[0]
    data = Split(images(shape, 12).flatten(1).float(), torch.arange(12) % 5)
    wild = Member(9, 1e-3, Initial(c_w=1e30, c_b=0.0, first_c_w=1e30, first_c_b=0.0, last_c_w=1e30))
    calm = [Member(s, 1e-3, INITIAL) for s in range(3)]
    a = ew.activation("relu")

    def trained(members):
        problem = ConvEnsemble.drawn(a, shape, members, data, batch=4)
        return minimise(problem, steps=6, learning_rate=conv_layer_rates(shape, members))

    together, apart = trained([calm[0], wild, *calm[1:]]), trained(calm)
    assert together.diverged_at.tolist() == [0, 1, 0, 0]
    # the same convolutions in other groups: only rounding may differ
    torch.testing.assert_close(together.losses[:, [0, 2, 3]], apart.losses, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("few", [1, 2])
def test_how_many_members_go_through_the_cache_at_a_time_does_not_matter(few, monkeypatch):
    shape = SHAPES[1]
    data = Split(images(shape, 12).flatten(1), torch.arange(12) % 5)
    problem = ConvEnsemble.drawn(ew.activation("tanh"), shape, MEMBERS, data, batch=4, dtype=torch.float64)
    losses = problem.losses(2)
    gradients = torch.autograd.grad(losses.sum(), problem.tensors())
    monkeypatch.setattr(ConvEnsemble, "_members_at_a_time", lambda _: few)
    parts = problem.losses_and_gradients(2)
    torch.testing.assert_close(parts[0], losses.detach(), rtol=1e-13, atol=0.0)
    for mine, other in zip(parts[1], gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-15)


def test_variances_at_initialisation_and_the_first_kernels():
    """With circular padding every position is alike: K1 = C_b + C_W mean(x^2), K2 = C_b + C_W K1/2 for relu.

    Over 400 networks; the relative error of a mean of 400 networks x 8 channels is at most a few times sqrt(2/3200).
    """
    shape = ConvShape(3, 6, 8, 2, 4, padding="circular")
    initial = Initial(c_w=2.0, c_b=0.1, first_c_w=1.0, first_c_b=0.2, last_c_w=0.5)
    members = [Member(s, 1e-2, initial) for s in range(400)]
    layers = initialise_conv(shape, members).layers()
    x = images(shape, 1).float()
    for tensor, variance in ((layers[0], 1 / 27), (layers[1], 2 / 72), (layers[2], 0.5 / 8), (layers[3], 0.2)):
        error = abs(float(tensor.square().mean()) / variance - 1.0)
        assert error < 4.5 * math.sqrt(2.0 / tensor.numel())
    first, second, _ = preactivations_conv(ew.activation("relu"), shape, layers, x)
    k1 = 0.2 + float(x.square().mean())
    assert float(first.square().mean()) == pytest.approx(k1, rel=0.1)
    assert float(second.square().mean()) == pytest.approx(0.1 + k1, rel=0.1)


def test_kernels_of_every_layer_can_be_recorded():
    shape = SHAPES[1]
    data = Split(images(shape, 12).flatten(1).float(), torch.arange(12) % 5)
    problem = ConvEnsemble.drawn(ew.activation("tanh"), shape, MEMBERS, data, batch=4)
    run = minimise(problem, steps=3, record={"kernels": empirical_kernels(data.inputs[:2])})
    assert run.records["kernels"].shape == (4, 3, 3, 2)
    assert torch.isfinite(run.records["kernels"]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvShape(1, 6, 0, 2, 5), "width=0"),
        (lambda: ConvShape(1, 6, 4, 2, 5, strides=(2,)), "1 strides given for 2 layers"),
        (lambda: ConvShape(1, 3, 4, 2, 5, strides=(2, 2), downsample="max"), "leave nothing"),
        (lambda: ConvShape(1, 3, 4, 2, 5, head="sum"), "head='sum'"),
        (lambda: initialise_conv(SHAPES[0], []), "0 members"),
        (
            lambda: ConvEnsemble.drawn(
                torch.tanh, SHAPES[0], MEMBERS, Split(torch.zeros(9, 5), torch.zeros(9)), batch=3
            ),
            "inputs of 5 numbers",
        ),
    ],
)
def test_wrong_settings_are_refused_in_one_line(make, message):
    with pytest.raises(DomainError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
