"""One entry for every Gaussian average of an activation and its derivatives: ``<z**m sigma^(i) sigma^(j) ...>_K``.

Strategies are tried in order (scaling of homogeneous activations, closed forms, panels), each returns its own error
estimate, and each K keeps the best answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.errors import AverageOverflowError
from edgewise.theory.averages.closed_form import closed_form_average
from edgewise.theory.averages.integrand import integrand, symbol
from edgewise.theory.averages.panels import panel_average

_EPS = 2.0**-52
_GOOD_ENOUGH = 2e-14


@dataclass(frozen=True)
class Average:
    """Gaussian averages at several K, and sums and multiples of them.

    value: float64, shape of K.
    error: estimated absolute error of each value; what underflows is 0, with an error below the smallest float64.
    magnitude: ``<|integrand|>`` or a bound of its size, the scale against which the error is small when the value
    cancels.
    """

    value: Tensor
    error: Tensor
    magnitude: Tensor

    def __add__(self, other: Average) -> Average:
        return Average(
            self.value + other.value,
            self.error + other.error + _EPS * (self.value + other.value).abs(),
            self.magnitude + other.magnitude,
        )

    def __mul__(self, factor: Tensor | float) -> Average:
        size = factor.abs() if isinstance(factor, Tensor) else abs(factor)
        return Average(self.value * factor, self.error * size, self.magnitude * size)


def best(candidates: Sequence[Average]) -> Average:
    """For each K the candidate with the smallest error estimate (earlier ones win ties)."""
    chosen = candidates[0]
    for other in candidates[1:]:
        better = ~(chosen.error <= other.error)
        chosen = Average(
            torch.where(better, other.value, chosen.value),
            torch.where(better, other.error, chosen.error),
            torch.where(better, other.magnitude, chosen.magnitude),
        )
    return chosen


def average(activation: Activation, kernel: Tensor, orders: tuple[int, ...] = (0, 0), z_power: int = 0) -> Average:
    """``< z**z_power * prod_i sigma^(orders[i])(z) >`` for z ~ N(0, K), kinks excluded (no delta functions).

    kernel: float64 tensor of K > 0, any shape; the results have that shape. Raises DivergentAverageError,
    AverageOverflowError or AverageError where there is no finite float64 value.
    """
    flat = kernel.detach().to("cpu", torch.float64).reshape(-1)
    if flat.numel() == 0:
        return Average(kernel.clone(), kernel.clone(), kernel.clone())
    degree = activation.homogeneity
    if degree is not None:
        at_one = _best(activation, torch.ones(1, dtype=torch.float64), orders, z_power)
        exponent = 0.5 * (z_power + sum(degree - o for o in orders))
        scale = flat**exponent
        columns = [c * scale for c in at_one]
        columns[1] = columns[1] + _EPS * columns[0].abs() * (exponent not in (0.0, 1.0))
        if not bool(torch.isfinite(columns[0]).all()):
            raise AverageOverflowError(
                f"an average of {activation.spec} at K={float(flat.max()):g} is beyond the largest float64; "
                "try a smaller K"
            )
    else:
        columns = list(_best(activation, flat, orders, z_power))
    value, error, magnitude = (c.reshape(kernel.shape) for c in columns)
    return Average(value, error, magnitude)


def _best(activation: Activation, flat: Tensor, orders: tuple[int, ...], z_power: int) -> tuple[Tensor, Tensor, Tensor]:
    """(value, error, magnitude) of the strategy with the smallest error estimate at each K, cheapest first."""
    closed = _closed(activation, flat, orders, z_power)
    if closed is None:
        return panel_average(activation, flat, orders, z_power)
    value, error, magnitude = closed
    poor = ~(error <= _GOOD_ENOUGH * magnitude)
    if bool(poor.any()):
        other = panel_average(activation, flat[poor], orders, z_power)
        better = other[1] < error[poor]
        for mine, theirs in zip((value, error, magnitude), other, strict=True):
            mine[poor] = torch.where(better, theirs, mine[poor])
    return value, error, magnitude


def _closed(
    activation: Activation, flat: Tensor, orders: tuple[int, ...], z_power: int
) -> tuple[Tensor, Tensor, Tensor] | None:
    pieces = symbol(activation)
    if pieces is None:
        return None
    k = flat.numpy()
    found = closed_form_average(integrand(pieces, orders, z_power), k)
    if found is None:
        return None
    value, error = (torch.from_numpy(v) for v in found)
    if z_power % 2 == 0 and len(orders) % 2 == 0 and orders[::2] == orders[1::2]:
        return value, error, value.abs() + error  # the integrand is a square
    bound = torch.ones_like(flat)
    for i, order in enumerate(orders):  # Cauchy and Schwarz
        square = closed_form_average(integrand(pieces, (order, order), 2 * z_power if i == 0 else 0), k)
        bound = bound * torch.from_numpy(square[0]).clamp_min(0.0).sqrt() if square is not None else bound
    return value, error, bound + error
