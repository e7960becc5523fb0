"""Critical and turning points against mpmath."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath as mp
import pytest

import edgewise as ew
from edgewise.theory import kernel_flow
from edgewise.theory.criticality import critical_points


def gelu(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    gate = mp.ncdf(x)
    return x * gate, gate + x * mp.npdf(x)


def silu(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    gate = 1 / (1 + mp.exp(-x))
    return x * gate, gate + x * gate * (1 - gate)


def mish(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    e = mp.exp(x)
    gate = mp.tanh(mp.log1p(e))
    return x * gate, gate + x * (1 - gate**2) * e / (1 + e)


def snake(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    return x + mp.sin(x) ** 2, 1 + mp.sin(2 * x)


def x_erf(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    gate = mp.erf(x)
    return x * gate, gate + 2 * x * mp.exp(-(x**2)) / mp.sqrt(mp.pi)


@pytest.mark.parametrize(
    ("spec", "sigma"),
    [("gelu", gelu), ("silu", silu), ("x*tanh(log(1+exp(x)))", mish), ("snake", snake), ("x*erf(x)", x_erf)],
)
def test_half_stable_points_match_mpmath(spec: str, sigma: Callable[[mp.mpf], tuple[mp.mpf, mp.mpf]]) -> None:
    """The root is sought beside the one to be checked, in the reference's own equations, to 30 digits."""
    point = next(p for p in critical_points(spec) if p.kernel)
    assert point.kernel is not None
    with mp.workdps(30):

        def mean(f: Callable[[mp.mpf], mp.mpf], k: mp.mpf) -> mp.mpf:
            root, panels = mp.sqrt(k), [-12, -6, -3, 0, 3, 6, 12]
            return mp.quad(lambda u: f(root * u) * mp.npdf(u), panels, method="gauss-legendre")

        def gap(k: mp.mpf) -> mp.mpf:  # chi_parallel - chi_perp, over C_W
            def integrand(z: mp.mpf) -> mp.mpf:
                s, slope = sigma(z)
                return (z * s / k - slope) * slope

            return mean(integrand, k)

        start = mp.mpf(point.kernel)
        k_star = mp.findroot(gap, (start * (1 + mp.mpf(10) ** -4), start * (1 - mp.mpf(10) ** -4)), tol=1e-30)
        c_w = 1 / mean(lambda z: sigma(z)[1] ** 2, k_star)
        c_b = k_star - c_w * mean(lambda z: sigma(z)[0] ** 2, k_star)
    assert point.kernel == pytest.approx(float(k_star), rel=1e-9)
    assert point.c_w == pytest.approx(float(c_w), abs=1e-10)
    assert point.c_b == pytest.approx(float(c_b), abs=1e-9)


def test_gelu_has_its_critical_kernel_in_closed_form() -> None:
    assert ew.analyze("gelu").critical.kernel == pytest.approx((3 + math.sqrt(17)) / 2, abs=1e-9)  # type: ignore[union-attr]


def test_telu_grows_away_from_zero_but_turns_back() -> None:
    """a_1 > 0, yet g(K) = A_2 K again at a K found here with mpmath."""
    point = critical_points("telu")[0]
    with mp.workdps(20):

        def growth(k: mp.mpf) -> mp.mpf:
            z = lambda u: mp.sqrt(k) * u * mp.tanh(mp.exp(mp.sqrt(k) * u))  # noqa: E731
            return mp.quad(lambda u: z(u) ** 2 * mp.npdf(u), [-10, -3, 0, 3, 10]) / (mp.tanh(1) ** 2 * k) - 1

        expected = float(mp.findroot(growth, (0.02, 0.03), tol=1e-12))
    assert point.stability == "unstable"
    assert point.turning_kernel == pytest.approx(expected, rel=1e-6)
    flow = kernel_flow("telu", 200_000, c_w=point.c_w, k0=0.005)
    assert float(flow.kernel[-1]) == pytest.approx(expected, rel=0.05)
    assert "only until" in point.reason
