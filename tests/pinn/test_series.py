"""Taylor coefficients of activations against mpmath, and against the closed forms that the activations bring."""

from __future__ import annotations

import pytest
import torch
from mpmath import mp

import edgewise as ew
from edgewise.activations import Activation
from edgewise.pinn.series import RECURRENCES, taylor
from edgewise.testing.references import reference_for

ORDER = 6
POINTS = (-3.1, -0.7, -0.013, 0.4, 1.9)
ROUNDING = 1e-13
"""A coefficient is a sum of at most some hundred products of size one, each rounded to 1.1e-16."""


@pytest.mark.parametrize("name", sorted(RECURRENCES))
def test_recurrences_give_the_exact_coefficients(name: str) -> None:
    sigma = ew.activation(name)
    exact = reference_for(sigma)
    assert exact is not None
    with mp.workdps(60):
        rows = [[float(c) for c in mp.taylor(exact, mp.mpf(x), ORDER)] for x in POINTS]
    truth = torch.tensor(rows, dtype=torch.float64)
    found = taylor(sigma, torch.tensor(POINTS, dtype=torch.float64), ORDER)
    for k, coefficient in enumerate(found):
        assert coefficient is not None
        size = max(1.0, float(truth[:, k].abs().max()))
        torch.testing.assert_close(coefficient, truth[:, k], rtol=0, atol=ROUNDING * size)


@pytest.mark.parametrize("sigma", [*map(ew.activation, ew.activations())], ids=lambda a: a.spec)
def test_coefficients_are_the_derivatives_that_the_activation_states(sigma: Activation) -> None:
    z = torch.linspace(-5.2, 5.3, 43, dtype=torch.float64)
    known = len(sigma.definition.derivatives)
    scale = 1.0
    for k, coefficient in enumerate(taylor(sigma, z, known - 1)):
        scale /= max(k, 1)
        stated = sigma.derivative(z, k) * scale
        found = torch.zeros_like(z) if coefficient is None else coefficient
        torch.testing.assert_close(found, stated, rtol=0, atol=ROUNDING * max(1.0, float(stated.abs().max())))


def test_what_vanishes_is_not_computed() -> None:
    z = torch.tensor([0.3])
    assert [c is None for c in taylor(ew.activation("relu"), z, 3)] == [False, False, True, True]
    assert [c is None for c in taylor(ew.activation("mrepu(p=2)"), z, 5)] == [False] * 4 + [True] * 2


def test_a_formula_gives_its_own_coefficients() -> None:
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    ours = taylor(ew.activation("x*tanh(log(1+exp(x)))"), z, 5)
    for mine, theirs in zip(ours, taylor(ew.activation("mish"), z, 5), strict=True):
        assert mine is not None
        assert theirs is not None
        torch.testing.assert_close(mine, theirs, rtol=0, atol=ROUNDING)


def test_a_tailored_activation_is_not_taken_for_its_base() -> None:
    tanh = ew.activation("tanh")
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    changed = ew.activation("tanh(2*x)", name="tanh")
    found = taylor(changed, z, 1)[1]
    assert found is not None
    torch.testing.assert_close(found, 2 * tanh.derivative(2 * z))
