"""Registered activations written as formulas are the registered activations: values, derivatives, facts and pieces."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

import edgewise as ew

SAME = {
    "abs": "abs(x)",
    "arctan": "atan(x)",
    "bent_identity": "(sqrt(x**2+1)-1)/2+x",
    "celu(alpha=2)": "max(x, 0)+min(2*(exp(x/2)-1), 0)",
    "elu": "relu(x)+min(exp(x)-1, 0)",
    "erf": "1-erfc(x)",
    "gaussian": "exp(-x**2)",
    "gcu": "x*cos(x)",
    "gelu": "x*(1+erf(x/sqrt(2)))/2",
    "gelu_tanh": "x/2*(1+tanh(sqrt(2/pi)*(x+0.044715*x**3)))",
    "hardsigmoid": "min(max(x+3, 0), 6)/6",
    "hardswish": "x*min(max(x+3, 0), 6)/6",
    "hardtanh": "min(max(x, -1), 1)",
    "leaky_relu(a=0.1)": "relu(x)-0.1*relu(-x)",
    "lisht": "x*tanh(x)",
    "logsigmoid": "-log(1+exp(-x))",
    "min_sin": "min(x, sin(x))",
    "mish": "x*tanh(softplus(x))",
    "monomial(p=3)": "x**3",
    "mrepu": "x*relu(x+1)**2",
    "mrepu(p=2.5)": "x*relu(x+1)**2.5",
    "quick_gelu": "x/(1+exp(-1.702*x))",
    "relu": "(x+abs(x))/2",
    "relu6": "min(relu(x), 6)",
    "repu(p=3)": "relu(x)**3",
    "serf": "x*erf(log(1+exp(x)))",
    "sigmoid": "1/(1+exp(-x))",
    "silu": "x*sigmoid(x)",
    "sin(omega=3)": "sin(3*x)",
    "smelu": "relu(x+1)**2/4-relu(x-1)**2/4",
    "snake": "x+sin(x)**2",
    "softplus(beta=2)": "log(1+exp(2*x))/2",
    "softshrink": "relu(x-0.5)-relu(-x-0.5)",
    "softsign": "x/(1+abs(x))",
    "squareplus": "(x+sqrt(x**2+4))/2",
    "tanh": "(exp(x)-exp(-x))/(exp(x)+exp(-x))",
    "tanhshrink": "x-tanh(x)",
    "telu": "x*tanh(exp(x))",
    "x_arcsinh_squared": "x*asinh(x)**2",
}


def _points(kinks: tuple[float, ...]) -> torch.Tensor:
    """Moderate and large arguments, the kinks themselves left out."""
    near = torch.linspace(-12, 12, 397, dtype=torch.float64)
    far = torch.tensor([-1e3, -200.0, -40.0, 40.0, 200.0, 1e3], dtype=torch.float64)
    x = torch.cat([near, far])
    for kink in kinks:
        x = x[(x - kink).abs() > 1e-9]
    return x


@pytest.mark.parametrize("registered", SAME)
def test_values_and_derivatives_agree_with_the_closed_forms(registered: str) -> None:
    known, formula = ew.activation(registered), ew.activation(SAME[registered])
    x = _points(known.kinks)
    # rounding of x itself moves a value by |x sigma'| eps; a few such steps, and the scale of the terms that cancel
    slack = 64 * torch.finfo(torch.float64).eps
    for order in range(3):
        expected, found = known.derivative(x, order), formula.derivative(x, order)
        moved = (x * known.derivative(x, order + 1)).abs()
        scale = expected.abs() + moved + (1 + x.abs() if order < 2 else 1.0)
        assert bool(((found - expected).abs() <= slack * scale).all()), (
            order,
            x[(found - expected).abs() > slack * scale],
        )


@pytest.mark.parametrize("registered", SAME)
def test_facts_agree_with_the_declared_ones(registered: str) -> None:
    known, formula = ew.activation(registered).facts, ew.activation(SAME[registered]).facts
    assert formula.parity == known.parity
    assert formula.smoothness == known.smoothness
    assert (
        formula.homogeneity == pytest.approx(known.homogeneity, rel=1e-12)
        if known.homogeneity
        else not formula.homogeneity
    )
    assert formula.kinks == pytest.approx(known.kinks, abs=1e-15)
    for found, declared in zip(formula.limits, known.limits, strict=True):
        assert found == pytest.approx(declared, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("registered", [r for r in SAME if ew.activation(r).pieces is not None])
def test_pieces_are_found_where_the_family_declares_them(registered: str) -> None:
    known, formula = ew.activation(registered), ew.activation(SAME[registered])
    assert formula.pieces is not None
    assert [p.low for p in formula.pieces] == pytest.approx([p.low for p in known.pieces], abs=1e-15)
    for found, declared in zip(formula.pieces, known.pieces, strict=True):
        x = max(found.low, -20.0) + 0.37 * (min(found.high, 20.0) - max(found.low, -20.0))
        first, second = (
            sum(t.amplitude * x**t.power * cmath.exp(1j * t.frequency * x) for t in p.terms) for p in (found, declared)
        )
        assert complex(first) == pytest.approx(complex(second), rel=1e-13, abs=1e-13)


def test_formulas_have_the_average_of_the_name() -> None:
    K = torch.tensor([1e-3, 1.0, 50.0], dtype=torch.float64)
    for registered, text in [("mrepu", SAME["mrepu"]), ("gcu", SAME["gcu"]), ("silu", SAME["silu"])]:
        assert torch.allclose(ew.theory.kernel(registered, K), ew.theory.kernel(text, K), rtol=1e-12)
    assert math.isclose(float(ew.theory.kernel("gcu(x)+0*x", 1e4)), float(ew.theory.kernel("gcu", 1e4)), rel_tol=1e-12)
