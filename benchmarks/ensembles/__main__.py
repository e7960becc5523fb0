"""The command line: measure (the default), table."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.ensembles.settings import cases


@click.group(invoke_without_command=True)
@click.option("--out", type=click.Path(path_type=Path), help="The JSON file of results.")
@click.option("--quick", is_flag=True, help="relu at three layers in few rounds.")
@click.option("--device", default="cpu", show_default=True, help='"cuda" where there is one.')
@click.option("--threads", type=int, multiple=True, help="May be repeated.  [default: 1 and all cores; of cuda 1]")
@click.option("--rounds", type=int, default=None, help="Turns of each contender.  [default: 9; quick: 5]")
@click.option("--without", multiple=True, help='Leave a contender out, as "jax" or "compiled"; may be repeated.')
@click.option("--processor-time", is_flag=True, help="For a busy machine: count this process's time, on one thread.")
@click.pass_context
def main(
    context: click.Context, out: Path | None, quick: bool, device: str, threads: tuple[int, ...], rounds: int | None,
    without: tuple[str, ...], processor_time: bool,
) -> None:  # fmt: skip
    """Measures every case and prints the tables.

    Example: python -m benchmarks.ensembles --out ensembles.json --quick
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise click.UsageError("say where the results go: --out FILE")
    if processor_time:
        threads = (1,)
    clock = "process_time" if processor_time else "perf_counter"
    results = _measured(quick, device, threads, rounds or (5 if quick else 9), set(without), clock)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf8")
    _show(results)


def _measured(
    quick: bool, device: str, threads: tuple[int, ...], rounds: int, left_out: set[str], clock: str
) -> dict[str, Any]:
    """Runs everything on as many cores as it has threads, the peers too."""
    cores = sorted(os.sched_getaffinity(0))
    counts = threads or ((1,) if device == "cuda" else tuple(sorted({1, len(cores)})))
    import torch

    from benchmarks.ensembles import images
    from benchmarks.ensembles.measure import measured
    from benchmarks.peers import Peer

    target, found, convolutional, versions = torch.device(device), [], [], "not asked"
    torch.set_flush_denormal(True)
    for count in counts:
        if target.type == "cpu":
            os.sched_setaffinity(0, cores[:count])
        jax = None if "jax" in left_out or target.type != "cpu" else Peer("jax", EDGEWISE_THREADS=str(count))
        try:
            for case in cases(quick=quick, threads=(count,)):
                click.echo(f"{case} ...", err=True)
                found.append(measured(case, target, rounds, jax, left_out, clock))
            for name in images.CASES:
                click.echo(f"{name} ...", err=True)
                convolutional.append(images.measured(name, target, rounds, clock))
            versions = versions if jax is None else str(jax.ask("version")["version"])
        finally:
            if jax is not None:
                jax.close()
    name = torch.cuda.get_device_name(target) if target.type == "cuda" else platform.processor() or platform.machine()
    return {
        "machine": {
            "device": name, "cores": len(cores), "torch": torch.__version__, "jax": versions, "rounds": rounds,
            "clock": clock,
            "date": str(date.today()),
        },
        "cases": found,
        "convolutional": convolutional,
    }  # fmt: skip


@main.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True))
def table(results: Path) -> None:
    """Prints the tables of a results file."""
    _show(json.loads(results.read_text(encoding="utf8")))


def _show(results: dict[str, Any]) -> None:
    from benchmarks.ensembles.tables import convolutional, misses, tables

    click.echo(tables(results) + "\n\n" + convolutional(results["convolutional"]))
    missed = misses(results)
    click.echo("\nNot reached:\n* " + "\n* ".join(missed) if missed else "\nEvery aim was reached.")


if __name__ == "__main__":
    main()
