"""Telling an average that diverges from one that overflows, and saying so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.errors import AverageError, AverageOverflowError, DivergentAverageError

_NEGLIGIBLE = 1e-16
_UNCLEAR = 1e-6
_STEP_BACK = 30
_HOPELESS = 1e-2


def left_out(
    activation: Activation,
    orders: Sequence[int],
    z_power: int,
    kernel: Tensor,
    z: Tensor,
    factors: Sequence[Tensor],
    share: Tensor,
    magnitude: Tensor,
) -> Tensor:
    """What lies beyond the last node where sigma is finite, shape [K]: 0 unless sigma overflows in the Gaussian's
    reach.

    share: the density's factor-th root, shape [K, node]; magnitude: the sums of the absolute integrand, shape [K].
    Raises DivergentAverageError for an infinite integral and AverageOverflowError for one beyond float64; the growth of
    log|sigma| at the last finite nodes decides which it is. Raises AverageError where sigma is not a number.
    """
    what = f"the average {_name(orders, z_power)} of {activation.spec}"
    for f in factors:
        missing = torch.isnan(f)
        if bool(missing.any()):
            at = float(z[missing][z[missing].abs().argmin()])
            raise AverageError(
                f"{activation.spec} or a derivative of it is not a number at x = {at:.6g}, so {what} does not exist; "
                "try a function defined on the whole line"
            )
    finite = torch.stack([torch.isfinite(f) for f in factors]).all(0) if factors else torch.isfinite(z)
    beyond = torch.zeros_like(magnitude)
    for side in (1.0, -1.0):
        index = torch.nonzero(finite & (z * side > 0))[:, 0]
        if index.numel() < 2:
            continue
        outward = index if side > 0 else index.flip(0)
        last, before = int(outward[-1]), int(outward[-_STEP_BACK] if outward.numel() > _STEP_BACK else outward[0])
        edge, inner = (_size(z[i], [f[i] for f in factors], share[:, i], z_power) for i in (last, before))
        heavy = ~(edge <= _NEGLIGIBLE * magnitude) | ~torch.isfinite(magnitude)
        if not bool(heavy.any()):
            continue
        rising = heavy & ~(edge < inner)
        at = float(kernel[heavy][-1])
        if _diverges(z, factors, outward, at):
            raise DivergentAverageError(
                f"{what} is infinite at K={at:g}: it outgrows the Gaussian; try a smaller K or a slower activation"
            )
        if bool(rising.any()):
            at = float(kernel[rising][-1])
            raise AverageOverflowError(f"{what} at K={at:g} is beyond the largest float64; try a smaller K")
        beyond = beyond + torch.where(heavy, edge, 0.0)
        lost = beyond > _HOPELESS * magnitude
        if bool(lost.any()):
            at = float(kernel[lost][-1])
            raise AverageOverflowError(f"{what} at K={at:g} needs sigma where it overflows float64; try a smaller K")
    if not bool(torch.isfinite(magnitude).all()):
        at = float(kernel[~torch.isfinite(magnitude)][-1])
        raise AverageOverflowError(f"{what} at K={at:g} is beyond the largest float64; try a smaller K")
    return beyond


def _size(z: Tensor, values: Sequence[Tensor], share: Tensor, z_power: int) -> Tensor:
    """|integrand| times |z| at one node, shape [K]: the order of magnitude of what an octave there would contribute."""
    size = torch.ones_like(share) * z.abs() ** (z_power + 1)
    for v in values:
        size = size * (v.abs() * share)
    return size


def _diverges(z: Tensor, factors: Sequence[Tensor], ordered: Tensor, kernel: float) -> bool:
    """Whether the integrand's logarithm outgrows z**2/(2K), judged from the last octave where sigma is finite."""
    outer = int(ordered[-1])
    inner = int(ordered[int((z[ordered].abs() < 0.7 * float(z[outer].abs())).sum()) - 1])
    total = 0.0
    for f in factors:
        a, b = abs(float(f[inner])), abs(float(f[outer]))
        if a == 0 or b == 0:
            return False
        slow, fast = math.log(a), math.log(b)
        if slow <= 1.0:
            continue
        power = math.log(fast / slow) / math.log(abs(float(z[outer]) / float(z[inner])))
        if power > 2.2:
            return True
        if power > 1.8:
            total += fast / float(z[outer]) ** 2
    return total >= (1 - _UNCLEAR) / (2 * kernel)


def _name(orders: Sequence[int], z_power: int) -> str:
    factors = [f"z^{z_power}"] if z_power > 1 else ["z"] * z_power
    factors += ["σ" + "'" * o for o in orders]
    return "⟨" + " ".join(factors) + "⟩"
