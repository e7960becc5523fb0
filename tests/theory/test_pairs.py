"""Pairs and the gap against arc-cosine and arcsine kernels, mpmath integrals, and one another."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from exact_averages import nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import edgewise as ew
from edgewise import theory
from edgewise.errors import AverageOverflowError, DomainError
from edgewise.testing.references import reference_for
from edgewise.theory.averages import pair as strategies
from edgewise.theory.averages.conditional import conditional_pair
from edgewise.theory.averages.correlation import from_covariance

CORRELATIONS = (-1.0, -0.999, -0.5, 0.0, 0.3, 0.9, 0.999999, 1.0)
ONE_MINUS = (1e-12, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 1.9)
KINDS = (
    "relu",
    "mrepu(p=2)",
    "hardtanh",
    "relu6",
    "sin",
    "gcu",
    "gelu",
    "tanh",
    "elu",
    "selu",
    "softplus",
    "mrepu(p=1.5)",
)


@pytest.mark.parametrize("K", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("rho", CORRELATIONS)
def test_relu_pair_is_the_arc_cosine_kernel(rho: float, K: float) -> None:
    """Cho & Saul 2009, orders 1 and 0."""
    angle = math.acos(rho)
    exact = K / (2 * math.pi) * (math.sin(angle) + (math.pi - angle) * rho)
    assert theory.kernel_pair("relu", K, rho * K, K).item() == pytest.approx(exact, rel=1e-13, abs=1e-15 * K)
    assert theory.derivative_pair("relu", K, rho * K, K).item() == pytest.approx(0.5 - angle / (2 * math.pi), abs=1e-13)


@pytest.mark.parametrize(("k1", "k2"), [(1e-6, 1e-6), (0.5, 3.0), (100.0, 40.0), (1e6, 1e6)])
@pytest.mark.parametrize("rho", CORRELATIONS)
def test_erf_pair_is_the_arcsine_kernel(rho: float, k1: float, k2: float) -> None:
    """Williams 1997, in the variables of erf itself."""
    cross = rho * math.sqrt(k1 * k2)
    with mp.workdps(30):
        a, b, c = (mp.mpf(v) for v in (k1, k2, cross))
        exact = 2 / mp.pi * mp.asin(2 * c / mp.sqrt((1 + 2 * a) * (1 + 2 * b)))
        slope = 4 / mp.pi / mp.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c * c)
    scale = math.sqrt(theory.kernel("erf", k1).item() * theory.kernel("erf", k2).item())
    assert abs(theory.kernel_pair("erf", k1, cross, k2).item() - exact) <= 1e-10 * scale
    if abs(rho) < 0.9999999:  # beyond, K12 in float64 does not determine <sigma' sigma'> to 1e-9
        assert abs(theory.derivative_pair("erf", k1, cross, k2).item() - slope) <= 1e-9 * slope


@pytest.mark.parametrize("spec", ["mrepu(p=2)", "elu", "gelu"])
@pytest.mark.parametrize(("k1", "k2", "rho"), [(1.0, 1.0, 0.6), (0.2, 3.0, -0.7)])
def test_pairs_match_an_integral_in_mpmath(spec: str, k1: float, k2: float, rho: float) -> None:
    a = ew.activation(spec)
    sigma = reference_for(a)
    assert sigma is not None
    with mp.workdps(20):
        rule = nodes()
        s = mp.sqrt(1 - mp.mpf(rho) ** 2)

        def average(f: object, cuts: list[object]) -> object:
            edges = sorted({mp.mpf(e) for e in (-9, -4, 0, 4, 9, *cuts) if abs(e) <= 9})
            total = mp.mpf(0)
            for low, high in pairwise(edges):
                for x, w in rule:
                    e = (low + high) / 2 + (high - low) / 2 * x
                    total += w * (high - low) / 2 * f(e) * mp.npdf(e)
            return total

        def outer(x: object) -> object:
            mean = rho * x
            cuts = [(k / mp.sqrt(k2) - mean) / s for k in a.kinks]
            return sigma(mp.sqrt(k1) * x) * average(lambda e: sigma(mp.sqrt(k2) * (mean + s * e)), cuts)

        exact = average(outer, [c for k in a.kinks for c in (k / mp.sqrt(k1), k / mp.sqrt(k2) / rho)])
    value = theory.kernel_pair(a, k1, rho * math.sqrt(k1 * k2), k2).item()
    scale = math.sqrt(theory.kernel(a, k1).item() * theory.kernel(a, k2).item())
    assert abs(value - exact) <= 1e-10 * scale


@pytest.mark.parametrize("orders", [(0, 0), (1, 1)])
@pytest.mark.parametrize(("k1", "k2"), [(1.0, 1.0), (0.01, 3.0), (200.0, 200.0)])
@pytest.mark.parametrize("rho", [-0.9, 0.5, 0.97, 0.999999])
@pytest.mark.parametrize("spec", KINDS)
def test_strategies_agree(spec: str, rho: float, k1: float, k2: float, orders: tuple[int, int]) -> None:
    """Closed forms, Hermite series and two-dimensional panels share no formula."""
    a = ew.activation(spec)
    first, second = np.array([k1]), np.array([k2])
    correlation = from_covariance(first, rho * np.sqrt(first * second), second)
    chosen = strategies.pair_average(a, first, second, correlation, orders)
    r, minus, plus = (float(v[0]) for v in (correlation.r, correlation.one_minus, correlation.one_plus))
    panels = conditional_pair(a, k1, k2, r, minus, plus, orders)
    scale = chosen.magnitude.item()
    assert chosen.error.item() <= 1e-9 * scale
    assert abs(chosen.value.item() - panels) <= 1e-10 * scale
    if (closed := strategies._closed_pair(a, first, second, correlation, orders)) is not None:
        assert abs(closed[0][0] - panels) <= closed[1][0] + 1e-13 * scale


@pytest.mark.parametrize("spec", KINDS)
def test_a_pair_of_equal_preactivations_is_the_kernel(spec: str) -> None:
    K = torch.tensor([1e-4, 1.0, 50.0], dtype=torch.float64)
    torch.testing.assert_close(theory.kernel_pair(spec, K, K, K), theory.kernel(spec, K), rtol=1e-10, atol=0.0)
    torch.testing.assert_close(theory.derivative_pair(spec, K, K, K), theory.chi_perp(spec, K), rtol=1e-9, atol=0.0)


@settings(max_examples=40)
@given(
    st.floats(-3, 2), st.floats(-3, 2), st.floats(-1, 1), st.sampled_from(["relu", "mrepu(p=2)", "tanh", "gelu", "sin"])
)
def test_pairs_are_symmetric(log1: float, log2: float, rho: float, spec: str) -> None:
    k1, k2 = 10.0**log1, 10.0**log2
    cross = rho * math.sqrt(k1 * k2) * (1 - 1e-15)
    left, right = theory.kernel_pair(spec, k1, cross, k2), theory.kernel_pair(spec, k2, cross, k1)
    scale = math.sqrt(theory.kernel(spec, k1).item() * theory.kernel(spec, k2).item())
    assert abs(left.item() - right.item()) <= 1e-10 * scale


@pytest.mark.parametrize("K", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("spec", KINDS)
def test_gap_and_pair_add_up_to_the_kernel(spec: str, K: float) -> None:
    d = torch.tensor([0.01, 0.3, 1.0, 1.7, 2.0], dtype=torch.float64)
    g = theory.kernel(spec, K)
    total = theory.kernel_gap(spec, K, d) + theory.kernel_pair(spec, K, K * (1 - d), K)
    assert ((total - g).abs() <= 1e-10 * g).all()


@pytest.mark.parametrize("d", ONE_MINUS)
def test_relu_gap(d: float) -> None:
    with mp.workdps(60):
        rho = 1 - mp.mpf(d)
        exact = mp.mpf(1) / 2 - (mp.sqrt(1 - rho**2) + (mp.pi - mp.acos(rho)) * rho) / (2 * mp.pi)
    assert abs(theory.kernel_gap("relu", 3.0, d).item() / (3 * exact) - 1) <= 1e-9


@pytest.mark.parametrize("K", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("d", ONE_MINUS)
def test_erf_gap(d: float, K: float) -> None:
    with mp.workdps(60):
        k = mp.mpf(K)
        exact = 2 / mp.pi * (mp.asin(2 * k / (1 + 2 * k)) - mp.asin(2 * k * (1 - mp.mpf(d)) / (1 + 2 * k)))
    assert abs(theory.kernel_gap("erf", K, d).item() / exact - 1) <= 1e-9


@pytest.mark.parametrize("K", [0.1, 1.0, 1e4])
@pytest.mark.parametrize("d", ONE_MINUS)
def test_hardtanh_gap(d: float, K: float) -> None:
    """Price's theorem twice: d <sigma' sigma'>/d rho is a sum of bivariate densities at the corners."""
    with mp.workdps(30):
        a, delta = 1 / mp.sqrt(mp.mpf(K)), mp.mpf(d)

        def corner(t: object) -> object:  # dP/drho at rho = 1 - t, weighted by the distance to the lower end
            rho = 1 - t
            same, opposite = mp.exp(-a * a / (1 + rho)), mp.exp(-a * a / t)
            return (delta - t) * (same - opposite) / (mp.pi * mp.sqrt(t * (1 + rho)))

        cuts = [delta * mp.mpf(4) ** -j for j in range(60, -1, -1)]
        inner = mp.quad(corner, [0, *cuts], method="gauss-legendre") if d < 1.95 else None
        exact = mp.mpf(K) * (delta * mp.erf(a / mp.sqrt(2)) - inner)
    assert abs(theory.kernel_gap("hardtanh", K, d).item() / exact - 1) <= 1e-9


@pytest.mark.parametrize("spec", ["mrepu(p=1)", "gelu", "sigmoid", "elu", "selu", "sin", "softsign"])
@pytest.mark.parametrize("K", [1e-6, 1.0, 30.0])
def test_small_gaps_follow_chi_perp(spec: str, K: float) -> None:
    """gap/(1 - rho) -> K chi_perp, up to sqrt(1 - rho) where sigma' jumps and up to 1 - rho elsewhere."""
    ratio = theory.kernel_gap(spec, K, 1e-12).item() / (1e-12 * K * theory.chi_perp(spec, K).item())
    correction = 1e-5 if ew.activation(spec).smoothness == 0 else 1e-9
    assert abs(ratio - 1) <= correction


def test_a_jump_makes_the_gap_grow_like_a_root() -> None:
    """hardshrink: lam**2 times how often a pair straddles +-lam, sqrt(1 - rho) to leading order."""
    lam, d = 0.5, 1e-10
    crossing = 2 * math.exp(-(lam**2) / 2) / math.sqrt(2 * math.pi) * math.sqrt(2 * d) * math.sqrt(2 / math.pi)
    assert theory.kernel_gap("hardshrink", 1.0, d).item() == pytest.approx(0.5 * lam**2 * crossing, rel=1e-4)


def test_a_matrix_of_kernels_broadcasts() -> None:
    K = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    rho = torch.tensor([[1.0, 0.2, -0.4], [0.2, 1.0, 0.5], [-0.4, 0.5, 1.0]], dtype=torch.float64)
    cross = rho * (K[:, None] * K).sqrt()
    value = theory.kernel_pair("gelu", K[:, None], cross, K)
    assert value.shape == (3, 3)
    torch.testing.assert_close(value, value.T, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(value.diagonal(), theory.kernel("gelu", K), rtol=1e-11, atol=0.0)


def test_bad_covariances_are_refused() -> None:
    with pytest.raises(DomainError, match="K12"):
        theory.kernel_pair("relu", 1.0, 1.1, 1.0)
    with pytest.raises(DomainError, match="broadcast"):
        theory.kernel_pair("relu", [1.0, 2.0], [0.5] * 3, 1.0)
    with pytest.raises(DomainError, match="one_minus_rho"):
        theory.kernel_gap("relu", 1.0, 2.5)
    with pytest.raises(AverageOverflowError):
        theory.kernel_pair("mrepu(p=2)", 1e110, 0.5e110, 1e110)
