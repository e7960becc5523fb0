"""Jets through networks give the derivatives that nested automatic differentiation gives."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.models.mlp import MLP
from edgewise.pinn.jets import derivatives, layers_of
from edgewise.pinn.multi_index import exponents
from edgewise.pinn.nested import nested_derivatives
from edgewise.train.ensemble import forward_layers

WANTED = [(), (0,), (1,), (0, 0), (0, 1), (0, 0, 1), (0, 0, 1, 1), (1, 1, 1)]


def random_layers(*, members: int = 2, sizes: tuple[int, ...] = (2, 7, 6, 3), seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    pairs = list(pairwise(sizes))
    weights = [torch.randn(members, a, b, generator=generator, dtype=torch.float64) / a**0.5 for a, b in pairs]
    biases = [0.3 * torch.randn(members, 1, b, generator=generator, dtype=torch.float64) for _, b in pairs]
    return tuple(t.requires_grad_() for t in (*weights, *biases))


def points(count: int = 5) -> Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("name", ["tanh", "sin", "mrepu(p=6)", "softplus"])
def test_jets_equal_nested_autograd(name: str) -> None:
    layers, x, sigma = random_layers(), points(), ew.activation(name)
    ours = derivatives(sigma, layers, x, WANTED)
    theirs = nested_derivatives(
        lambda at: forward_layers(sigma, layers, at), x.expand(2, -1, -1), [exponents(w, 2) for w in WANTED]
    )
    for w in WANTED:
        assert ours[w].shape == (2, 5, 3)
        torch.testing.assert_close(ours[w], theirs[exponents(w, 2)], rtol=1e-10, atol=1e-11)


def test_layers_of_a_model_give_its_value() -> None:
    model = MLP(2, 1, depth=3, width=8, activation="tanh").double()
    x = points()
    torch.testing.assert_close(derivatives("tanh", layers_of(model), x, [()])[()][0], model(x), rtol=1e-14, atol=1e-15)
