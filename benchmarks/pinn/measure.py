"""Contenders in turn, round by round, after a warm-up; ratios round by round."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import torch

from benchmarks.pinn.cases import Case
from benchmarks.pinn.contenders import Route, routes
from benchmarks.pinn.peer import steps


def measured(case: Case, rounds: int, clock: str, *, compiled: bool) -> dict[str, Any]:
    """Seconds of ours, and for each peer how many times as long it takes: (median, least, most) over the rounds."""
    torch.set_num_threads(case.threads)
    contenders = steps(case) if case.operator == "burgers step" else routes(case, compiled)
    losses = {name: float(route()) for name, route in contenders.items()}
    for route in contenders.values():
        route()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    repeats = _repeats(contenders["edgewise"])
    load = os.getloadavg()[0]
    for _ in range(rounds):
        for name, route in contenders.items():
            taken[name].append(_seconds(route, clock, repeats))
    ours = taken.pop("edgewise")
    reference = losses["edgewise"]
    return {
        "case": str(case),
        "operator": case.operator,
        "network": f"{case.depth}x{case.width}",
        "points": case.points,
        "dtype": case.dtype,
        "threads": case.threads,
        "seconds": statistics.median(ours),
        "times_as_fast": {
            name: _spread([t / o for t, o in zip(theirs, ours, strict=True)]) for name, theirs in taken.items()
        },
        "loss_differs": {name: abs(losses[name] / reference - 1.0) if reference else 0.0 for name in taken},
        "load": load,
    }


def _repeats(route: Route) -> int:
    """How often a contender runs in a round, so that a round is no shorter than 20 ms of ours."""
    start = time.perf_counter()
    route()
    return max(1, round(0.02 / (time.perf_counter() - start)))


def _seconds(route: Route, clock: str, repeats: int) -> float:
    now = getattr(time, clock)
    start: float = now()
    for _ in range(repeats):
        route()
    return (now() - start) / repeats


def _spread(values: list[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)
