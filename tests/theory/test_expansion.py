"""The small-K expansion: against mpmath's Taylor series, against the averages themselves, and in its corner cases."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath as mp
import pytest
import torch

import edgewise as ew
from edgewise.theory.averages import average
from edgewise.theory.expansion import expand_at_zero

SMOOTH: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "gelu": lambda x: x * mp.ncdf(x),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "telu": lambda x: x * mp.tanh(mp.exp(x)),
    "tanh": mp.tanh,
    "erf": mp.erf,
    "snake(a=2)": lambda x: x + mp.sin(2 * x) ** 2 / 2,
    "arctan_squared_minus_x": lambda x: mp.atan(x) ** 2 - x,
    "sin(3*x)*exp(x/5)": lambda x: mp.sin(3 * x) * mp.exp(x / 5),
    "x/(1+exp(-7*x))": lambda x: x / (1 + mp.exp(-7 * x)),
}


@pytest.mark.parametrize("spec", SMOOTH)
def test_taylor_coefficients_match_mpmath(spec: str) -> None:
    with mp.workdps(40):
        _, s1, half_s2, sixth_s3 = mp.taylor(SMOOTH[spec], 0, 3)
        s2, s3 = 2 * half_s2, 6 * sixth_s3
        a1 = float(s3 / s1 + mp.mpf(3) / 4 * (s2 / s1) ** 2)
        b1 = float(s3 / s1 + (s2 / s1) ** 2)
        a2 = float(s1**2)
    e = expand_at_zero(ew.activation(spec))
    scale = max(1.0, abs(a1))
    assert e.order == "taylor"
    assert e.a2 == pytest.approx(a2, rel=1e-14)
    assert e.a1 == pytest.approx(a1, abs=1e-11 * scale)
    assert e.b1 == pytest.approx(b1, abs=1e-11 * scale)
    assert e.a_half == 0.0


@pytest.mark.parametrize("p", [1, 2, 3, 2.5, 4.25])
@pytest.mark.parametrize("shift", [1.0, 0.5])
def test_mrepu_is_unstable_with_a1_6pp_minus_3p(p: float, shift: float) -> None:
    e = expand_at_zero(ew.activation(f"mrepu(p={p}, shift={shift})"))
    assert 1 / e.a2 == pytest.approx(shift ** (-2 * p), rel=1e-13)
    assert e.a1 == pytest.approx((6 * p * p - 3 * p) / shift**2, rel=1e-11)
    assert e.b1 == pytest.approx((7 * p * p - 3 * p) / shift**2, rel=1e-11)


@pytest.mark.parametrize(
    ("spec", "slopes", "bends"),
    [
        ("elu", (1.0, 1.0), (1.0, 0.0)),
        ("celu(alpha=2)", (1.0, 1.0), (0.5, 0.0)),
        ("softsign", (1.0, 1.0), (2.0, -2.0)),
        ("max(x,0)+x/4+x**2/3", (0.25, 1.25), (2 / 3, 2 / 3)),
    ],
)
def test_a_kink_at_zero_makes_a_square_root(spec: str, slopes: tuple[float, float], bends: tuple[float, float]) -> None:
    e = expand_at_zero(ew.activation(spec))
    a2 = 0.5 * (slopes[0] ** 2 + slopes[1] ** 2)
    expected = math.sqrt(2 / math.pi) * (slopes[1] * bends[1] - slopes[0] * bends[0]) / a2
    assert e.slopes == pytest.approx(slopes, abs=1e-14)
    assert (e.order, e.exponent) == ("sqrt", 0.5)
    assert e.a_half == pytest.approx(expected, rel=1e-12)
    assert e.b_half == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("spec", "exponent", "coefficient"),
    [
        ("x+x**5", 2.0, 30.0),  # g = <x**2 + 2 x**6 + ...>
        ("x-x**7", 3.0, -210.0),
        ("x+abs(x)**3", 2.0, 15.0),  # the odd cross term cancels, <|x|**6> = 15 K**3 is left
        ("x+x**3*abs(x)", 1.5, 16 * math.sqrt(2 / math.pi)),  # 2 <|x|**5> = 2 * 8 sqrt(2/pi) K**2.5
        ("x+x*sqrt(abs(x))", 0.25, 2 * 2**1.25 * math.gamma(1.75) / math.sqrt(math.pi)),
    ],
)
def test_when_lower_orders_vanish_the_next_one_leads(spec: str, exponent: float, coefficient: float) -> None:
    e = expand_at_zero(ew.activation(spec))
    assert e.order == "power"
    assert e.exponent == exponent
    # The singular one is fitted between K = 1e-10 and 1e-9, neglecting K**(3/4) ~ 3e-8 beside K**(1/4) ~ 3e-3.
    assert e.coefficient == pytest.approx(coefficient, rel=1e-4 if exponent == 0.25 else 1e-9)


@pytest.mark.parametrize("spec", ["hardtanh", "relu6", "min(max(x,-2),1)"])
def test_straight_up_to_the_next_kink_is_flat(spec: str) -> None:
    e = expand_at_zero(ew.activation(spec))
    assert e.order == "flat"
    assert e.exponent is None


@pytest.mark.parametrize(
    ("spec", "word"),
    [("sigmoid", "C_b"), ("lisht", "σ'(0) = 0"), ("repu(p=2)", "σ'(0) = 0"), ("sqrt(abs(x))", "not finite")],
)
def test_where_zero_is_no_candidate_the_reason_is_said(spec: str, word: str) -> None:
    e = expand_at_zero(ew.activation(spec))
    assert e.order == "none"
    assert e.a1 is None
    assert word in e.reason


@pytest.mark.parametrize(
    "spec", ["gelu", "mish", "mrepu", "tanh", "elu", "selu", "softsign", "hardswish", "snake", "serf"]
)
def test_the_series_is_that_of_the_averages(spec: str) -> None:
    """g/(A_2 K) and <sigma'**2>/A_2 at small K, beyond the terms of order K: what is left shrinks like K**(3/2)."""
    a = ew.activation(spec)
    e = expand_at_zero(a)
    assert e.a1 is not None
    kernel = torch.tensor([1e-6, 1e-4], dtype=torch.float64) / max(1.0, abs(e.a1))
    g = average(a, kernel, (0, 0)).value / (e.a2 * kernel) - 1 - e.a_half * kernel.sqrt() - e.a1 * kernel
    perp = average(a, kernel, (1, 1)).value / e.a2 - 1 - e.b_half * kernel.sqrt() - e.b1 * kernel
    for left in (g, perp):
        # order K**(3/2) at least: a hundredfold K makes it a thousandfold, above the rounding of 1e-15
        assert float(left[0].abs()) <= float(left[1].abs()) / 500 + 5e-15
        assert float(left[1].abs()) < 1e-4
