"""dks: the local Q-map slope and C-map slope of an activation at unit variance, by its 100,000-node quadrature."""

from __future__ import annotations

import time
from typing import Any

from dks.base import activation_transform as dks
from dks.base.activation_getter import get_activation_function
from serve import serve


def slopes(activation: str) -> dict[str, Any]:
    """<sigma**2>, <z sigma sigma'> and <sigma'**2> at K = 1."""
    phi = get_activation_function(activation)
    start = time.perf_counter()
    second = dks._estimate_gaussian_mean(lambda x: phi(x) ** 2)
    parallel = dks._calc_q_slope_1(phi)
    perpendicular = dks._calc_c_slope(phi, c=1.0, q_output=1.0)
    return {"seconds": time.perf_counter() - start, "values": [float(second), float(parallel), float(perpendicular)]}


serve({"slopes": slopes})
