"""Truncated Taylor series on tensors: value and derivatives of a formula in one pass, to any order.

A jet is the list of Taylor coefficients c_0, c_1, ..., c_n of t -> u(x + t); a coefficient that is the same for every
x is a plain float, and 0.0 is skipped. Functions are composed through their own Taylor coefficients, each in a form
that neither cancels nor overflows, so that sigma'' is as accurate as sigma (nested automatic differentiation is not:
its untaken branches and overflowing intermediates give nan).

Conventions, those of PyTorch: relu'(0) = 0, abs'(0) = 0, and at a tie of max or min the mean of both sides (at an
infinite one the side that leads on the way there). Where a power u**p has no derivative (u = 0, order > p) it takes 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

Coefficient = Tensor | float
Jet = list[Coefficient]


def _is_zero(c: Coefficient) -> bool:
    return isinstance(c, float) and c == 0.0


def _value(jet: Jet) -> Tensor:
    """The zeroth coefficient as a tensor (functions are only composed with things that depend on x)."""
    value = jet[0]
    assert not isinstance(value, float)
    return value


def add(a: Jet, b: Jet) -> Jet:
    return [p if _is_zero(q) else q if _is_zero(p) else p + q for p, q in zip(a, b, strict=True)]


def negative(a: Jet) -> Jet:
    return [-p for p in a]


def subtract(a: Jet, b: Jet) -> Jet:
    return [p if _is_zero(q) else p - q for p, q in zip(a, b, strict=True)]


def multiply(a: Jet, b: Jet) -> Jet:
    return [a[0] * b[0], *(_convolved(a, b, k, 0) for k in range(1, len(a)))]


def _convolved(a: Jet, b: Jet, k: int, first: int) -> Coefficient:
    """The sum of a_j b_(k-j) over j >= first."""
    total: Coefficient = 0.0
    for j in range(first, k + 1):
        if not _is_zero(a[j]) and not _is_zero(b[k - j]):
            product = a[j] * b[k - j]
            total = product if _is_zero(total) else total + product
    return total


def divide(a: Jet, b: Jet) -> Jet:
    quotient: Jet = []
    for k in range(len(a)):
        rest = _convolved(b, [*quotient, 0.0], k, 1)
        numerator = a[k] if _is_zero(rest) else a[k] - rest
        quotient.append(0.0 if k and _is_zero(numerator) else numerator / b[0])
    return quotient


def compose(derivatives: Callable[[Tensor, int], Tensor], inner: Jet) -> Jet:
    """f(u) for the jet u, given ``derivatives(u_0, k)`` = f^(k)(u_0)."""
    order, at = len(inner) - 1, _value(inner)
    coefficients = [derivatives(at, k) / math.factorial(k) if k > 1 else derivatives(at, k) for k in range(order + 1)]
    slope = inner[1] if order else 0.0
    if order == 0 or (isinstance(slope, float) and slope == 1.0 and all(map(_is_zero, inner[2:]))):
        return list(coefficients)
    step: Jet = [0.0, *inner[1:]]
    result: Jet = [coefficients[0], *[0.0] * order]
    power: Jet = [1.0, *[0.0] * order]
    for f in coefficients[1:]:
        power = multiply(power, step)
        # a derivative that has decayed to zero outweighs whatever has overflowed inside it
        vanished = f == 0
        assert not isinstance(vanished, bool)
        term: Jet = [0.0 if _is_zero(p) else torch.where(vanished, 0.0, f * p) for p in power]
        result = add(result, term)
    return result


def relu(u: Jet) -> Jet:
    value = _value(u)
    inside = value > 0
    return [torch.relu(value), *(c if _is_zero(c) else torch.where(inside, _like(c, value), 0.0) for c in u[1:])]


def absolute(u: Jet) -> Jet:
    value = _value(u)
    return [value.abs(), *(c if _is_zero(c) else torch.sign(value) * c for c in u[1:])]


def maximum(a: Jet, b: Jet) -> Jet:
    return _chosen(a, b, torch.maximum, lambda p, q: p > q)


def minimum(a: Jet, b: Jet) -> Jet:
    return _chosen(a, b, torch.minimum, lambda p, q: p < q)


def _chosen(
    a: Jet,
    b: Jet,
    choose: Callable[[Tensor, Tensor], Tensor],
    better: Callable[[Tensor, Tensor], Tensor],
) -> Jet:
    some = b[0] if isinstance(a[0], float) else a[0]
    assert not isinstance(some, float)
    p, q = (_like(c, some) for c in (a[0], b[0]))
    first, tie = better(p, q), p == q
    if len(a) > 1:
        steepness, other = _like(a[1], some).abs(), _like(b[1], some).abs()
        endless = tie & torch.isinf(p) & (steepness != other)
        first = torch.where(endless, better(torch.sign(p) * steepness, torch.sign(p) * other), first)
        tie = tie & ~endless
    rest: Jet = []
    for c, d in zip(a[1:], b[1:], strict=True):
        if _is_zero(c) and _is_zero(d):
            rest.append(0.0)
        else:
            rest.append(torch.where(tie, 0.5 * (c + d), torch.where(first, _like(c, some), _like(d, some))))
    return [choose(p, q), *rest]


def _like(c: Coefficient, some: Tensor) -> Tensor:
    return torch.full_like(some, c) if isinstance(c, float) else c


def power(u: Jet, exponent: float) -> Jet:
    """u**exponent for a constant exponent."""
    return compose(lambda at, k: _power_derivative(at, exponent, k), u)


def _power_derivative(at: Tensor, exponent: float, k: int) -> Tensor:
    factor, left = math.prod([exponent - j for j in range(k)]), exponent - k
    if factor == 0:
        return torch.zeros_like(at)
    if left >= 0 or k == 0:
        raised = at**left
        return raised if factor == 1 else factor * raised
    blank = at == 0
    return torch.where(blank, 0.0, factor * torch.where(blank, 1.0, at) ** left)


def exponential(u: Jet) -> Jet:
    """exp(u); with derivatives asked for, it saturates short of overflow, so that quotients of it stay numbers."""
    if len(u) == 1:
        return [torch.exp(_value(u))]
    return compose(lambda at, k: torch.exp(at.clamp(max=saturation(at.dtype))), u)


def saturation(dtype: torch.dtype) -> float:
    """Exponent at which `exponential` saturates."""
    return 0.97 * math.log(torch.finfo(dtype).max)


def expm1(u: Jet) -> Jet:
    if len(u) == 1:
        return [torch.expm1(_value(u))]
    cap = saturation(_value(u).dtype)
    return compose(lambda at, k: torch.expm1(at.clamp(max=cap)) if k == 0 else torch.exp(at.clamp(max=cap)), u)


def sinh(u: Jet) -> Jet:
    return compose(lambda at, k: (torch.cosh if k % 2 else torch.sinh)(_saturated(at, len(u))), u)


def cosh(u: Jet) -> Jet:
    return compose(lambda at, k: (torch.sinh if k % 2 else torch.cosh)(_saturated(at, len(u))), u)


def _saturated(at: Tensor, length: int) -> Tensor:
    return at if length == 1 else at.clamp(-saturation(at.dtype), saturation(at.dtype))


def sin(u: Jet) -> Jet:
    return compose(lambda at, k: _quarter_turned(at, k), u)


def cos(u: Jet) -> Jet:
    return compose(lambda at, k: _quarter_turned(at, k + 1), u)


def _quarter_turned(at: Tensor, k: int) -> Tensor:
    """sin(at + k pi/2), exactly turned."""
    turned = torch.cos(at) if k % 2 else torch.sin(at)
    return -turned if k % 4 > 1 else turned


Polynomial = dict[tuple[int, int], float]
"""Coefficients by the powers (i, j) of two base functions."""


@lru_cache(maxsize=256)
def _polynomial(family: str, order: int) -> tuple[tuple[tuple[int, int], float], ...]:
    """f^(order) as a polynomial in the two base functions of its family (see `_FAMILIES`)."""
    start, first, second, begins = _FAMILIES[family]
    current: Polynomial = dict(start)
    for _ in range(order - begins):
        following: Polynomial = {}
        for (i, j), c in current.items():
            for times, (di, dj), factor in [(i, *first), (j, *second)]:
                if times:
                    key = (i + di, j + dj)
                    following[key] = following.get(key, 0.0) + times * factor * c
        current = {key: c for key, c in following.items() if c}
    return tuple(sorted(current.items()))


# family: (f^(begins) as a polynomial in p and q, how p**i changes, how q**j changes, begins); a change ((di, dj), c)
# says that d(p**i q**j) gains the term i*c * p**(i+di) q**(j+dj) from p, and likewise from q.
_FAMILIES: dict[str, tuple[Polynomial, tuple[tuple[int, int], float], tuple[tuple[int, int], float], int]] = {
    "sigmoid": ({(1, 0): 1.0}, ((0, 1), 1.0), ((1, 0), -1.0), 0),  # p = sigmoid(u), q = sigmoid(-u)
    "asinh": ({(1, 0): 1.0}, ((1, 1), -1.0), ((3, -1), 1.0), 1),  # p = 1/sqrt(1+u^2), q = u p: p' = -p^2 q, q' = p^3
    "atan": ({(2, 0): 1.0}, ((1, 1), -1.0), ((3, -1), 1.0), 1),
    "asin": ({(1, 0): 1.0}, ((2, 1), 1.0), ((0, -1), 1.0), 1),  # p = 1/sqrt(1-u^2), q = u: p' = q p^3
    "acosh": ({(1, 0): 1.0}, ((2, 1), -1.0), ((0, -1), 1.0), 1),  # p = 1/sqrt(u^2-1), q = u: p' = -q p^3
    "atanh": ({(2, 0): 1.0}, ((2, 1), 1.0), ((0, -1), 1.0), 1),  # p = 1/sqrt(1-u^2)
    "erf": ({(1, 0): 2 / math.sqrt(math.pi)}, ((0, 1), -2.0), ((0, -1), 1.0), 1),  # p = exp(-u^2), q = u
}


def _bases(family: str, at: Tensor) -> tuple[Tensor, Tensor]:
    match family:
        case "sigmoid":
            return torch.sigmoid(at), torch.sigmoid(-at)
        case "asinh" | "atan":
            slope = 1 / torch.hypot(torch.ones_like(at), at)
            return slope, torch.where(torch.isinf(at), torch.sign(at), at * slope)
        case "asin" | "atanh":
            return 1 / torch.sqrt((1 - at) * (1 + at)), at
        case "acosh":
            return 1 / torch.sqrt((at - 1) * (at + 1)), at
        case _:
            near = at.clamp(-40.0, 40.0)  # exp(-u^2) is zero beyond, in every precision
            return torch.exp(-near * near), near


def _by_family(family: str, at: Tensor, order: int) -> Tensor:
    p, q = _bases(family, at)
    total = torch.zeros_like(at)
    for (i, j), c in _polynomial(family, order):
        total = total + c * (p**i if j == 0 else q**j if i == 0 else p**i * q**j)
    return total


def _function(family: str, value: Callable[[Tensor], Tensor]) -> Callable[[Jet], Jet]:
    def composed(u: Jet) -> Jet:
        return compose(lambda at, k: value(at) if k == 0 else _by_family(family, at, k), u)

    return composed


def softplus(u: Jet) -> Jet:
    return compose(lambda at, k: _softplus(at) if k == 0 else _by_family("sigmoid", at, k - 1), u)


def _softplus(at: Tensor) -> Tensor:
    return torch.relu(at) + torch.log1p(torch.exp(-at.abs()))


def tanh(u: Jet) -> Jet:
    return compose(lambda at, k: torch.tanh(at) if k == 0 else 2.0 ** (k + 1) * _by_family("sigmoid", 2 * at, k), u)


def erfc(u: Jet) -> Jet:
    return compose(lambda at, k: torch.special.erfc(at) if k == 0 else -_by_family("erf", at, k), u)


def tan(u: Jet) -> Jet:
    return divide(sin(u), cos(u)) if len(u) > 1 else [torch.tan(_value(u))]


def log(u: Jet) -> Jet:
    return compose(lambda at, k: torch.log(at) if k == 0 else (-1) ** (k - 1) * math.factorial(k - 1) * at ** (-k), u)


def log1p(u: Jet) -> Jet:
    return compose(
        lambda at, k: torch.log1p(at) if k == 0 else (-1) ** (k - 1) * math.factorial(k - 1) * (1 + at) ** (-k), u
    )


def square_root(u: Jet) -> Jet:
    return compose(lambda at, k: torch.sqrt(at) if k == 0 else _power_derivative(at, 0.5, k), u)


FUNCTIONS: dict[str, Callable[[Jet], Jet]] = {
    "relu": relu,
    "abs": absolute,
    "exp": exponential,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sqrt": square_root,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "asin": _function("asin", torch.asin),
    "acos": lambda u: (
        subtract([math.pi / 2, *[0.0] * (len(u) - 1)], FUNCTIONS["asin"](u)) if len(u) > 1 else [torch.acos(_value(u))]
    ),
    "atan": _function("atan", torch.atan),
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "asinh": _function("asinh", torch.asinh),
    "acosh": _function("acosh", torch.acosh),
    "atanh": _function("atanh", torch.atanh),
    "erf": _function("erf", torch.erf),
    "erfc": erfc,
    "sigmoid": _function("sigmoid", torch.sigmoid),
    "softplus": softplus,
    "neg": negative,
}
