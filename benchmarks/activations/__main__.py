"""Activations beside torch's built-in ones: time, memory, bandwidth; a JSON, a page and a picture.

python -m benchmarks.activations --out docs/results/activation_speed.json      some ten minutes on a quiet machine
python -m benchmarks.activations --quick --out speed.json                      a minute, smaller tensors
python -m benchmarks.activations --page --out FILE                             the page again, from FILE
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

CHOSEN = ("mrepu", "relu", "relu2", "gelu", "silu", "tanh", "smelu", "snake")
"""Those also measured in bfloat16, on two threads, under torch.compile and against naive formulas."""

COMPILED = (
    *CHOSEN,
    "abs",
    "elu",
    "gelu_tanh",
    "hardswish",
    "leaky_relu",
    "mish",
    "rescu_gaussian",
    "sigmoid",
    "softplus",
)
"""Those measured under torch.compile: some seconds each."""

ROOT = Path(__file__).parents[2]


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The JSON file.")
@click.option("--quick", is_flag=True, help="Two sizes, fewer pairs: a look, no result.")
@click.option("--only", default="", help="Activations, separated by commas.")
@click.option("--device", default=None, help="cpu or cuda.  [default: cuda where there is one]")
@click.option("--page", is_flag=True, help="Measure nothing: write page and picture from OUT.")
def main(out: Path, quick: bool, only: str, device: str | None, page: bool) -> None:
    """Measures and writes OUT; a full run also writes docs/activation_speed.md and its picture."""
    import json

    from benchmarks.activations.page import write
    from edgewise.files import write_json

    if not page:
        write_json(out, measured(quick, tuple(only.split(",")) if only else (), device))
    results = json.loads(out.read_text(encoding="utf8"))
    if page or not (quick or only):
        write(results, ROOT / "docs" / "activation_speed.md", ROOT / "docs" / "images" / "activation_speed.png")


def measured(quick: bool, only: tuple[str, ...], device_name: str | None) -> dict[str, Any]:
    """All comparisons as one plain dictionary."""
    import torch
    from rich.progress import Progress

    import edgewise as ew
    from benchmarks.activations.measure import Cell, Effort, compare, copy_rate
    from benchmarks.activations.peers import NAIVE, SAME, built_in, liger_relu2
    from edgewise.activations.kernels import choice
    from edgewise.measure.provenance import provenance

    device = torch.device(device_name or ("cuda" if torch.cuda.is_available() else "cpu"))
    start = time.perf_counter()
    names = only or tuple(ew.activations())
    sizes = (100_000, 1_000_000) if quick else (100_000, 1_000_000, 16_000_000, 64_000_000)
    large = sizes[-1] if quick else 16_000_000
    single, half = torch.float32, torch.bfloat16
    cold = _cold_starts(names)
    cells: list[Cell] = []
    rates: dict[str, float] = {}
    chosen = [n for n in names if n in CHOSEN]
    generated = [n for n in names if n in COMPILED]

    def rate(elements: int, dtype: torch.dtype) -> float:
        key = f"{elements} {str(dtype).removeprefix('torch.')} {torch.get_num_threads()}"
        if key not in rates:
            rates[key] = copy_rate(elements, dtype, device)
        return rates[key]

    def row(name: str, against: str, theirs: Any, kind: str, elements: int, dtype: Any, compiled: bool = False) -> None:
        # the large ones take half a second a round: three pairs of them
        effort = Effort(pairs=15 if quick else 25, seconds=0.2 if quick else 0.3 if elements < 10_000_000 else 0.9)
        ours: Any = ew.activation(name)
        if compiled:
            torch.compiler.reset()
            ours, theirs = torch.compile(ours.__call__, fullgraph=True), torch.compile(theirs, fullgraph=True)
        cells.extend(
            compare(
                name, ours, against, theirs, kind=kind, elements=elements, dtype=dtype, device=device, effort=effort,
                copy_rate=rate(elements, dtype), compiled=compiled,
            )
        )  # fmt: skip

    torch.set_num_threads(1)
    with Progress(transient=True) as progress:
        task = progress.add_task("activations", total=len(names) * len(sizes) + len(chosen) * 6 + len(generated))
        for elements in sizes:
            for name in names:
                row(name, *built_in(name), "same" if name in SAME else "nearest", elements, single)
                progress.advance(task)
        for name in chosen:
            against, theirs = built_in(name)
            kind = "same" if name in SAME else "nearest"
            for elements in (sizes[1], large):
                row(name, against, theirs, kind, elements, half)
                progress.advance(task)
            if name in NAIVE:
                for elements in (sizes[1], large):
                    row(name, *NAIVE[name], "naive", elements, single)
            progress.advance(task, 2)
        for name in generated:
            row(name, *built_in(name), "same" if name in SAME else "nearest", large, single, compiled=True)
            progress.advance(task)
        liger = liger_relu2() if device.type == "cuda" else None
        if liger is not None:
            for dtype in (single, half):
                row("relu2", "Liger ReLU²", lambda x: liger(x.view(-1, 1000)).view(-1), "peer", large, dtype)
        if device.type == "cpu" and (os.cpu_count() or 1) > 1:
            torch.set_num_threads(2)
            for name in chosen:
                against, theirs = built_in(name)
                for elements in (sizes[1], large):
                    row(name, against, theirs, "same" if name in SAME else "nearest", elements, single)
                    progress.advance(task)
            torch.set_num_threads(1)
    seconds = time.perf_counter() - start
    return {
        "route": choice.status()[1],
        "cold_start_seconds": cold,
        "copy_bytes_per_second": rates,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "quick": quick,
        "provenance": provenance(seed=0, device=device, dtype=single, seconds=seconds).to_dict(),
        "cells": [cell.to_dict() for cell in cells],
    }


def _cold_starts(names: tuple[str, ...]) -> dict[str, float]:
    """Seconds that the first forward and backward pass takes more than the second, by activation; float32, CPU."""
    import torch

    import edgewise as ew

    taken = {}
    for name in names:
        sigma = ew.activation(name)
        x = torch.linspace(-3.0, 3.0, 8192, requires_grad=True)
        rounds = []
        for _ in range(2):
            start = time.perf_counter()
            sigma(x).sum().backward()
            rounds.append(time.perf_counter() - start)
        taken[name] = rounds[0] - rounds[1]
    return taken


if __name__ == "__main__":
    main()
