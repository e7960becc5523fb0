"""Correlation flows against the arc-cosine map, PDLT's expansion of nearby inputs, and a simulation."""

from __future__ import annotations

import math

import mpmath as mp
import pytest
import torch

from edgewise.activations import activation
from edgewise.errors import DomainError
from edgewise.theory import chi_perp, correlation_fixed_points, correlation_flow, kernel_pair, nearby_flow


def _arc_cosine_flow(one_minus_rho: str, depth: int, skip: str = "0") -> list[float]:
    """1 - rho of a critical ReLU network, in 40 digits."""
    with mp.workdps(40):
        c, gamma2 = 1 - mp.mpf(one_minus_rho), mp.mpf(skip) ** 2
        flow = [float(1 - c)]
        for _ in range(depth - 1):
            mapped = (mp.sqrt(1 - c * c) + c * (mp.pi - mp.acos(c))) / mp.pi
            c = (1 - gamma2) * mapped + gamma2 * c
            flow.append(float(1 - c))
        return flow


@pytest.mark.parametrize("one_minus_rho", ["1e-12", "1e-6", "0.3", "1.9"])
@pytest.mark.parametrize(("skip", "k0"), [("0", 1.0), ("0.5", 1.0), ("0", (0.2, 7.0))])
def test_relu_follows_the_arc_cosine_map(one_minus_rho: str, skip: str, k0: float | tuple[float, float]) -> None:
    gamma = float(skip)
    c_w = 2.0 * (1 - gamma**2)
    flow = correlation_flow("relu", 15, c_w=c_w, k0=k0, one_minus_rho0=float(one_minus_rho), skip=gamma)
    expected = torch.tensor(_arc_cosine_flow(one_minus_rho, 15, skip), dtype=torch.float64)
    torch.testing.assert_close(flow.one_minus_rho, expected, rtol=1e-9, atol=0)
    assert flow.correlation_length == math.inf


@pytest.mark.parametrize("spec", ["gelu", "tanh", "mrepu(p=1)"])
@pytest.mark.parametrize("skip", [0.0, 0.6])
def test_nearby_inputs_follow_the_expansion(spec: str, skip: float) -> None:
    apart, delta, k = 1e-5, 1e-9, 0.4
    first, second = k * (1 + apart) ** 2, k * (1 - apart) ** 2
    flow = correlation_flow(spec, 7, c_w=1.1, c_b=0.05, k0=(first, second), one_minus_rho0=delta, skip=skip)
    cross = k * (1 - apart**2) * (1 - delta)
    expansion = nearby_flow(
        spec,
        7,
        c_w=1.1,
        c_b=0.05,
        k0=0.25 * (first + second + 2 * cross),
        parallel=0.5 * (first - second),
        perpendicular=k * apart**2 + 0.5 * k * (1 - apart**2) * delta,
        skip=skip,
    )
    roots = flow.kernel_1.sqrt() - flow.kernel_2.sqrt()
    perpendicular = 0.25 * (roots**2 + 2 * (flow.kernel_1 * flow.kernel_2).sqrt() * flow.one_minus_rho)
    # left out are relative terms of order apart**2 and delta, times a growth of at most ~100 over these layers; a kink
    # leaves out sqrt(delta)
    tolerance = 1e-4 if spec.startswith("mrepu") else 1e-7
    torch.testing.assert_close(perpendicular, expansion.perpendicular, rtol=tolerance, atol=0)
    torch.testing.assert_close(0.5 * (flow.kernel_1 - flow.kernel_2), expansion.parallel, rtol=1e-7, atol=0)


def test_far_inputs_of_different_length_are_kernel_pairs() -> None:
    flow = correlation_flow("gelu", 3, c_w=1.5, c_b=0.1, k0=(0.5, 2.0), rho0=0.2)
    for layer in range(2):
        moved = 0.1 + 1.5 * kernel_pair("gelu", flow.kernel_1[layer], flow.covariance[layer], flow.kernel_2[layer])
        assert float(flow.covariance[layer + 1]) == pytest.approx(float(moved), rel=1e-10)


def test_close_and_far_formulas_meet() -> None:
    inside, outside = (
        correlation_flow("gelu", 2, c_w=1.5, k0=(0.5, 2.0), one_minus_rho0=d).one_minus_rho[1]
        for d in (0.05, 0.05 + 1e-9)
    )
    assert float(outside - inside) == pytest.approx(0.0, abs=2e-9)  # slope below 2


def test_fixed_points_of_a_chaotic_network() -> None:
    k = 1.2
    c_w = 2.5
    points = correlation_fixed_points("tanh", c_w=c_w, c_b=0.1, kernel=k)
    assert [p.stability for p in points] == ["unstable", "stable"]
    start, end = points
    following = 0.1 + c_w * float(kernel_pair("tanh", k, k, k))
    assert start.slope == pytest.approx(c_w * float(chi_perp("tanh", k)) * k / following, rel=1e-10)
    moved = (0.1 + c_w * float(kernel_pair("tanh", k, k * end.correlation, k))) / following
    assert moved == pytest.approx(end.correlation, rel=1e-10)
    step = 1e-5
    ends = [float(kernel_pair("tanh", k, k * (end.correlation + s), k)) for s in (-step, step)]
    assert end.slope == pytest.approx(c_w * (ends[1] - ends[0]) / (2 * step) / following, rel=1e-7)


def test_odd_functions_without_bias_decorrelate() -> None:
    points = correlation_fixed_points("sin", c_w=3.0, kernel=1.45)
    assert [round(p.correlation, 9) for p in points] == [1.0, 0.0, -1.0]
    assert [p.stability for p in points] == ["unstable", "stable", "unstable"]


def test_an_ordered_network_forgets_within_its_correlation_length() -> None:
    flow = correlation_flow("tanh", 60, c_w=1.5, c_b=0.1, rho0=0.9)
    late = flow.one_minus_rho[-1] / flow.one_minus_rho[-2]
    assert flow.correlation_length is not None
    # K is still 0.01 % from its fixed point and 1 - rho not zero: the ratio agrees to that
    assert float(late) == pytest.approx(math.exp(-1 / flow.correlation_length), rel=2e-3)


def test_theory_is_the_mean_of_wide_networks() -> None:
    depth, width, members = 6, 400, 60
    a, generator = activation("gelu"), torch.Generator().manual_seed(3)
    k0, rho0, c_w, c_b = (0.6, 1.5), 0.7, 1.6, 0.1
    expected = correlation_flow(a, depth, c_w=c_w, c_b=c_b, k0=k0, rho0=rho0)
    z = torch.randn(2, members, width, generator=generator, dtype=torch.float64)
    z = torch.stack([k0[0] ** 0.5 * z[0], k0[1] ** 0.5 * (rho0 * z[0] + (1 - rho0**2) ** 0.5 * z[1])])
    for _ in range(depth - 1):
        s = a(z)
        covariance = c_b + c_w * torch.einsum("imn,jmn->mij", s, s) / width  # rows of W are independent: z' is Gaussian
        factor = torch.linalg.cholesky(covariance)
        fresh = torch.randn(2, members, width, generator=generator, dtype=torch.float64)
        z = torch.einsum("mij,jmn->imn", factor, fresh)
    measured = (z[0] * z[1]).mean(-1)
    error = float(measured.std() / math.sqrt(members))
    assert float(measured.mean()) == pytest.approx(float(expected.covariance[-1]), abs=4 * error)


def test_exactly_one_start_is_given() -> None:
    with pytest.raises(DomainError, match="exactly one"):
        correlation_flow("tanh", 3, c_w=1.0)
    with pytest.raises(DomainError, match="expected a number in"):
        correlation_flow("tanh", 3, c_w=1.0, rho0=1.5)


def test_a_lost_kernel_leaves_no_correlation() -> None:
    flow = correlation_flow("repu(p=3)", 12, c_w=2.0, k0=4.0, rho0=0.5)
    assert "diverged" in flow.reason
    assert flow.fixed_points == ()
    assert flow.to_dict()["correlation_length"] is None
