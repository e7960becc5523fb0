"""The gap ``<sigma**2>_K - <sigma sigma>_rho`` as half the mean square of a difference, so that nothing cancels.

With z1 = u + v, z2 = u - v the variables u and v are independent, of variance K (1 + rho)/2 and K (1 - rho)/2, and
the gap is
``<(sigma(u + v) - sigma(u - v))**2>/2``. Where v is small the difference is the integral of sigma' from u - v to u +
v, cut at
sigma's edges, plus the jump where sigma has one. Any activation, any correlation.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory.averages.conditional import OUTER_REACH, features
from edgewise.theory.averages.jumps import is_discontinuous, jumps
from edgewise.theory.averages.resolution import NODES, legendre, nodes_of

Real = npt.NDArray[np.float64]
_V_REACH = 10.0
_CHUNK = 1 << 19
_SLOPE_NODES = 12
_FINEST = 40


def squared_difference(activation: Activation, kernel: float, one_minus: float) -> tuple[float, float]:
    """(gap, rounding error) at one K and one 1 - rho in [0, 2]."""
    wide, narrow = math.sqrt(kernel * (1 - 0.5 * one_minus)), math.sqrt(kernel * 0.5 * one_minus)
    if narrow == 0.0:
        return 0.0, 0.0
    reach = OUTER_REACH * math.sqrt(kernel)
    edges = features(activation, 1, reach)
    spacing = float(np.diff(edges).min()) if len(edges) > 1 else reach
    v, weights = _half_normal(activation, wide, narrow, edges, spacing)
    smooth = 2 * _V_REACH * narrow <= 0.99 * spacing
    steps = jumps(activation, lambda s: s(0)) if is_discontinuous(activation) else None
    total, scale = 0.0, 0.0
    rows = max(1, _CHUNK // (NODES * (2 * len(edges) + 12) * (2 * _SLOPE_NODES if smooth else 1)))
    for vs, ws in zip(torch.split(v, rows), torch.split(weights, rows), strict=True):
        u, row, density = _nodes(vs, wide, torch.from_numpy(edges))
        half = vs[row][:, None].expand_as(u)
        with torch.no_grad():
            if smooth:
                difference = _integrated_slope(activation, u, half, edges, steps)
            else:
                above, below = (closed_form(activation, u + sign * half, 0) for sign in (1.0, -1.0))
                difference = above - below
                scale += float((ws[row] * ((above**2 + below**2) * density).sum(1)).sum())
        total += float((ws[row] * (difference**2 * density).sum(1)).sum())
    gap = 0.5 * total
    noise = 2.0**-52 * math.sqrt(gap * scale)  # each sigma rounds by itself
    return gap, noise + 2.0**-46 * gap


def _half_normal(
    activation: Activation, wide: float, narrow: float, sigma_edges: Real, spacing: float
) -> tuple[Tensor, Tensor]:
    """Nodes v > 0 and weights of N(0, narrow**2), doubled; graded by octaves down to sigma's finest structure.

    The inner average bends where two of sigma's edges meet (v half their distance) and, on the scale of `wide`,
    where v passes
    one of them.
    """
    reach = _V_REACH * narrow
    edges = {0.0, 3.0 * narrow, 6.0 * narrow, reach}
    finest = max(0.25 * spacing, reach * 2.0**-_FINEST)
    octave = reach
    while octave > finest:
        octave *= 0.5
        edges.add(octave)
    kinks = np.array(activation.kinks, dtype=np.float64)
    steps = wide * 2.0 ** np.arange(-1, 12)
    passing = (np.abs(kinks)[:, None] + np.concatenate([steps, -steps])).reshape(-1) if wide < narrow else kinks
    meeting = 0.5 * np.abs(kinks[:, None] - kinks).reshape(-1)
    own = np.abs(sigma_edges)
    edges |= {float(e) for e in np.concatenate([meeting, passing, own, 0.5 * own]) if 0 < e < reach}
    grid = torch.tensor(sorted(edges), dtype=torch.float64)
    v = nodes_of(grid[:-1], grid[1:])
    weights = 0.5 * (grid[1:] - grid[:-1])[:, None] * legendre()[1]
    density = 2 * torch.exp(-0.5 * (v / narrow) ** 2) / (math.sqrt(2 * math.pi) * narrow)
    return v.reshape(-1), (weights * density).reshape(-1)


def _nodes(v: Tensor, wide: float, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Panels in u for every v, cut at edges +- v: nodes [panel, NODES], row of v [panel], density times weights."""
    if wide == 0.0:
        return (
            torch.zeros(len(v), 1, dtype=torch.float64),
            torch.arange(len(v)),
            torch.ones(len(v), 1, dtype=torch.float64),
        )
    reach = OUTER_REACH * wide
    base = torch.linspace(-reach, reach, 11, dtype=torch.float64)
    cuts = torch.cat([base.expand(len(v), 11), edges + v[:, None], edges - v[:, None]], 1)
    cuts = cuts.clamp(-reach, reach).sort(1).values
    low, high = cuts[:, :-1], cuts[:, 1:]
    row, column = torch.nonzero(high > low, as_tuple=True)
    a, b = low[row, column], high[row, column]
    u = nodes_of(a, b)
    weights = 0.5 * (b - a)[:, None] * legendre()[1]
    return u, row, weights * torch.exp(-0.5 * (u / wide) ** 2) / (math.sqrt(2 * math.pi) * wide)


def _integrated_slope(activation: Activation, u: Tensor, half: Tensor, edges: Real, steps: Tensor | None) -> Tensor:
    """sigma(u + half) - sigma(u - half) where at most one edge lies between, without cancellation."""
    e = torch.from_numpy(edges)
    first = torch.searchsorted(e, (u - half).contiguous(), right=True)
    crossed = first < torch.searchsorted(e, (u + half).contiguous(), right=False)
    split = torch.where(crossed, e[first.clamp_max(len(e) - 1)] - u, half)
    difference = _slope_integral(activation, u, -half, split)
    if bool(crossed.any()):
        difference[crossed] += _slope_integral(activation, u[crossed], split[crossed], half[crossed])
    if steps is not None:
        for kink, step in zip(activation.kinks, steps, strict=True):
            difference = difference + torch.where((u - half < kink) & (kink < u + half), step, 0.0)
    return difference


def _slope_integral(activation: Activation, u: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``int sigma'(u + t) dt`` for t from low to high, where sigma' is one polynomial to rounding error."""
    nodes, weights = legendre(_SLOPE_NODES)
    t = 0.5 * (low + high)[..., None] + 0.5 * (high - low)[..., None] * nodes
    return 0.5 * (high - low) * (closed_form(activation, u[..., None] + t, 1) @ weights)
