"""What is no polynomial, no box or no rectified power unit is refused in one line that says what to try."""

from __future__ import annotations

import io
import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from numpy.polynomial import Chebyshev
from rich.console import Console

from edgewise.construct import approximate, polynomial
from edgewise.errors import ConstructionError, EdgewiseError, SpecError


@pytest.mark.parametrize(
    ("coefficients", "options", "says"),
    [
        ([], {}, "no coefficients given"),
        ({}, {}, "no coefficients given"),
        ("x**2", {}, "expected the coefficients"),
        (None, {}, "expected the coefficients"),
        (object(), {}, "expected coefficients as a list"),
        ([1.0, math.nan], {}, "finite real number"),
        ([1.0, math.inf], {}, "finite real number"),
        ([1.0, True], {}, "finite real number"),
        ([1.0, 2j], {}, "expected real numbers"),
        (3.0, {}, "0 dimensions"),
        ({(1, 2): 1.0, 3: 1.0}, {}, "different lengths"),
        ({-1: 1.0}, {}, "exponent -1"),
        ({1.5: 1.0}, {}, "exponent 1.5"),
        ({(): 1.0}, {}, "exponent ()"),
        ({5000: 1.0}, {}, "degree 5000"),
        (np.ones((40, 40, 40)), {}, "64000 terms"),
        ([1.0], {"domain": (1.0, 1.0)}, "low < high"),
        ([1.0], {"domain": (1.0, -1.0)}, "low < high"),
        ([1.0], {"domain": (0.0, math.inf)}, "low < high"),
        ([1.0], {"domain": [(0, 1), (0, 1)]}, "domain="),
        ([1.0], {"domain": "unit"}, "domain="),
        ([[1.0]], {"domain": [(0, 1)]}, "2 pairs"),
        ([1.0], {"basis": "fourier"}, "basis='fourier'"),
        (Chebyshev([1.0]), {"basis": "legendre"}, "whose basis is known"),
        (Chebyshev([1.0], domain=[1, 1]), {}, "low < high"),
        ([1.0], {"activation": "gelu"}, "rectified power unit"),
        ([1.0], {"activation": "repu(p=2.5)"}, "whole power"),
        ([1.0], {"activation": "repu(p=30)"}, "whole power"),
        ([1.0], {"activation": "repu(p=1)"}, "ReLU"),
        ([1.0], {"activation": "mrepu", "everywhere": True}, "everywhere=True"),
        ([1.0], {"dtype": torch.float16}, "dtype="),
        ([1.0], {"tolerance": 0.0}, "tolerance="),
        ({200: 1.0}, {"domain": (0.0, 1e10)}, "overflows float64"),
    ],
)
def test_a_refusal_is_one_line(coefficients: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConstructionError) as caught:
        polynomial(coefficients, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "options", "says"),
    [
        (3.0, {}, "expected a function"),
        (torch.sin, {"degree": -1}, "degree=-1"),
        (torch.sin, {"degree": 2.5}, "degree=2.5"),
        (torch.sin, {"degree": (3, 3)}, "degree=(3, 3)"),
        (torch.sin, {"domain": [(0, 1)] * 3, "degree": 40}, "68921 terms"),
        (lambda x: 1 / x, {"degree": 2}, "not finite"),
        (lambda x, y: x, {}, "f failed on 1 float64"),
        (lambda x: x.sum(0, keepdim=True), {}, "one real number a point"),
    ],
)
def test_a_function_that_cannot_be_approximated(f: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConstructionError) as caught:
        approximate(f, **options)
    assert says in str(caught.value)


def test_an_activation_that_is_none() -> None:
    with pytest.raises(SpecError):
        polynomial([1.0], "nonsense(")
    assert issubclass(ConstructionError, EdgewiseError)


@pytest.mark.parametrize(
    "coefficients",
    [
        [1, 0, Fraction(1, 2)],
        np.array([1.0, 0.0, 0.5]),
        torch.tensor([1.0, 0.0, 0.5]),
        {0: 1, 2: 0.5},
        {(0,): np.float32(1), (2,): torch.tensor(0.5)},
    ],
)
def test_one_polynomial_in_many_clothes(coefficients: Any) -> None:
    network = polynomial(coefficients, "repu(p=2)")
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    assert torch.allclose(network(x), 1 + x**2 / 2, rtol=0, atol=1e-14)


def test_the_description_is_plain_and_shows_itself() -> None:
    network = polynomial([1.0, 0.0, 0.5, 1.0], "repu(p=2)")
    c = network.construction
    plain = json.loads(json.dumps(c.to_dict()))
    assert plain["hidden_layers"] == c.hidden_layers == 2
    assert plain["units"] == sum(m.out_features for m in network.layers[:-1:2])
    assert plain["exact"] == "everywhere"
    assert plain["weights"] == sum(int((p != 0).sum()) for p in network.parameters())
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(c)
    shown = console.export_text()
    assert "2 hidden" in shown
    assert "error of second derivative" in shown
