"""The declared facts: parity, homogeneity, limits, pieces; and what happens at infinity and nan."""

from __future__ import annotations

import cmath
import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgewise.testing import points
from edgewise.testing.outcome import ConformanceError, NotApplicable
from edgewise.testing.rounding import allowed_rounding, is_automatic

if TYPE_CHECKING:
    from edgewise.activations import Activation

_SYMBOLS = ("sigma", "sigma'", "sigma''")


def check_parity(activation: Activation) -> None:
    """sigma(-x) = +-sigma(x) as declared. Raises ConformanceError, NotApplicable where none is declared."""
    if activation.parity is None:
        raise NotApplicable("no parity is declared")
    x = points.core(torch.float64, activation.kinks)
    sign = 1.0 if activation.parity == "even" else -1.0
    _agree(activation, f"declared {activation.parity}", x, activation(-x), sign * activation(x))


def check_homogeneity(activation: Activation) -> None:
    """sigma(c x) = c**d sigma(x) for c > 0. Raises ConformanceError, NotApplicable where no degree d is declared."""
    degree = activation.homogeneity
    if degree is None:
        raise NotApplicable("no homogeneity is declared")
    x = points.core(torch.float64, activation.kinks)
    x = x[x.abs() > 1e-100]  # c**d underflows below
    for c in (1e-3, 0.3, 7.0, 1e4):
        _agree(
            activation,
            f"declared homogeneous of degree {degree:g}, factor {c:g}",
            c * x,
            activation(c * x),
            c**degree * activation(x),
        )


def check_pieces(activation: Activation) -> None:
    """The declared pieces cover the line and give sigma.

    Raises ConformanceError, NotApplicable where none are declared.
    """
    pieces = activation.pieces
    if pieces is None:
        raise NotApplicable("no pieces are declared")
    joints = [p.low for p in pieces] + [pieces[-1].high]
    if joints[0] != -math.inf or joints[-1] != math.inf or any(p.high != q.low for p, q in itertools.pairwise(pieces)):
        raise ConformanceError(
            f"{activation.spec}: pieces {[(p.low, p.high) for p in pieces]} do not cover the line in order"
        )
    x = points.core(torch.float64, sorted({*activation.kinks, *joints[1:-1]}))
    values, sizes = [], []
    for t in x.tolist():
        piece = next(p for p in pieces if p.low <= t <= p.high)
        terms = [term.amplitude * t**term.power * cmath.exp(1j * term.frequency * t) for term in piece.terms]
        values.append(sum(terms, 0j))
        sizes.append(sum(map(abs, terms)))
    exact, found = torch.tensor(values, dtype=torch.complex128), activation(x)
    allowed = allowed_rounding(activation, x, 0) + 64 * torch.finfo(torch.float64).eps * torch.tensor(
        sizes, dtype=torch.float64
    )
    wrong = (exact - found).abs() > allowed
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ConformanceError(
            f"{activation.spec}: the pieces give {exact[i]:.6g} at x={x[i]:g}, sigma is {found[i]:.6g}"
        )


def check_limits(activation: Activation) -> None:
    """sigma(+-inf) is the declared limit, and sigma goes there; sigma' and sigma'' at infinity are their own limits.

    Where a derivative keeps oscillating (sin) it has none and there is nothing to ask; nor is there of the derivatives
    of a formula or callable, which automatic differentiation takes to infinity as inf * 0. Raises ConformanceError.
    """
    for sign, declared in zip((-1.0, 1.0), activation.limits, strict=True):
        for order in range(1 if is_automatic(activation) else 3):
            limit = _observed_limit(activation, sign, order)
            if order == 0 and not _same(limit, declared):
                raise ConformanceError(
                    f"{activation.spec}: the limit at {sign * math.inf:+} is declared {declared:g}, "
                    f"but far out sigma {'has no limit' if math.isnan(limit) else f'tends to {limit:g}'}"
                )
            at_infinity = activation.derivative(torch.tensor([sign * math.inf], dtype=torch.float64), order).item()
            if not math.isnan(limit) and not _same(at_infinity, declared if order == 0 else limit):
                raise ConformanceError(
                    f"{activation.spec}: {_SYMBOLS[order]}({sign * math.inf:+}) is {at_infinity:g}, "
                    f"its limit is {limit:g}"
                )


def check_nan(activation: Activation) -> None:
    """nan goes in, nan comes out, from sigma and from its gradient as autograd gives it; neighbours are not touched.

    A declared surrogate slope may be what it likes there, and so may a linear function's gradient, which has no need to
    look at x. Raises ConformanceError.
    """
    x = torch.tensor([0.5, math.nan, -0.5], dtype=torch.float64, requires_grad=True)
    y = activation(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    results = [("sigma", y.detach()), ("the gradient", gradient)]
    linear = activation.homogeneity == 1 and activation.parity == "odd"
    for symbol, values in results[: 1 if linear or activation.definition.surrogate is not None else 2]:
        if values.isnan().tolist() != [False, True, False]:
            raise ConformanceError(
                f"{activation.spec}: {symbol} at (0.5, nan, -0.5) is {values.tolist()}, expected nan where x is"
            )


def _observed_limit(activation: Activation, sign: float, order: int) -> float:
    """What sigma^(order) tends to, judged at |x| = 1e4 ... 1e120: a number, +-inf, or nan where it does not settle."""
    exponents = torch.arange(4.0, 120.5, 0.5, dtype=torch.float64)
    values = activation.derivative(sign * 10**exponents, order)
    last = values[-40:]
    magnitudes = last.abs()
    grows = bool((magnitudes[1:] >= magnitudes[:-1]).all()) and bool((last.sign() == last.sign()[0]).all())
    if grows and (magnitudes[-1] > 1.1 * magnitudes[0] or magnitudes[0].isinf()):
        return float(last.sign()[0]) * math.inf
    if bool((magnitudes < 1e-6).all()):
        return 0.0
    spread = float(last.max() - last.min())
    return float(last[-1]) if spread <= 1e-9 * float(magnitudes.max()) else math.nan


def _same(found: float, expected: float) -> bool:
    if math.isnan(expected) or math.isnan(found):
        return math.isnan(expected) and math.isnan(found)
    return found == expected or abs(found - expected) <= 1e-9 * max(1.0, abs(expected))


def _agree(activation: Activation, claim: str, x: Tensor, found: Tensor, expected: Tensor) -> None:
    # Two evaluations, each with its own rounding and (for c x) one of the input.
    wrong = ~((found - expected).abs() <= 2 * allowed_rounding(activation, x, 0))
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ConformanceError(
            f"{activation.spec}: {claim}, but at x={x[i]:g} it is {found[i]:.17g}, not {expected[i]:.17g}"
        )
