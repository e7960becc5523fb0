"""What DKS and TAT ask for, as pairs of conditions in the plane of (alpha, beta), and gamma and delta that follow.

At K = 1, C_W = 1, C_b = 0: Q(1) = <sigma~**2> = 1; Q'(1) = chi_parallel = <z sigma~ sigma~'> = 1;
C(0) = <sigma~>**2; C'(1) = chi_perp = <sigma~'**2>; C''(1) = <sigma~''**2>.
Martens et al., arXiv 2110.01765 (DKS); Zhang et al., arXiv 2203.08120 (TAT).
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.tailor.landscape import Conditions
from edgewise.tailor.moments import Moments


def dks(slope: float) -> Conditions:
    """Zero mean and unit variance set delta and gamma; left are chi_perp = slope and chi_parallel = 1."""
    strength = slope - 1.0

    def conditions(m: Moments) -> tuple[Tensor, Tensor]:
        excess = (m.slope - m.variance) / m.variance
        return (excess / strength).log(), (m.zd - m.variance) / (m.variance * strength)

    return conditions


def shift(slope: float) -> Conditions:
    """Zero mean and unit variance as in DKS, the largest of chi_perp, chi_parallel and 1/chi_parallel at `slope`.

    The second condition, chi_parallel = 1, is what the substitute comes as near to as it can.
    """
    strength = slope - 1.0

    def conditions(m: Moments) -> tuple[Tensor, Tensor]:
        perp, parallel = (m.slope - m.variance) / m.variance, (m.zd - m.variance) / m.variance
        falling = -parallel / (1.0 + parallel.clamp(max=0.0)).clamp_min(1e-300)
        largest = torch.maximum(perp, torch.maximum(parallel, falling))
        return (largest / strength).log(), parallel / strength

    return conditions


def tat(curvature: float, sign: float) -> Conditions:
    """chi_perp = 1 sets gamma, the unit second moment the size of the mean; left are <sigma~''**2> and chi_parallel.

    sign: of the mean <sigma~>; both are to be tried.
    """

    def conditions(m: Moments) -> tuple[Tensor, Tensor]:
        offset = sign * _mean_size(m)
        parallel = (m.zd + offset * m.zslope) / m.slope
        return (m.curvature / m.slope / curvature).log(), (parallel - 1.0) / curvature

    return conditions


def centred_scale(m: Moments) -> tuple[float, float]:
    """(gamma, delta) for zero mean and unit variance, from the moments of one candidate."""
    return float(m.variance[0] ** -0.5), -float(m.mean[0])


def unit_slope_scale(m: Moments, sign: float) -> tuple[float, float]:
    """(gamma, delta) for unit second moment and chi_perp = 1, from the moments of one candidate."""
    return float(m.slope[0] ** -0.5), float(sign * _mean_size(m)[0] - m.mean[0])


def _mean_size(m: Moments) -> Tensor:
    """|<sigma~>| / gamma where both chi_perp and <sigma~**2> are 1; <s**2> - <s>**2 <= <s'**2> for a Gaussian."""
    return torch.sqrt((m.slope - m.variance).clamp_min(0.0))
