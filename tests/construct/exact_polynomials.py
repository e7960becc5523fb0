"""Values of polynomials in fifty digits, and networks with their derivatives by automatic differentiation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import mpmath
import torch
from torch import Tensor, nn

DIGITS = 50


def mp(x: float | Fraction) -> mpmath.mpf:
    return mpmath.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else mpmath.mpf(x)


def power_values(
    terms: Mapping[tuple[int, ...], float | Fraction], x: Tensor, orders: Sequence[int]
) -> list[mpmath.mpf]:
    """The derivative of the given orders of sum c_k x**k at points [points, variables], in fifty digits."""
    with mpmath.workdps(DIGITS):
        return [
            mpmath.fsum(mp(c) * mpmath.fprod(map(_power, point, k, orders)) for k, c in terms.items())
            for point in x.tolist()
        ]


def _power(x: float, exponent: int, order: int) -> mpmath.mpf:
    return mpmath.ff(exponent, order) * mpmath.mpf(x) ** max(exponent - order, 0)


def chebyshev_values(coefficients: Sequence[float], u: Sequence[float], order: int) -> list[mpmath.mpf]:
    """The same of sum c_k T_k(u): T_k' = k U_{k-1}, and (1 - u²) T_k'' = u T_k' - k² T_k."""
    with mpmath.workdps(DIGITS):
        return [_chebyshev_sum(coefficients, mpmath.mpf(x), order) for x in u]


def _chebyshev_sum(coefficients: Sequence[float], x: mpmath.mpf, order: int) -> mpmath.mpf:
    total = mpmath.mpf(0)
    first, second = [mpmath.mpf(1), x], [mpmath.mpf(0), mpmath.mpf(1)]  # T_0, T_1 and U_{-1}, U_0
    for k, c in enumerate(coefficients):
        t, slope = first[0], k * second[0]
        if order == 0:
            part = t
        elif order == 1:
            part = slope
        else:
            part = x**k * mpmath.mpf(k**4 - k**2) / 3 if abs(x) == 1 else (x * slope - k**2 * t) / (1 - x**2)
        total += mp(c) * part
        first, second = [[row[1], 2 * x * row[1] - row[0]] for row in (first, second)]
    return total


def derivatives(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value [points], gradient [points, variables] and Hessian [points, variables, variables]."""
    x = x.clone().requires_grad_()
    value = network(x)[:, 0]
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    rows = [torch.autograd.grad(first[:, i].sum(), x, retain_graph=True)[0] for i in range(x.shape[1])]
    return value.detach(), first.detach(), torch.stack(rows, 1).detach()


def relative(found: Tensor, wanted: Sequence[mpmath.mpf], norm: float | None = None) -> float:
    """Largest error over the sup norm."""
    with mpmath.workdps(DIGITS):
        scale = norm if norm is not None else max(abs(w) for w in wanted)
        return float(max(abs(mpmath.mpf(f) - w) for f, w in zip(found.tolist(), wanted, strict=True)) / scale)
