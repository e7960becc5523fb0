"""sigma and its first two derivatives on a grid."""

from __future__ import annotations

import math
from typing import Any

import torch

from edgewise.activations import Activation
from edgewise.measure.jsonable import jsonable

_POINTS = 801
_HALF_WIDTH = 4.0


def shape(a: Activation) -> dict[str, Any]:
    """Values on a symmetric interval that holds every kink; the grid has both sides of each kink."""
    near = [abs(k) for k in a.kinks if abs(k) < 50.0]
    half = max(_HALF_WIDTH, 1.3 * max(near, default=0.0))
    grid = torch.linspace(-half, half, _POINTS, dtype=torch.float64)
    inside = [k for k in a.kinks if -half < k < half]
    step = 1e-9 * half
    sides = torch.tensor([side for k in inside for side in (k - step, k + step)], dtype=torch.float64)
    x = torch.cat([grid, sides]).sort().values
    return {
        "x": jsonable(x),
        "derivatives": [jsonable(a.derivative(x, order).detach()) for order in range(3)],
        "kinks": jsonable(a.kinks),
        "parity": a.parity,
        "homogeneity": a.homogeneity,
        "smoothness": None if math.isinf(a.smoothness) else a.smoothness,
        "limits": jsonable(a.limits),
    }
