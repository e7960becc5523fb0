"""Where sigma must be looked at: panels on which it and its derivatives are polynomials to rounding error.

The line is cut at 0, at every kink and at the octaves +-2**j, and a panel is halved until the Legendre coefficients
of sigma and its derivatives have decayed. That is done once an activation, whatever K: a Gaussian average is then a
weighted sum over the same nodes. A panel counts as resolved relative to the largest value met closer to 0, which
outweighs it at every K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form

NODES = 20
PANEL_BUDGET = 6000
_RESOLVED = 1e-13
_NOISE = 1e-9
_NARROWEST = 2.0**-46
_DEEPEST = 48
_OVERFLOW_EDGE = 2.0**-8
_TAIL_OCTAVES = 13


@dataclass(frozen=True)
class Panels:
    """Panels that resolve an activation, from left to right.

    low, high: edges, shape [panel]. values[k]: sigma^(k) at the Legendre nodes, shape [panel, NODES].
    tails[k]: how far sigma^(k) may be from its interpolant, shape [panel]. complete: the budget sufficed.
    """

    low: Tensor
    high: Tensor
    values: tuple[Tensor, ...]
    tails: tuple[Tensor, ...]
    complete: bool


@lru_cache(maxsize=4)
def legendre(n: int = NODES) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss-Legendre quadrature on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(nodes), torch.from_numpy(weights)


@lru_cache(maxsize=4)
def _coefficients(n: int = NODES) -> Tensor:
    """The matrix from values at the nodes to Legendre coefficients."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    vandermonde = np.polynomial.legendre.legvander(nodes, n - 1)
    return torch.from_numpy((np.arange(n) + 0.5)[:, None] * vandermonde.T * weights)


def nodes_of(low: Tensor, high: Tensor) -> Tensor:
    """The Legendre nodes of panels, shape [panel, NODES]."""
    x, _ = legendre()
    return 0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * x


@lru_cache(maxsize=64)
def resolve(activation: Activation, top_order: int, low_octave: int, high_octave: int) -> Panels:
    """Panels on [-2**high_octave, 2**high_octave], graded down to 2**low_octave, resolving orders 0..top_order."""
    orders = range(top_order + 1)
    octaves = [2.0**j for j in range(low_octave, high_octave + 1)]
    reach = octaves[-1]
    edges = sorted({0.0, *octaves, *(-v for v in octaves), *(k for k in activation.kinks if abs(k) < reach)})
    low, high, values = _start(activation, edges, orders)
    beyond = _silent_radii(low, values)
    if beyond:
        graded = {side * r * (1 + 2.0**-j) for r in beyond for j in range(_TAIL_OCTAVES) for side in (1.0, -1.0)}
        low, high, values = _start(activation, sorted({*edges, *(e for e in graded if abs(e) < reach)}), orders)
    tails = [_tail(v) for v in values]
    parents = [torch.full_like(low, math.inf) for _ in orders]
    floor = 2.0 ** (low_octave - _DEEPEST)
    complete = True
    while True:
        worst = _unresolved(low, high, values, tails, parents) & (high - low > floor)
        count = int(worst.sum())
        if count == 0:
            break
        room = PANEL_BUDGET - low.numel()
        if count > room:
            complete = False
            if room <= 0:
                break
            distance = torch.where(worst, torch.minimum(low.abs(), high.abs()), torch.inf)
            chosen = distance.argsort(stable=True)[:room]
            worst = torch.zeros_like(worst)
            worst[chosen] = True
        middle = 0.5 * (low + high)
        split_low = torch.cat([low[worst], middle[worst]])
        split_high = torch.cat([middle[worst], high[worst]])
        split_values = _evaluate(activation, split_low, split_high, orders)
        keep = ~worst
        low, high = torch.cat([low[keep], split_low]), torch.cat([high[keep], split_high])
        order = low.argsort()
        low, high = low[order], high[order]
        parents = [torch.cat([p[keep], t[worst], t[worst]])[order] for p, t in zip(parents, tails, strict=True)]
        values = [torch.cat([v[keep], s])[order] for v, s in zip(values, split_values, strict=True)]
        tails = [torch.cat([t[keep], _tail(s)])[order] for t, s in zip(tails, split_values, strict=True)]
    return Panels(low, high, tuple(values), tuple(tails), complete)


def _start(activation: Activation, edges: list[float], orders: range) -> tuple[Tensor, Tensor, list[Tensor]]:
    low, high = torch.tensor(edges[:-1], dtype=torch.float64), torch.tensor(edges[1:], dtype=torch.float64)
    return low, high, _evaluate(activation, low, high, orders)


def _silent_radii(low: Tensor, values: list[Tensor]) -> set[float]:
    """For each order how far from 0 sigma^(order) vanishes identically, where it does (softshrink, relu(x - 1) -
    relu(-x - 1)).

    There an average at small K is nothing but the Gaussian's tail beyond that radius, which falls off within r K /
    r**2 of it.
    """
    radii = set()
    for v in values:
        heard = low[(v != 0).any(-1)]
        if heard.numel():
            right, left = heard[heard >= 0], heard[heard < 0]
            nearest = [float(right.min())] if right.numel() else []
            if left.numel():  # the panel's other edge is the one nearer to 0
                nearest.append(-float(low[low > left.max()].min()))
            radii.add(min(nearest))
    return {r for r in radii if r > 0}


def _evaluate(activation: Activation, low: Tensor, high: Tensor, orders: range) -> list[Tensor]:
    z = nodes_of(low, high)
    with torch.no_grad():
        return [closed_form(activation, z, k).detach().to(torch.float64) for k in orders]


def _tail(values: Tensor) -> Tensor:
    """The largest of the last three Legendre coefficients of each panel; 0 where a value is not finite."""
    finite = torch.isfinite(values).all(-1)
    safe = torch.where(finite[:, None], values, 0.0)
    largest = safe.abs().amax(-1, keepdim=True).clamp_min(1e-300)
    scaled = (safe / largest) @ _coefficients()[-3:].T
    return scaled.abs().amax(-1) * largest[:, 0]


def _unresolved(low: Tensor, high: Tensor, values: list[Tensor], tails: list[Tensor], parents: list[Tensor]) -> Tensor:
    """Which panels to halve: tail above rounding error, still shrinking or still large, and not too narrow."""
    worst = torch.zeros_like(low, dtype=torch.bool)
    radius = torch.maximum(low.abs(), high.abs())
    outward = radius.argsort(stable=True)
    for v, tail, parent in zip(values, tails, parents, strict=True):
        size = torch.where(torch.isfinite(v), v.abs(), 0.0).amax(-1)
        reached = torch.empty_like(size)
        reached[outward] = torch.cummax(size[outward], 0).values
        noise = (tail <= _NOISE * reached) & (tail > 0.3 * parent)
        worst |= (tail > _RESOLVED * reached) & ~noise
    half_finite = torch.stack([torch.isfinite(v).any(-1) & ~torch.isfinite(v).all(-1) for v in values]).any(0)
    width = high - low
    return (worst & (width > _NARROWEST * radius)) | (half_finite & (width > _OVERFLOW_EDGE * radius))
