"""exp, tanh and erfc in float32 as steps of a program: where Sleef's versions cost more than the memory they work on.

Errors over all of float32, down to the last denormal: exp 1, tanh 2, erfc 7 units in the last place (where its tail
loses most, x itself is known to x**2 units only). Tests go through a dense grid.
Polynomials are minimax fits in the relative error (Lawson's iteration on Chebyshev nodes, against mpmath).
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.activations.kernels.program import Book, Operand, Rule
from edgewise.activations.normal import ERFC, ERFC_SCALE

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693359375  # nine bits: n * this is exact
_LN2_LOW = -2.12194440e-4
_EXP_LOW, _EXP_HIGH = -104.0, 89.0  # beyond them 0 and inf
_EXP = (0.4999999344777916, 0.1666652063162743, 0.041668388048818554, 0.008368716887323156, 0.0013814598475605665)
"""(exp(r) - 1 - r) / r**2 on abs(r) <= log(2)/2; relative error of exp 3e-9."""

_TANH_NEAR = 0.625
_TANH = (-0.3333328194194701, 0.13331442196825136, -0.05373971499586682, 0.02063908700512824, -0.005704986771661138)
"""(tanh(x)/x - 1) / x**2 in powers of x**2, for abs(x) < 0.625; relative error of tanh 4e-9."""

_ERFC_END = 11.0  # erfc is 0 beyond


def _polynomial(book: Book, x: Operand, coefficients: Sequence[float]) -> Operand:
    total: Operand = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = book("fma", total, x, c)
    return total


def _exp(book: Book, x: Operand) -> Operand:
    x = book("select", book("lt", x, _EXP_LOW), _EXP_LOW, x)
    x = book("select", book("gt", x, _EXP_HIGH), _EXP_HIGH, x)
    n = book("round", book("mul", x, _LOG2_E))
    r = book("fma", n, -_LN2_LOW, book("fma", n, -_LN2_HIGH, x))
    p = book("fma", r, book("fma", r, _polynomial(book, r, _EXP), 1.0), 1.0)
    return book("scale", p, n)


def _tanh(book: Book, x: Operand) -> Operand:
    a, square = book("abs", x), book("mul", x, x)
    near = book("fma", book("mul", x, square), _polynomial(book, square, _TANH), x)
    decay = _exp(book, book("neg", book("abs", book("mul", 2.0, x))))  # the step that elementary.sech_squared takes
    away = book("sub", 1.0, book("div", book("add", decay, decay), book("add", 1.0, decay)))
    signed = book("select", book("lt", x, 0.0), book("neg", away), away)
    return book("select", book("lt", a, _TANH_NEAR), near, signed)


def _erfc(book: Book, x: Operand) -> Operand:
    size = book("abs", x)
    inside = book("lt", size, _ERFC_END)
    a = book("select", inside, size, _ERFC_END)
    t = book("div", 1.0, book("fma", a, ERFC_SCALE, 1.0))
    square = book("mul", x, x)
    decay = _exp(book, book("neg", square))  # the step that normal.normal_density takes
    rest = book("fma", a, a, book("neg", square))  # what rounding took from the square: it would cost exp its digits
    decay = book("fma", decay, book("neg", book("select", inside, rest, 0.0)), decay)
    tail = book("mul", book("mul", decay, t), _polynomial(book, book("sub", t, 0.5), ERFC))
    return book("select", book("lt", x, 0.0), book("sub", 2.0, tail), tail)


EXPANSIONS: dict[str, Rule] = {"exp": _exp, "tanh": _tanh, "erfc": _erfc}
