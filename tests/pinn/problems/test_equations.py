"""Every equation is solved by its reference, which satisfies its conditions; exact conditions are exact."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.boundary import penalties
from edgewise.pinn.problems import Equation, problem, problems
from edgewise.pinn.reference import Reference
from edgewise.pinn.separable import Index

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "allen_cahn": ("allen_cahn", {}),
    "biharmonic cosines": ("biharmonic", {"load": "cosines"}),
    "biharmonic uniform": ("biharmonic", {"load": "uniform"}),
    "burgers": ("burgers", {}),
    "burgers thick": ("burgers", {"viscosity": 0.05}),
    "heat": ("heat", {}),
    "heat of one wave": ("heat", {"diffusion": 0.2, "amplitudes": [0.0, 1.0]}),
    "kdv": ("kdv", {}),
    "poisson bumps": ("poisson_2d", {"source": "bumps"}),
    "poisson sines": ("poisson_2d", {"source": "sines"}),
}
DEGREES = {"biharmonic uniform": 43, "poisson bumps": 65}
"""Of the polynomials that solve those without a formula."""
every_case = pytest.mark.parametrize("case", CASES)


@cache
def _case(case: str) -> tuple[Equation, Reference]:
    name, settings = CASES[case]
    equation = problem(name, **settings)
    return equation, equation.reference()


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nested(value: Tensor, x: Tensor, index: Index) -> Tensor:
    """The derivative of value [..., example] at x [example, coordinate] by autograd."""
    found = []
    for one in value.reshape(-1, len(x)):
        for i in index:
            (slope,) = torch.autograd.grad(one.sum(), x, create_graph=True, materialize_grads=True)
            one = slope[:, i]
        found.append(one.detach())
    return torch.stack(found).reshape(value.shape)


def _between_grid_points(equation: Equation, count: int) -> Tensor:
    """Random points in the middle of the cells of stored tables, where their polynomials are differentiated best."""
    cells = {"allen_cahn": 4 * 2048, "kdv": 4 * 384}[equation.name]
    x = torch.randint(cells, (count,), generator=_seeded())
    t = torch.randint(200, (count,), generator=_seeded(1))
    return torch.stack([-1.0 + 2.0 * (x.double() + 0.5) / cells, (t.double() + 0.5) / 200], dim=-1)


@every_case
def test_the_residual_vanishes_on_the_solution(case: str) -> None:
    equation, reference = _case(case)
    tabulated = case in ("allen_cahn", "kdv")
    x = _between_grid_points(equation, 500) if tabulated else equation.points(40, generator=_seeded())
    if case in DEGREES:
        x = 0.7 * x  # away from the edge, where the slope of a polynomial is not bounded by its degree
    x.requires_grad_(True)
    value = reference.at(x)
    u = {index: nested(value, x, index)[None, :, None] for index in equation.wanted}
    scale = float(torch.stack([v.abs().max() for v in u.values()]).max())
    if case in DEGREES:
        # Bernstein: a polynomial of degree n and size e has k-th derivatives below e (n / sqrt(1 - x^2))^k
        allowed = 4.0 * reference.error_estimate * (DEGREES[case] / (1.0 - 0.7**2) ** 0.5) ** equation.order
    else:  # an error no rougher than u itself: the largest derivative times the relative error of u
        allowed = (reference.error_estimate if tabulated else 1e-13) * scale
    found = equation.residual(u, x.detach())
    assert found.shape == (1, len(x))
    assert float(found.abs().max()) <= allowed < 1e-2 * scale
    wrong = u | {index: 2.0 * u[index] for index in equation.wanted[-1:]}
    assert float(equation.residual(wrong, x.detach()).abs().max()) > 100.0 * allowed


@every_case
def test_the_reference_satisfies_the_conditions(case: str) -> None:
    equation, reference = _case(case)
    for penalty in penalties(equation.conditions, equation.domain, 33, generator=_seeded()):
        points = penalty.points
        if (
            penalty.paired
        ):  # a table is differentiated well between its points in t; its edges in x are what is asked for
            late = (torch.randint(20, 200, (33,), generator=_seeded()).double() + 0.5) / 200
            points = torch.stack([points[:, 0], late.repeat(2)[: len(points)]], dim=-1)
        x = points.clone().requires_grad_(True)
        value = reference.at(x)
        u = {index: nested(value, x, index)[None, :, None] for index in penalty.wanted}
        for row, index in enumerate(penalty.wanted):
            error = penalty.error(u)[row]
            # Markov, for polynomials of a degree below 50: an error of size e has a slope below 50^2 e
            allowed = max(reference.error_estimate, 1e-13) * 2500.0 ** len(index)
            assert float(error.abs().max()) <= allowed, (penalty.spans, index)


@every_case
def test_exact_conditions_hold_for_any_network(case: str) -> None:
    equation, _ = _case(case)
    hard = equation.hard
    assert hard is not None
    g = _seeded(3)
    inputs = len(equation.coordinates) if hard.embedding is None else len(hard.embedding)
    first, second = (torch.randn(3, inputs, 16, generator=g).double(), torch.randn(3, 16, 1, generator=g).double())

    def network(x: Tensor) -> Tensor:
        fed = x if hard.embedding is None else hard.embedding(x)
        out: Tensor = torch.tanh(fed @ first + 0.3) @ second
        return out[..., 0]

    for penalty in penalties(equation.conditions, equation.domain, 50, generator=g):
        x = penalty.points.clone().requires_grad_(True)
        value = network(x)
        parts = {i: nested(value, x, i)[..., None] for i in hard.needs(penalty.wanted)}
        u = hard(parts, penalty.points, penalty.wanted)
        size = max(1.0, *(float(v.abs().max()) for v in parts.values()))
        # the coordinate of a face is exact; waves there see an argument of pi known to 2^-53, derivatives pi times that
        allowed = 8.0 * size * 2.0**-52 * 4.0 ** max(len(i) for i in penalty.wanted)
        assert float(penalty.error(u).abs().max()) <= allowed
        assert float(penalty.loss(u).max()) <= allowed**2 * len(penalty.spans)


@every_case
def test_derivatives_through_exact_conditions_are_those_of_autograd(case: str) -> None:
    equation, _ = _case(case)
    hard = equation.hard
    assert hard is not None
    x = equation.points(12, generator=_seeded(4)).requires_grad_(True)

    def network(x: Tensor) -> Tensor:
        return torch.stack([torch.sin(1.3 * x[:, 0] + 0.7 * x[:, 1]), torch.exp(0.4 * x[:, 0] * x[:, 1])])

    value = network(x)
    needed = hard.needs(equation.wanted)
    assert set(equation.wanted) <= set(needed)
    found = hard({i: nested(value, x, i)[..., None] for i in needed}, x.detach(), equation.wanted)
    whole = hard.lift.derivative(x, ()) + hard.distance.derivative(x, ()) * value
    for index in equation.wanted:
        truth = nested(whole, x, index)
        torch.testing.assert_close(found[index][..., 0], truth, rtol=1e-10, atol=1e-10)


def test_equations_are_found_by_name_and_say_what_is_wrong() -> None:
    assert problems() == ("allen_cahn", "biharmonic", "burgers", "heat", "kdv", "poisson_2d")
    for name in problems():
        equation = problem(name)
        assert equation.name == name
        assert problem(name, **equation.settings).to_dict() == equation.to_dict()
    wrong: list[tuple[Callable[[], Equation], str]] = [
        (lambda: problem("wave"), "problem 'wave' given"),
        (lambda: problem("burgers", mu=1.0), "setting mu given for burgers, expected viscosity"),
        (lambda: problem("burgers", viscosity=0.0), "viscosity=0.0 given"),
        (lambda: problem("kdv", dispersion=float("nan")), "dispersion=nan given"),
        (lambda: problem("heat", amplitudes=()), "amplitudes"),
        (lambda: problem("heat", amplitudes="one"), "amplitudes='one' given"),
        (lambda: problem("poisson_2d", source="none"), "source='none' given"),
        (lambda: problem("biharmonic", load="none"), "load='none' given"),
    ]
    for call, message in wrong:
        with pytest.raises(DomainError, match=message):
            call()


def test_an_equation_prints_itself() -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(problem("burgers"))
    assert "u_t + u u_x = 0.003183 u_xx" in console.export_text()
