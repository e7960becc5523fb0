"""The costs a user waits for: analyze, a phase diagram, the import, the command line's help."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

import torch

import edgewise as ew
from benchmarks.cold import forget
from benchmarks.paired import paired, seconds


def test_analyze_every_registered_activation(benchmark: Any) -> None:
    ew.analyze("x*tanh(x)+0.1*x")  # loads scipy
    taken = {}
    for name in ew.activations():
        rounds = []
        for _ in range(3):
            forget()
            rounds.append(seconds(lambda name=name: ew.analyze(name)))
        taken[name] = statistics.median(rounds)
    slowest = max(taken, key=lambda name: taken[name])
    benchmark.extra_info.update(
        work=f"ew.analyze of {len(taken)} registered activations",
        median_s=statistics.median(taken.values()),
        worst_s=taken[slowest],
        slowest=slowest,
    )
    benchmark.pedantic(ew.analyze, ("mrepu(p=2)",), rounds=5)
    assert taken


def test_phase_diagram(benchmark: Any) -> None:
    a = ew.activation("gelu")
    c_w, c_b = torch.linspace(0.5, 4.0, 256), torch.linspace(0.0, 1.0, 256)

    def fresh() -> Any:
        forget()
        return ew.theory.phase_diagram(a, c_w=c_w, c_b=c_b, depth=64)

    fresh()
    benchmark.extra_info.update(
        work="phase diagram 256×256, 64 layers, gelu, table of g and χ built anew",
        median_s=statistics.median(seconds(fresh) for _ in range(5)),
    )
    benchmark.pedantic(fresh, rounds=5)
    assert benchmark.extra_info["median_s"] > 0


def _process(*arguments: str) -> float:
    return seconds(lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True))


def test_import_beside_torch(benchmark: Any) -> None:
    times = paired(lambda: _process("-c", "import torch"), lambda: _process("-c", "import torch, edgewise"), pairs=7)
    every = paired(
        lambda: _process("-c", "import torch"),
        lambda: _process("-c", "import torch, edgewise as ew; ew.activation('gelu'); ew.theory.kernel; ew.nn"),
        pairs=7,
    )
    benchmark.extra_info.update(
        work="import edgewise over import torch (whole process)",
        extra_s=statistics.median(t - o for t, o in zip(times.theirs, times.ours, strict=True)),
        with_activations_and_theory_s=statistics.median(t - o for t, o in zip(every.theirs, every.ours, strict=True)),
    )
    benchmark.pedantic(_process, ("-c", "import torch, edgewise"), rounds=3)
    assert times.ours


def test_help(benchmark: Any) -> None:
    _process("-m", "edgewise", "--help")
    benchmark.extra_info.update(
        work="edgewise --help (whole process)",
        median_s=statistics.median(_process("-m", "edgewise", "--help") for _ in range(7)),
    )
    benchmark.pedantic(_process, ("-m", "edgewise", "--help"), rounds=3)
    assert benchmark.extra_info["median_s"] > 0
