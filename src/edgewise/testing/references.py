"""Every registered activation once more, as an mpmath function written from its published definition.

A reference shares no code with the torch formulas and has no formula for a derivative; see `exact`. They are written so
that their own rounding is harmless at some hundred digits, nothing more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mpmath import mp

from edgewise.testing.exact import Reference

if TYPE_CHECKING:
    from edgewise.activations import Activation


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


def _softplus(x: Any) -> Any:
    return x + mp.log1p(mp.exp(-x)) if x > 0 else mp.log1p(mp.exp(x))


def _normal_cdf(x: Any) -> Any:
    if abs(x) > 1e6:  # mpmath's erfc overflows far out, where exp(-x**2/2) is below anything representable
        return mp.mpf(x > 0)
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _relu(x: Any) -> Any:
    return x if x > 0 else mp.mpf(0)


def _clip(x: Any, low: float, high: float) -> Any:
    return mp.mpf(low) if x < low else mp.mpf(high) if x > high else x


# The rectifiers


def _leaky(*, a: float) -> Reference:
    return lambda x: x if x > 0 else mp.mpf(a) * x


def _repu(*, p: float) -> Reference:
    return lambda x: x ** mp.mpf(p) if x > 0 else mp.mpf(0)


def _mrepu(*, p: float, shift: float) -> Reference:
    """Kim & Kang, arXiv 2408.02697: z (z+1)^p for z >= -1, with the shift as a parameter."""
    return lambda x: x * (x + mp.mpf(shift)) ** mp.mpf(p) if x > -mp.mpf(shift) else mp.mpf(0)


def _elu(*, alpha: float) -> Reference:
    """Clevert, Unterthiner & Hochreiter, arXiv 1511.07289, eq. 15."""
    return lambda x: x if x > 0 else mp.mpf(alpha) * mp.expm1(x)


def _celu(*, alpha: float) -> Reference:
    """Barron, arXiv 1704.07483: max(0, x) + min(0, alpha (exp(x/alpha) - 1))."""
    return lambda x: x if x > 0 else mp.mpf(alpha) * mp.expm1(x / mp.mpf(alpha))


def _selu() -> Reference:
    """Klambauer et al., arXiv 1706.02515, eq. 14: the constants for the fixed point at zero mean and unit variance."""

    @functools.cache
    def constants(precision: int) -> tuple[Any, Any]:
        tail = mp.erfc(1 / mp.sqrt(2)) * mp.sqrt(mp.e)
        pi = mp.pi
        alpha = -mp.sqrt(2 / pi) / (tail - 1)
        scale = (1 - tail) * mp.sqrt(2 * pi)
        scale /= mp.sqrt(
            2 * mp.erfc(mp.sqrt(2)) * mp.e**2
            + pi * mp.erfc(1 / mp.sqrt(2)) ** 2 * mp.e
            - 2 * (2 + pi) * mp.erfc(1 / mp.sqrt(2)) * mp.sqrt(mp.e)
            + pi
            + 2
        )
        return alpha, scale

    def selu(x: Any) -> Any:
        alpha, scale = constants(mp.prec)
        return scale * (x if x > 0 else alpha * mp.expm1(x))

    return selu


def _smelu(*, beta: float) -> Reference:
    """Shamir et al., arXiv 2010.09931: the ReLU averaged over a box of half-width beta."""

    def smelu(x: Any) -> Any:
        b = mp.mpf(beta)
        return mp.mpf(0) if x <= -b else x if x >= b else (x + b) ** 2 / (4 * b)

    return smelu


def _gsmelu(*, alpha: float, beta: float, g_minus: float, g_plus: float, t: float | None = None) -> Reference:
    """arXiv 2010.09931, eq. 11, written as the integral of its slope from the left joint, where the value is t."""

    def gsmelu(x: Any) -> Any:
        a, b, left, right = mp.mpf(alpha), mp.mpf(beta), mp.mpf(g_minus), mp.mpf(g_plus)
        start = -left * a if t is None else mp.mpf(t)
        if x <= -a:
            return start + left * (x + a)
        inside = min(x, b) + a
        value = start + left * inside + (right - left) * inside**2 / (2 * (a + b))
        return value if x <= b else value + right * (x - b)

    return gsmelu


def _smoothed(integral: Callable[[Any], Any]) -> Callable[..., Reference]:
    """The ReLU averaged over a density on [-beta, beta]: `integral` is its second antiderivative at beta = 1."""

    def family(*, beta: float) -> Reference:
        b = mp.mpf(beta)
        return lambda x: mp.mpf(0) if x <= -b else x if x >= b else b * integral(x / b)

    return family


def _rescu_gaussian(*, beta: float) -> Reference:
    """The mean of max(0, x + beta z) over a standard normal z."""

    def rescu_gaussian(x: Any) -> Any:
        u = x / mp.mpf(beta)
        return x * _normal_cdf(u) + mp.mpf(beta) * mp.exp(-(u**2) / 2) / mp.sqrt(2 * mp.pi)

    return rescu_gaussian


# The gates


def _gelu_tanh() -> Reference:
    def gelu_tanh(x: Any) -> Any:
        u = mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)
        return x * _sigmoid(2 * u)

    return gelu_tanh


def _hardswish(x: Any) -> Any:
    """Howard et al., arXiv 1905.02244: x relu6(x + 3) / 6."""
    return x * _clip(x + 3, 0, 6) / 6


def _gcu(x: Any) -> Any:
    """Noel et al., arXiv 2108.12943: x cos x."""
    return x * mp.cos(x)


def _telu(x: Any) -> Any:
    """x tanh(exp x); beyond 20 the factor is 1 to a billion digits, too many for mpmath."""
    return x * mp.tanh(mp.exp(x)) if x < 20 else x


def _snake(*, a: float) -> Reference:
    """Liu, Hartwig & Ueda, arXiv 2006.08195: x + sin(a x)^2 / a."""
    return lambda x: x + mp.sin(mp.mpf(a) * x) ** 2 / mp.mpf(a)


def _sinc(x: Any) -> Any:
    return mp.mpf(1) if x == 0 else mp.sin(mp.pi * x) / (mp.pi * x)


def _softshrink(*, lam: float) -> Reference:
    return lambda x: x - mp.mpf(lam) if x > lam else x + mp.mpf(lam) if x < -lam else mp.mpf(0)


def _hardshrink(*, lam: float) -> Reference:
    return lambda x: x if abs(x) > lam else mp.mpf(0)


def _plain(function: Callable[[Any], Any]) -> Callable[[], Reference]:
    return lambda: function


FAMILIES: dict[str, Callable[..., Reference]] = {
    "abs": _plain(lambda x: abs(x)),
    "arctan": _plain(lambda x: mp.atan(x)),
    "arctan_squared_minus_x": _plain(lambda x: mp.atan(x) ** 2 - x),
    "bent_identity": _plain(lambda x: (mp.sqrt(x**2 + 1) - 1) / 2 + x),
    "celu": _celu,
    "cos": lambda *, omega: lambda x: mp.cos(mp.mpf(omega) * x),
    "cos_minus_x": _plain(lambda x: mp.cos(x) - x),
    "elu": _elu,
    "erf": _plain(lambda x: mp.erf(x)),
    "gaussian": _plain(lambda x: mp.exp(-(x**2))),
    "gcu": _plain(_gcu),
    "gelu": _plain(lambda x: x * _normal_cdf(x)),
    "gelu_tanh": _gelu_tanh,
    "gsmelu": _gsmelu,
    "hardshrink": _hardshrink,
    "hardsigmoid": _plain(lambda x: _clip(x + 3, 0, 6) / 6),
    "hardswish": _plain(_hardswish),
    "hardtanh": _plain(lambda x: _clip(x, -1, 1)),
    "helu": lambda *, alpha: _relu,
    "identity": _plain(lambda x: x),
    "leaky_relu": _leaky,
    "lisht": _plain(lambda x: x * mp.tanh(x)),
    "logsigmoid": _plain(lambda x: -_softplus(-x)),
    "max_sigmoid": _plain(lambda x: max(x, _sigmoid(x))),
    "max_tanh": _plain(lambda x: max(x, mp.tanh(x))),
    "min_sin": _plain(lambda x: min(x, mp.sin(x))),
    "mish": _plain(lambda x: x * mp.tanh(_softplus(x))),
    "monomial": lambda *, p: lambda x: x ** int(p),
    "mrepu": _mrepu,
    "prelu": _leaky,
    "quick_gelu": _plain(lambda x: x * _sigmoid(mp.mpf(1.702) * x)),
    "relu": _plain(_relu),
    "relu2": _plain(lambda x: _relu(x) ** 2),
    "relu6": _plain(lambda x: _clip(x, 0, 6)),
    "repu": _repu,
    "rescu_epanechnikov": _smoothed(lambda u: mp.mpf(3) / 16 + u / 2 + 3 * u**2 / 8 - u**4 / 16),
    "rescu_gaussian": _rescu_gaussian,
    "rescu_triangle": _smoothed(lambda u: (1 + u) ** 3 / 6 if u < 0 else u + (1 - u) ** 3 / 6),
    "selu": _selu,
    "serf": _plain(lambda x: x * mp.erf(_softplus(x))),
    "sigmoid": _plain(_sigmoid),
    "silu": _plain(lambda x: x * _sigmoid(x)),
    "sin": lambda *, omega: lambda x: mp.sin(mp.mpf(omega) * x),
    "sinc": _plain(_sinc),
    "sinc_plus_x": _plain(lambda x: _sinc(x) + x),
    "smelu": _smelu,
    "snake": _snake,
    "softplus": lambda *, beta: lambda x: _softplus(mp.mpf(beta) * x) / mp.mpf(beta),
    "softshrink": _softshrink,
    "softsign": _plain(lambda x: x / (1 + abs(x))),
    "squareplus": lambda *, b: lambda x: (x + mp.sqrt(x**2 + mp.mpf(b))) / 2,
    "swish": lambda *, beta: lambda x: x * _sigmoid(mp.mpf(beta) * x),
    "tanh": _plain(lambda x: mp.tanh(x)),
    "tanhshrink": _plain(lambda x: x - mp.tanh(x)),
    "telu": _plain(_telu),
    "x_arcsinh_squared": _plain(lambda x: x * mp.asinh(x) ** 2),
}
"""Family or alias name -> ``factory(**parameters)``, the reference at those parameters."""


def reference_for(activation: Activation) -> Reference | None:
    """The built-in reference of a registered activation at its parameters; None for formulas and callables."""
    from edgewise.activations.registry import names

    if activation.name not in FAMILIES or activation.name not in names():
        return None
    return FAMILIES[activation.name](**activation.parameters)
