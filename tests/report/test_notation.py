"""Formulas and numbers as people read them."""

from __future__ import annotations

import math

import pytest

from edgewise.activations import activation
from edgewise.activations.registry import names
from edgewise.report.formula import formula_svg
from edgewise.report.notation import number, plain, smoothness


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"x\,\max(x+1,\,0)^{2}", "x max(x+1, 0)²"),
        (r"\frac{x}{1+e^{-x}}", "x/(1+e^(-x))"),
        (r"\sqrt{x^2+4}", "√(x²+4)"),
        (r"\frac{x}{2}\left(1+x\right)", "(x/2)(1+x)"),
        (r"x\tanh x", "x tanh x"),
        (r"2\pi x", "2π x"),
        (r"\tanh x", "tanh x"),
        (r"\operatorname{erf}(x)", "erf(x)"),
        (r"x\,\Phi(x)", "x Φ(x)"),
        (r"\unknown{", "unknown"),
        ("", ""),
    ],
)
def test_latex_as_text(latex: str, text: str) -> None:
    assert plain(latex) == text


@pytest.mark.parametrize("name", names())
def test_every_registered_formula_reads_well_and_is_drawn(name: str) -> None:
    latex = activation(name).formula
    assert not set(plain(latex)) & set("\\{}$"), plain(latex)
    assert "begin" not in plain(latex)
    assert formula_svg(latex, key="f") is not None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (1.98305826, "1.983"), (-0.5, "−0.5"), (6.4e-6, "6.4×10⁻⁶"), (1e-6, "10⁻⁶"), (-1e9, "−10⁹"),
        (12346.0, "12350"), (0.0, "0"), (None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
        (99999.9, "100000"),
    ],
)  # fmt: skip
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_smoothness() -> None:
    assert [smoothness(k) for k in (math.inf, 1, 0, -1)] == ["C^∞", "C^1", "C^0", "jumps"]
