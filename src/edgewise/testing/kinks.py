"""Kinks and smoothness: what is declared is there, and nothing else is."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgewise.testing.outcome import ConformanceError, NotApplicable

if TYPE_CHECKING:
    from edgewise.activations import Activation

_EPS = torch.finfo(torch.float64).eps
_BESIDE = 8 * _EPS  # a declared kink may be a float beside the true one
_APART = 1e-3
_SYMBOLS = ("sigma", "sigma'", "sigma''")


def check_kinks(activation: Activation) -> None:
    """At every kink sigma and sigma' lie between their one-sided limits, and sigma'' is no nan.

    Where sigma is continuous the two limits are one. Kinks are finite and ascending.

    Raises ConformanceError, NotApplicable where there is no kink.
    """
    kinks = activation.kinks
    if not kinks:
        raise NotApplicable("no kinks")
    if not all(map(math.isfinite, kinks)) or any(a >= b for a, b in itertools.pairwise(kinks)):
        raise ConformanceError(f"{activation.spec}: kinks {kinks} are not finite and ascending")
    for kink in kinks:
        left, right = _sides(activation, kink, _BESIDE)
        at = _jet(activation, torch.tensor([kink], dtype=torch.float64))[:, 0].tolist()
        slope = max(abs(left[1]), abs(right[1]))
        for order in (0, 1):
            low, high = sorted((left[order], right[order]))
            # The sides are looked at 8 units beside the kink: sigma may move that far, sigma' as between them.
            slack = 32 * _EPS * (abs(low) + abs(high) + max(1.0, abs(kink)) * (slope if order == 0 else 1.0))
            slack += (high - low) if order == 1 and activation.smoothness >= 1 else 0.0
            if not low - slack <= at[order] <= high + slack:
                raise ConformanceError(
                    f"{activation.spec}: {_SYMBOLS[order]} at the kink {kink:g} is {at[order]!r}, "
                    f"outside its one-sided limits {left[order]:g} and {right[order]:g}"
                )
        if math.isnan(at[2]):
            raise ConformanceError(f"{activation.spec}: sigma'' at the kink {kink:g} is nan")


def check_smoothness(activation: Activation) -> None:
    """Declared C^k: orders up to min(k, 2) are continuous at every kink; order k + 1, if at most 2, jumps at one.

    Raises ConformanceError.
    """
    smoothness = activation.smoothness
    jumps = {order: [k for k in activation.kinks if _jumps(activation, k, order)] for order in range(3)}
    for order, where in jumps.items():
        if order <= smoothness and where:
            raise ConformanceError(
                f"{activation.spec}: {_SYMBOLS[order]} jumps at {where[0]:g}, but smoothness {smoothness:g} is declared"
            )
    if smoothness < 2 and not jumps[int(smoothness) + 1]:
        raise ConformanceError(
            f"{activation.spec}: smoothness {smoothness:g} is declared, "
            f"but {_SYMBOLS[int(smoothness) + 1]} jumps at no kink"
        )


def check_no_other_kinks(activation: Activation, *, reach: float = 12.0, cells: int = 4801) -> None:
    """sigma, sigma', sigma'' do not jump in [-reach, reach] away from the declared kinks.

    Every cell of a grid 5e-3 wide is halved 30 times, each time keeping the half with the larger change: from the 15th
    halving on a jump survives and a continuous function's change dies. A jump smaller than what the curvature adds to
    one half of a cell, some 1e-5 of it, can be missed. Raises ConformanceError.
    """
    edges = torch.linspace(-reach, reach, cells, dtype=torch.float64) + 1e-4 * math.pi
    for order in range(3):
        left, right = edges[:-1].clone(), edges[1:].clone()
        for kink in activation.kinks:
            apart = ~((left <= kink + _APART) & (right >= kink - _APART))
            left, right = left[apart], right[apart]
        low, high = activation.derivative(left, order), activation.derivative(right, order)
        halfway = high - low
        for halving in range(30):
            middle = 0.5 * (left + right)
            value = activation.derivative(middle, order)
            in_left = (value - low).abs() >= (high - value).abs()
            left, low = torch.where(in_left, left, middle), torch.where(in_left, low, value)
            right, high = torch.where(in_left, middle, right), torch.where(in_left, value, high)
            halfway = high - low if halving == 14 else halfway
        change = (high - low).abs()
        noise = 1e-9 * (1 + low.abs() + high.abs())
        found = (change > 0.25 * halfway.abs()) & (change > noise)
        if found.any():
            i = int(torch.where(found, change, 0.0).argmax())
            raise ConformanceError(
                f"{activation.spec}: {_SYMBOLS[order]} jumps by {change[i]:.3g} at x={left[i]:.12g}, "
                f"which is no declared kink"
            )


def _jumps(activation: Activation, kink: float, order: int) -> bool:
    """Whether sigma^(order) keeps differing across the kink as it is approached (or grows without bound)."""
    far_left, far_right = _sides(activation, kink, _APART)
    left, right = _sides(activation, kink, _BESIDE)
    near, far = abs(right[order] - left[order]), abs(far_right[order] - far_left[order])
    return near > 1e-9 * (1 + min(abs(left[order]), abs(right[order]))) and near > 0.3 * far


def _sides(activation: Activation, kink: float, distance: float) -> tuple[list[float], list[float]]:
    """sigma, sigma', sigma'' at `distance` (relative where |kink| > 1) to the left and to the right of the kink."""
    offset = distance * max(1.0, abs(kink))
    left, right = _jet(activation, torch.tensor([kink - offset, kink + offset], dtype=torch.float64)).unbind(1)
    return left.tolist(), right.tolist()


def _jet(activation: Activation, x: Tensor) -> Tensor:
    """sigma, sigma', sigma'' stacked: (3, *x.shape)."""
    return torch.stack([activation.derivative(x, order) for order in range(3)])
