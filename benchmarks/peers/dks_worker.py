"""dks: slopes of an activation's maps at unit variance, by its 100,000-node quadrature, and transformed activations."""

from __future__ import annotations

import functools
import time
from importlib import metadata
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


def transformed(activation: str, method: str, depth: int) -> dict[str, Any]:
    """Its parameters for a plain chain of `depth` nonlinear layers, DKS or TAT with the package's default targets."""
    start = time.perf_counter()
    found = dks._get_activations_params(
        [activation],
        method=method,
        subnet_max_func=lambda x, r_fn: functools.reduce(lambda value, _: r_fn(value), range(depth), x),
    )
    parameters = {name: float(value) for name, value in found[activation].items()}
    return {"seconds": time.perf_counter() - start, "parameters": parameters}


def version() -> dict[str, Any]:
    return {"seconds": 0.0, "version": metadata.version("dks")}


serve({"slopes": slopes, "transformed": transformed, "version": version})
