"""Closed forms differentiate as automatic differentiation does."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import pytest
import torch
from torch import Tensor

from edgewise.pinn.embedding import periodic
from edgewise.pinn.reference.seam import HealedSquare
from edgewise.pinn.separable import ONE, Exponential, Index, Known, Polynomial, Separable, Times, Wave


def _nested(value: Tensor, x: Tensor, index: Index) -> Tensor:
    for i in index:
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True, materialize_grads=True)
        value = slope[..., i]
    return value.detach()


_SUM = Separable(
    (
        (Times(Polynomial((1.0, -2.0, 0.5, 3.0)), Wave(1.7, 0.8, 0.3)), Exponential(-0.6)),
        (Wave(math.pi), Times(Exponential(0.3), Wave(2.0, phase=1.0))),
        (Polynomial((0.5, 1.0)), ONE),
    )
)
INDICES = [i for n in range(5) for i in combinations_with_replacement((0, 1), n)]


@pytest.mark.parametrize("known", [_SUM, HealedSquare(0.01)], ids=["separable", "healed square"])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_derivatives_of_every_order_are_those_of_autograd(known: Known, index: Index) -> None:
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_(True)
    torch.testing.assert_close(
        known.derivative(x.detach(), index), _nested(known.derivative(x, ()), x, index), rtol=1e-9, atol=1e-10
    )


def test_what_vanishes_by_its_form_is_zero_and_nothing_else_is() -> None:
    bubble = Separable(((Polynomial((1.0, 0.0, -1.0)), Polynomial((0.0, 1.0))),))
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for index in INDICES:
        assert bubble.vanishes(index) == (not bubble.derivative(x, index).any())
    assert Separable(()).vanishes(())


def test_the_healed_square_starts_as_a_square_and_diffuses_without_flux() -> None:
    w = HealedSquare(1e-3)
    x = torch.linspace(-1.0, 1.0, 33, dtype=torch.float64)
    at_start = torch.stack([x, torch.zeros_like(x)], dim=-1)
    torch.testing.assert_close(w.derivative(at_start, ()), x**2, rtol=0.0, atol=1e-15)
    t = torch.linspace(0.01, 1.0, 33, dtype=torch.float64)
    for end in (-1.0, 1.0):
        edge = torch.stack([torch.full_like(t, end), t], dim=-1)
        assert float(w.derivative(edge, (0,)).abs().max()) <= 1e-15
    # its Fourier series: x^2 = 1/3 + sum of 4 (-1)^k / (pi k)^2 cos(pi k x)
    k = torch.arange(1, 2000, dtype=torch.float64)
    series = 1.0 / 3.0 + (
        4.0
        * (-1.0) ** k
        / (math.pi * k) ** 2
        * torch.exp(-1e-3 * (math.pi * k) ** 2 * 0.4)
        * torch.cos(math.pi * k * x[:, None])
    ).sum(-1)
    torch.testing.assert_close(
        w.derivative(torch.stack([x, torch.full_like(x, 0.4)], dim=-1), ()), series, rtol=0.0, atol=1e-14
    )


def test_an_embedding_is_periodic_with_all_its_derivatives() -> None:
    inputs = periodic((2.0, None))
    assert len(inputs) == 3
    x = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_(True)
    features = inputs(x)
    assert features.shape == (10, 3)
    torch.testing.assert_close(features[:, 0], torch.cos(math.pi * x[:, 0]), rtol=0.0, atol=1e-15)
    for index in INDICES:
        found = inputs.derivative(x.detach(), index)
        for f in range(3):
            torch.testing.assert_close(found[:, f], _nested(features[:, f], x, index), rtol=1e-12, atol=1e-13)
        shifted = inputs.derivative(x.detach() + torch.tensor([2.0, 0.0], dtype=torch.float64), index)
        # the argument of a wave moves by 2 pi, known to a relative 2^-53; each derivative is pi times larger
        torch.testing.assert_close(shifted, found, rtol=0.0, atol=4.0 * math.pi * 2.0**-52 * math.pi ** len(index))


def test_the_chain_rule_through_an_embedding_is_that_of_autograd() -> None:
    inputs = periodic((2.0, None))
    x = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_(True)
    w = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def network(features: Tensor) -> Tensor:
        return torch.tanh(features @ w).sum(-1)

    at = inputs(x.detach()).requires_grad_(True)
    by_features = {i: _nested(network(at), at, i)[None, :, None] for i in inputs.needs(INDICES)}
    assert inputs.needs([(), (1,), (0, 0)]) == ((), (0,), (1,), (2,), (0, 0), (0, 1), (1, 1))
    found = inputs.chained(by_features, x.detach(), INDICES)
    for index in INDICES:
        torch.testing.assert_close(found[index][0, :, 0], _nested(network(inputs(x)), x, index), rtol=1e-11, atol=1e-11)
