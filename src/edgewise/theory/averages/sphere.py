"""Averages over what batch normalisation gives: B numbers of mean 0 and mean square 1 in a random direction.

u = sqrt(B) e, with e uniform on the unit sphere of the B - 1 dimensions orthogonal to (1, ..., 1). With u_1 = sqrt(B-1)
sin(t) the density of t is cos(t)**(B-3); given it, u_2 is -u_1/(B-1) plus sqrt(B (B-2)/(B-1)) cos(t) sin(t'), t' with
density cos(t')**(B-4). Both are integrated by Gauss-Legendre panels split where sigma has a kink, and where u_2 begins
to reach one; a cubic change of variable takes the edge off the root-like ends there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import Activation

_NODES = 24
_PANELS = 12
_REACH = 12.0
"""Beyond this many standard deviations an angle carries no weight in float64."""


@dataclass(frozen=True)
class BatchMoments:
    """Averages of sigma(s u) over the samples of a batch, u as in the module's text.

    square, product: of sigma_1**2 and sigma_1 sigma_2. slope_square, slope_product: of sigma'_1**2 and sigma'_1
    sigma'_2. weighted_...: the same with u_1**2 and u_1 u_2.
    """

    square: float
    product: float
    slope_square: float
    slope_product: float
    weighted_slope_square: float
    weighted_slope_product: float


def batch_moments(a: Activation, scale: float, batch: int) -> BatchMoments:
    """The averages for a batch of at least 4 samples, normalised and multiplied by `scale`."""
    kinks = torch.tensor(a.kinks, dtype=torch.float64) / scale
    radius = math.sqrt(batch - 1.0)
    long = math.sqrt(batch * (batch - 2.0) / (batch - 1.0))
    sine = (kinks / radius).clamp(-1.0, 1.0)
    reached = [side * long * torch.sqrt(1.0 - sine**2) - kinks / (batch - 1.0) for side in (-1.0, 1.0)]
    outer, weight = _angles(torch.cat([kinks, *reached]) / radius, batch - 3)
    first = radius * torch.sin(outer)
    spread = long * torch.cos(outer)
    places = (kinks + (first / (batch - 1.0))[:, None]) / spread[:, None]
    inner, inner_weight = _angles(places, batch - 4)
    second = spread[:, None] * torch.sin(inner) - (first / (batch - 1.0))[:, None]
    one = (a(scale * first), a.derivative(scale * first))
    two = [(inner_weight * f).sum(1) for f in (a(scale * second), a.derivative(scale * second))]
    turned = (inner_weight * second * a.derivative(scale * second)).sum(1)

    def mean(x: Tensor) -> float:
        return float((weight * x).sum())

    return BatchMoments(
        square=mean(one[0] ** 2),
        product=mean(one[0] * two[0]),
        slope_square=mean(one[1] ** 2),
        slope_product=mean(one[1] * two[1]),
        weighted_slope_square=mean((first * one[1]) ** 2),
        weighted_slope_product=mean(first * one[1] * turned),
    )


def _angles(sines: Tensor, power: int) -> tuple[Tensor, Tensor]:
    """Angles in [-pi/2, pi/2] and their normalised weights under cos**power, split where the sine takes these values.

    sines: (..., k). The result has shape (..., panels x nodes); a row of its own for every row of `sines`.
    """
    edge = min(math.pi / 2.0, _REACH / math.sqrt(max(power, 1)))
    even = torch.linspace(-edge, edge, _PANELS + 1, dtype=torch.float64).expand(*sines.shape[:-1], _PANELS + 1)
    cuts = torch.asin(sines.clamp(-1.0, 1.0)).clamp(-edge, edge)
    ends = torch.cat([even, cuts], dim=-1).sort(-1).values
    x, w = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(_NODES))
    w, x = w * 1.5 * (1.0 - x * x), x * (3.0 - x * x) / 2.0
    low, half = ends[..., :-1, None], (ends.diff(dim=-1) / 2.0)[..., None]
    angle = (low + half * (x + 1.0)).flatten(-2)
    density = (half * w).flatten(-2) * torch.cos(angle) ** power
    return angle, density / density.sum(-1, keepdim=True)
