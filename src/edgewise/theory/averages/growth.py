"""Telling an average that diverges from one that overflows, and saying so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from edgewise.activations.activation import Activation
from edgewise.errors import AverageError, AverageOverflowError, DivergentAverageError

_NEGLIGIBLE = 1e-16
_UNCLEAR = 1e-6


def explain_growth(
    activation: Activation,
    orders: Sequence[int],
    z_power: int,
    kernel: Tensor,
    z: Tensor,
    factors: Sequence[Tensor],
    share: Tensor,
    magnitude: Tensor,
) -> None:
    """Returns when every average is finite and complete; otherwise raises the error that says why it is not.

    share: the density's factor-th root, shape [K, node]; magnitude: the sums of the absolute integrand, shape [K].
    The growth of log|sigma| at the last finite nodes decides between an infinite integral and one beyond float64.
    """
    for f in factors:
        missing = torch.isnan(f)
        if bool(missing.any()):
            at = float(z[missing][z[missing].abs().argmin()])
            raise AverageError(
                f"sigma = {activation.spec} is not a number at x = {at:.6g}, so its Gaussian average does not exist; "
                "try a function defined on the whole line"
            )
    finite = (
        torch.stack([torch.isfinite(f) for f in factors]).all(0) if factors else torch.ones_like(z, dtype=torch.bool)
    )
    for side in (1.0, -1.0):
        ours = finite & (z * side > 0)
        if not bool(ours.any()):
            continue
        index = torch.nonzero(ours)[:, 0]
        last = int(index[-1] if side > 0 else index[0])
        cut = not bool(finite[z * side > 0].all())
        edge = share[:, last] ** len(factors) * abs(float(z[last])) ** z_power * abs(float(z[last]))
        for f in factors:
            edge = edge * f[last].abs()
        heavy = ~(edge <= _NEGLIGIBLE * magnitude)
        if not bool(heavy.any()):
            continue
        k = float(kernel[heavy][-1])
        what = _name(orders, z_power)
        if _diverges(z, factors, index, side, k):
            raise DivergentAverageError(
                f"the average {what} of {activation.spec} is infinite at K={k:g}: it outgrows the Gaussian; "
                "try a smaller K or a slower growing activation"
            )
        if cut or not math.isfinite(float(magnitude[heavy][-1])):
            raise AverageOverflowError(
                f"the average {what} of {activation.spec} at K={k:g} is beyond the largest float64; try a smaller K"
            )
    if not bool(torch.isfinite(magnitude).all()):
        k = float(kernel[~torch.isfinite(magnitude)][-1])
        raise AverageOverflowError(
            f"the average {_name(orders, z_power)} of {activation.spec} at K={k:g} is beyond the largest float64; "
            "try a smaller K"
        )


def _diverges(z: Tensor, factors: Sequence[Tensor], index: Tensor, side: float, kernel: float) -> bool:
    """Whether the integrand's logarithm outgrows z**2/(2K), judged from the last octave where sigma is finite."""
    ordered = index if side > 0 else index.flip(0)
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
