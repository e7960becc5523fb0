"""Weight decay leaves slopes, biases and gains alone, by groups of a torch optimiser and as a penalty alike."""

from __future__ import annotations

import torch
from torch import nn

import edgewise as ew
from edgewise.train.decay import decay_groups, decaying, penalty


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), ew.nn.PReLU(4), nn.Flatten(), nn.Linear(4, 3))


def test_weights_decay_and_slopes_do_not() -> None:
    model = _model()
    assert [tuple(p.shape) for p in decaying(model)] == [(4, 2, 3, 3), (3, 4)]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.SGD(decay_groups(model, 0.1), lr=1.0)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    for name, p in model.named_parameters():
        expected = 0.9 * before[name] if before[name].dim() > 1 else before[name]
        torch.testing.assert_close(p.detach(), expected)


def test_the_penalty_has_the_gradient_of_decay() -> None:
    model = _model()
    weights = decaying(model)
    for weight, slope in zip(weights, torch.autograd.grad(penalty(model, 0.1), weights), strict=True):
        torch.testing.assert_close(slope, 0.1 * weight.detach())


def test_frozen_and_tied_weights_count_once_or_not_at_all() -> None:
    model = _model()
    model[0].weight.requires_grad_(False)
    groups = decay_groups(model)
    assert [len(group["params"]) for group in groups] == [1, 5]
    assert float(penalty(nn.PReLU(), 1.0)) == 0.0
