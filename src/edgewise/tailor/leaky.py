"""Rectifiers, tailored by their slope below 0: a leaky ReLU takes their place.

TAT (Zhang et al., arXiv 2203.08120): the slope lets the correlation of unrelated inputs rise to c0, and no further.
With slopes 1 and s, normalised to Q(1) = 1, the correlation map of one layer is that of the arc-cosine kernel of Cho &
Saul (2009): C(c) = c + (1 - s)**2 / (pi (1 + s**2)) (sqrt(1 - c**2) - c arccos c).

DKS, whose four conditions no fixed slope can meet: with A = (1 + s**2)/2 = <sigma**2> and m = (1 - s)/sqrt(2 pi) =
<sigma> = <z sigma'>, the centred leaky ReLU (sigma - m)/sqrt(A - m**2) has chi_parallel = (A - m**2)/(A - m**2) = 1 for
every s, and chi_perp = A/(A - m**2) [derived]. So s is free for the slope of the network.
"""

from __future__ import annotations

import math

from edgewise.activations import Activation, activation
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.survival import Transform


def correlation_map(slope: float, c: float) -> float:
    """C(c) of the normalised leaky ReLU with this negative slope."""
    bend = (1.0 - slope) ** 2 / (math.pi * (1.0 + slope**2))
    return c + bend * (math.sqrt(max(0.0, 1.0 - c * c)) - c * math.acos(max(-1.0, min(1.0, c))))


def leaky_slope(stack: Stack, c0: float) -> float | None:
    """The slope in [0, 1) for which the worst sub-network takes c = 0 to c0; None where ReLU stays below c0 itself."""
    from scipy.optimize import brentq

    def excess(slope: float) -> float:
        return stack.correlation(lambda c: correlation_map(slope, c), 0.0) - c0

    return float(brentq(excess, 0.0, 1.0, xtol=1e-15)) if excess(0.0) >= 0.0 else None


def leaky(stack: Stack, c0: float) -> tuple[Activation, Transform]:
    """The leaky ReLU and its scale sqrt(2/(1 + s**2)); ReLU where the network is too shallow to reach c0."""
    slope = leaky_slope(stack, c0) or 0.0
    return activation(f"leaky_relu({slope!r})"), (1.0, 0.0, math.sqrt(2.0 / (1.0 + slope**2)), 0.0)


def centred_leaky(stack: Stack, zeta: float) -> tuple[Activation, Transform] | None:
    """The leaky ReLU of mean 0, variance 1 and chi_parallel = 1 whose chi_perp gives the network the slope zeta.

    None where even ReLU's own, pi/(pi - 1) a layer, is not enough.
    """
    share = 1.0 - 1.0 / stack.layer_slope(zeta)  # m**2 / A = (1 - s)**2 / (pi (1 + s**2)), at most 1/pi at s = 0
    u = 1.0 - math.pi * share
    if u < 0.0:
        return None
    # the root in [0, 1] of u s**2 - 2 s + u = 0, free of cancellation
    slope = u / (1.0 + math.sqrt(1.0 - u * u))
    mean = (1.0 - slope) / math.sqrt(2.0 * math.pi)
    gamma = 1.0 / math.sqrt((1.0 + slope**2) / 2.0 - mean**2)
    return activation(f"leaky_relu({slope!r})"), (1.0, 0.0, gamma, -mean)
