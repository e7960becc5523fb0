"""The normal distribution: its density, its distribution function, and what a Gaussian smoothing adds to a ReLU.

All exponentials are of the same square, so that a compiled kernel that needs several of these functions at one x takes
one. In float32 the last two have polynomials of their own, where torch's functions cost several times as much.
Polynomials are fitted against mpmath: Chebyshev interpolation in float64, else minimax fits in the relative error
(Lawson's iteration).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.elementary import DECAYED, horner

ERFC_SCALE = 0.3
ERFC = (
    0.3249799177042416, 0.5530472406795439, 0.7951260740879144, 0.9497338490185073, 0.9112834141731411,
    0.6534319996286242, 0.28052492553638825, -0.032506184303031184, -0.12954062763135815,
)  # fmt: skip
"""erfc(u) exp(u**2) / t in powers of t - 1/2, t = 1/(1 + 0.3 u), 0 <= u <= 10.2; relative error 2e-8."""

_TOWARD_LEFT = -math.sqrt(0.5)


def normal_density(x: Tensor) -> Tensor:
    """The standard normal density."""
    u = _TOWARD_LEFT * x
    return torch.exp(-(u * u)) * (1 / math.sqrt(2 * math.pi))


def normal_cdf(x: Tensor) -> Tensor:
    """The standard normal distribution function; its left tail reaches down to x = -38 in float64."""
    u = _TOWARD_LEFT * x
    return 0.5 * (_erfc_single(u) if _in_generated_code(u) else torch.erfc(u))


def _in_generated_code(x: Tensor) -> bool:
    """Whether inductor is to write float32 code of a value that it will not differentiate.

    Its erfc is Sleef's, which costs six times as much; a fitted polynomial is not for differentiating.
    """
    if not torch.compiler.is_dynamo_compiling() or x.dtype != torch.float32:
        return False
    return not (x.requires_grad and torch.is_grad_enabled())


def _erfc_single(u: Tensor) -> Tensor:
    """erfc in float32 to the accuracy that rounding u**2 leaves it."""
    size = u.abs()
    t = 1 / (1 + ERFC_SCALE * size)
    tail = torch.exp(-(u * u)) * (t * horner(t - 0.5, ERFC))
    return torch.where(u < 0, 2 - tail, tail)


# --- phi(w) - w Phi(-w) for w >= 0: the mean of relu(z - w) over a standard normal z

_SWITCH = 3.5
_FLATTEN = 6.0
_STRETCH = 2 * (_SWITCH**2 + _FLATTEN)
_TAIL = (
    1.094851079837685, 0.10916483748398198, 0.016255410257063268, 0.0022688062839534826,
    0.00037495790127683987, 5.6659524924249176e-05, 1.0116266423097625e-05, 1.5327944591219455e-06,
    3.0351217811196135e-07, 4.1588309832707275e-08, 1.0328537656938145e-08, 9.207373573235516e-10,
    4.420504521608345e-10, -1.4188863920357629e-11, 2.959548572194792e-11, -2.8308085004223137e-12,
    1.7193233938061119e-12, -1.9925916694998736e-12, 8.245331518859414e-13,
)  # fmt: skip
"""(phi(w) - w Phi(-w)) (w**2 + 6) / phi(w) for w >= 3.5 in powers of 36.5/(w**2 + 6) - 1; relative error 2e-18."""

_SINGLE_SCALE = 0.3
_SINGLE = (
    0.11596502811763332, 0.30135507881965434, 0.4115167496334354, 0.28392943999723486, -0.01460938158492969,
    -0.17231467369652695, -0.038382819782354444, 0.1087182420103433, 0.022917964146486017, -0.05729581245470114,
)  # fmt: skip
"""(phi(w) - w Phi(-w)) exp(w**2/2) / t**2 in powers of t - 1/2, t = 1/(1 + 0.3 w), w <= 14.5; relative error 5e-8."""


def normal_overhang(w: Tensor) -> Tensor:
    """phi(w) - w Phi(-w) for w >= 0; far out, where the difference cancels, as phi(w) times a polynomial."""
    near = w.clamp_max(_SWITCH)
    far = w.clamp(_SWITCH, DECAYED)
    s = 1 / (far * far + _FLATTEN)
    tail = normal_density(far) * (s * horner(_STRETCH * s - 1, _TAIL))
    return torch.where(w > _SWITCH, tail, normal_density(near) - near * normal_cdf(-near))


def normal_overhang_single(w: Tensor) -> Tensor:
    """`normal_overhang` in float32, for values alone: a fitted polynomial is not for differentiating."""
    t = 1 / (1 + _SINGLE_SCALE * w)
    return torch.exp(-0.5 * (w * w)) * (t * t * horner(t - 0.5, _SINGLE))
