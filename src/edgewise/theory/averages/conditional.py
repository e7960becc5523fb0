"""Pairs by two-dimensional panels, for any activation and any correlation.

Outer panels over x = z1/sqrt(K11), inner ones over y given x. The inner ones are cut wherever sigma(z2) changes, the
outer ones
wherever sigma(z1) does and around the images of sigma(z2)'s kinks, where the inner average bends on the scale of its
own width.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory.averages.resolution import NODES, legendre, nodes_of, resolve

Real = npt.NDArray[np.float64]
OUTER_REACH = 13.0
_INNER_REACH = 10.0
_MOST_EDGES = 200
_CLOSEST = 2.0**-24
_CHUNK = 1 << 20
_POINT = 1e-14


def features(activation: Activation, order: int, reach: float) -> Real:
    """Edges of the panels that resolve sigma^(order) on [-reach, reach], the innermost ones where there are many."""
    octave = max(0, 4 * math.ceil(math.log2(reach) / 4))
    panels = resolve(activation, order, 0, octave)
    edges = torch.cat([panels.low, panels.high[-1:]]).numpy()
    edges = edges[np.abs(edges) < reach]
    if activation.kinks:  # a root at a kink is resolved far closer than two dimensions need
        distance = np.abs(edges[:, None] - np.array(activation.kinks)).min(1)
        edges = edges[(distance == 0) | (distance > _CLOSEST * reach)]
    if len(edges) > _MOST_EDGES:
        edges = np.sort(edges[np.argsort(np.abs(edges), kind="stable")[:_MOST_EDGES]])
    return edges


def missed(activation: Activation, order: int, kernel: float) -> float:
    """The share of the Gaussian beyond the edges kept by `features`: 0 unless sigma varies too often to follow."""
    reach = OUTER_REACH * math.sqrt(kernel)
    edges = features(activation, order, reach)
    return math.erfc(float(np.abs(edges).max()) / math.sqrt(2 * kernel)) if len(edges) == _MOST_EDGES else 0.0


def conditional_pair(
    activation: Activation, k1: float, k2: float, r: float, one_minus: float, one_plus: float, orders: tuple[int, int]
) -> float:
    """``<sigma^(i)(z1) sigma^(j)(z2)>`` for one covariance."""
    root1, root2 = math.sqrt(k1), math.sqrt(k2)
    s = math.sqrt(one_minus * one_plus)
    theirs = features(activation, orders[1], OUTER_REACH * root2) / root2
    ours = features(activation, orders[0], OUTER_REACH * root1) / root1
    kinks = np.array(activation.kinks, dtype=np.float64) / root2
    outer = panel_edges(np.concatenate([ours, _images(theirs, kinks, r, s)]), OUTER_REACH)
    low, high = torch.from_numpy(outer[:-1]), torch.from_numpy(outer[1:])
    x = nodes_of(low, high).reshape(-1)
    weights = (0.5 * (high - low)[:, None] * legendre()[1]).reshape(-1)
    weights = weights * torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        left = closed_form(activation, x * root1, orders[0])
        if s < _POINT:
            right = closed_form(activation, math.copysign(root2, r) * x, orders[1])
        else:
            right = _inner(activation, x, r, s, root2, torch.from_numpy(theirs), orders[1])
    return float((weights * left * right).sum())


def _images(edges: Real, kinks: Real, r: float, s: float) -> Real:
    """Where the inner average changes with x: at the images of sigma's edges, graded by s around those of kinks."""
    if abs(r) < 0.01:
        return np.zeros(1)
    image = edges / r
    if len(kinks) == 0 or s < _POINT:
        return image
    steps = np.concatenate([[0.0], s / abs(r) * 2.0 ** np.arange(-1, max(2, math.ceil(-math.log2(s)) + 3))])
    around = kinks[:, None] / r + np.concatenate([steps, -steps])
    return np.concatenate([image, around.reshape(-1)])


def panel_edges(cuts: Real, reach: float) -> Real:
    """Panels on [-reach, reach], at most three standard deviations wide, cut at `cuts`."""
    base = np.linspace(-reach, reach, 2 * math.ceil(reach / 3) + 1)
    edges = np.unique(np.concatenate([base, cuts[np.abs(cuts) < reach]]))
    keep = np.concatenate([[True], np.diff(edges) > 1e-15 * reach])
    kept: Real = edges[keep]
    return kept


def _inner(activation: Activation, x: Tensor, r: float, s: float, root: float, edges: Tensor, order: int) -> Tensor:
    """``<sigma^(order)(root (r x + s e))>`` over the unit normal e, for every x."""
    base = torch.tensor([-_INNER_REACH, -3.0, 3.0, _INNER_REACH], dtype=torch.float64)
    nodes, w = legendre()
    rows = max(1, _CHUNK // (NODES * (len(edges) + 4)))
    found = []
    for mean in torch.split(r * x, rows):
        cuts = ((edges - mean[:, None]) / s).clamp(-_INNER_REACH, _INNER_REACH)
        cuts = torch.cat([base.expand(len(mean), 4), cuts], 1).sort(1).values
        low, high = cuts[:, :-1], cuts[:, 1:]
        row, column = torch.nonzero(high > low, as_tuple=True)
        a, b = low[row, column], high[row, column]
        e = 0.5 * (a + b)[:, None] + 0.5 * (b - a)[:, None] * nodes
        values = closed_form(activation, root * (mean[row][:, None] + s * e), order)
        density = torch.exp(-0.5 * e * e) / math.sqrt(2 * math.pi)
        panels = 0.5 * (b - a) * ((values * density) @ w)
        found.append(torch.zeros(len(mean), dtype=torch.float64).index_add_(0, row, panels))
    return torch.cat(found)
