"""Self-gated units x * gate(x): gelu, swish/silu, hardswish, mish, serf, telu, lisht.

Where the gate decays, x is clamped at a point beyond which the gate is exactly 0, so that -inf * 0 never appears.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise.activations.definition import Definition, Facts, Parameter
from edgewise.activations.elementary import (
    DECAYED,
    Value,
    constant,
    damped,
    keep_nan,
    logistic,
    logistic_and_slope,
    logistic_slope,
    sech_squared,
    slope_times,
    softplus,
    step,
)
from edgewise.activations.latex import tex
from edgewise.activations.normal import normal_cdf, normal_density
from edgewise.activations.pieces import polynomial
from edgewise.activations.registry import alias, register

_RISES_FROM_ZERO = (0.0, math.inf)


def _clamped(x: Tensor) -> Tensor:
    return x.clamp(-DECAYED, DECAYED)


# --- gelu: x Phi(x)


def _gelu(x: Tensor) -> Tensor:
    return x.clamp_min(-DECAYED) * normal_cdf(x)


def _gelu_first(x: Tensor) -> Tensor:
    t = _clamped(x)
    return normal_cdf(t) + t * normal_density(t)


def _gelu_second(x: Tensor) -> Tensor:
    t = _clamped(x)
    return normal_density(t) * (2 - t * t)


def _gelu_third(x: Tensor) -> Tensor:
    t = _clamped(x)
    return normal_density(t) * t * (t * t - 4)


def _gelu_fourth(x: Tensor) -> Tensor:
    t = _clamped(x)
    return normal_density(t) * (t * t * (7 - t * t) - 4)


GELU = register(
    Definition(
        name="gelu",
        derivatives=(_gelu, _gelu_first, _gelu_second, _gelu_third, _gelu_fourth),
        facts=lambda: Facts(formula=r"x\,\Phi(x)", limits=_RISES_FROM_ZERO),
        source="Hendrycks & Gimpel, arXiv 1606.08415",
        summary="Gaussian error linear unit: x times the probability that a standard normal lies below x.",
    )
)

# --- gelu_tanh: x logistic(w(x)) with w = 2 sqrt(2/pi) (x + 0.044715 x**3)

_SLOPE = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _exponent(t: Tensor) -> Tensor:
    return _SLOPE * t * (1 + _CUBIC * t * t)


def _gelu_tanh(x: Tensor) -> Tensor:
    return x.clamp_min(-DECAYED) * logistic(_exponent(_clamped(x)))


def _gelu_tanh_first(x: Tensor) -> Tensor:
    t = _clamped(x)
    w, w1 = _exponent(t), _SLOPE * (1 + 3 * _CUBIC * t * t)
    return logistic(w) + t * w1 * logistic_slope(w)


def _gelu_tanh_second(x: Tensor) -> Tensor:
    t = _clamped(x)
    w, w1, w2 = _exponent(t), _SLOPE * (1 + 3 * _CUBIC * t * t), 6 * _SLOPE * _CUBIC * t
    return logistic_slope(w) * (2 * w1 + t * (w2 - w1 * w1 * torch.tanh(0.5 * w)))


GELU_TANH = register(
    Definition(
        name="gelu_tanh",
        derivatives=(_gelu_tanh, _gelu_tanh_first, _gelu_tanh_second),
        facts=lambda: Facts(
            formula=r"\frac{x}{2}\left(1+\tanh\left(\sqrt{2/\pi}\,(x+0.044715\,x^3)\right)\right)",
            limits=_RISES_FROM_ZERO,
        ),
        source="Hendrycks & Gimpel, arXiv 1606.08415, section 2",
        summary="GELU's approximation through tanh, the one of GPT-2.",
    )
)

# --- swish: x logistic(beta x)


def _swish(x: Tensor, beta: Value) -> Tensor:
    gate = logistic(slope_times(beta, x))
    if isinstance(beta, float | int) and beta > 1e-6:
        return x.clamp_min(-DECAYED / beta) * gate
    return damped(x, gate)


def _swish_first(x: Tensor, beta: float) -> Tensor:
    if beta == 0:
        return constant(x, 0.5)
    u = slope_times(beta, x)
    gate, slope = logistic_and_slope(u)
    return gate + _clamped(u) * slope


def _swish_second(x: Tensor, beta: float) -> Tensor:
    u = _clamped(slope_times(beta, x))
    return beta * logistic_slope(u) * (2 - u * torch.tanh(0.5 * u))


def _swish_third(x: Tensor, beta: float) -> Tensor:
    u = _clamped(slope_times(beta, x))
    slope = logistic_slope(u)
    return beta * beta * slope * (u * (1 - 6 * slope) - 3 * torch.tanh(0.5 * u))


def _swish_facts(beta: float) -> Facts:
    limits = (0.0, math.inf) if beta > 0 else (-math.inf, 0.0) if beta < 0 else (-math.inf, math.inf)
    return Facts(
        formula=r"x\,\mathrm{sigmoid}(x)" if beta == 1 else rf"x\,\mathrm{{sigmoid}}({tex(beta)}\,x)",
        limits=limits,
        parity="odd" if beta == 0 else None,
        homogeneity=1.0 if beta == 0 else None,
        pieces=(polynomial([0.0, 0.5]),) if beta == 0 else None,
    )


SWISH = register(
    Definition(
        name="swish",
        derivatives=(_swish, _swish_first, _swish_second, _swish_third),
        parameters=(Parameter("beta", 1.0, doc="steepness of the gate; 0 is x/2, infinity is ReLU"),),
        facts=_swish_facts,
        source="Ramachandran, Zoph & Le, arXiv 1710.05941; Elfwing, Uchibe & Doya, arXiv 1702.03118 (silu)",
        summary="x times a logistic gate, the winner of the activation search; silu is beta = 1.",
    )
)
alias("silu", "swish", beta=1.0)

_QUICK = 1.702

QUICK_GELU = register(
    Definition(
        name="quick_gelu",
        derivatives=(
            lambda x: _swish(x, _QUICK),
            lambda x: _swish_first(x, _QUICK),
            lambda x: _swish_second(x, _QUICK),
            lambda x: _swish_third(x, _QUICK),
        ),
        facts=lambda: _swish_facts(_QUICK),
        source="Hendrycks & Gimpel, arXiv 1606.08415, section 2; used by CLIP",
        summary="GELU's approximation by a logistic gate, swish at beta = 1.702.",
    )
)

# --- hardswish: x relu6(x + 3) / 6


def _hardswish(x: Tensor) -> Tensor:
    return x.clamp_min(-3.0) * (F.relu6(x + 3) / 6)


def _hardswish_first(x: Tensor) -> Tensor:
    return keep_nan(x, torch.where(x <= -3, 0.0, torch.where(x >= 3, 1.0, x / 3 + 0.5)))


HARDSWISH = register(
    Definition(
        name="hardswish",
        derivatives=(_hardswish, _hardswish_first, lambda x: step(x, (x > -3) & (x < 3), 1 / 3)),
        backward=lambda grad, x: torch.ops.aten.hardswish_backward(grad, x),
        facts=lambda: Facts(
            formula=r"x\,\min(\max(x+3, 0), 6)/6",
            limits=_RISES_FROM_ZERO,
            kinks=(-3.0, 3.0),
            smoothness=0,
            pieces=(
                polynomial([], high=-3.0),
                polynomial([0.0, 0.5, 1 / 6], low=-3.0, high=3.0),
                polynomial([0.0, 1.0], low=3.0),
            ),
        ),
        source="Howard et al., MobileNetV3, arXiv 1905.02244",
        summary="Swish with a piecewise linear gate; its slope jumps by one half at -3 and 3.",
    )
)

# --- mish: x tanh(softplus(x));  gate' = S s, gate'' = S (s' - 2 T s**2) with T = tanh(sp), S = sech(sp)**2, s = sp'


def _mish(x: Tensor) -> Tensor:
    return x.clamp_min(-DECAYED) * torch.tanh(softplus(x))


def _mish_first(x: Tensor) -> Tensor:
    t = _clamped(x)
    sp = softplus(t)
    return torch.tanh(sp) + t * sech_squared(sp) * logistic(t)


def _mish_second(x: Tensor) -> Tensor:
    t = _clamped(x)
    sp, s = softplus(t), logistic(t)
    return sech_squared(sp) * (2 * s + t * (logistic_slope(t) - 2 * torch.tanh(sp) * s * s))


MISH = register(
    Definition(
        name="mish",
        derivatives=(_mish, _mish_first, _mish_second),
        facts=lambda: Facts(formula=r"x\tanh(\ln(1+e^x))", limits=_RISES_FROM_ZERO),
        source="Misra, arXiv 1908.08681",
        summary="x gated by tanh(softplus(x)).",
    )
)

# --- serf: x erf(softplus(x));  gate' = E s, gate'' = E (s' - 2 sp s**2) with E = 2/sqrt(pi) exp(-sp**2)


def _erf_slope(sp: Tensor) -> Tensor:
    return torch.exp(-sp * sp) * (2 / math.sqrt(math.pi))


def _serf(x: Tensor) -> Tensor:
    return x.clamp_min(-DECAYED) * torch.erf(softplus(x))


def _serf_first(x: Tensor) -> Tensor:
    t = _clamped(x)
    sp = softplus(t)
    return torch.erf(sp) + t * _erf_slope(sp) * logistic(t)


def _serf_second(x: Tensor) -> Tensor:
    t = _clamped(x)
    sp, s = softplus(t), logistic(t)
    return _erf_slope(sp) * (2 * s + t * (logistic_slope(t) - 2 * sp * s * s))


SERF = register(
    Definition(
        name="serf",
        derivatives=(_serf, _serf_first, _serf_second),
        facts=lambda: Facts(formula=r"x\,\mathrm{erf}(\ln(1+e^x))", limits=_RISES_FROM_ZERO),
        source="Nag, Bhattacharyya, Mukherjee & Kundu, arXiv 2108.09598",
        summary="x gated by erf(softplus(x)).",
    )
)

# --- telu: x tanh(e**x);  gate' = S E, gate'' = S E (1 - 2 T E) with E = exp(x), T = tanh(E), S = sech(E)**2

_SATURATED = 10.0  # sech(exp(10))**2 is 0 and tanh(exp(10)) is 1 in every dtype


def _telu(x: Tensor) -> Tensor:
    return x.clamp_min(-DECAYED) * torch.tanh(torch.exp(x.clamp_max(_SATURATED)))


def _telu_first(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, _SATURATED)
    e = torch.exp(t)
    return torch.tanh(e) + t * e * sech_squared(e)


def _telu_second(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, _SATURATED)
    e = torch.exp(t)
    return e * sech_squared(e) * (2 + t * (1 - 2 * e * torch.tanh(e)))


TELU = register(
    Definition(
        name="telu",
        derivatives=(_telu, _telu_first, _telu_second),
        facts=lambda: Facts(formula=r"x\tanh(e^x)", limits=_RISES_FROM_ZERO),
        source="Fernandez & Mali, arXiv 2412.20269",
        summary="x gated by tanh(exp(x)); linear from about 1 on.",
    )
)

# --- lisht: x tanh(x)


def _lisht_first(x: Tensor) -> Tensor:
    t = _clamped(x)
    return torch.tanh(t) + t * sech_squared(t)


def _lisht_second(x: Tensor) -> Tensor:
    t = _clamped(x)
    return 2 * sech_squared(t) * (1 - t * torch.tanh(t))


LISHT = register(
    Definition(
        name="lisht",
        derivatives=(lambda x: x * torch.tanh(x), _lisht_first, _lisht_second),
        facts=lambda: Facts(formula=r"x\tanh x", limits=(math.inf, math.inf), parity="even"),
        source="Roy, Manna, Dubey & Chaudhuri, arXiv 1901.05894",
        summary="x tanh(x), a smooth |x|: even, so it has no linear part at the origin.",
    )
)
