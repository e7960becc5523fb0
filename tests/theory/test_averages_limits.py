"""What has no finite float64 average says so, and what loses precision warns."""

from __future__ import annotations

import math

import pytest

from edgewise import theory
from edgewise.errors import AverageOverflowError, DivergentAverageError, DomainError, PrecisionWarning


@pytest.mark.parametrize("K", [0.25, 0.3, 10.0])
def test_a_divergent_average_is_named(K: float) -> None:
    with pytest.raises(DivergentAverageError, match="infinite"):
        theory.kernel("exp(x**2)", K)


def test_just_below_divergence_the_average_is_right() -> None:
    assert theory.kernel("exp(x**2)", 0.2).item() == pytest.approx((1 - 4 * 0.2) ** -0.5, rel=1e-12)


@pytest.mark.parametrize("spec", ["exp(x)", "sinh(x)"])
def test_an_average_beyond_float64_is_an_overflow_not_a_divergence(spec: str) -> None:
    with pytest.raises(AverageOverflowError):
        theory.kernel(spec, 1000.0)


def test_fast_growth_is_integrated_far_outside_eight_standard_deviations() -> None:
    assert theory.kernel("exp(x)", 100.0).item() == pytest.approx(math.exp(200), rel=1e-11)
    exact = float(math.prod(range(99, 0, -2)))
    assert theory.kernel("monomial(p=50)", 1.0).item() == pytest.approx(exact, rel=1e-12)


def test_homogeneous_overflow() -> None:
    with pytest.raises(AverageOverflowError):
        theory.kernel("monomial(p=50)", 1e8)


@pytest.mark.parametrize("K", [0.0, -1.0, math.nan, math.inf, "one", [1.0, -2.0]])
def test_kernels_that_are_not_positive_numbers_are_refused(K: object) -> None:
    with pytest.raises(DomainError, match="K="):
        theory.kernel("relu", K)


@pytest.mark.parametrize("c_w", [0.0, -1.0, math.nan, math.inf, True])
def test_weight_variances_that_are_not_positive_are_refused(c_w: float) -> None:
    with pytest.raises(DomainError, match="c_w"):
        theory.chi_perp("relu", 1.0, c_w=c_w)


def test_what_oscillates_too_fast_for_the_budget_warns_and_says_how_much() -> None:
    with pytest.warns(PrecisionWarning, match="estimated error"):
        _, error = theory.kernel("sin(x**2)", 1e4, with_error=True)
    assert error.item() > 1e-9


def test_a_jump_tears_inputs_apart() -> None:
    assert theory.chi_perp("hardshrink", 1.0).item() == math.inf
    with pytest.raises(DivergentAverageError):
        theory.h("hardshrink", 1.0)
    with pytest.raises(DivergentAverageError):
        theory.derivative_pair("hardshrink", 1.0, 0.5, 1.0)


@pytest.mark.parametrize("steep", [1e3, 1e6, 1e8])
def test_a_steep_rise_is_met_whatever_the_kernel(steep: float) -> None:
    """<sigma'**2> -> s (4/3)/sqrt(2 pi K): the peak of tanh' is narrow under the Gaussian, up to 1/(s**2 K)."""
    for kernel in (1.0, 9.0):
        expected = steep * (4 / 3) / math.sqrt(2 * math.pi * kernel)
        assert float(theory.chi_perp(f"tanh({steep!r}*x)", kernel)) == pytest.approx(expected, rel=1e-8 + 1 / steep**2)


@pytest.mark.parametrize("spec", ["sqrt(abs(x))", "abs(x)**0.25", "hardshrink"])
def test_an_infinite_slope_square_is_infinite(spec: str) -> None:
    assert float(theory.chi_perp(spec, 1.0)) == math.inf
    with pytest.raises(DivergentAverageError, match="chi_perp is infinite"):
        theory.h(spec, 1.0)
