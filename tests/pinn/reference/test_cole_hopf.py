"""Burgers' exact solution is exact."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from edgewise.pinn.reference.cole_hopf import burgers_reference, cole_hopf, nodes, quadrature
from edgewise.pinn.reference.periodic import Evolution, solve_periodic

NU = 0.01 / math.pi


def _by_mpmath(x: float, t: float, nu: float) -> float:
    """Cole's quotient of integrals over y itself, by Gauss-Legendre panels narrower than any peak, to 30 digits."""
    with mpmath.workdps(30):
        x_, t_, nu_ = mpmath.mpf(x), mpmath.mpf(t), mpmath.mpf(nu)
        width = mpmath.sqrt(4 * nu_ * t_)

        def exponent(y: mpmath.mpf) -> mpmath.mpf:
            return -((x_ - y) ** 2) / (4 * nu_ * t_) - mpmath.cos(mpmath.pi * y) / (2 * mpmath.pi * nu_)

        # beyond 12 widths the weight is exp(-144) times at most exp(100)
        edges = [x_ + width * k / 2 for k in range(-26, 27)]
        largest = max(exponent(y) for y in edges)  # mpmath's tolerance is absolute

        def weight(y: mpmath.mpf) -> mpmath.mpf:
            return mpmath.exp(exponent(y) - largest)

        below, off = mpmath.quad(weight, edges, method="gauss-legendre", maxdegree=4, error=True)
        above = mpmath.quad(
            lambda y: mpmath.sin(mpmath.pi * y) * weight(y), edges, method="gauss-legendre", maxdegree=4
        )
        assert off < 1e-18 * below
        return float(-above / below)


@pytest.mark.parametrize(("x", "t"), [(0.001, 0.5), (0.01, 1.0), (0.02, 0.32), (0.97, 0.9), (0.3, 0.02)])
def test_values_agree_with_thirty_digits_in_the_shock_and_beside_it(x: float, t: float) -> None:
    found = cole_hopf(torch.tensor([x], dtype=torch.float64), torch.tensor([t], dtype=torch.float64), NU)
    # exponents reach 2 / (2 pi nu) = 100, known to a relative 2^-53 each: no weight is off by more than twice that
    assert float(found) == pytest.approx(_by_mpmath(x, t, NU), abs=2 * 100 * 2.0**-53)


def test_nothing_overflows_in_a_shock_a_hundred_times_thinner() -> None:
    nu = NU / 100
    found = cole_hopf(torch.tensor([1e-3, 0.5], dtype=torch.float64), torch.tensor([0.7, 0.7], dtype=torch.float64), nu)
    # inviscid Burgers beside its shock: u = -sin(pi y) with y = x - u t on the side that x lies on
    for x, u in zip((1e-3, 0.5), found.tolist(), strict=True):
        y = 1.0 - 1e-12
        for _ in range(200):
            y -= (y - math.sin(math.pi * y) * 0.7 - x) / (1.0 - math.pi * math.cos(math.pi * y) * 0.7)
        # viscosity shifts u by its share of u_xx / u_x, of order nu; the shock is 2 nu / 0.8 = 8e-5 wide
        assert u == pytest.approx(-math.sin(math.pi * y), abs=20 * nu)


def test_the_start_is_the_initial_wave_and_the_ends_are_zero() -> None:
    x = torch.linspace(-1.0, 1.0, 41, dtype=torch.float64)
    start = cole_hopf(x, torch.zeros_like(x), NU)
    torch.testing.assert_close(start, -torch.sin(math.pi * x), rtol=0.0, atol=1e-15)
    t = torch.linspace(0.0, 1.0, 41, dtype=torch.float64)
    for end in (-1.0, 0.0, 1.0):
        assert float(cole_hopf(torch.full_like(t, end), t, NU).abs().max()) <= 200 * 2.0**-53


def test_the_stated_number_of_nodes_is_enough_and_half_of_it_is_not() -> None:
    x, t = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64), torch.ones(101, dtype=torch.float64)
    s = nodes(NU, 1.0)
    exact = quadrature(x, t, NU, nodes(NU, 1.0, refinement=3))
    assert float((quadrature(x, t, NU, s) - exact).abs().max()) < 1e-14
    assert float((quadrature(x, t, NU, s[::3]) - exact).abs().max()) > 1e-9


def test_it_agrees_with_a_spectral_solution_whose_error_estimate_is_honest() -> None:
    nu = 0.02

    def rest(k: torch.Tensor, v: torch.Tensor, x: torch.Tensor, t: float) -> torch.Tensor:
        u = torch.fft.irfft(v, n=len(x), norm="forward")
        square: torch.Tensor = torch.fft.rfft(u * u, norm="forward")
        return -0.5j * k * square

    wave = Evolution(linear=lambda k: -nu * k**2, rest=rest, initial=lambda x: -torch.sin(math.pi * x))
    spectral = solve_periodic(wave, points=512, steps=800, times=100, spaces=128)
    exact = burgers_reference(nu, (spectral.grid[0], spectral.grid[1]))
    scale = exact.values.abs().max()
    assert float((spectral.values - exact.values).abs().max() / scale) <= spectral.error_estimate < 1e-6
    between = torch.rand(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    off = (spectral.interpolate(between) - exact.interpolate(between)).abs().max() / scale
    assert float(off) <= spectral.error_estimate
