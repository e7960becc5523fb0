"""Vertex, corrected mean and spread against closed forms, an exact third layer, and simulated networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgewise.activations import activation
from edgewise.errors import DomainError
from edgewise.theory import four_point_vertex, kernel_flow, optimal_aspect_ratio


def _simulated(
    spec: str, depth: int, width: int, members: int, *, c_w: float, c_b: float, k0: float, skip: float
) -> tuple[float, float]:
    """Mean and variance over networks of the last empirical kernel.

    Given one layer the next is gamma z + sqrt(C_b + C_W mean sigma**2) xi exactly, so no weights are drawn.
    """
    a, generator = activation(spec), torch.Generator().manual_seed(11)
    z = k0**0.5 * torch.randn(members, width, generator=generator)
    for _ in range(depth - 1):
        scale = (c_b + c_w * (a(z) ** 2).mean(1, keepdim=True)).sqrt()
        z = skip * z + scale * torch.randn(members, width, generator=generator)
    kernels = (z.double() ** 2).mean(1)
    return float(kernels.mean()), float(kernels.var())


@pytest.mark.parametrize(
    ("spec", "c_w", "nu"), [("identity", 1.0, 2.0), ("relu", 2.0, 5.0), ("leaky_relu(a=0.2)", None, None)]
)
def test_scale_invariant_growth(spec: str, c_w: float | None, nu: float | None) -> None:
    if c_w is None or nu is None:
        a2, a4 = (1 + 0.2**2) / 2, (1 + 0.2**4) / 2
        c_w, nu = 1 / a2, 3 * a4 / a2**2 - 1
    found = four_point_vertex(spec, 9, c_w=c_w, k0=0.7)
    expected = nu * torch.arange(9, dtype=torch.float64)
    torch.testing.assert_close(found.relative_vertex, expected, rtol=1e-11, atol=1e-13)
    assert float(found.ntl_metric.abs().max()) < 1e-12
    assert found.nu == pytest.approx(nu)


@pytest.mark.parametrize(("skip", "c_w"), [(0.0, 1.0), (0.5, 0.75)])
def test_growth_at_a_stable_zero(skip: float, c_w: float) -> None:
    found = four_point_vertex("tanh", 3000, c_w=c_w, skip=skip)
    # V/K^2 = nu l (1 + O(log l / l))
    assert found.nu == pytest.approx(2 / 3 * (1 - skip**4), rel=math.log(3000) / 3000)


@pytest.mark.parametrize("skip", [0.2, 0.5, 0.8])
def test_growth_with_a_skip_is_the_three_point_series(skip: float) -> None:
    # sigma**2 = z**2/2 + z|z|/2 and q_b = <u|u| He_b>, with g = skip and r = 1 - g**2:
    # nu = r (5 r + 4 g**2) + 2 r**2 sum_b q_b**2/b! g**b/(1 - g**b)
    x, w = np.polynomial.legendre.leggauss(200)
    u = 7.0 * (1 + x)
    density = 14.0 * w * np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
    room = 1 - skip**2
    expected = room * (5 * room + 4 * skip**2)
    for b in range(1, 17, 2):
        q = float((density * u * u * np.polynomial.hermite_e.hermeval(u, np.eye(17)[b])).sum())
        expected += 2 * room**2 * q * q / math.factorial(b) * skip**b / (1 - skip**b)
    found = four_point_vertex("relu", 400, c_w=2 * room, skip=skip)
    assert found.nu == pytest.approx(expected, rel=1e-6)
    first = room * (5 * room + 4 * skip**2) + 16 / math.pi * skip * (1 - skip) * (1 + skip) ** 2
    assert first < found.nu < 1.04 * first  # its first term is the three-point correlator <z_i z_j**2>


@pytest.mark.parametrize("spec", ["tanh", "gelu", "sigmoid"])
def test_third_layer_with_a_skip_is_exact(spec: str) -> None:
    """V of layer 3 from independent neurons in layer 1 alone, by two-dimensional Gauss-Hermite quadrature."""
    a, gamma, c_w, c_b, k1 = activation(spec), 0.7, 0.9, 0.05, 0.8
    x, w = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(120))
    w = w / w.sum()
    z = k1**0.5 * x
    f = a(z) ** 2 - (w * a(z) ** 2).sum()
    noise = c_b + c_w * (w * a(z) ** 2).sum()
    k2 = gamma**2 * k1 + noise

    def after(scale: torch.Tensor) -> torch.Tensor:  # E[sigma(z2)**2 | z1] at every z1
        return (w * a(gamma * z[:, None] + scale.sqrt() * x) ** 2).sum(1)

    g2 = (w * after(noise)).sum()
    h = 1e-4
    slope = ((w * after(noise + h)).sum() - (w * after(noise - h)).sum()) / (2 * h)
    ff, zzf, fg = (w * f * f).sum(), (w * z * z * f).sum(), (w * f * after(noise)).sum()
    v2 = 2 * gamma**2 * c_w * zzf + c_w**2 * ff
    y = k2**0.5 * x
    own = (w * (y * y - k2) * a(y) ** 2).sum()
    with_variance = c_w * (own + gamma**2 * c_w * zzf * slope + c_w * fg + slope * c_w**2 * ff)
    variance = c_w**2 * ((w * a(y) ** 4).sum() - g2**2 + 2 * slope * c_w * fg + slope**2 * c_w**2 * ff)
    v3 = gamma**4 * v2 + 2 * gamma**2 * with_variance + variance
    found = four_point_vertex(spec, 3, c_w=c_w, c_b=c_b, k0=k1, skip=gamma)
    assert float(found.vertex[1]) == pytest.approx(float(v2), rel=1e-9)
    assert float(found.vertex[2]) == pytest.approx(float(v3), rel=1e-6)  # the difference quotient: h**2


@pytest.mark.parametrize(
    ("spec", "depth", "width", "members", "c_w", "c_b", "k0", "skip"),
    [
        ("tanh", 6, 100, 40000, 1.5, 0.1, 1.0, 0.0),
        ("tanh", 6, 200, 20000, 1.3, 0.1, 1.0, 0.6),
        ("mrepu(p=2)", 5, 1500, 3000, 0.6, 0.0, 0.01, 0.7),
    ],
)
def test_simulated_networks(
    spec: str, depth: int, width: int, members: int, c_w: float, c_b: float, k0: float, skip: float
) -> None:
    found = four_point_vertex(spec, depth, c_w=c_w, c_b=c_b, k0=k0, width=width, skip=skip)
    assert found.in_range
    assert found.kernel_mean is not None
    assert found.kernel_variance is not None
    mean, variance = _simulated(spec, depth, width, members, c_w=c_w, c_b=c_b, k0=k0, skip=skip)
    share = float(found.relative_vertex[-1]) / width
    # statistical errors at four sigma; second order in 1/n adds relative terms of the size of the first-order share
    second_order = abs(float(found.ntl_metric[-1])) / width * share
    assert mean == pytest.approx(float(found.kernel_mean[-1]), abs=4 * math.sqrt(variance / members) + second_order)
    assert variance == pytest.approx(float(found.kernel_variance[-1]), rel=4 * math.sqrt(2 / members) + 2 * share)


def test_the_corrected_mean_is_needed() -> None:
    """At 160,000 narrow tanh networks the infinite-width kernel is ruled out and the corrected one is not."""
    found = four_point_vertex("tanh", 6, c_w=1.5, c_b=0.1, width=40)
    mean, variance = _simulated("tanh", 6, 40, 160000, c_w=1.5, c_b=0.1, k0=1.0, skip=0.0)
    error = math.sqrt(variance / 160000)
    assert found.kernel_mean is not None
    assert abs(mean - float(found.kernel[-1])) > 5 * error
    assert abs(mean - float(found.kernel_mean[-1])) < 4 * error + abs(float(found.ntl_metric[-1])) / 40**2


def test_the_spread_begins_as_that_of_a_gaussian_layer() -> None:
    found = four_point_vertex("gelu", 4, c_w=1.9, c_b=0.2, k0=1.3, width=50)
    assert float(found.vertex[0]) == 0.0
    assert found.kernel_variance is not None
    assert float(found.kernel_variance[0]) == pytest.approx(2 * 1.3**2 / 50)
    assert found.emergent_scale == pytest.approx(4 / 50)


def test_out_of_range_is_said_with_a_width_that_would_do() -> None:
    found = four_point_vertex("relu", 50, c_w=2.0, width=100)
    assert found.in_range is False
    assert "a width of 1225" in found.reason  # 5 x 49 / 0.2
    assert four_point_vertex("relu", 50, c_w=2.0, width=1226).in_range


def test_lost_kernels_have_no_vertex() -> None:
    found = four_point_vertex("repu(p=2)", 14, c_w=3.0, k0=2.0, width=100)
    lost = kernel_flow("repu(p=2)", 14, c_w=3.0, k0=2.0).diverged_at
    assert isinstance(lost, int)
    assert bool(found.vertex[lost - 1 :].isnan().all())
    assert "no finite float64 value from layer" in found.reason
    assert found.in_range is False


def test_optimal_aspect_ratio() -> None:
    assert optimal_aspect_ratio(2 / 3, outputs=10) == pytest.approx(4 / (50 * 2 / 3))
    assert four_point_vertex("relu", 5, c_w=2.0).optimal_aspect_ratio() == pytest.approx(4 / (23 * 5))
    with pytest.raises(DomainError, match="nu"):
        optimal_aspect_ratio(0.0)
    with pytest.raises(DomainError, match="width"):
        four_point_vertex("relu", 5, c_w=2.0, width=0)
