"""Taylor coefficients of activations at every preactivation: sigma(z), sigma'(z), sigma''(z)/2, ... in one pass.

They come from where they are cheapest: recurrences for the smooth activations (each transcendental function is
evaluated once for all orders), the closed forms that an activation brings, Taylor arithmetic for formulas, automatic
differentiation of the last closed form beyond them. All are plain operations of torch and can be differentiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.activations.elementary import DECAYED
from edgewise.activations.formula.evaluate import Program
from edgewise.activations.registry import is_registered
from edgewise.activations.searched import _CROSSING
from edgewise.activations.smooth_rectifiers import _SELU_ALPHA, _SELU_SCALE
from edgewise.activations.smoothed import GAUSSIAN_KERNEL

Coefficients = list[Tensor | None]
"""sigma^(k)(z)/k! for k = 0, 1, ...; None where it is 0 for every z."""


def taylor(sigma: Activation, z: Tensor, order: int) -> Coefficients:
    """The Taylor coefficients of sigma at z up to that order."""
    recurrence = RECURRENCES.get(sigma.name) if is_registered(sigma.definition) else None
    if recurrence is not None:
        return [*recurrence(z, order, **sigma.parameters)]
    form = sigma.definition.derivatives[0]
    if isinstance(form, partial) and isinstance(form.func, Program) and not z.requires_grad:
        through = form.func.through(z, order)
        return [sigma(z), *(t / math.factorial(k) for k, t in enumerate(through) if k)]
    degree = _degree(sigma)
    return [
        None if k > degree else sigma(z) if k == 0 else sigma.derivative(z, k) / math.factorial(k)
        for k in range(order + 1)
    ]


def _degree(sigma: Activation) -> float:
    """The degree of a piecewise polynomial, infinite for anything else."""
    terms = [t for piece in sigma.pieces or () for t in piece.terms]
    if sigma.pieces is None or any(t.frequency for t in terms):
        return math.inf
    return max([0, *(t.power for t in terms)])


# --- arithmetic of series: lists of coefficients, all of one length unless an order is given


def _product(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
    return [_convolved(a, b, k) for k in range(len(a))]


def _convolved(a: list[Tensor], b: list[Tensor], k: int) -> Tensor:
    total = a[0] * b[k]
    for j in range(1, k + 1):
        total = torch.addcmul(total, a[j], b[k - j])
    return total


def _squared(a: list[Tensor], k: int) -> Tensor:
    """Coefficient k of a**2; equal pairs are multiplied once."""
    if k == 0:
        return a[0] * a[0]
    total = (2.0 * a[0]) * a[k]
    for j in range(1, (k + 1) // 2):
        total = torch.addcmul(total, a[j], a[k - j], value=2.0)
    return torch.addcmul(total, a[k // 2], a[k // 2]) if k % 2 == 0 else total


def _times_x(x: Tensor, a: list[Tensor]) -> list[Tensor]:
    """The series of x * a."""
    return [x * a[0], *(torch.addcmul(a[k - 1], x, a[k]) for k in range(1, len(a)))]


def _integrated(value: Tensor, slope: list[Tensor]) -> list[Tensor]:
    """The series whose derivative is `slope`."""
    return [value, *(s / (k + 1) if k else s for k, s in enumerate(slope))]


def _stretched(a: list[Tensor], factor: float, outer: float = 1.0) -> list[Tensor]:
    """The series of ``outer * f(factor * x)`` from that of f at factor * x."""
    if factor == 1.0 and outer == 1.0:
        return a
    return [c * (outer * factor**k) if outer * factor**k != 1.0 else c for k, c in enumerate(a)]


def riccati(y: Tensor, a: float, b: float, c: float, order: int) -> list[Tensor]:
    """The solution of y' = a + b y + c y**2 with that value."""
    series = [y]
    for k in range(order):
        slope = c * _squared(series, k)
        if b:
            slope = slope + b * series[k]
        if k == 0 and a:
            slope = slope + a
        series.append(slope / (k + 1) if k else slope)
    return series


def _tanh(z: Tensor, order: int) -> list[Tensor]:
    y = torch.tanh(z)
    series = [y]
    if order >= 1:
        series.append(1.0 - y * y)
    if order >= 2:
        series.append(-y * series[1])
    for k in range(2, order):
        series.append(_squared(series, k) * (-1.0 / (k + 1)))
    return series


def _sigmoid(z: Tensor, order: int) -> list[Tensor]:
    return riccati(torch.sigmoid(z), 0.0, 1.0, -1.0, order)


def _along(outer_slope: Callable[[list[Tensor], int], Tensor], value: Tensor, inner: list[Tensor]) -> list[Tensor]:
    """The solution of y' = p(y) w' for the series w = `inner`; ``outer_slope(y so far, k)``: coefficient k of p(y)."""
    y, p = [value], []
    for k in range(len(inner) - 1):
        p.append(outer_slope(y, k))
        total = inner[1] * p[k]
        for j in range(1, k + 1):
            total = torch.addcmul(total, inner[j + 1], p[k - j], value=float(j + 1))
        y.append(total / (k + 1) if k else total)
    return y


def _logistic_slope(y: list[Tensor], k: int) -> Tensor:
    return y[k] - _squared(y, k)


def _tanh_slope(y: list[Tensor], k: int) -> Tensor:
    return 1.0 - y[0] * y[0] if k == 0 else -_squared(y, k)


def _hermite(x: Tensor, value: Tensor, rate: float, order: int) -> list[Tensor]:
    """The series of exp(-rate x**2 / 2) times a constant, from its value: y' = -rate x y."""
    y = [value]
    for k in range(order):
        slope = x * y[k] if k == 0 else torch.addcmul(y[k - 1], x, y[k])
        y.append(slope * (-rate / (k + 1)))
    return y


def _density(x: Tensor, order: int) -> list[Tensor]:
    """The standard normal density."""
    return _hermite(x, torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi), 1.0, order)


def _normal(x: Tensor, order: int) -> list[Tensor]:
    """The standard normal distribution function."""
    value = 0.5 * torch.erfc(-math.sqrt(0.5) * x)
    return _integrated(value, _density(x, order - 1)) if order else [value]


def _waves(x: Tensor, order: int, quarter: int = 0) -> list[Tensor]:
    """sin(x + quarter pi/2)."""
    both = torch.sin(x), torch.cos(x)
    scales = [(1.0, -1.0)[(k + quarter) % 4 // 2] / math.factorial(k) for k in range(order + 1)]
    return [both[(k + quarter) % 2] * c if c != 1.0 else both[(k + quarter) % 2] for k, c in enumerate(scales)]


def _reciprocal_square(x: Tensor, order: int) -> list[Tensor]:
    """1 / (1 + x**2)."""
    q = [1 / (1 + x * x)]
    for k in range(1, order + 1):
        rest = 2 * x * q[k - 1] if k == 1 else torch.addcmul(q[k - 2], x, q[k - 1], value=2.0)
        q.append(-rest * q[0])
    return q


def _root(x: Tensor, b: float, order: int) -> list[Tensor]:
    """sqrt(x**2 + b)."""
    r = [torch.sqrt(x * x + b)]
    for k in range(1, order + 1):
        total = x if k == 1 else torch.full_like(x, 0.5) if k == 2 else torch.zeros_like(x)
        for j in range(1, k):
            total = torch.addcmul(total, r[j], r[k - j], value=-0.5)
        r.append(total / r[0])
    return r


def _plus_x(a: list[Tensor], x: Tensor, slope: float = 1.0) -> list[Tensor]:
    """The series of a + slope * x."""
    return [a[0] + slope * x, *(a[k] + slope if k == 1 else a[k] for k in range(1, len(a)))]


def _line(x: Tensor, order: int) -> list[Tensor]:
    """The identity."""
    return [x, *(torch.full_like(x, float(k == 1)) for k in range(1, order + 1))]


def _where(inside: Tensor, a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
    return [torch.where(inside, p, q) for p, q in zip(a, b, strict=True)]


def _near(x: Tensor) -> Tensor:
    return x.clamp(-DECAYED, DECAYED)


# --- the activations


def _softplus(z: Tensor, order: int, beta: float = 1.0) -> list[Tensor]:
    u = beta * z if beta != 1.0 else z
    value = torch.nn.functional.softplus(u, threshold=40.0)
    series = _integrated(value, _sigmoid(u, order - 1)) if order else [value]
    return _stretched(series, beta, 1 / beta)


def _swish(z: Tensor, order: int, beta: float) -> list[Tensor]:
    t = _near(z)
    return _times_x(t, _stretched(_sigmoid(beta * t, order), beta))


def _gelu_tanh(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    slope, cubic = 2 * math.sqrt(2 / math.pi), 0.044715
    w = [slope * t * (1 + cubic * t * t), slope * (1 + 3 * cubic * t * t), 3 * slope * cubic * t]
    w = [*w, torch.full_like(t, slope * cubic), *(torch.zeros_like(t) for _ in range(order))][: order + 1]
    return _times_x(t, _along(_logistic_slope, torch.sigmoid(w[0]), w))


def _mish(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    inner = _softplus(t, order)
    return _times_x(t, _along(_tanh_slope, torch.tanh(inner[0]), inner))


def _serf(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    s = _softplus(t, order)
    bell = [torch.exp(-s[0] * s[0]) * (2 / math.sqrt(math.pi))]
    gate = [torch.erf(s[0])]
    for k in range(order):  # E' = -2 s s' E and erf(s)' = E s'
        slopes = [float(j + 1) * s[j + 1] for j in range(k + 1)]
        gate.append(_convolved(bell, slopes, k) / (k + 1))
        square_slopes = [float(j) * _squared(s, j) for j in range(1, k + 2)]  # coefficients of (s**2)' = 2 s s'
        bell.append(-_convolved(bell, square_slopes, k) / (k + 1))
    return _times_x(t, gate)


def _telu(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    e = torch.exp(z.clamp(-DECAYED, 10.0))  # tanh(exp(10)) is 1 in every precision
    inner = [e / math.factorial(k) for k in range(order + 1)]
    return _times_x(t, _along(_tanh_slope, torch.tanh(e), inner))


def _erf(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    slope = _hermite(t, torch.exp(-t * t) * (2 / math.sqrt(math.pi)), 2.0, order - 1) if order else []
    return _integrated(torch.erf(z), slope)


def _gaussian(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    return _hermite(t, torch.exp(-t * t), 2.0, order)


def _gelu(z: Tensor, order: int) -> list[Tensor]:
    t = _near(z)
    return _times_x(t, _normal(t, order))


def _arctan(z: Tensor, order: int) -> list[Tensor]:
    return _integrated(torch.atan(z), _reciprocal_square(z, order - 1) if order else [])


def _arctan_squared_minus_x(z: Tensor, order: int) -> list[Tensor]:
    a = _arctan(z, order)
    return _plus_x(_product(a, a), z, -1.0)


def _squareplus(z: Tensor, order: int, b: float) -> list[Tensor]:
    r = _root(z, b, order)
    value = torch.where(z >= 0, 0.5 * (z + r[0]), 0.5 * b / (r[0] - z))
    slope = value / r[0]
    return [value, slope, *(0.5 * c for c in r[2:])][: order + 1]


def _bent_identity(z: Tensor, order: int) -> list[Tensor]:
    r = _root(z, 1.0, order)
    return [z * (1 + 0.5 * z / (r[0] + 1)), *_plus_x([0.5 * c for c in r], z)[1:]]


def _x_arcsinh_squared(z: Tensor, order: int) -> list[Tensor]:
    r = _root(z, 1.0, order)
    slope: list[Tensor] = []
    for k in range(order):  # asinh' = 1 / sqrt(1 + x**2): divide 1 by the series of the root
        rest = torch.ones_like(z) if k == 0 else torch.zeros_like(z)
        for j in range(1, k + 1):
            rest = torch.addcmul(rest, r[j], slope[k - j], value=-1.0)
        slope.append(rest / r[0])
    a = _integrated(torch.asinh(z), slope)
    return _times_x(z, _product(a, a))


def _tanhshrink(z: Tensor, order: int) -> list[Tensor]:
    y = _tanh(z, order)
    return [z - y[0], *(y[0] * y[0] if k == 1 else -y[k] for k in range(1, order + 1))]


def _exponential_tail(z: Tensor, order: int, alpha: float, rate: float, scale: float) -> list[Tensor]:
    """scale * (z for z > 0, alpha (exp(z / rate) - 1) below)."""
    inside, u = z > 0, (z / rate).clamp_max(0.0)
    tail = torch.exp(u) * (scale * alpha)
    value = torch.where(inside, scale * z, torch.expm1(u) * (scale * alpha))
    return [
        value,
        *(
            torch.where(inside, scale if k == 1 else 0.0, tail / (rate**k * math.factorial(k)))
            for k in range(1, order + 1)
        ),
    ]


def _snake(z: Tensor, order: int, a: float) -> list[Tensor]:
    ripple = _stretched(_waves(2 * a * z, order, 1), 2 * a, -0.5 / a)
    return _plus_x([torch.sin(a * z).square() / a, *ripple[1:]], z)


def _smoothed_by_gaussian(z: Tensor, order: int, beta: float) -> list[Tensor]:
    value: Tensor = GAUSSIAN_KERNEL.derivatives[0](z, beta=beta)
    u = _near(z / beta)
    slope = _stretched(_normal(u, order - 1), 1 / beta) if order else []
    return _integrated(value, slope)


RECURRENCES: dict[str, Callable[..., list[Tensor]]] = {
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "logsigmoid": lambda z, order: _stretched(_softplus(-z, order), -1.0, -1.0),
    "swish": _swish,
    "quick_gelu": lambda z, order: _swish(z, order, 1.702),
    "lisht": lambda z, order: _times_x(z, _tanh(z, order)),
    "tanhshrink": _tanhshrink,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "mish": _mish,
    "serf": _serf,
    "telu": _telu,
    "erf": _erf,
    "gaussian": _gaussian,
    "arctan": _arctan,
    "arctan_squared_minus_x": _arctan_squared_minus_x,
    "squareplus": _squareplus,
    "bent_identity": _bent_identity,
    "x_arcsinh_squared": _x_arcsinh_squared,
    "sin": lambda z, order, omega: _stretched(_waves(omega * z, order), omega),
    "cos": lambda z, order, omega: _stretched(_waves(omega * z, order, 1), omega),
    "gcu": lambda z, order: _times_x(z, _waves(z, order, 1)),
    "cos_minus_x": lambda z, order: _plus_x(_waves(z, order, 1), z, -1.0),
    "snake": _snake,
    "rescu_gaussian": _smoothed_by_gaussian,
    "max_sigmoid": lambda z, order: _where(z > _CROSSING, _line(z, order), _sigmoid(z, order)),
    "max_tanh": lambda z, order: _where(z > 0, _line(z, order), _tanh(z, order)),
    "min_sin": lambda z, order: _where(z > 0, _waves(z, order), _line(z, order)),
    "selu": lambda z, order: _exponential_tail(z, order, _SELU_ALPHA, 1.0, _SELU_SCALE),
    "elu": lambda z, order, alpha: _exponential_tail(z, order, alpha, 1.0, 1.0),
    "celu": lambda z, order, alpha: _exponential_tail(z, order, alpha, alpha, 1.0),
}
"""By registered name: ``f(z, order, **parameters)``, the coefficients up to that order."""
