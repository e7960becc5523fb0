"""TAT for rectifiers: a leaky ReLU whose slope lets the correlation of unrelated inputs rise to c0, and no further.

Zhang et al., arXiv 2203.08120 (TAT for leaky ReLUs). With slopes 1 and s, normalised to Q(1) = 1, the correlation map
of one layer is that of the arc-cosine kernel of Cho & Saul (2009):
C(c) = c + (1 - s)**2 / (pi (1 + s**2)) (sqrt(1 - c**2) - c arccos c).
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
