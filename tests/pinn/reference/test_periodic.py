"""The solutions of Allen-Cahn and Korteweg-de Vries agree with other methods."""

from __future__ import annotations

import importlib
import math
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from edgewise.pinn.problems import problem
from edgewise.pinn.reference import Reference, periodic
from edgewise.pinn.reference.etdrk4 import integrate
from edgewise.pinn.reference.gridded import Gridded

REFERENCES = {name: cache(problem(name).reference) for name in ("allen_cahn", "kdv")}


def _allen_cahn_by_lines(d: float, r: float, points: int) -> NDArray[np.float64]:
    """u(x, 1) on [0, 1] by second-order differences between mirrors at 0 and 1: the solution is even about both."""
    x = np.linspace(0.0, 1.0, points + 1)
    h = 1.0 / points

    def slope(_: float, u: NDArray[np.float64]) -> NDArray[np.float64]:
        wide = np.concatenate([u[1:2], u, u[-2:-1]])
        bent: NDArray[np.float64] = d * (wide[2:] - 2.0 * u + wide[:-2]) / h**2 + r * (u - u**3)
        return bent

    found = solve_ivp(
        slope, (0.0, 1.0), x**2 * np.cos(np.pi * x), method="LSODA", lband=1, uband=1, rtol=1e-9, atol=1e-11
    )
    last: NDArray[np.float64] = found.y[:, -1]
    return last


def test_allen_cahn_agrees_with_finite_differences() -> None:
    d, r = 0.005, 5.0
    reference = problem("allen_cahn", diffusion=d, reaction=r).reference()
    coarse, fine, finest = (_allen_cahn_by_lines(d, r, n)[:: n // 50] for n in (200, 400, 800))
    x = torch.linspace(0.0, 1.0, 51, dtype=torch.float64)
    found = reference.interpolate(torch.stack([x, torch.ones_like(x)], dim=-1)).numpy()
    better, best = (4 * fine - coarse) / 3, (4 * finest - fine) / 3
    # Richardson's extrapolation errs by h^4: 1/15 of the last change
    assert np.abs(found - best).max() <= np.abs(best - better).max() / 15 * 2 + reference.error_estimate
    assert np.abs(best - better).max() < 1e-4


def test_korteweg_de_vries_agrees_with_an_explicit_method() -> None:
    reference = REFERENCES["kdv"]()
    points, mu, until = 192, 0.0025, 0.4
    x = -1.0 + 2.0 / points * np.arange(points)
    k = np.pi * np.arange(points // 2 + 1)

    def slope(t: float, v: NDArray[np.complex128]) -> NDArray[np.complex128]:
        turn = np.exp(1j * mu * k**3 * t)  # the linear part integrated exactly
        u = np.fft.irfft(turn * v)
        return np.asarray(-0.5j * k * np.fft.rfft(u * u) / turn)

    found = solve_ivp(slope, (0.0, until), np.fft.rfft(np.cos(np.pi * x)) + 0j, method="DOP853", rtol=1e-9, atol=1e-9)
    u = np.fft.irfft(found.y[:, -1] * np.exp(1j * mu * k**3 * until))
    at = torch.stack([torch.from_numpy(x), torch.full((points,), until, dtype=torch.float64)], dim=-1)
    # DOP853 errs by 1e-9 of the largest mode (96) at each of some hundreds of steps; a transform divides by 192
    assert np.abs(reference.interpolate(at).numpy() - u).max() < 1e-6


def test_korteweg_de_vries_keeps_mass_momentum_and_energy() -> None:
    reference = REFERENCES["kdv"]()
    u = reference.values[:-1]  # one period
    k = math.pi * torch.arange(u.shape[0] // 2 + 1)
    slope = torch.fft.irfft(1j * k[:, None] * torch.fft.rfft(u, dim=0), n=u.shape[0], dim=0)
    for density in (u, u**2, u**3 / 3.0 - 0.0025 * slope**2):
        kept = density.mean(0)
        assert float((kept - kept[0]).abs().max()) < 1e-7


@pytest.mark.parametrize(("name", "points", "steps"), [("allen_cahn", 512, 400), ("kdv", 192, 800)])
def test_a_cheaper_solution_errs_less_than_it_says(
    name: str, points: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = REFERENCES[name]()

    def cheaper(equation: periodic.Evolution, **_: int) -> Reference:
        return periodic.solve_periodic(equation, points=points, steps=steps)

    monkeypatch.setattr(importlib.import_module(f"edgewise.pinn.problems.{name}"), "solve_periodic", cheaper)
    cheap = problem(name).reference()
    off = float((cheap.values - truth.values).abs().max() / truth.values.abs().max())
    assert truth.error_estimate < off <= cheap.error_estimate


def test_exponential_differencing_is_of_fourth_order_and_exact_for_linear_equations() -> None:
    rate = torch.tensor([-50.0, 3.0j, 0.0], dtype=torch.complex128)
    start = torch.ones(3, dtype=torch.complex128)
    linear = integrate(rate, lambda v, t: torch.zeros_like(v), start, duration=1.0, steps=2, keep=1)
    torch.testing.assert_close(linear[-1], torch.exp(rate), rtol=1e-14, atol=1e-15)

    # v' = -v + sin(t) - v^2 beside a very fine solution: halving the step divides the error by 16
    decay = torch.tensor([-1.0], dtype=torch.float64)

    def at_end(steps: int) -> complex:
        found = integrate(decay, lambda v, t: math.sin(t) - v * v, start[:1], duration=1.0, steps=steps, keep=1)
        return complex(found[-1, 0])

    truth = at_end(640)
    errors = [abs(at_end(n) - truth) for n in (10, 20, 40)]
    # asymptotically 2^4; the next order changes that by a step length or so
    assert errors[0] / errors[1] == pytest.approx(16.0, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(16.0, rel=0.15)


def test_local_interpolation_is_exact_for_polynomials_up_to_its_degree() -> None:
    x, y = torch.linspace(-1.0, 1.0, 31, dtype=torch.float64), torch.linspace(0.0, 1.0, 21, dtype=torch.float64)

    def f(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x**11 - 2.0 * x**4) * (y**9 + 1.0)

    table = Gridded(f(*torch.meshgrid(x, y, indexing="ij")), (-1.0, 0.0), (1.0, 1.0))
    points = torch.rand(400, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    points[:, 0] = 2.0 * points[:, 0] - 1.0
    points[:4] = torch.tensor([[-1.0, 0.0], [1.0, 1.0], [0.2, 0.5], [-1.0, 0.123]])
    # one-sided stencils of 12 points enlarge rounding by a Lebesgue constant below 60 in each direction
    torch.testing.assert_close(table(points), f(points[:, 0], points[:, 1]), rtol=0.0, atol=60**2 * 2.0**-52)
