"""The moments of sigma(alpha z + beta) on a grid of (alpha, beta), and the roots of two conditions in that plane.

The first condition asks for a strength of nonlinearity; it grows with alpha from 0 where sigma' != 0, so that each beta
has an alpha that meets it (or several). Along those the second condition, as a function of beta, changes sign at the
solutions, which Newton's method then polishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.tailor.moments import Moments, moments

Conditions = Callable[[Moments], tuple[Tensor, Tensor]]
"""Two functions of the moments: log of (strength / wanted strength), and the other condition over the wanted strength;
both 0 at a solution."""

_SMALLEST, _LARGEST = 1e-4, 8.0
_ALPHAS = 42
_CLEAR = 1e-5
"""Below this ratio of spread to mean, what sigma~ is made of is lost in the rounding of float32 networks."""
_PANELS, _NODES = 24, 8
_BRANCHES = 3
_MOST = 4
_NEWTON = 12
_SOLVED = 1e-9


@dataclass(frozen=True)
class Landscape:
    """alpha: [row]; beta: [column], ascending; moments: of every pair, [row, column]."""

    activation: Activation
    alpha: Tensor
    beta: Tensor
    moments: Moments

    def roots(self, conditions: Conditions) -> list[tuple[float, float]]:
        """The pairs (alpha, beta) where both conditions hold, distinct ones only, ascending in beta; those nearest to
        beta = 0 where there are many, as for sin."""
        first, second = conditions(self.moments)
        found: list[tuple[float, float]] = []
        starts = _starts(self.alpha.log(), self.beta, first, second)
        for start in sorted(starts, key=lambda s: abs(s[1]))[:_MOST]:
            root = _newton(self.activation, conditions, *start)
            if root is not None and not any(_same(root, other) for other in found):
                found.append(root)
        return sorted(found, key=lambda root: root[1])

    def nearest(self, conditions: Conditions) -> tuple[float, float] | None:
        """The pair where the first condition holds and the second is least violated; None where the first never holds.

        Of pairs as good as one another, one with alpha nearest to 1 and beta nearest to 0.
        """
        first, second = conditions(self.moments)
        found = [
            (math.exp(u), float(b), abs(r))
            for j, b in enumerate(self.beta)
            for u, r in _crossings(self.alpha.log(), first[:, j], second[:, j])[:1]
        ]
        if not found:
            return None
        least = min(r for _, _, r in found)
        level = [(alpha, beta) for alpha, beta, r in found if r <= 1.02 * least + 1e-3]
        alpha, beta = min(level, key=lambda pair: (round(abs(math.log(pair[0]))), abs(pair[1])))
        return _polished(self.activation, conditions, alpha, beta)


@lru_cache(maxsize=16)
def landscape(a: Activation) -> Landscape:
    """The table for `a`; the 16 looked at last are kept."""
    beta = torch.tensor(_shifts(a), dtype=torch.float64)
    alpha = torch.logspace(math.log10(_SMALLEST), math.log10(_LARGEST), _ALPHAS, dtype=torch.float64)
    rows, columns = torch.meshgrid(alpha, beta, indexing="ij")
    flat = moments(a, rows.flatten(), columns.flatten(), panels=_PANELS, nodes=_NODES)
    clear = flat.variance.sqrt() > _CLEAR * flat.mean.abs()
    table = {name: torch.where(clear, value, torch.nan).reshape(rows.shape) for name, value in vars(flat).items()}
    return Landscape(a, alpha, beta, Moments(**table))


def _shifts(a: Activation) -> list[float]:
    """Shifts in all sizes on both sides of 0 and of every kink, where sigma changes its character."""
    steps = [0.0, *(10.0 ** (j / 10.0) for j in range(-20, 19))]
    around = [0.0, *(k for k in a.kinks if k)][:5]
    return sorted(
        {round(c + side * s, 12) for c in around for s in (steps if c == 0 else steps[::2]) for side in (1, -1)}
    )


def _starts(log_alpha: Tensor, beta: Tensor, first: Tensor, second: Tensor) -> list[tuple[float, float]]:
    """(alpha, beta) near solutions: where the second condition changes sign along the curves on which the first
    holds."""
    starts = []
    previous: list[tuple[float, float]] = []
    for j in range(len(beta)):
        column = _crossings(log_alpha, first[:, j], second[:, j])
        for (u, r), (v, s) in zip(previous, column, strict=False):
            if r * s <= 0.0 and abs(u - v) < 1.5:
                weight = abs(r) / (abs(r) + abs(s) + 1e-300)
                at = float(beta[j - 1]) + weight * float(beta[j] - beta[j - 1])
                starts.append((math.exp(u + weight * (v - u)), at))
        previous = column
    return starts


def _crossings(log_alpha: Tensor, first: Tensor, second: Tensor) -> list[tuple[float, float]]:
    """(log alpha, second condition) where the first one passes from below to above 0, at most `_BRANCHES` of them."""
    rising = (first[:-1] < 0.0) & (first[1:] >= 0.0) & torch.isfinite(second[:-1]) & torch.isfinite(second[1:])
    found = []
    for i in torch.nonzero(rising).flatten().tolist()[:_BRANCHES]:
        weight = float(-first[i] / (first[i + 1] - first[i]))
        if math.isfinite(weight):
            step = float(log_alpha[i + 1] - log_alpha[i])
            found.append((float(log_alpha[i]) + weight * step, float(torch.lerp(second[i], second[i + 1], weight))))
    return found


def _polished(a: Activation, conditions: Conditions, alpha: float, beta: float) -> tuple[float, float] | None:
    """alpha, at a fixed beta, where the first condition holds; beta at alpha = 1 where sigma is homogeneous."""
    from scipy.optimize import brentq

    def excess(log_alpha: float) -> float:
        at = torch.tensor([[math.exp(log_alpha)], [beta]], dtype=torch.float64)
        return float(conditions(moments(a, at[0], at[1]))[0][0])

    low, high = math.log(alpha) - 0.25, math.log(alpha) + 0.25
    if not excess(low) * excess(high) < 0.0:
        return None
    alpha = math.exp(brentq(excess, low, high, xtol=1e-14))
    return (1.0, beta / alpha) if a.homogeneity is not None else (alpha, beta)


def _newton(a: Activation, conditions: Conditions, alpha: float, beta: float) -> tuple[float, float] | None:
    """The root near a start, by Newton's method with differences in (log alpha, beta/alpha); None where it fails.

    beta is measured in alpha, the distance over which sigma(alpha z + beta) sees it change.
    """
    point = torch.tensor([math.log(alpha), beta], dtype=torch.float64)
    best: tuple[float, Tensor] | None = None
    for _ in range(_NEWTON):
        size = float(point[0].exp())
        step = torch.tensor([1e-5, 1e-5 * max(size, 1e-3 * abs(float(point[1])))], dtype=torch.float64)
        shifts = torch.stack([step * 0.0, step * torch.tensor([1.0, 0.0]), step * torch.tensor([-1.0, 0.0]),
                              step * torch.tensor([0.0, 1.0]), step * torch.tensor([0.0, -1.0])])  # fmt: skip
        near = point + shifts
        value = torch.stack(conditions(moments(a, near[:, 0].exp(), near[:, 1])), 1)  # [point, condition]
        if not bool(torch.isfinite(value).all()):
            break
        size_now = float(value[0].abs().max())
        if best is None or size_now < best[0]:
            best = size_now, point
        if size_now < 1e-13:
            break
        jacobian = torch.stack([(value[1] - value[2]) / (2 * step[0]), (value[3] - value[4]) / (2 * step[1])], 1)
        if float(torch.linalg.det(jacobian).abs()) < 1e-300:
            break
        move = torch.linalg.solve(jacobian, value[0])
        limit = torch.tensor([0.7, max(2.0 * size, 0.5 * abs(float(point[1])))], dtype=torch.float64)
        point = point - move * float((limit / move.abs().clamp_min(1e-300)).min().clamp(max=1.0))
    if best is None or best[0] > _SOLVED:
        return None
    return float(best[1][0].exp()), float(best[1][1])


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(math.log(one[0] / other[0])) < 1e-6 and abs(one[1] - other[1]) < 1e-6 * max(one[0], abs(one[1]))
