"""Pairs through Hermite coefficients: ``<sigma(z1) sigma(z2)> = sum_n rho**n a_n(K11) a_n(K22)`` (Mehler's formula).

The coefficients are one-dimensional averages, so a matrix of kernels costs little more than its diagonal. What the
truncated
sum leaves out is bounded rigorously by Parseval: ``|rho|**N sqrt(R(K11) R(K22))`` with ``R = <sigma**2> - sum_n
a_n**2``.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory.averages.resolution import legendre, nodes_of, resolve

Real = npt.NDArray[np.float64]
TERMS = 256
_REACH = 16.0
_MOST_PANELS = 600
_ROUNDING = 2.0**-48


@lru_cache(maxsize=512)
def coefficients(activation: Activation, kernel: float, order: int) -> Real | None:
    """Hermite coefficients ``<sigma^(order)(z) He_n(x)> / sqrt(n!)``, z = sqrt(K) x, for n < TERMS.

    None where sigma varies so fast on the scale of sqrt(K) that no such sum can help, or overflows.
    """
    root = math.sqrt(kernel)
    panels = resolve(activation, order, 0, max(0, 4 * math.ceil(math.log2(_REACH * root) / 4)))
    edges = torch.cat([panels.low, panels.high[-1:]]) / root
    edges = edges[edges.abs() < _REACH]
    grid = torch.unique(torch.cat([edges, torch.arange(-_REACH, _REACH + 1, dtype=torch.float64)]))
    if grid.numel() > _MOST_PANELS:
        return None
    x = nodes_of(grid[:-1], grid[1:])
    _, w = legendre()
    weights = (0.5 * (grid[1:] - grid[:-1])[:, None] * w).reshape(-1)
    x = x.reshape(-1)
    with torch.no_grad():
        values = closed_form(activation, x * root, order).to(torch.float64)
    half = torch.exp(-0.25 * x * x) / (2 * math.pi) ** 0.25
    weighted = torch.where(half > 0, values * half, 0.0) * weights
    if not bool(torch.isfinite(weighted).all()):
        return None
    found: Real = (_hermite_functions(x, half) @ weighted).numpy()
    return found


def _hermite_functions(x: Tensor, start: Tensor) -> Tensor:
    """``He_n(x)/sqrt(n!)`` times `start`, n < TERMS, by the three-term recurrence; shape [TERMS, node]."""
    found = torch.empty(TERMS, x.numel(), dtype=torch.float64)
    found[0] = start
    found[1] = x * start
    for n in range(1, TERMS - 1):
        torch.mul(found[n], x, out=found[n + 1])
        found[n + 1].sub_(found[n - 1], alpha=math.sqrt(n)).div_(math.sqrt(n + 1))
    return found


def mehler_pair(left: Real, right: Real, r: Real, left_norm: Real, right_norm: Real) -> tuple[Real, Real]:
    """(value, error) of ``sum_n r**n left_n right_n``, shape [pair].

    left, right: Hermite coefficients, shape [pair, TERMS]; left_norm, right_norm: ``<sigma**2>`` of either side,
    shape [pair].
    """
    value = np.zeros_like(r)
    for n in range(TERMS - 1, -1, -1):
        value = value * r + left[:, n] * right[:, n]
    error = np.abs(r) ** TERMS * np.sqrt(_remainder(left, left_norm)) * np.sqrt(_remainder(right, right_norm))
    return value, error + _ROUNDING * np.sqrt(left_norm) * np.sqrt(right_norm)


def mehler_gap(slopes: Real, kernel: Real, one_minus: Real, norm: Real) -> tuple[Real, Real]:
    """(value, error) of ``<sigma**2>_K - <sigma sigma>_rho = K sum_n b_n**2 (1 - rho**(n+1))/(n+1)``, shape [pair].

    slopes: Hermite coefficients b of sigma', shape [pair, TERMS]; norm: ``<sigma'**2>``. Nothing cancels at rho near
    1, and
    what is left out is at most ``K min(1 - rho, 2/N) (norm - sum b_n**2)``.
    """
    n = np.arange(1, TERMS + 1)
    r = 1 - one_minus[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        near = -np.expm1(n * np.log1p(-np.minimum(one_minus[:, None], 1.0)))
    falls = np.where(one_minus[:, None] < 0.5, near, 1 - np.sign(r) ** n * np.abs(r) ** n)
    value = kernel * (slopes**2 * falls / n).sum(1)
    error = kernel * np.minimum(one_minus, 2 / TERMS) * _remainder(slopes, norm)
    return value, error + _ROUNDING * kernel * one_minus * norm


def _remainder(coefficients: Real, norm: Real) -> Real:
    """What Parseval's sum lacks, not below its own rounding error."""
    missing: Real = np.maximum(norm - (coefficients**2).sum(1), 0.0) + _ROUNDING * norm
    return missing
