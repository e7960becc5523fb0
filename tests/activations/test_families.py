"""Registered families: they agree with PyTorch's own functions, kinks included, and with the facts they declare."""

from __future__ import annotations

import cmath
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import edgewise as ew
from edgewise.activations import registry
from edgewise.errors import SpecError

EPS = torch.finfo(torch.float64).eps

BUILT_IN = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "relu6": F.relu6,
    "elu": F.elu,
    "elu(alpha=0.5)": lambda x: F.elu(x, 0.5),
    "celu": F.celu,
    "celu(alpha=2)": lambda x: F.celu(x, 2.0),
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "softplus": lambda x: F.softplus(x, threshold=40),
    "softplus(beta=3)": lambda x: F.softplus(x, beta=3, threshold=40),
    "tanh": torch.tanh,
    "hardtanh": F.hardtanh,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,  # the slope of F.hardsigmoid in float64 is float32's 1/6
    "logsigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "arctan": torch.atan,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "sinc": torch.sinc,
    "abs": torch.abs,
    "softshrink": F.softshrink,
    "hardshrink": F.hardshrink,
    "tanhshrink": F.tanhshrink,
}

VARIANTS = [
    *registry.names(),
    "mrepu(p=1)",
    "mrepu(p=1.5)",
    "mrepu(p=3, shift=0.5)",
    "repu(p=1)",
    "repu(p=2.5)",
    "repu(p=3)",
    "monomial(p=3)",
    "swish(beta=0)",
    "swish(beta=-2)",
    "leaky_relu(a=-1)",
    "gsmelu(g_minus=-0.5, t=0.3)",
    "elu(alpha=0.5)",
    "snake(a=3)",
    "sin(omega=2.5)",
]


def _away_from_kinks(a: ew.Activation, x: torch.Tensor, margin: float) -> torch.Tensor:
    for kink in a.kinks:
        x = x[(x - kink).abs() > margin]
    return x


@pytest.mark.parametrize("spec", BUILT_IN)
def test_value_and_slope_are_those_of_pytorch(spec: str) -> None:
    a = ew.activation(spec)
    x = torch.cat([torch.linspace(-9, 9, 1009, dtype=torch.float64), torch.tensor(a.kinks, dtype=torch.float64)])
    x.requires_grad_()
    reference = BUILT_IN[spec](x)
    (slope,) = torch.autograd.grad(reference.sum(), x)
    # torch's own formulas cancel (gelu's left tail, sinc near 0), so the error is measured against max(1, |x|)
    allowed = 8 * EPS * x.detach().abs().clamp_min(1.0)
    assert ((a(x) - reference).abs() <= allowed).all()
    assert ((a.derivative(x, 1) - slope).abs() <= 8 * allowed).all()


@pytest.mark.parametrize("spec", [s for s in BUILT_IN if ew.activation(s).kinks])
def test_slope_at_a_kink_is_exactly_pytorchs(spec: str) -> None:
    a = ew.activation(spec)
    x = torch.tensor(a.kinks, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(BUILT_IN[spec](x).sum(), x)
    (slope,) = torch.autograd.grad(a(x).sum(), x)
    torch.testing.assert_close(slope, expected, rtol=2 * EPS, atol=0)
    torch.testing.assert_close(a.derivative(x, 1), expected, rtol=2 * EPS, atol=0)


@pytest.mark.parametrize("spec", VARIANTS)
def test_the_plain_formula_differentiates_to_the_closed_forms(spec: str) -> None:
    """What torch.compile and export differentiate: no nan anywhere, the closed form's slope away from kinks."""
    a = ew.activation(spec)
    x = torch.linspace(-12, 12, 241, dtype=torch.float64)
    x = torch.cat([x, torch.tensor([-1e9, -1e30, -1e200, 1e-9, 1e-200, 1e9, 1e30, 1e200], dtype=torch.float64)])
    x.requires_grad_()
    (slope,) = torch.autograd.grad(a.definition.derivatives[0](x, **a.parameters).sum(), x)
    assert not slope.isnan().any()
    x, slope = x.detach()[:241], slope[:241]
    distances = [(x - k).abs() for k in a.kinks]
    away = torch.stack(distances).min(0).values > 1e-9 if distances else torch.ones_like(x, dtype=torch.bool)
    expected = a.derivative(x, 1)
    assert ((slope - expected).abs() <= 1e-12 * expected.abs().clamp_min(1.0))[away].all()


@pytest.mark.parametrize("spec", VARIANTS)
def test_closed_forms_are_each_others_derivatives(spec: str) -> None:
    a = ew.activation(spec)
    x = _away_from_kinks(a, torch.linspace(-3.9, 4.1, 161, dtype=torch.float64), 1e-6).requires_grad_()
    for order in range(1, len(a.definition.derivatives)):
        (slope,) = torch.autograd.grad(a.definition.derivatives[order - 1](x, **a.parameters).sum(), x)
        closed = a.derivative(x, order)
        scale = closed.abs().max().clamp_min(1.0)
        assert ((slope - closed).abs() <= 1e-11 * scale).all(), order


@pytest.mark.parametrize("spec", VARIANTS)
@given(c=st.floats(0.01, 100), size=st.floats(1e-3, 30))
@settings(max_examples=10)
def test_parity_and_homogeneity_are_as_declared(spec: str, c: float, size: float) -> None:
    a = ew.activation(spec)
    x = size * torch.linspace(-1, 1, 41, dtype=torch.float64)
    if a.parity is not None:
        sign = 1.0 if a.parity == "even" else -1.0
        assert torch.equal(a(-x), sign * a(x))
        assert torch.equal(a.derivative(-x, 1), -sign * a.derivative(x, 1)) or 0.0 in a.kinks
    if a.homogeneity is not None:
        torch.testing.assert_close(a(c * x), c**a.homogeneity * a(x), rtol=16 * EPS * a.homogeneity, atol=0)


@pytest.mark.parametrize("spec", [s for s in VARIANTS if ew.activation(s).pieces])
@given(x=st.floats(-40, 40))
@settings(max_examples=40)
def test_pieces_reproduce_the_function(spec: str, x: float) -> None:
    a = ew.activation(spec)
    pieces = a.pieces or ()
    assert pieces[0].low == -math.inf
    assert pieces[-1].high == math.inf
    assert all(left.high == right.low for left, right in itertools.pairwise(pieces))
    if x in a.kinks:
        return
    (piece,) = [p for p in pieces if p.low < x < p.high]
    terms = [t.amplitude * x**t.power * cmath.exp(1j * t.frequency * x) for t in piece.terms]
    value = a(torch.tensor(x, dtype=torch.float64)).item()
    assert abs(sum(terms, 0j) - value) <= 32 * EPS * max(1.0, abs(x)) * (abs(value) + sum(map(abs, terms)))


@pytest.mark.parametrize("name", ["sinc", "sinc_plus_x"])
def test_bandlimited_form_reproduces_the_function(name: str) -> None:
    a = ew.activation(name)
    form = a.facts.bandlimited
    assert form is not None
    x = torch.linspace(0.3, 7, 50, dtype=torch.float64)
    polynomial = sum(c * x**n for n, c in enumerate(form.coefficients))
    expected = form.amplitude * torch.sin(form.frequency * x) / (form.frequency * x) + polynomial
    torch.testing.assert_close(a(x), torch.as_tensor(expected), rtol=0, atol=1e-14)


@pytest.mark.parametrize("spec", VARIANTS)
def test_infinity_goes_to_the_limits_and_nan_stays(spec: str) -> None:
    a = ew.activation(spec)
    ends = a(torch.tensor([-math.inf, math.inf, math.nan], dtype=torch.float64)).tolist()
    for value, limit in zip(ends, a.limits, strict=False):
        assert math.isnan(limit) or value == limit
    assert math.isnan(ends[2])
    assert all(a.derivative(torch.tensor([math.nan]), k).isnan().all() for k in (1, 2))


@pytest.mark.parametrize("spec", [s for s in VARIANTS if ew.activation(s).kinks])
def test_smoothness_is_the_order_that_jumps_at_a_kink(spec: str) -> None:
    """Up to order k nothing jumps; order k + 1 jumps at one kink or is unbounded there (x**1.5)."""
    a = ew.activation(spec)
    k = int(a.smoothness)
    kinks = torch.tensor(a.kinks, dtype=torch.float64)

    def jump(order: int, h: float) -> float:
        return (a.derivative(kinks + h, order) - a.derivative(kinks - h, order)).abs().max().item()

    for order in range(k + 1):
        assert jump(order, 1e-12) < 1e-5, order
    if k + 1 < len(a.definition.derivatives):
        assert jump(k + 1, 1e-9) > 1e-2
        assert jump(k + 1, 1e-12) > 0.9 * jump(k + 1, 1e-9)


@pytest.mark.parametrize("name", registry.names())
def test_every_family_says_what_it_is(name: str) -> None:
    definition = registry.definition(name)
    assert len(definition.derivatives) >= 3
    assert definition.source
    assert definition.summary.endswith(".")
    assert registry.registered(name).formula
    assert all(p.doc for p in definition.parameters)


def test_the_third_derivative_at_zero_is_right_without_a_closed_form() -> None:
    """Automatic differentiation of sigma'' goes through no |x|: what the expansion at K = 0 is made of."""
    zero = torch.zeros((), dtype=torch.float64)
    expected = {"mish": None, "serf": None, "squareplus": 0.0, "sigmoid": -0.125, "lisht": 0.0, "gelu_tanh": None}
    for name in expected:
        a = ew.activation(name)
        h = 1e-4
        difference = (a.derivative(zero + h, 2) - a.derivative(zero - h, 2)) / (2 * h)
        assert a.derivative(zero, 3).item() == pytest.approx(difference.item(), abs=1e-6), name
        if expected[name] is not None:
            assert a.derivative(zero, 3).item() == pytest.approx(expected[name], abs=1e-15)
    assert ew.activation("lisht").derivative(zero, 4).item() == pytest.approx(-8.0)  # x tanh x = x**2 - x**4/3 + ...


def test_a_derived_default_follows_the_other_parameters() -> None:
    assert ew.activation("gsmelu(g_minus=0.2, alpha=0.5)").parameters["t"] == pytest.approx(-0.1)
    assert "t=" not in ew.activation("gsmelu(g_minus=0.2)").spec
    assert "t=0.5" in ew.activation("gsmelu(t=0.5)").spec


def test_unknown_names_and_values_out_of_range_are_told() -> None:
    with pytest.raises(SpecError, match="did you mean"):
        registry.registered("gelo")
    with pytest.raises(SpecError, match=r"outside \(0, inf\)"):
        registry.registered("softplus", beta=-1.0)
    with pytest.raises(SpecError, match="not a whole number"):
        registry.registered("monomial", p=2.5)
    with pytest.raises(SpecError, match="has no parameter 'beta'"):
        registry.registered("mrepu", beta=1.0)


def test_every_formula_renders_in_mathtext() -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser = mathtext.MathTextParser("path")
    for spec in [*ew.activations(), "leaky_relu(-0.5)", "mrepu(3.5, 1e-7)", "swish(-2e-12)", "x*-2 - (-x)**3"]:
        width, height, *_ = parser.parse(f"${ew.activation(spec).formula}$")
        assert width > 0
        assert height > 0
    assert ew.activation("mrepu(2, 1e-7)").formula == r"x\,\max(x+10^{-7},\,0)^{2}"
    assert ew.activation("leaky_relu(-0.5)").formula == r"\max(x, 0) - 0.5\,\min(x, 0)"
    assert ew.activation("x*-2").formula == r"x\,\left(-2\right)"
