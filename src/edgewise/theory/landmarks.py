"""Where a function changes sign: the scanning behind the calculus facts of an activation.

The line is cut at the kinks; on each stretch a derivative is sampled on a grid that is linear near 0 and logarithmic
towards 0, towards the kinks and far out, its sign changes are closed in on (all at once) to the last bit, and points
where it touches 0 are found too. Values that are rounding noise beside the function's own size count as zero and take
the sign of what surrounds them, so that a tail that underflows is no sign change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form

NEAR, FAR = 50.0, 1e8
_EPS = torch.finfo(torch.float64).eps
_SPLIT = 33


@dataclass(frozen=True)
class Stretch:
    """One kink-free interval: sample points, strictly inside and ascending, and sigma, sigma', sigma'' there."""

    low: float
    high: float
    x: Tensor
    values: tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class SignPattern:
    """The sign of a derivative on one stretch.

    signs: (low, high, sign) intervals that tile the stretch, sign 0 only where it vanishes throughout.
    crossings, touches: isolated zeros with and without a change of sign.
    """

    signs: tuple[tuple[float, float, int], ...]
    crossings: tuple[float, ...]
    touches: tuple[float, ...]


def stretches(a: Activation) -> list[Stretch]:
    """The line cut at the kinks and sampled."""
    near = torch.linspace(-NEAR, NEAR, 4001, dtype=torch.float64)
    out = torch.logspace(-9, math.log10(FAR), 500, dtype=torch.float64)
    beside = torch.logspace(-9, 1, 160, dtype=torch.float64)
    around = [near, out, -out, *(torch.cat([k + beside, k - beside]) for k in a.kinks)]
    grid = torch.unique(torch.cat(around))
    edges = [-math.inf, *sorted(set(a.kinks)), math.inf]
    found = []
    for low, high in pairwise(edges):
        inside = grid[(grid > low) & (grid < high)]
        if len(inside) < 16 and math.isfinite(low) and math.isfinite(high):
            inside = torch.unique(torch.cat([inside, torch.linspace(low, high, 66, dtype=torch.float64)[1:-1]]))
        values = tuple(closed_form(a, inside, order).detach() for order in (0, 1, 2))
        finite = torch.isfinite(values[0]) & torch.isfinite(values[1]) & torch.isfinite(values[2])
        if bool(finite.any()):
            v0, v1, v2 = (v[finite] for v in values)
            found.append(Stretch(low, high, inside[finite], (v0, v1, v2)))
    return found


def sign_pattern(a: Activation, stretch: Stretch, order: int) -> SignPattern:
    """Signs and zeros of sigma^(order) (order 0, 1 or 2) on one stretch."""
    x, v = stretch.x, stretch.values[order]
    sign = torch.where(v.abs() > _noise(stretch, order), torch.sign(v), 0.0)
    sure = torch.nonzero(sign).flatten()
    if not len(sure):
        return SignPattern(((stretch.low, stretch.high, 0),), (), ())
    s = sign[sure]
    change = torch.nonzero(s[1:] != s[:-1]).flatten()
    f = _evaluator(a, order)
    crossings = _closed_in(f, x[sure[change]], x[sure[change + 1]]).tolist()
    edges = [stretch.low, *crossings, stretch.high]
    kinds = [int(s[0]), *(int(t) for t in s[change + 1])]
    signs = tuple((lo, hi, k) for lo, hi, k in zip(edges, edges[1:], kinds, strict=False))
    return SignPattern(signs, tuple(crossings), tuple(_touches(f, x, v, sign, sure)))


def _noise(stretch: Stretch, order: int) -> Tensor:
    """Rounding to be expected in sigma^(order)(x) when sigma is made of terms of its own size."""
    x = stretch.x.abs().clamp_min(1e-9)
    total = torch.zeros_like(x)
    for j in range(order):
        total += stretch.values[j].abs() * x ** (j - order)
    return 16 * _EPS * (total + stretch.values[order].abs())


def _evaluator(a: Activation, order: int) -> Callable[[Tensor], Tensor]:
    def value(x: Tensor) -> Tensor:
        return closed_form(a, x.reshape(-1), order).detach().reshape(x.shape)

    return value


def _closed_in(f: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """The sign change inside every bracket at once: each round keeps one of 32 parts."""
    fractions = torch.linspace(0, 1, _SPLIT, dtype=torch.float64)
    if not len(low):
        return low
    start = torch.sign(f(low))
    for _ in range(12):
        points = low[:, None] + (high - low)[:, None] * fractions
        other = torch.sign(f(points)) != start[:, None]
        other[:, 0], other[:, -1] = False, True
        first = other.to(torch.int8).argmax(dim=1, keepdim=True)
        low, high = points.gather(1, first - 1)[:, 0], points.gather(1, first)[:, 0]
    exact = f(high) == 0
    middle = torch.where(exact, high, 0.5 * (low + high))
    return torch.where(middle.abs() < 1e-12, 0.0, middle)


def _touches(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor, sign: Tensor, sure: Tensor) -> list[float]:
    """Points between samples of equal sign where |v| comes down to rounding."""
    if len(sure) < 3:
        return []
    size = v[sure].abs()
    smallest = torch.nonzero((size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:])).flatten() + 1
    around = torch.maximum(size[smallest - 1], size[smallest + 1])
    smallest = smallest[(size[smallest] < 0.5 * around) & (sign[sure[smallest - 1]] == sign[sure[smallest + 1]])]
    ends = [(int(sure[i - 1]), int(sure[i + 1])) for i in smallest.tolist()]
    gaps = torch.nonzero((sure[1:] - sure[:-1] > 1) & (sign[sure[1:]] == sign[sure[:-1]])).flatten().tolist()
    ends += [(int(sure[i]), int(sure[i + 1])) for i in gaps]
    if not ends:
        return []
    low, high = (x[torch.tensor([e[side] for e in ends])] for side in (0, 1))
    scale = torch.maximum(f(low).abs(), f(high).abs())
    fractions = torch.linspace(0, 1, _SPLIT, dtype=torch.float64)
    for _ in range(9):
        points = low[:, None] + (high - low)[:, None] * fractions
        best = f(points).abs().argmin(dim=1, keepdim=True)
        low = points.gather(1, (best - 1).clamp_min(0))[:, 0]
        high = points.gather(1, (best + 1).clamp_max(_SPLIT - 1))[:, 0]
    middle = 0.5 * (low + high)
    # A double zero is located to sqrt(eps) of the bracket, where |v| has come down to about eps of its size there.
    touching = middle[f(middle).abs() <= 1e-12 * scale]
    return sorted({0.0 if abs(t) < 1e-7 else t for t in touching.tolist()})
