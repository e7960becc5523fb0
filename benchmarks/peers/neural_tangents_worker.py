"""neural-tangents: infinite-width kernels of a deep network through its numeric (Gauss–Hermite) activation."""

from __future__ import annotations

import time
import warnings
from typing import Any

import jax
import numpy as np
from serve import serve

jax.config.update("jax_enable_x64", True)
warnings.filterwarnings("ignore")

import jax.numpy as jnp  # noqa: E402
from neural_tangents import stax  # noqa: E402

ACTIVATIONS = {"mrepu": lambda x: x * jnp.maximum(x + 1, 0) ** 2, "relu": lambda x: jnp.maximum(x, 0)}
_COMPILED: dict[str, Any] = {}


def nngp(
    activation: str, inputs: list[list[float]], depth: int, c_w: float, c_b: float, degree: int, route: str
) -> dict[str, Any]:
    """The preactivation kernel of layer `depth`; compiled in an untimed first call."""
    sigma = stax.Relu() if route == "closed form" else stax.ElementwiseNumerical(ACTIVATIONS[activation], deg=degree)
    dense = stax.Dense(1, W_std=c_w**0.5, b_std=c_b**0.5)
    first = stax.Dense(1, W_std=1.0, b_std=0.0)
    layers = [first]
    for _ in range(depth - 1):
        layers += [sigma, dense]
    key = f"{activation} {depth} {c_w} {c_b} {degree} {route}"
    x = np.asarray(inputs)
    if key not in _COMPILED:
        _, _, kernel_fn = stax.serial(*layers)
        _COMPILED[key] = jax.jit(kernel_fn, static_argnames="get")
        _COMPILED[key](x, None, get="nngp").block_until_ready()
    start = time.perf_counter()
    kernel = _COMPILED[key](x, None, get="nngp").block_until_ready()
    return {"seconds": time.perf_counter() - start, "kernel": np.asarray(kernel).tolist()}


serve({"nngp": nngp})
