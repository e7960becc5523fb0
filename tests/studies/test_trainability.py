"""The trainability check: fair, honest about divergence, and telling."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.errors import DomainError, SpecError
from edgewise.studies import trainability
from edgewise.studies.schemes import he, pytorch, recommended
from edgewise.train import Member, Shape, forward, initialise

SMALL = {"depths": (2, 3), "width": 16, "seeds": 2, "epochs": 1, "learning_rates": (0.1, 0.5)}


@pytest.fixture(scope="module")
def small():
    return trainability("gelu", **SMALL)


def test_every_depth_scheme_and_rate_is_tried_with_every_seed(small):
    assert [(r.depth, r.scheme.name, r.relative_rate) for r in small.runs] == [
        (depth, scheme, rate) for depth in (2, 3) for scheme in ("pytorch", "he", "recommended") for rate in (0.1, 0.5)
    ]
    assert all(len(r.accuracy) == len(r.loss) == len(r.diverged_at) == 2 for r in small.runs)


def test_one_rate_is_chosen_by_validation_accuracy(small):
    assert len(small.chosen) == 6
    for best in small.chosen:
        rivals = [r for r in small.runs if (r.depth, r.scheme.name) == (best.depth, best.scheme.name)]
        assert math.fsum(best.validation_accuracy) == max(math.fsum(r.validation_accuracy) for r in rivals)


def test_the_result_is_plain_json(small):
    plain = json.loads(json.dumps(small.to_dict(), allow_nan=False))
    assert plain["runs"][0]["c_w"] == pytest.approx(1 / 3)
    assert plain["provenance"]["seed"] == 0
    assert plain["data"]["test"] == 450


def test_the_same_seed_gives_the_same_numbers(small):
    again = trainability("gelu", **SMALL)
    assert [r.accuracy for r in again.runs] == [r.accuracy for r in small.runs]
    assert [r.loss for r in again.runs] == [r.loss for r in small.runs]


def test_diverged_runs_are_named_and_count_as_a_guess():
    """RePU of degree 3 with He's variances: the kernel is cubed from layer to layer, float32 overflows by depth 8."""
    result = trainability("repu(p=3)", **{**SMALL, "depths": (8,), "learning_rates": (0.1,)})
    run = next(r for r in result.runs if r.scheme.name == "he")
    assert run.diverged == (True, True)
    assert run.diverged_at == (1, 1)
    assert run.accuracy == (0.1, 0.1)
    assert "2 of 2 diverged at step 1" in run.reason
    plain = run.to_dict()
    assert plain["loss"] == [[None], [None]]


def test_deep_tanh_learns_from_the_recommended_start_and_not_from_the_default():
    """PyTorch's default at depth 20 loses gradients by (1/3)**20; at criticality they keep their size."""
    result = trainability("tanh", depths=(20,), width=32, seeds=2, epochs=4, learning_rates=(0.3,))
    best = {r.scheme.name: r for r in result.chosen}
    assert best["pytorch"].mean < 0.3
    assert best["recommended"].mean > 0.6


def test_finished_depths_are_handed_over_before_an_interruption():
    kept = []

    def stop(done: int, total: int) -> None:
        if kept and done > total * 2 / 5:  # depth 2 of (2, 3) is two fifths of the work
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainability("relu", **SMALL, on_progress=stop, on_depth=kept.append)
    assert [part.depths for part in kept] == [(2,)]
    assert {run.depth for run in kept[0].runs} == {2}


def test_progress_ends_at_the_total():
    seen = []
    trainability("relu", **SMALL, on_progress=lambda done, total: seen.append((done, total)))
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    "wrong", [{"depths": ()}, {"depths": (0,)}, {"seeds": 0}, {"learning_rates": ()}, {"learning_rates": (-1.0,)}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(DomainError, match="try"):
        trainability("relu", **{**SMALL, **wrong})


def test_an_unknown_activation_is_refused():
    with pytest.raises(SpecError):
        trainability("reluu", **SMALL)


def test_pytorch_scheme_is_what_linear_does():
    """Same bound and same variance as nn.Linear; the relative error of a uniform's variance is sqrt(0.8/n)."""
    scheme = pytorch(Shape(inputs=64, width=128, depth=2, outputs=10))
    p = initialise(Shape(64, 128, 2, 10), [Member(0, 0.1, scheme.initial)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.Linear(64, 128)
    for ours, theirs in ((p.first, layer.weight.detach()), (p.first_bias, layer.bias.detach())):
        assert float(ours.abs().max()) <= 1 / 8
        assert float(theirs.abs().max()) <= 1 / 8
        error = math.sqrt(0.8 / ours.numel())
        assert float(ours.square().mean()) * 192 == pytest.approx(1.0, abs=4.5 * error)
        assert float(theirs.square().mean()) * 192 == pytest.approx(1.0, abs=4.5 * error)


def test_he_scheme():
    initial = he().initial
    assert (initial.c_w, initial.first_c_w, initial.last_c_w, initial.c_b) == (2.0, 2.0, 2.0, 0.0)


@pytest.mark.parametrize("spec", ["relu", "gelu", "tanh", "mrepu(p=2)"])
def test_recommended_networks_start_where_promised_and_learn_in_balance(spec):
    """K(1) = K0, outputs of variance 1, and every layer's weights contribute the same to the output's NTK.

    Width 512, depth 5, one input, 8 members. Finite width shifts means by nu L/n, at most 5 % (nu = 5), and lets a
    member's kernels and gradients fluctuate by sqrt(nu L/n) = 22 %, the mean of 8 by 8 %; 80 outputs add
    sqrt(2/80) = 16 % to their own variance.
    """
    a = ew.activation(spec)
    shape = Shape(inputs=64, width=512, depth=5, outputs=10)
    scheme = recommended(a, shape)
    members = [Member(s, 1.0, scheme.initial, scheme.weight_rates, scheme.bias_rates) for s in range(8)]
    parameters = initialise(shape, members, dtype=torch.float64)
    x = torch.randn(1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = x / x.square().mean().sqrt()

    first = torch.baddbmm(parameters.first_bias, x.expand(8, -1, -1), parameters.first)
    assert float(first.square().mean()) == pytest.approx(scheme.k0, rel=4.5 * math.sqrt(2 / (8 * 512)))

    for tensor in parameters.tensors():
        tensor.requires_grad_(True)
    outputs = forward(a, parameters, x)
    assert float(outputs.detach().square().mean()) == pytest.approx(
        1.0, abs=4.5 * math.hypot(math.sqrt(2 / 80), 0.08) + 0.05
    )
    contribution = torch.zeros(shape.depth + 1, dtype=torch.float64)
    for i in range(shape.outputs):
        first_g, hidden_g, last_g = torch.autograd.grad(
            outputs[:, 0, i].sum(), (parameters.first, parameters.hidden, parameters.last), retain_graph=True
        )
        squares = [first_g.square().sum(), *hidden_g.square().sum((1, 2, 3)), last_g.square().sum()]
        contribution += torch.stack(squares)
    rates = torch.tensor(scheme.weight_rates, dtype=torch.float64)
    fan_in = torch.tensor([64.0] + [512.0] * 5, dtype=torch.float64)
    balanced = contribution * rates / fan_in / (8 * shape.outputs)
    assert ((balanced - 1.0).abs() < 4.5 * 0.08 + 0.05).all(), balanced
