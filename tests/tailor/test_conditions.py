"""Every condition of DKS and TAT, against mpmath, closed forms and random networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mpmath import mp

import edgewise as ew
from edgewise.errors import DomainError, TailoringError
from edgewise.tailor.leaky import correlation_map, leaky_slope
from edgewise.tailor.subnetworks import Stack

DKS = {
    "tanh": mp.tanh,
    "gelu": lambda x: x * mp.ncdf(x),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mrepu(p=2)": lambda x: x * (x + 1) ** 2 if x > -1 else mp.mpf(0),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
}


def gaussian(f: Callable[[Any], Any], kinks: list[float]) -> Any:
    """<f(z)> for z standard normal, to about 20 digits."""
    edges = sorted({*range(-10, 11, 2), *(k for k in kinks if abs(k) < 10)})  # beyond 10 the weight is below 1e-22
    return mp.quad(lambda z: f(z) * mp.npdf(z), edges, method="gauss-legendre", maxdegree=3)


def exact_moments(sigma: Callable[[Any], Any], made: ew.tailor.Tailored) -> dict[str, Any]:
    """<s>, <s^2>, <z s s'>, <s'^2> and <s''^2> of the tailored activation from nothing but mpmath."""
    t = made.tailoring
    with mp.workdps(34):
        h = mp.mpf(10) ** -9

        def s(z: Any) -> Any:
            return t.gamma * (sigma(t.alpha * z + t.beta) + t.delta)

        def d(z: Any) -> Any:
            return (s(z - 2 * h) - 8 * s(z - h) + 8 * s(z + h) - s(z + 2 * h)) / (12 * h)

        def c(z: Any) -> Any:
            return (s(z - h) - 2 * s(z) + s(z + h)) / h**2

        kinks = list(made.kinks)
        found = {"mean": s, "square": lambda z: s(z) ** 2, "parallel": lambda z: z * s(z) * d(z)}
        found |= {"perp": lambda z: d(z) ** 2, "curvature": lambda z: c(z) ** 2}
        return {name: gaussian(f, kinks) for name, f in found.items()}


@pytest.mark.parametrize("spec", DKS)
def test_dks_conditions_hold_in_mpmath(spec: str) -> None:
    depth, zeta = 30, 1.5
    made = ew.tailor(spec, depth=depth, method="dks", zeta=zeta)
    exact = exact_moments(DKS[spec], made)
    size = abs(made.tailoring.gamma * made.tailoring.delta)  # what cancels in the float64 numbers gamma, delta
    assert abs(exact["mean"]) < 1e-13 * (1 + size)
    assert abs(exact["square"] - 1) < 1e-12 * (1 + size)
    assert abs(exact["parallel"] - 1) < 1e-10
    assert abs(exact["perp"] - zeta ** (1 / depth)) < 1e-10
    assert not made.tailoring.missed


@pytest.mark.parametrize("spec", ["tanh", "gelu", "mrepu(p=2)"])
def test_tat_conditions_hold_in_mpmath(spec: str) -> None:
    depth, tau = 30, 0.3
    made = ew.tailor(spec, depth=depth, method="tat", tau=tau)
    exact = exact_moments(DKS[spec], made)
    assert abs(exact["square"] - 1) < 1e-10
    assert abs(exact["parallel"] - 1) < 1e-10
    assert abs(exact["perp"] - 1) < 1e-10
    assert abs(exact["curvature"] - tau / depth) < 1e-6 * tau / depth  # second differences at h = 1e-9, 40 digits
    assert not made.tailoring.missed


def test_the_network_map_of_dks_has_the_slope_that_was_asked_for() -> None:
    depth, zeta, off = 50, 1.5, 1e-7
    made = ew.tailor("gelu", depth=depth, zeta=zeta)
    c = 1.0 - off
    for _ in range(depth):
        c = 1.0 - float(ew.theory.kernel_gap(made, 1.0, 1.0 - c))
    # second order: (1 - C_f(1 - off)) / off = slope - off C_f''/2, and C_f'' is of order depth * slope**2 * C''
    assert abs((1.0 - c) / off - zeta) < 1e-4


def test_dks_sends_unrelated_inputs_to_unrelated_outputs() -> None:
    made = ew.tailor("tanh", depth=50)
    assert abs(float(ew.theory.kernel_pair(made, 1.0, 0.0, 1.0))) < 1e-12


@pytest.mark.parametrize("spec", ["relu2", "repu(p=3)", "hardtanh", "relu6"])
def test_dks_has_no_solution_for_these(spec: str) -> None:
    with pytest.raises(TailoringError, match="DKS has no solution"):
        ew.tailor(spec, depth=50, method="dks")


def test_the_substitute_for_relu2_is_the_closed_form() -> None:
    # without the tail below -beta, sigma~ = (z**2 - 1 + 2 beta z)/sqrt(2 + 4 beta**2): chi = 1 + 1/(2 beta**2 + 1)
    made = ew.tailor("relu2", depth=100, zeta=1.02)
    t = made.tailoring
    chi = 1.02 ** (1 / 100)
    beta = math.sqrt((1 / (chi - 1) - 1) / 2)
    assert t.method == "shift"
    assert t.alpha == 1.0
    assert t.beta == pytest.approx(beta, rel=1e-9)
    assert t.delta == pytest.approx(-(beta**2 + 1), rel=1e-12)
    assert t.gamma == pytest.approx((2 + 4 * beta**2) ** -0.5, rel=1e-9)
    assert float(ew.theory.chi_parallel(made, 1.0)) == pytest.approx(chi, rel=1e-12)
    assert float(ew.theory.kernel(made, 1.0)) == pytest.approx(1.0, rel=1e-12)
    assert abs(float(ew.theory.mean(made, 1.0))) < 1e-9
    assert [c.name for c in t.missed] == ["chi_parallel"]


def test_the_leaky_form_takes_unrelated_inputs_to_c0() -> None:
    made = ew.tailor("relu", depth=60, c0=0.9)
    slope = made.tailoring.base.parameters["a"]
    assert 0.0 < slope < 1.0
    assert float(ew.theory.kernel(made, 1.0)) == pytest.approx(1.0, abs=1e-14)
    c = 0.0
    for _ in range(60):
        c = float(ew.theory.kernel_pair(made, 1.0, c, 1.0))
    assert c == pytest.approx(0.9, abs=1e-9)


@pytest.mark.parametrize("depth", [2, 30, 1000])
def test_dks_conditions_hold_for_a_rectifier_whose_slope_is_free(depth: int) -> None:
    made = ew.tailor("relu", depth=depth, method="dks", zeta=1.5)
    slope = made.tailoring.base.parameters["a"]
    assert 0.0 < slope < 1.0
    gamma, delta = made.tailoring.gamma, made.tailoring.delta
    with mp.workdps(30):  # moments of slopes 1 and s: <sigma**2>, <sigma> = <z sigma'>, <sigma'**2>
        s = mp.mpf(slope)
        square, mean = (1 + s**2) / 2, (1 - s) / mp.sqrt(2 * mp.pi)
        assert abs(mean + delta) < 1e-15
        assert abs(gamma**2 * (square + 2 * delta * mean + delta**2) - 1) < 1e-14
        assert abs(gamma**2 * (square + delta * mean) - 1) < 1e-14
        assert abs(gamma**2 * square - mp.mpf(1.5) ** (mp.mpf(1) / depth)) < 1e-13
    assert not made.tailoring.missed
    assert float(ew.theory.chi_parallel(made, 1.0)) == pytest.approx(1.0, abs=1e-13)


def test_one_layer_of_any_rectifier_is_too_straight_for_dks() -> None:
    """ReLU's own centred slope is pi/(pi - 1) = 1.467 a layer."""
    with pytest.raises(TailoringError, match="DKS has no solution for relu at depth 1"):
        ew.tailor("relu", depth=1, method="dks", zeta=1.5)


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.9, 1.0, -1.0])
def test_the_leaky_map_is_that_of_the_arc_cosine_kernel(slope: float) -> None:
    for c in (-0.7, 0.0, 0.4, 0.999):
        with mp.workdps(30):
            arc = (mp.sqrt(1 - mp.mpf(c) ** 2) + (mp.pi - mp.acos(c)) * c) / mp.pi
            exact = (2 * slope * c + (1 - slope) ** 2 * arc) / (1 + slope**2)
        assert correlation_map(slope, c) == pytest.approx(float(exact), abs=1e-15)


def test_a_shallow_network_cannot_reach_c0_with_any_rectifier() -> None:
    assert leaky_slope(Stack(2), 0.9) is None
    made = ew.tailor("relu", depth=2)
    assert made.tailoring.base.parameters["a"] == 0.0
    assert [c.name for c in made.tailoring.missed] == ["c(0)"]


def test_conditions_hold_in_random_networks() -> None:
    depth, width, members = 12, 256, 200
    made = ew.tailor("tanh", depth=depth, width=width)
    measured = ew.simulate(made, depth, width, members, c_w=1.0, samples=2, rho0=0.0, gradients=True, seed=3)
    kernel = measured.kernel[-1].flatten()
    # log K is a sum of `depth` steps of variance at most 2/width, the mean of 400 of them; K itself has mean 1
    spread = math.sqrt(math.expm1(2 * depth / width) / len(kernel))
    assert abs(float(kernel.mean()) - 1.0) < 4 * spread * math.sqrt(2)  # two samples of one network are correlated
    assert measured.correlation is not None
    correlation = measured.correlation[-1].flatten()
    assert abs(float(correlation.mean())) < 4 * math.sqrt(depth / width / members)
    growth = float(measured.gradient_norm[0].mean())  # chi_perp**(depth - 1), fluctuating like K
    assert abs(growth - 1.5 ** ((depth - 1) / depth)) < 5 * 1.5 * spread * math.sqrt(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth=0"),
        ({"depth": 10**9}, "depth=1000000000 given, expected at most"),
        ({"depth": 10, "width": 1.5}, "width=1.5"),
        ({"depth": 10, "method": "magic"}, "method='magic'"),
        ({"depth": 10, "zeta": 1.0}, "zeta=1.0"),
        ({"depth": 10, "tau": -1.0}, "tau=-1.0"),
        ({"depth": 10, "c0": 1.0}, "c0=1.0"),
        ({"depth": 10, "skip": 0.5}, "without branches"),
        ({"depth": 10, "branches": 3}, "branches=3"),
        ({"depth": 10, "branches": 5, "skip": 1.0}, "skip=1.0"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        ew.tailor("tanh", **options)


@pytest.mark.parametrize(
    ("spec", "method", "message"),
    [
        ("identity", None, "linear"),
        ("selu", "tat", "slope of selu jumps"),
        ("gelu", "leaky", "half-lines"),
        ("relu2", "tat", "TAT has no solution"),
        ("relu2", "dks", "DKS has no solution for relu2 .*try method='shift'"),
        ("0*x + 1", None, "no stretch straight enough"),
    ],
)
def test_what_cannot_be_tailored_says_why(spec: str, method: Any, message: str) -> None:
    with pytest.raises(TailoringError, match=message):
        ew.tailor(spec, depth=30, method=method)


def test_the_tables_resolve_what_they_are_used_for() -> None:
    made = ew.tailor("gelu", depth=100)
    t = made.tailoring
    assert t.chosen.parallel == pytest.approx(float(ew.theory.chi_parallel(made, 1.0)), abs=1e-11)
    assert t.chosen.perp == pytest.approx(float(ew.theory.chi_perp(made, 1.0)), abs=1e-11)
    k = torch.tensor([0.999, 1.001], dtype=torch.float64)
    low, high = ew.theory.chi_parallel(made, k).tolist()
    assert t.chosen.parallel_slope == pytest.approx((high - low) / 0.002, abs=1e-6)
