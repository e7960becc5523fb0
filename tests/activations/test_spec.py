"""`ew.activation`: one door for names, formulas, functions, modules; torch's own are the registered ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edgewise as ew
from edgewise.errors import SpecError

SAME = [
    (nn.ReLU(), "relu"),
    (nn.ReLU(inplace=True), "relu"),
    (torch.relu, "relu"),
    (F.relu, "relu"),
    (nn.LeakyReLU(0.1), "leaky_relu(a=0.1)"),
    (nn.PReLU(init=0.5), "prelu(a=0.5)"),
    (nn.ELU(0.7), "elu(alpha=0.7)"),
    (nn.CELU(2.0), "celu(alpha=2)"),
    (nn.SELU(), "selu"),
    (nn.GELU(), "gelu"),
    (nn.GELU(approximate="tanh"), "gelu_tanh"),
    (F.silu, "silu"),
    (nn.SiLU(), "silu"),
    (nn.Mish(), "mish"),
    (nn.Hardswish(), "hardswish"),
    (nn.Hardsigmoid(), "hardsigmoid"),
    (nn.Hardtanh(), "hardtanh"),
    (nn.ReLU6(), "relu6"),
    (nn.Softplus(2.0, 20.0), "softplus(beta=2)"),
    (nn.Softsign(), "softsign"),
    (nn.Tanh(), "tanh"),
    (torch.tanh, "tanh"),
    (nn.Sigmoid(), "sigmoid"),
    (nn.LogSigmoid(), "logsigmoid"),
    (nn.Tanhshrink(), "tanhshrink"),
    (nn.Softshrink(0.3), "softshrink(lam=0.3)"),
    (nn.Hardshrink(0.3), "hardshrink(lam=0.3)"),
    (nn.Identity(), "identity"),
    (torch.sin, "sin"),
    (torch.abs, "abs"),
    (torch.special.expit, "sigmoid"),
]


@pytest.mark.parametrize(("given", "name"), SAME)
def test_torchs_own_are_the_registered_ones(given: Any, name: str) -> None:
    a = ew.activation(given)
    assert a == ew.activation(name)
    x = torch.linspace(-7, 7, 57, dtype=torch.float64)
    if isinstance(given, nn.Module):
        given = given.double()
    with torch.no_grad():
        expected = given(x.clone())
    # torch's softplus is x itself beyond beta x = 20, which is exp(-20) away
    assert torch.allclose(a(x), expected, rtol=1e-13, atol=2.1e-9 if "softplus" in name else 1e-15)


def test_only_exact_types_are_recognised() -> None:
    class Shifted(nn.ReLU):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x + 1)

    a = ew.activation(Shifted())
    assert a.kinks == (-1.0,)
    hooked = nn.Tanh()
    hooked.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert ew.activation(hooked).limits == pytest.approx((-2.0, 2.0))


def test_a_module_of_edgewise_is_its_activation_at_the_current_parameters() -> None:
    module = ew.nn.MRePU(p=2, trainable=("shift",))
    with torch.no_grad():
        next(module.parameters()).fill_(1.5)
    assert ew.activation(module) == ew.activation("mrepu(p=2, shift=1.5)")
    assert ew.activation(ew.activation("x*tanh(x)").module()) == ew.activation("x*tanh(x)")


def test_an_activation_is_returned_as_it_is() -> None:
    a = ew.activation("mrepu(p=3)")
    assert ew.activation(a) is a


@pytest.mark.parametrize("name", ew.activations())
def test_every_registered_name_is_read_back_from_its_spec(name: str) -> None:
    a = ew.activation(name)
    assert ew.activation(a.spec) == a


@pytest.mark.parametrize("name", ew.activations())
def test_every_registered_name_is_a_function_in_formulas(name: str) -> None:
    a, formula = ew.activation(name), ew.activation(f"{name}(2*x)/2")
    x = torch.linspace(-3, 3, 41, dtype=torch.float64) + 0.0123
    assert torch.allclose(formula(x), a(2 * x) / 2, rtol=1e-13, atol=1e-15)
    assert torch.allclose(formula.derivative(x), a.derivative(2 * x), rtol=1e-12, atol=1e-13)
    assert torch.allclose(formula.derivative(x, 2), 2 * a.derivative(2 * x, 2), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kinks", ["abc", 3, [float("nan")], [float("inf")], [None]])
def test_kinks_must_be_finite_numbers(kinks: Any) -> None:
    with pytest.raises(SpecError, match="kinks="):
        ew.activation("relu(x)+x", kinks=kinks)


def test_names_of_registered_activations_are_not_overridden_in_silence() -> None:
    for given in ("gelu", ew.activation("gelu")):
        for options in ({"kinks": (0.0,)}, {"name": "mine"}):
            with pytest.raises(SpecError, match="registered"):
                ew.activation(given, **options)
    with pytest.raises(SpecError, match="name="):
        ew.activation("x*tanh(x)", name="  ")
