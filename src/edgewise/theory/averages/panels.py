"""Gaussian averages by panel Gauss-Legendre quadrature, all K on the same nodes.

The nodes resolve sigma (see `resolution`) and, being graded by octaves toward 0, the Gaussian of every K as well: 20
nodes integrate exp(-x**2/2) over an octave to rounding error. So an average at many K is one matrix product, and its
error estimate (what sigma's interpolant leaves out, plus rounding) is another column of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.theory.averages.growth import left_out
from edgewise.theory.averages.resolution import NODES, legendre, nodes_of, resolve

REACH = 64.0
"""How far the nodes go, in standard deviations: exp(-REACH**2/2) leaves room for x**50 and exp(x) at any finite
average."""
_INNERMOST = -24
"""Octave down to which the panels are always graded: steps as narrow as tanh(1e8 x) are then met, whatever K."""
_ROUNDING = 4 * 2.0**-52
_CHUNK = 64
_NEGLIGIBLE = 1e-17


@dataclass(frozen=True)
class Grid:
    """Nodes for a range of K: z and quadrature weights [node], sigma^(k) at them, what its interpolants leave out."""

    z: Tensor
    weights: Tensor
    values: tuple[Tensor, ...]
    tails: tuple[Tensor, ...]


def grid(activation: Activation, smallest: float, largest: float, top_order: int) -> Grid:
    """The nodes that serve every K in [smallest, largest]."""
    low = 4 * math.floor(0.5 * math.log2(smallest) / 4)
    high = 4 * math.ceil(math.log2(REACH * math.sqrt(largest)) / 4)
    p = resolve(activation, top_order, min(low, _INNERMOST), max(high, 0))
    _, w = legendre()
    weights = 0.5 * (p.high - p.low)[:, None] * w
    return Grid(
        nodes_of(p.low, p.high).reshape(-1),
        weights.reshape(-1),
        tuple(v.reshape(-1) for v in p.values),
        tuple(t.repeat_interleave(NODES) for t in p.tails),
    )


def panel_average(
    activation: Activation, kernel: Tensor, orders: Sequence[int], z_power: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(value, error, magnitude) of ``<z**m prod_i sigma^(o_i)>`` at each K of a non-empty 1-d tensor.

    Raises DivergentAverageError and AverageOverflowError where the average is infinite or too large, AverageError
    where sigma is not a number.
    """
    g = grid(activation, float(kernel.min()), float(kernel.max()), max(orders, default=0))
    ascending = kernel.argsort()
    rows = [_rows(activation, g, kernel[i], orders, z_power) for i in torch.split(ascending, _CHUNK)]
    found = torch.cat(rows)
    out = torch.empty_like(found)
    out[ascending] = found
    return out[:, 0], out[:, 1], out[:, 2]


def _rows(activation: Activation, g: Grid, kernel: Tensor, orders: Sequence[int], z_power: int) -> Tensor:
    """(value, error, magnitude) as columns for one chunk of ascending K."""
    reach = REACH * math.sqrt(float(kernel[-1]))
    first, last = (int(i) for i in torch.searchsorted(g.z, torch.tensor([-reach, reach], dtype=torch.float64)))
    z, weights = g.z[first:last], g.weights[first:last]
    factors = [g.values[o][first:last] for o in orders]
    tails = [g.tails[o][first:last] for o in orders]
    columns = _columns(z, weights, factors, tails, z_power)
    normal = 1 / (2 * math.pi * kernel).sqrt()
    exponent = -0.5 * (z * z) / kernel[:, None]
    if bool((columns[-1] < 1e250).all()):
        density = exponent.exp()
        sums = density @ torch.stack(columns, 1) * normal[:, None]
        outermost = torch.maximum(columns[2][0], columns[2][-1]) if columns[2].numel() else columns[2].sum()
        edge = float(outermost) * torch.exp(-0.5 * REACH**2 * kernel[-1] / kernel)
        if bool((edge * normal <= _NEGLIGIBLE * sums[:, 2]).all()):
            return _finished(sums)
    share = torch.exp(exponent / max(len(orders), 1))
    sums = torch.stack([_split(z, weights, factors, tails, z_power, s) for s in share]) * normal[:, None]
    beyond = left_out(activation, orders, z_power, kernel, z, factors, share, sums[:, 2] / normal)
    sums[:, 1] += beyond * normal
    return _finished(sums)


def _finished(sums: Tensor) -> Tensor:
    """value, |unresolved| + rounding, magnitude."""
    return torch.stack([sums[:, 0], sums[:, 1] + _ROUNDING * sums[:, 2], sums[:, 2]], 1)


def _columns(
    z: Tensor, weights: Tensor, factors: Sequence[Tensor], tails: Sequence[Tensor], z_power: int
) -> list[Tensor]:
    """What the density is summed against: integrand, its uncertainty, its absolute value."""
    monomial = z**z_power * weights
    product = monomial
    for f in factors:
        product = product * f
    uncertain = torch.zeros_like(z)
    for i, t in enumerate(tails):
        rest = t
        for j, f in enumerate(factors):
            if j != i:
                rest = rest * f.abs()
        uncertain = uncertain + rest
    return [product, monomial.abs() * uncertain, product.abs()]


def _split(
    z: Tensor, weights: Tensor, factors: Sequence[Tensor], tails: Sequence[Tensor], z_power: int, share: Tensor
) -> Tensor:
    """The three sums at one K where sigma is finite, the density shared out over the factors so that none overflows."""
    alive = (share > 0) & torch.stack([torch.isfinite(f) for f in factors] or [share > 0]).all(0)
    scaled = [torch.where(alive, f * share, 0.0) for f in factors]
    scaled_tails = [torch.where(alive, t * share, 0.0) for t in tails]
    return torch.stack([c.sum() for c in _columns(z, weights, scaled, scaled_tails, z_power)])
