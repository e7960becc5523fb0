"""JAX: an ensemble of plain networks, vmap and jit, optax's Adam; pinned to as many cores as the other side has."""

from __future__ import annotations

import os
import time
from typing import Any

cores = sorted(os.sched_getaffinity(0))[: int(os.environ["EDGEWISE_THREADS"])]
os.sched_setaffinity(0, cores)  # XLA makes as many threads as it may use cores

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from serve import serve  # noqa: E402

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "mrepu(p=2)": lambda x: x * jnp.maximum(x + 1, 0) ** 2,
}
_RUNNING: dict[str, Any] = {}


def prepare(path: str, activation: str, learning_rate: float) -> dict[str, Any]:
    """Compiles the step for the weights, biases, inputs and labels in `path` (npz)."""
    stored = np.load(path)
    depth = sum(name.startswith("weight") for name in stored.files)
    layers = [(jnp.asarray(stored[f"weight{i}"]), jnp.asarray(stored[f"bias{i}"][:, 0])) for i in range(depth)]
    inputs, labels = jnp.asarray(stored["inputs"]), jnp.asarray(stored["labels"])
    sigma, rule = ACTIVATIONS[activation], optax.adam(learning_rate)

    def loss(of_member: Any, x: Any, y: Any) -> Any:
        for i, (weight, bias) in enumerate(of_member):
            x = x @ weight + bias
            x = sigma(x) if i < depth - 1 else x
        return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

    slope = jax.vmap(jax.value_and_grad(loss))

    def step(layers: Any, state: Any, inputs: Any, labels: Any) -> Any:
        losses, gradients = slope(layers, inputs, labels)
        updates, state = rule.update(gradients, state)
        return optax.apply_updates(layers, updates), state, losses

    _RUNNING.update(step=jax.jit(step, donate_argnums=(0, 1)), batch=(inputs, labels))
    _RUNNING.update(layers=layers, state=rule.init(layers))
    return {}


def steps(count: int, clock: str) -> dict[str, Any]:
    """So many steps, timed by this clock of `time`; the losses before the last. The first call compiles."""
    r, now = _RUNNING, getattr(time, clock)
    start = now()
    for _ in range(count):
        r["layers"], r["state"], losses = r["step"](r["layers"], r["state"], *r["batch"])
    losses.block_until_ready()
    return {"seconds": now() - start, "losses": np.asarray(losses).tolist()}


def version() -> dict[str, Any]:
    """Of jax."""
    return {"version": jax.__version__}


serve({"prepare": prepare, "steps": steps, "version": version})
