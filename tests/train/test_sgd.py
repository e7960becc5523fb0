"""SGD of an ensemble is torch.optim.SGD of each member."""

from __future__ import annotations

import pytest
import torch

from edgewise.errors import DomainError
from edgewise.train import SGD


@pytest.mark.parametrize(
    "options",
    [{"momentum": 0.0}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "weight_decay": 0.1}],
    ids=str,
)
def test_it_is_torch_sgd_at_every_members_own_rate(options):
    g = torch.Generator().manual_seed(0)
    layers = [torch.randn(2, 3, 5, generator=g, dtype=torch.float64), torch.randn(2, 1, 5, generator=g).double()]
    kept, rates = [[torch.zeros_like(t) for t in layers]], [torch.tensor([[[0.1]], [[0.01]]], dtype=torch.float64)] * 2
    plain = [[t[m].clone().requires_grad_(True) for t in layers] for m in (0, 1)]
    optimisers = [torch.optim.SGD(p, lr=rate, **options) for p, rate in zip(plain, (0.1, 0.01), strict=True)]
    alive = torch.ones(2, dtype=torch.bool)
    for step in range(1, 8):
        slopes = [t.sin() for t in layers]
        SGD(**options).step_(layers, slopes, kept, rates, alive, step=step, scale=1.0)
        for parameters, optimiser in zip(plain, optimisers, strict=True):
            for p in parameters:
                p.grad = p.detach().sin()
            optimiser.step()
    for m in (0, 1):
        for mine, theirs in zip(layers, plain[m], strict=True):
            torch.testing.assert_close(mine[m], theirs.detach(), rtol=1e-13, atol=1e-14)


def test_weight_decay_may_differ_from_tensor_to_tensor_as_in_groups_of_torch():
    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layers, decays = [row[None].clone() for row in start], (0.1, 0.0, 0.5)
    theirs = [row.clone().requires_grad_(True) for row in start]
    groups = [{"params": [p], "weight_decay": decay} for p, decay in zip(theirs, decays, strict=True)]
    optimiser = torch.optim.SGD(groups, lr=0.1, momentum=0.8, nesterov=True)
    rule, kept = SGD(0.8, nesterov=True, weight_decay=decays), [[torch.zeros_like(t) for t in layers]]
    rates, alive = [torch.full((1, 1), 0.1, dtype=torch.float64)] * 3, torch.ones(1, dtype=torch.bool)
    for step in range(1, 6):
        rule.step_(layers, [t.cos() for t in layers], kept, rates, alive, step=step, scale=1.0)
        for p in theirs:
            p.grad = p.detach().cos()
        optimiser.step()
    for mine, other in zip(layers, theirs, strict=True):
        torch.testing.assert_close(mine[0], other.detach(), rtol=1e-13, atol=1e-14)
    with pytest.raises(DomainError, match="3 weight decays given for 2 tensors"):
        rule.step_(layers[:2], layers[:2], [kept[0][:2]], rates[:2], alive, step=6, scale=1.0)


def test_the_dead_stay_where_they_are():
    p, v = torch.ones(2, 1, 4), torch.ones(2, 1, 4)
    slope = torch.full_like(p, torch.nan)
    slope[1] = 1.0
    rule = SGD(0.9, nesterov=True)
    rule.step_([p], [slope], [[v]], [torch.full((2, 1, 1), 0.1)], torch.tensor([False, True]), step=1, scale=1.0)
    assert torch.equal(p[0], torch.ones(1, 4))
    assert torch.equal(p[1], torch.full((1, 4), 1.0 - 0.1 * (1.0 + 0.9 * 1.9)))


def test_numbers_out_of_range_are_refused():
    with pytest.raises(DomainError, match=r"momentum=1\.0"):
        SGD(1.0)
    with pytest.raises(DomainError, match="weight_decay"):
        SGD(weight_decay=(0.1, -0.1))
