"""One case: every contender in turn, round by round, after a warm-up; the losses show that all did the same work."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.ensembles import contenders
from benchmarks.ensembles.contenders import Steps, Work, work
from benchmarks.ensembles.settings import LEARNING_RATE, Case
from benchmarks.peers import Peer

SHORTEST = 0.05
"""Seconds: a timing is of as many steps as take at least this long."""
SAME = 1e-3
"""Relative: float32 losses after two steps of two contenders that do the same work differ by less."""

_TORCH: dict[str, Callable[[Work], Steps]] = {
    "edgewise": contenders.edgewise,
    "training loop": contenders.training_loop,
    "compiled": contenders.compiled,
    "loop": contenders.python_loop,
    "loop, fused Adam": partial(contenders.python_loop, fused=True),
    "torch.func.vmap": contenders.torch_vmap,
}
PEERS = ("loop", "loop, fused Adam", "torch.func.vmap", "jax")


def measured(
    case: Case, device: torch.device, rounds: int, jax: Peer | None, left_out: set[str], clock: str
) -> dict[str, Any]:
    """The record of a case: seconds a step of every contender, round by round, and what follows from them."""
    torch.set_num_threads(case.threads)
    torch.compiler.reset()
    job = work(case, device)
    runners: dict[str, Callable[[int], tuple[float, Tensor]]] = {
        "product": _timed(contenders.product(job), device, clock)
    }
    runners |= {name: _timed(make(job), device, clock) for name, make in _TORCH.items() if name not in left_out}
    if jax is not None:
        runners["jax"] = _remote(jax, job, clock)
    load = os.getloadavg()[0]
    counts, losses = {}, {}
    for name, run in runners.items():
        _, losses[name] = run(2)  # the first step compiles, allocates, and tells the losses of the second
        counts[name] = max(1, math.ceil(SHORTEST / min(run(1)[0] for _ in range(2))))
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            seconds[name].append(run(counts[name])[0] / counts[name])
    return {
        "threads": case.threads,
        "depth": case.depth,
        "batch": case.batch,
        "activation": case.activation,
        "load": [load, os.getloadavg()[0]],
        "product_gflops": case.product_flops / statistics.median(seconds["product"]) / 1e9,
        "share": {name: _share(case, seconds["product"], s) for name, s in seconds.items() if name != "product"},
        "times_as_fast": {name: _over(seconds["edgewise"], seconds[name]) for name in PEERS if name in seconds},
        "seconds": seconds,
        "loss_off": {
            name: float((losses[name] / losses["edgewise"] - 1.0).abs().max()) for name in (*PEERS, "compiled")
            if name in losses
        },
    }  # fmt: skip


def _share(case: Case, product: list[float], step: list[float]) -> list[float]:
    """Of the batched-product rate that the step reaches, round by round: median, lowest, highest."""
    per_second = case.step_flops / case.product_flops
    return _spread([per_second * p / s for p, s in zip(product, step, strict=True)])


def _over(ours: list[float], theirs: list[float]) -> list[float]:
    """Their time over ours, round by round: median, lowest, highest."""
    return _spread([t / o for o, t in zip(ours, theirs, strict=True)])


def _spread(values: list[float]) -> list[float]:
    return [statistics.median(values), min(values), max(values)]


def _timed(steps: Steps, device: torch.device, clock: str) -> Callable[[int], tuple[float, Tensor]]:
    now = getattr(time, clock)

    def run(count: int) -> tuple[float, Tensor]:
        start = now()
        losses = steps(count)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return now() - start, losses.cpu()

    return run


def _remote(jax: Peer, job: Work, clock: str) -> Callable[[int], tuple[float, Tensor]]:
    """JAX in its own process and environment, from the same numbers."""
    tensors = [t.cpu().numpy() for t in job.start.layers()]
    depth = len(tensors) // 2
    arrays = {f"weight{i}": t for i, t in enumerate(tensors[:depth])}
    arrays |= {f"bias{i}": t for i, t in enumerate(tensors[depth:])}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "start.npz"
        np.savez(path, inputs=job.inputs.cpu().numpy(), labels=job.labels.cpu().numpy(), **arrays)
        jax.ask("prepare", path=str(path), activation=job.case.activation, learning_rate=LEARNING_RATE)

    def run(count: int) -> tuple[float, Tensor]:
        answer = jax.ask("steps", count=count, clock=clock)
        return float(answer["seconds"]), torch.tensor(answer["losses"])

    return run
