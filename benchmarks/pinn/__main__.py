"""The command line: measure (the default), table."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.pinn.cases import cases


@click.group(invoke_without_command=True)
@click.option("--out", type=click.Path(path_type=Path), help="The JSON file of results.")
@click.option("--quick", is_flag=True, help="8x20 at 1000 points in few rounds.")
@click.option("--threads", type=int, multiple=True, help="May be repeated.  [default: 1 and 2; quick: 1]")
@click.option("--rounds", type=int, default=None, help="Turns of each contender.  [default: 7; quick: 5]")
@click.option("--compile", "compiled", is_flag=True, help="Our pass compiled by torch.compile too; needs a compiler.")
@click.option("--processor-time", is_flag=True, help="For a busy machine: count this process's time, on one thread.")
@click.pass_context
def main(
    context: click.Context, out: Path | None, quick: bool, threads: tuple[int, ...], rounds: int | None, compiled: bool,
    processor_time: bool,
) -> None:  # fmt: skip
    """Measures every case and prints the tables.

    Example: python -m benchmarks.pinn --out pinn.json --quick
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise click.UsageError("say where the results go: --out FILE")
    counts = (1,) if processor_time else threads or ((1,) if quick else (1, 2))
    clock = "process_time" if processor_time else "perf_counter"
    results = _measured(cases(quick=quick, threads=counts), rounds or (5 if quick else 7), clock, compiled)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf8")
    _show(results)


def _measured(chosen: list[Any], rounds: int, clock: str, compiled: bool) -> dict[str, Any]:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from importlib.metadata import version

    import torch

    from benchmarks.pinn.measure import measured

    found = []
    for case in chosen:
        click.echo(f"{case} ...", err=True)
        found.append(measured(case, rounds, clock, compiled=compiled))
    return {
        "machine": {
            "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(),
            "torch": torch.__version__, "deepxde": version("deepxde"),
            "rounds": rounds, "clock": clock, "date": str(date.today()),
        },
        "cases": found,
    }  # fmt: skip


@main.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True))
def table(results: Path) -> None:
    """Prints the tables of a results file."""
    _show(json.loads(results.read_text(encoding="utf8")))


def _show(results: dict[str, Any]) -> None:
    from benchmarks.pinn.tables import misses, tables

    click.echo(tables(results))
    missed = misses(results)
    click.echo("\nNot reached:\n* " + "\n* ".join(missed) if missed else "\nEvery aim was reached.")


if __name__ == "__main__":
    main()
