"""An activation applied to a series: sigma(z0 + rest) = sigma(z0) + sigma'(z0) rest + sigma''(z0)/2 rest**2 + ...."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.pinn.algebra import Algebra
from edgewise.pinn.series import taylor

Power = dict[int, Tensor]
"""The parts of a power of a series that do not vanish."""


def composed(sigma: Activation, parts: Sequence[Tensor], algebra: Algebra) -> list[Tensor]:
    """The parts of sigma(z) from those of z, in operations that torch differentiates."""
    if algebra.order == 0:
        return [sigma(parts[0])]
    series = taylor(sigma, parts[0], algebra.order)
    value, slope = series[0], series[1]
    if sigma.definition.surrogate is not None:  # which back-propagation takes for the slope of the value alone
        value = sigma(parts[0])
    assert value is not None
    result: list[Tensor] = [value]
    result += [torch.zeros_like(z) if slope is None else slope * z for z in parts[1:]]
    for m, power in powers(parts, algebra):
        factor = series[m]
        if factor is not None:
            for k, p in power.items():
                result[k] = torch.addcmul(result[k], factor, p)
    return result


def powers(parts: Sequence[Tensor], algebra: Algebra) -> list[tuple[int, Power]]:
    """The powers m = 2, 3, ... of a series without its value, until they vanish."""
    found = []
    before: Power = dict(enumerate(parts))
    del before[0]
    for m, present in enumerate(algebra.powers[1:], 2):
        before = {k: _part_of_product(before, parts, algebra.products[k], square=m == 2) for k in present}
        found.append((m, before))
    return found


def _part_of_product(
    a: Power, b: Sequence[Tensor], products: Sequence[tuple[int, int, float]], *, square: bool
) -> Tensor:
    total: Tensor | None = None
    for i, j, c in products:
        if i not in a or (square and i > j):
            continue
        factor = 2 * c if square and i < j else c
        if total is not None:
            total = torch.addcmul(total, a[i], b[j], value=factor)
        else:
            total = a[i] * b[j] if factor == 1.0 else a[i] * b[j] * factor
    assert total is not None
    return total
