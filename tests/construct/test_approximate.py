"""A function's network converges at the rate of its smoothness, derivatives two powers slower each."""

from __future__ import annotations

import math

import pytest
import torch
from exact_polynomials import derivatives
from torch import Tensor

from edgewise.construct import approximate

X = torch.cos(torch.linspace(0, math.pi, 401, dtype=torch.float64))[:, None]


def _errors(f_and_derivatives: tuple[Tensor, Tensor, Tensor], network: torch.nn.Module) -> list[float]:
    value, first, second = derivatives(network, X)
    found = (value, first[:, 0], second[:, 0, 0])
    return [float((a - b).abs().max()) for a, b in zip(found, f_and_derivatives, strict=True)]


def _slope(x: list[float], y: list[float]) -> float:
    a, b = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    return float(((a - a.mean()) * (b - b.mean())).sum() / ((a - a.mean()) ** 2).sum())


def test_an_analytic_function_converges_like_rho_to_the_minus_degree() -> None:
    """1 / (1 + 4 x²) has poles at ± i/2: rho = (1 + √5) / 2, for every derivative up to powers of the degree."""
    x = X[:, 0]
    q = 1 + 4 * x**2
    exact = (1 / q, -8 * x / q**2, (96 * x**2 - 8) / q**3)
    degrees = [12, 18, 24, 32]
    found = [_errors(exact, approximate(lambda t: 1 / (1 + 4 * t**2), (-1, 1), n)) for n in degrees]
    rate = math.log((1 + math.sqrt(5)) / 2)
    value = _slope([float(n) for n in degrees], [math.log(e[0]) for e in found])
    assert value == pytest.approx(-rate, rel=0.02)
    for order in (1, 2):  # n**order or n**(2 order) in front: over these degrees at most 2 order / n of the slope
        lowered = [math.log(e[order]) - order * math.log(n) for e, n in zip(found, degrees, strict=True)]
        assert _slope([float(n) for n in degrees], lowered) == pytest.approx(-rate, abs=order / degrees[0])


def test_a_function_with_a_jump_in_its_fifth_derivative_converges_like_a_power() -> None:
    """|x|**5: coefficients fall like n**-6 with alternating signs.

    The k-th derivative then errs like n**(k - 5) at the jump and, as T_n^(k)(1) ~ n**(2 k), like n**(2 k - 6) at
    the ends.
    """
    x = X[:, 0]
    exact = (x.abs() ** 5, 5 * x * x.abs() ** 3, 20 * x.abs() ** 3)
    degrees = [16, 32, 64]
    found = [_errors(exact, approximate(lambda t: t.abs() ** 5, (-1, 1), n, "mrepu(p=1)")) for n in degrees]
    for order in range(3):
        slope = _slope([math.log(n) for n in degrees], [math.log(e[order]) for e in found])
        assert slope == pytest.approx(max(order - 5, 2 * order - 6), abs=0.25)


def test_several_variables_on_a_box() -> None:
    box = [(0.0, 1.0), (-1.0, 1.0), (1.0, 1.5)]
    network = approximate(lambda x, y, z: torch.exp(x * y) * torch.cos(z), box, (12, 13, 9), "mrepu(p=2)")
    c = network.construction
    assert c.function_error is not None
    assert c.function_error < 1e-12
    low, high = torch.tensor(box, dtype=torch.float64).T
    x = low + (high - low) * torch.rand(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, first, second = derivatives(network, x)
    value = torch.exp(x[:, 0] * x[:, 1]) * torch.cos(x[:, 2])
    assert float((first[:, 0] - x[:, 1] * value).abs().max()) < 1e-10
    assert float((second[:, 1, 1] - x[:, 0] ** 2 * value).abs().max()) < 1e-9


def test_a_polynomial_is_found_again_and_rounding_noise_left_out() -> None:
    network = approximate(lambda x, y: x**3 * y - 2 * y, [(-1, 1), (-1, 1)], 9)
    c = network.construction
    assert c.degrees == (3, 1)
    assert c.degree == 4
    assert c.function_error is not None
    assert c.function_error < 1e-14


def test_a_constant() -> None:
    network = approximate(lambda x: 3.0, degree=4)
    assert network(torch.tensor([[0.3]], dtype=torch.float64)).item() == pytest.approx(3.0, abs=1e-14)
