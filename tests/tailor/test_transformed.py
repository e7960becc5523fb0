"""sigma~ = gamma (sigma(alpha x + beta) + delta) is an activation like any other."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

import edgewise as ew
from edgewise.tailor.tailored import Tailored
from edgewise.testing import check_gradgradcheck, check_jvp, check_kinks, check_pickle, check_vmap

SPECS = ("relu2", "mrepu(p=2)", "gelu", "tanh", "sin", "hardtanh", "x*sigmoid(2*x)")


@pytest.fixture(scope="module", params=SPECS)
def made(request: pytest.FixtureRequest) -> Tailored:
    return ew.tailor(request.param, depth=20)


def test_values_and_derivatives_are_those_of_the_definition(made: Tailored) -> None:
    t = made.tailoring
    x = torch.linspace(-3.0, 3.0, 41, dtype=torch.float64)
    inner = t.alpha * x + t.beta
    expected = [t.gamma * (t.base(inner) + t.delta)]
    expected += [t.gamma * t.alpha**k * t.base.derivative(inner, k) for k in (1, 2)]
    for order, value in enumerate(expected):
        torch.testing.assert_close(made.derivative(x, order), value, rtol=1e-14, atol=0.0)
    half = made(x.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), made(x.to(torch.bfloat16).double()), rtol=2**-8, atol=2**-8)


def test_gradients_are_the_closed_forms_and_save_one_tensor(made: Tailored) -> None:
    x = torch.randn(64, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        y = made(x)
    assert [t.shape for t in saved] == [x.shape]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, made.derivative(x.detach(), 1), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("check", [check_gradgradcheck, check_jvp, check_vmap, check_kinks, check_pickle])
def test_it_conforms(made: Tailored, check: object) -> None:
    from edgewise.testing import NotApplicable

    try:
        check(made)  # type: ignore[operator]
    except NotApplicable:
        assert made.pieces is None or not made.kinks


@pytest.mark.parametrize("spec", ["relu2", "mrepu(p=2)", "hardtanh", "sin"])
def test_its_pieces_are_its_values(spec: str) -> None:
    made = ew.tailor(spec, depth=20)
    assert made.pieces is not None
    assert made.pieces[0].low == -math.inf
    assert made.pieces[-1].high == math.inf
    edges = [p.high for p in made.pieces[:-1]]
    assert edges == list(made.kinks)
    t = made.tailoring
    for piece in made.pieces:
        low, high = max(piece.low, -5.0 + min(edges, default=0.0)), min(piece.high, 5.0 + max(edges, default=0.0))
        x = torch.linspace(low, high, 21, dtype=torch.float64)[1:-1]
        terms = [c.amplitude * x**c.power * torch.exp(1j * c.frequency * x) for c in piece.terms]
        # sigma is rounded before delta is taken off: an error of some units in the last place of both, times gamma
        size = t.gamma * (t.base(t.alpha * x + t.beta).abs().max() + abs(t.delta) + 1.0)
        error = (sum(terms, torch.zeros(1, dtype=torch.complex128)) - made(x)).abs().max()
        assert float(error) < 64 * 2.0**-52 * float(size)


def test_it_pickles_with_its_tailoring_and_is_equal_to_another_of_the_same_making(made: Tailored) -> None:
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert hash(again) == hash(made)
    assert again.tailoring == made.tailoring
    assert made != ew.tailor(made.tailoring.base, depth=21)


def test_its_module_computes_it_and_can_learn_its_numbers() -> None:
    a = ew.tailor("gelu", depth=20)
    x = torch.randn(8, dtype=torch.float64)
    torch.testing.assert_close(a.module()(x), a(x), rtol=0.0, atol=0.0)
    learning = a.module(trainable=True).double()
    torch.testing.assert_close(learning(x), a(x), rtol=1e-5, atol=1e-5)  # parameters begin as float32
    learning(x).sum().backward()
    assert {name for name, p in learning.named_parameters() if p.grad is not None} == {
        "alpha",
        "beta",
        "gamma",
        "delta",
    }


def test_facts_follow_the_transformation() -> None:
    a = ew.tailor("hardtanh", depth=20)
    t = a.tailoring
    assert a.kinks == tuple((k - t.beta) / t.alpha for k in (-1.0, 1.0))
    assert a.limits == (t.gamma * (t.delta - 1.0), t.gamma * (t.delta + 1.0))
    assert ew.tailor("leaky_relu", depth=20).homogeneity == 1.0
    assert ew.tailor("relu2", depth=20).homogeneity is None


def test_a_surrogate_slope_is_carried_along() -> None:
    a = ew.tailor("helu", depth=20, method="shift")
    t = a.tailoring
    x = torch.linspace(-40.0, 40.0, 33, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(a(x).sum(), x)
    surrogate = t.base.definition.surrogate
    assert surrogate is not None
    expected = t.gamma * t.alpha * surrogate(t.alpha * x.detach() + t.beta, **t.base.parameters)
    torch.testing.assert_close(slope, expected)
