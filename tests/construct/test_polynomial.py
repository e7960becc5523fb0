"""A network equals its polynomial, value and derivatives, with as few layers as any network of its units."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import pytest
import torch
from exact_polynomials import chebyshev_values, derivatives, power_values, relative
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Chebyshev, HermiteE, Laguerre, Legendre, Polynomial
from torch import nn

from edgewise.construct import PolynomialNetwork, polynomial
from edgewise.errors import PrecisionWarning

UNITS = {"repu(p=2)": 2, "relu2": 2, "repu(p=3)": 3, "mrepu(p=1)": 2, "mrepu(p=2)": 3, "mrepu(p=3)": 4}
LINE = torch.cat([torch.cos(torch.linspace(0, math.pi, 40, dtype=torch.float64)), torch.tensor([0.0, 0.25])])[:, None]


def _decaying(degree: int, seed: int = 0) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(degree + 1, generator=generator, dtype=torch.float64)
    return (draws / torch.arange(1, degree + 2)).tolist()


def _errors(network: PolynomialNetwork, coefficients: list[float]) -> list[float]:
    value, first, second = derivatives(network, LINE)
    found = (value, first[:, 0], second[:, 0, 0])
    return [relative(f, chebyshev_values(coefficients, LINE[:, 0].tolist(), order)) for order, f in enumerate(found)]


@pytest.mark.parametrize("spec", UNITS)
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5, 17, 64, 100])
def test_one_variable_with_two_derivatives(spec: str, degree: int) -> None:
    coefficients = _decaying(degree)
    network = polynomial(Chebyshev(coefficients), spec)
    value, first, second = derivatives(network, LINE)
    found = (value, first[:, 0], second[:, 0, 0])
    for order, f in enumerate(found):
        wanted = chebyshev_values(coefficients, LINE[:, 0].tolist(), order)
        norm = float(max(map(abs, wanted))) or abs(coefficients[0])
        assert relative(f, wanted, norm) <= min(1e-10, network.construction.errors[order])


def test_the_hardest_of_its_degree() -> None:
    """All of T_128 in one coefficient: every error of the doublings grows the most."""
    coefficients = [0.0] * 128 + [1.0]
    for spec in ("repu(p=2)", "mrepu(p=2)"):
        network = polynomial(coefficients, spec, basis="chebyshev")
        assert max(_errors(network, coefficients)) <= 1e-10
        assert network.construction.accurate


def test_power_coefficients_lose_nothing_on_the_way_to_the_network() -> None:
    """T_40 in powers has coefficients of 1e14, exact integers: a network through monomials would keep two digits."""
    powers = [0] * 41
    for k in range(21):
        powers[40 - 2 * k] = int(
            (-1) ** k
            * 20
            * Fraction(math.factorial(39 - k), math.factorial(k) * math.factorial(40 - 2 * k))
            * 2 ** (40 - 2 * k)
        )
    network = polynomial(powers, "mrepu(p=2)")
    assert max(_errors(network, [0.0] * 40 + [1.0])) <= 1e-11
    assert network.construction.condition > 1e14


@pytest.mark.parametrize("spec", UNITS)
def test_xyz(spec: str) -> None:
    network = polynomial({(1, 1, 1): 1.0}, spec)
    x = 2 * torch.rand(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    value, first, second = derivatives(network, x)
    rounding = 64 * torch.finfo(torch.float64).eps
    assert torch.allclose(value, x.prod(1), rtol=0, atol=rounding)
    assert torch.allclose(first[:, 1], x[:, 0] * x[:, 2], rtol=0, atol=rounding)
    assert torch.allclose(second[:, 0, 2], x[:, 1], rtol=0, atol=rounding)
    assert (
        network.construction.hidden_layers == network.construction.fewest_layers == math.ceil(math.log(3, UNITS[spec]))
    )


@pytest.mark.parametrize("spec", ["repu(p=2)", "repu(p=3)", "mrepu(p=1)", "mrepu(p=2)"])
@pytest.mark.parametrize("shape", [(4, 3, 5), (9, 1, 2)])
def test_random_polynomials_of_three_variables(spec: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    coefficients = torch.randn(shape, generator=generator, dtype=torch.float64)
    domain = [(-1.0, 2.0), (0.0, 1.0), (-0.5, 0.5)]
    network = polynomial(coefficients, spec, domain=domain)
    low, high = torch.tensor(domain, dtype=torch.float64).T
    x = low + (high - low) * torch.rand(12, 3, generator=generator, dtype=torch.float64)
    x = torch.cat([x, low[None], high[None]])
    terms = {index: float(coefficients[index]) for index in _indices(shape)}
    value, first, second = derivatives(network, x)
    assert relative(value, power_values(terms, x, (0, 0, 0))) <= 1e-12
    assert relative(first[:, 2], power_values(terms, x, (0, 0, 1))) <= 1e-12
    assert relative(second[:, 0, 0], power_values(terms, x, (2, 0, 0)), 1.0) <= 1e-10
    assert relative(second[:, 0, 2], power_values(terms, x, (1, 0, 1))) <= 1e-12


def _indices(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(index) for index in torch.cartesian_prod(*map(torch.arange, shape)).tolist()]


@given(
    terms=st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 4)),
        st.floats(-8, 8, allow_nan=False).map(lambda c: round(c, 3)),
        min_size=1,
        max_size=6,
    ),
    spec=st.sampled_from(["repu(p=2)", "mrepu(p=1)", "mrepu(p=2)", "repu(p=3)"]),
    low=st.floats(-3, 3).map(lambda x: round(x, 2)),
    width=st.floats(0.1, 4).map(lambda x: round(x, 2)),
)
@settings(max_examples=25, derandomize=True)
def test_any_sparse_polynomial_is_within_its_stated_error(
    terms: dict[tuple[int, int], float], spec: str, low: float, width: float
) -> None:
    domain = (low, low + width)
    network = polynomial(terms, spec, domain=domain, tolerance=1.0)
    x = low + width * torch.rand(30, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        value = network(x)[:, 0]
    norm, stated = network.construction.norms[0], network.construction.errors[0]
    assert relative(value, power_values(terms, x.clamp(*domain), (0, 0)), norm or 1.0) <= stated


@pytest.mark.parametrize("kind", [Polynomial, Chebyshev, Legendre, HermiteE, Laguerre])
def test_numpy_polynomials_with_a_domain_of_their_own(kind: type) -> None:
    held = kind(_decaying(9), domain=[2.0, 5.0])
    network = polynomial(held, "mrepu(p=2)")
    assert network.construction.box == ((2.0, 5.0),)
    x = torch.linspace(2, 5, 50, dtype=torch.float64)
    wanted = torch.as_tensor(held(x.numpy()))
    with torch.no_grad():
        assert float((network(x[:, None])[:, 0] - wanted).abs().max() / wanted.abs().max()) < 1e-12


def test_repu_networks_are_the_polynomial_far_outside_the_box_too() -> None:
    """In real arithmetic; in floating point up to the cancellation, whose size the largest unit sets."""
    x = torch.tensor([[-40.0], [-3.0], [7.0], [40.0]], dtype=torch.float64)
    terms = {(0,): 1.0, (3,): -2.0, (5,): 0.5}
    network = polynomial({k[0]: c for k, c in terms.items()}, "repu(p=2)")
    wanted = power_values(terms, x, (0,))
    with torch.no_grad():
        for row, want in zip(network(x)[:, 0].tolist(), wanted, strict=True):
            assert abs(row - want) <= 1e-6 * abs(want)
        one_sided = polynomial([0, 0, 1], "repu(p=2)", everywhere=False)
        assert float(one_sided(x[:1])) != pytest.approx(1600.0)
        assert float(one_sided(torch.tensor([[-1.0]], dtype=torch.float64))) == pytest.approx(1.0, abs=1e-14)


def test_fewest_layers_and_a_number_of_units_that_grows_like_the_degree() -> None:
    """Layers: L of them make degree q**L at most. Units: O(n), here at most 4 n for RePU(2) and 2 n for MRePU(1)."""
    for spec, per_degree in (("repu(p=2)", 4.0), ("mrepu(p=1)", 2.0), ("mrepu(p=2)", 2.0)):
        for degree in (4, 64, 81):
            c = polynomial(Chebyshev(_decaying(degree)), spec).construction
            assert c.hidden_layers == c.fewest_layers
            assert UNITS[spec] ** (c.fewest_layers - 1) < degree <= UNITS[spec] ** c.fewest_layers
            assert c.units <= per_degree * degree + 20


def test_several_variables_take_fewer_units_than_coefficients() -> None:
    c = polynomial(torch.ones(12, 12, dtype=torch.float64), "mrepu(p=1)").construction
    assert c.units <= 144 < c.general_coefficients
    assert c.hidden_layers == 4 + 1
    assert c.degrees == (11, 11)
    assert c.degree == 22


def test_variables_that_do_not_matter() -> None:
    network = polynomial({(0, 3, 0): 2.0, (0, 0, 0): 1.0}, "repu(p=2)")
    x = 2 * torch.rand(9, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1
    with torch.no_grad():
        assert torch.allclose(network(x)[:, 0], 2 * x[:, 1] ** 3 + 1, rtol=0, atol=1e-14)


def test_ten_variables() -> None:
    terms = {tuple(int(i == j) * 2 for i in range(10)): 1.0 for j in range(10)} | {(1,) * 10: 3.0}
    network = polynomial(terms, "mrepu(p=2)", tolerance=1e-11)
    x = 2 * torch.rand(9, 10, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1
    with torch.no_grad():
        assert torch.allclose(network(x)[:, 0], (x**2).sum(1) + 3 * x.prod(1), rtol=0, atol=1e-12)
    assert network.construction.accurate


def test_the_second_derivative_at_round_numbers() -> None:
    """PyTorch takes RePU(2)'s second derivative at its kink as 0: no kink may be met, at x = 0 least of all."""
    for spec in UNITS:
        network = polynomial([0.0, 0.0, 1.0], spec)
        _, _, second = derivatives(network, torch.tensor([[-1.0], [-0.5], [0.0], [0.5], [1.0]], dtype=torch.float64))
        assert torch.allclose(second.flatten(), torch.full((5,), 2.0, dtype=torch.float64), rtol=0, atol=1e-13)


def test_what_float64_cannot_do_is_said() -> None:
    with pytest.warns(PrecisionWarning, match="second derivative"):
        network = polynomial([1.0, 2.0, 3.0], "repu(p=2)", domain=(1e6, 1e6 + 1))
    assert not network.construction.accurate
    assert "not within 1e-10" in network.construction.reason
    with pytest.warns(PrecisionWarning):
        assert polynomial(Chebyshev(_decaying(200)), "repu(p=8)").construction.errors[0] > 1e-10


def test_float32_has_its_own_tolerance() -> None:
    network = polynomial([0, 1, 0, -2], "mrepu(p=2)", dtype=torch.float32)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    c = network.construction
    assert c.dtype == "float32"
    assert c.accurate
    assert 1e-8 < max(c.errors) < 1e-4


def test_the_network_is_plain_trains_and_travels() -> None:
    network = polynomial({(2, 1): 1.0}, "mrepu(p=2)")
    assert [type(m).__name__ for m in network.layers] == ["Linear", "MRePU", "Linear"]
    again = pickle.loads(pickle.dumps(network))
    x = 2 * torch.rand(64, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64) - 1
    assert torch.equal(again(x), network(x))
    exported = torch.export.export(network, (x,)).module()
    assert torch.allclose(exported(x), network(x), rtol=0, atol=1e-14)
    target = (x[:, :1] ** 2 * x[:, 1:] + 0.05 * x[:, :1]).detach()
    optimizer = torch.optim.Adam(again.parameters(), lr=1e-3)
    before = nn.functional.mse_loss(again(x), target).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(again(x), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * before


def test_building_draws_no_random_numbers() -> None:
    state = torch.random.get_rng_state()
    polynomial([1.0, 2.0, 3.0, 4.0], "repu(p=2)")
    assert torch.equal(torch.random.get_rng_state(), state)
