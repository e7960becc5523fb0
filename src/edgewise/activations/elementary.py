"""Elementary functions that the families share, written so that nothing cancels, overflows early or turns into nan.

Three rules run through all of them, because torch differentiates these formulas under `torch.compile` and beyond the
last closed form: no ``abs`` inside a smooth function (its slope at 0 would be 0 to every order, not the function's), no
``inf * 0`` (a decayed factor is taken as exactly 0), and both branches of a ``torch.where`` are finite everywhere.
Where clamps can do it there is no ``torch.where``, which on a CPU costs as much as fifteen additions, unless it saves
an exponential.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Value = float | Tensor
"""A parameter: a float, or a tensor that broadcasts against x while it is being learned."""

DECAYED = 1e3
"""exp(-DECAYED) is 0 in every dtype: beyond it a factor that decays at least like exp(-|x|) is exactly 0."""


def always(dtype: torch.dtype, **parameters: float) -> bool:
    """``value_suffices`` of what is linear in pieces that its values tell apart."""
    return True


def keep_nan(x: Tensor, y: Tensor) -> Tensor:
    """y, but nan wherever x is."""
    return torch.add(y, x.clamp(-1.0, 1.0), alpha=0.0)


def constant(x: Tensor, value: Value) -> Tensor:
    """`value` at every x, nan at nan."""
    return x.clamp(-1.0, 1.0) * 0.0 + value


def step(x: Tensor, inside: Tensor, value: Value = 1.0, otherwise: Value = 0.0) -> Tensor:
    """`value` where `inside` holds, `otherwise` elsewhere, nan where x is (a comparison of x is false there)."""
    if isinstance(otherwise, float | int) and otherwise == 0:
        return keep_nan(x, inside.to(x.dtype) * value)
    return torch.where(inside, value, constant(x, otherwise))


def slope_times(slope: Value, x: Tensor) -> Tensor:
    """slope * x, a slope of exactly 0 giving 0 at x = +-inf too."""
    if isinstance(slope, float | int):
        if slope == 0:
            return constant(x, 0.0)
        if slope == 1:
            return x
    return slope * x


def finite(x: Tensor) -> Tensor:
    """x with +-inf replaced by the largest finite numbers; nan stays."""
    largest = torch.finfo(x.dtype).max
    return x.clamp(-largest, largest)


def distance(x: Tensor) -> Tensor:
    """|x|, differentiated at 0 as the branch x >= 0."""
    return torch.where(x >= 0, x, -x)


def damped(factor: Tensor, gate: Tensor) -> Tensor:
    """factor * gate, and 0 where the gate has decayed to 0, however large the factor."""
    return torch.where(gate == 0, 0.0, factor) * gate


def horner(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``coefficients[0] + coefficients[1] x + ...``."""
    total = torch.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def root(x: Tensor, b: Value) -> Tensor:
    """sqrt(x**2 + b) for b > 0, without overflow (beyond 1e9 (1 + b) it is |x| to the last digit)."""
    magnitude = distance(x)
    large = magnitude > 1e9 * (1 + b)
    return torch.where(large, magnitude, torch.sqrt(torch.where(large, 1.0, x) ** 2 + b))


def logistic(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), to full relative accuracy down to the last denormal (torch.sigmoid stops at x = -709)."""
    decay, share = _decay_and_share(x)
    return torch.where(x >= 0, 1.0, decay) * share


def logistic_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """`logistic` and `logistic_slope` of the same x, from one exponential."""
    decay, share = _decay_and_share(x)
    return torch.where(x >= 0, 1.0, decay) * share, decay * share.square()


def logistic_slope(x: Tensor) -> Tensor:
    """The first derivative of the logistic function."""
    decay, share = _decay_and_share(x)
    return decay * share.square()


def _decay_and_share(x: Tensor) -> tuple[Tensor, Tensor]:
    """exp(-|x|), and 1 / (1 + exp(-|x|)), the larger of the two sides of the logistic function."""
    decay = torch.exp(-distance(x))
    return decay, 1 / (1 + decay)


def logistic_curvature(x: Tensor) -> Tensor:
    """The second derivative of the logistic function."""
    return -logistic_slope(x) * torch.tanh(0.5 * x)


def sech_squared(x: Tensor) -> Tensor:
    """1 - tanh(x)**2."""
    return 4 * logistic_slope(2 * x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)); torch's default threshold of 20 would cost six digits."""
    return F.softplus(x, threshold=40.0)


def sin_pi(x: Tensor) -> Tensor:
    """sin(pi x), exact in the reduction of its argument."""
    turns = torch.round(x)
    odd = turns - 2 * torch.floor(0.5 * turns)
    return (1 - 2 * odd) * torch.sin(math.pi * (x - turns))


def cos_pi(x: Tensor) -> Tensor:
    """cos(pi x), exact in the reduction of its argument."""
    turns = torch.round(x)
    odd = turns - 2 * torch.floor(0.5 * turns)
    return (1 - 2 * odd) * torch.cos(math.pi * (x - turns))
