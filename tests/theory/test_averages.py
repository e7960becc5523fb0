"""g, chi_parallel and chi_perp agree with mpmath to 1e-11 of their integrand's size, from K = 1e-8 to 1e8."""

from __future__ import annotations

import math

import pytest
import torch
from exact_averages import integrate, moments
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import edgewise as ew
from edgewise import theory
from edgewise.testing.references import reference_for
from edgewise.theory.averages import average

SMOOTH_OR_KINKED = (
    "relu", "leaky_relu(a=0.01)", "repu(p=2)", "repu(p=1.5)", "mrepu(p=1)", "mrepu(p=2)", "mrepu(p=1.5)", "relu6",
    "hardtanh", "hardsigmoid", "hardswish", "smelu", "gsmelu", "elu", "selu", "celu(alpha=0.5)", "gelu", "gelu_tanh",
    "swish(beta=1.5)", "mish", "softplus", "squareplus", "tanh", "sigmoid", "logsigmoid", "softsign", "arctan", "erf",
    "gaussian", "lisht", "telu", "tanhshrink", "bent_identity", "x_arcsinh_squared",
)  # fmt: skip
KERNELS = (1e-8, 1e-3, 0.3, 1.0, 30.0, 1e4, 1e8)
OSCILLATING = ("sin", "cos", "gcu", "snake", "sinc", "min_sin", "cos_minus_x", "sinc_plus_x")


def _check(spec: str, K: float, widest: float = math.inf) -> None:
    a = ew.activation(spec)
    sigma = reference_for(a)
    assert sigma is not None
    exact = moments(sigma, a.kinks, K, widest)
    computed = {"g": theory.kernel, "parallel": theory.chi_parallel, "perp": theory.chi_perp}
    sizes = {"g": exact["g"], "parallel": exact["parallel size"], "perp": exact["perp"]}
    for name, function in computed.items():
        value, error = function(a, K, with_error=True)
        off = abs(mp.mpf(value.item()) - exact[name])
        assert off <= 1e-11 * sizes[name] + 1e-300, (spec, K, name, float(off / sizes[name]))
        assert off <= error.item() + 1e-14 * sizes[name] + 1e-300, (spec, K, name, float(off), error.item())


@pytest.mark.parametrize("K", KERNELS)
@pytest.mark.parametrize("spec", SMOOTH_OR_KINKED)
def test_averages_match_mpmath(spec: str, K: float) -> None:
    _check(spec, K)


@pytest.mark.parametrize("K", [1e-8, 1e-3, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("spec", OSCILLATING)
def test_oscillating_averages_match_mpmath_where_quadrature_can(spec: str, K: float) -> None:
    _check(spec, K, widest=2.0)


def _oscillating_exactly(spec: str, K: float) -> tuple[object, object, object]:
    """g, chi_parallel, chi_perp at large K, where the oscillating parts are below 1e-300 or elementary."""
    k = mp.mpf(K)
    if spec == "sin" or spec == "cos":
        return mp.mpf(1) / 2, mp.mpf(0), mp.mpf(1) / 2
    if spec == "gcu":
        return k / 2, mp.mpf(1) / 2, (1 + k) / 2
    if spec == "snake":  # x + (1 - cos 2x)/2
        return k + mp.mpf(3) / 8, mp.mpf(1), mp.mpf(3) / 2
    if spec == "min_sin":
        return k / 2 + mp.mpf(1) / 4, mp.mpf(1) / 2, mp.mpf(3) / 4
    if spec == "cos_minus_x":
        return k + mp.mpf(1) / 2, mp.mpf(1), mp.mpf(3) / 2
    u = 2 * mp.pi**2 * k  # sinc: <sinc**2> = int (1 - |t|) exp(-u t**2) dt over [-1, 1]
    g = mp.sqrt(mp.pi / u) - 1 / u
    return g, mp.diff(lambda v: mp.sqrt(1 / (2 * mp.pi * v)) - 1 / (2 * mp.pi**2 * v), k), None


@pytest.mark.parametrize("K", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("spec", ["sin", "cos", "gcu", "snake", "min_sin", "cos_minus_x", "sinc"])
def test_oscillating_averages_stay_exact_at_large_kernels(spec: str, K: float) -> None:
    with mp.workdps(40):
        for function, exact in zip(
            (theory.kernel, theory.chi_parallel, theory.chi_perp), _oscillating_exactly(spec, K), strict=True
        ):
            if exact is not None:
                value = function(spec, K).item()
                assert abs(value - exact) <= 1e-12 * max(abs(exact), 0 if exact else 1), (function.__name__, value)


def test_an_average_that_underflows_is_zero() -> None:
    value, error = theory.chi_parallel("sin", 1e8, with_error=True)  # exp(-2e8)
    assert value.item() == 0.0
    assert error.item() < 1e-300


@pytest.mark.parametrize(
    ("formula", "name"),
    [("x*relu(x+1)**2", "mrepu(p=2)"), ("min(max(x,-1),1)", "hardtanh"), ("x*sigmoid(1.5*x)", "swish(beta=1.5)")],
)
def test_a_formula_averages_like_the_registered_function(formula: str, name: str) -> None:
    K = torch.logspace(-8, 8, 33, dtype=torch.float64)
    for function in (theory.kernel, theory.chi_parallel, theory.chi_perp):
        torch.testing.assert_close(function(formula, K), function(name, K), rtol=1e-9, atol=1e-300)


def test_features_far_from_zero_are_found() -> None:
    value = theory.kernel("tanh(x-50)", 1e4)
    with mp.workdps(20):
        exact = mp.quad(lambda x: mp.tanh(100 * x - 50) ** 2 * mp.npdf(x), [-9, 0, 0.4, 0.5, 0.6, 1, 9])
    assert abs(value.item() - float(exact)) < 1e-11


@settings(max_examples=25)
@given(st.floats(-6, 6), st.floats(-3, 3), st.sampled_from(["relu", "abs", "repu(p=2)", "repu(p=2.5)", "prelu"]))
def test_homogeneous_kernels_scale(log_k: float, log_scale: float, spec: str) -> None:
    a = ew.activation(spec)
    K, factor = 10.0**log_k, 10.0**log_scale
    left, right = theory.kernel(a, factor**2 * K), factor ** (2 * a.homogeneity) * theory.kernel(a, K)
    torch.testing.assert_close(left, right, rtol=1e-13, atol=0.0)


@settings(max_examples=40)
@given(st.floats(-8, 8), st.sampled_from(["gelu", "tanh", "mrepu(p=2)", "elu", "sin", "hardtanh", "softplus"]))
def test_cauchy_schwarz_and_jensen(log_k: float, spec: str) -> None:
    K, a = torch.tensor(10.0**log_k, dtype=torch.float64), ew.activation(spec)
    g, slope = theory.kernel(a, K), theory.chi_perp(a, K)
    assert theory.mean(a, K) ** 2 <= g * (1 + 1e-12)
    assert g**2 <= theory.fourth_moment(a, K) * (1 + 1e-12)
    assert average(a, K, (0, 1), 1).value.abs() <= (K * g * slope * 3).sqrt() * 1e3 + 1e-300
    assert (average(a, K, (0, 1)).value ** 2) <= g * slope * (1 + 1e-12)


@pytest.mark.parametrize("formula", ["relu(x-1)-relu(-x-1)", "sigmoid(x)*relu(abs(x)-1)"])
@pytest.mark.parametrize("K", [2e-3, 0.02, 0.3])
def test_averages_over_nothing_but_a_tail_keep_their_digits(formula: str, K: float) -> None:
    """sigma = 0 for |x| < 1: at K = 0.002 the whole average is e**-250."""
    value = theory.kernel(formula, K)
    with mp.workdps(30):
        gate = (lambda z: mp.mpf(1)) if formula.startswith("relu") else (lambda z: 1 / (1 + mp.exp(-z)))
        edges = [1 + K * mp.mpf(2) ** (0.5 * j) for j in range(-8, 2 * math.ceil(math.log2(14 / math.sqrt(K)) + 1))]
        right, left = (
            integrate(lambda z, s=side: ((z - 1) ** 2 * gate(s * z) ** 2,), [mp.mpf(1), *edges], K)[0]
            for side in (1, -1)
        )
        exact = right + left
    assert abs(value.item() / exact - 1) <= 1e-11


def test_shapes_follow_the_kernel() -> None:
    assert theory.kernel("gelu", 1.0).shape == ()
    assert theory.kernel("gelu", [[1.0, 2.0]]).shape == (1, 2)
    assert theory.kernel("gelu", torch.ones(0)).shape == (0,)
    assert theory.kernel("gelu", torch.ones(3, dtype=torch.float32, requires_grad=True)).dtype == torch.float64
