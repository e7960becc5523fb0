"""chi_parallel, h, g' and g'' against derivatives taken in mpmath and against one another."""

from __future__ import annotations

import math

import pytest
import torch
from exact_averages import DIGITS, integrate, panels
from mpmath import mp

import edgewise as ew
from edgewise import theory
from edgewise.errors import DomainError
from edgewise.testing.references import reference_for

SPECS = (
    "gelu",
    "tanh",
    "mrepu(p=1)",
    "mrepu(p=2)",
    "hardtanh",
    "relu6",
    "elu",
    "selu",
    "sigmoid",
    "softplus",
    "softsign",
)


def _by_parts(spec: str, K: float) -> tuple[object, object]:
    """g' and g'' exactly, differentiating the Gaussian and not sigma: valid with any kink or jump."""
    a = ew.activation(spec)
    sigma = reference_for(a)
    assert sigma is not None
    with mp.workdps(DIGITS):
        k = mp.mpf(K)

        def weights(z: object) -> tuple[object, ...]:
            q = sigma(z) ** 2
            return q * (z * z - k) / (2 * k * k), q * (z**4 - 6 * k * z * z + 3 * k * k) / (4 * k**4)

        first, second = integrate(weights, panels(K, a.kinks), K)
        return first, second


@pytest.mark.parametrize("K", [1e-6, 0.01, 1.0, 50.0, 1e4])
@pytest.mark.parametrize("spec", [*SPECS, "hardshrink"])
def test_kernel_derivatives_match_mpmath(spec: str, K: float) -> None:
    first, second = _by_parts(spec, K)
    g = theory.kernel(spec, K).item()
    value, error = theory.kernel_derivative(spec, K, 1, with_error=True)
    assert abs(value.item() - first) <= 1e-11 * max(abs(first), g / K) + 1e-300
    assert abs(value.item() - first) <= error.item() + 1e-13 * abs(first) + 1e-300
    value, error = theory.kernel_derivative(spec, K, 2, with_error=True)
    assert abs(value.item() - second) <= 1e-10 * max(abs(second), g / K**2) + 1e-300


@pytest.mark.parametrize("spec", SPECS)
def test_h_is_half_the_slope_of_chi_perp(spec: str) -> None:
    K = torch.tensor([1e-4, 0.03, 1.0, 20.0, 1e4], dtype=torch.float64)
    step = 1e-3

    def chi(m: float) -> torch.Tensor:
        return theory.chi_perp(spec, K * math.exp(m * step), c_w=1.7)

    slope = (8 * (chi(1) - chi(-1)) - (chi(2) - chi(-2))) / (12 * step) / K
    # fourth-order differences in log K: step**4/30 of the fifth derivative, and rounding over step
    scale = chi(0) / K
    assert ((theory.h(spec, K, c_w=1.7) - 0.5 * slope).abs() <= 3e-11 * scale).all()


@pytest.mark.parametrize("spec", SPECS)
def test_chi_parallel_is_the_slope_of_the_kernel_map(spec: str) -> None:
    K = torch.logspace(-6, 6, 13, dtype=torch.float64)
    torch.testing.assert_close(
        theory.chi_parallel(spec, K, 2.5), 2.5 * theory.kernel_derivative(spec, K), rtol=1e-13, atol=1e-300
    )


def test_relu_is_exact_to_the_last_bit() -> None:
    K = torch.tensor([1e-3, 0.7, 3.0, 1e5], dtype=torch.float64)
    assert torch.equal(theory.kernel("relu", K), K / 2)
    assert torch.equal(theory.chi_perp("relu", K, 2.0), torch.ones(4, dtype=torch.float64))
    assert theory.chi_parallel("relu", 1.0, 2.0).item() == 1.0


def test_fourth_moment_and_mean() -> None:
    assert theory.fourth_moment("relu", 2.0).item() == pytest.approx(1.5 * 4, rel=1e-14)
    assert theory.mean("abs", 2.0).item() == pytest.approx(math.sqrt(4 / math.pi), rel=1e-14)


def test_other_derivative_orders_are_refused() -> None:
    with pytest.raises(DomainError, match="order"):
        theory.kernel_derivative("relu", 1.0, 3)
