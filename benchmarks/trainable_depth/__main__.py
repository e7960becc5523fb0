"""The command line: measure (the default), table, ask."""

from __future__ import annotations

import fnmatch
import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.trainable_depth.settings import ACTIVATIONS, CELLS, DEPTHS, SCHEMES, Cell, Settings


@click.group(invoke_without_command=True)
@click.option("--out", type=click.Path(path_type=Path), default=CELLS, show_default=True, help="One JSON file a cell.")
@click.option("--depth", type=int, multiple=True, help="Only this depth; may be repeated.  [default: 10, 50, 100]")
@click.option("--cells", default="*", show_default=True, help='Names with wildcards: "*-mrepu2-tailored,*-he".')
@click.option("--workers", type=int, default=1, show_default=True, help="Cells at a time, each on one thread.")
@click.option("--again", is_flag=True, help="Measure these cells anew even where a record exists.")
@click.option("--steps", type=int, default=Settings.steps, show_default=True, help="For a quick look only.")
@click.pass_context
def main(
    context: click.Context, out: Path, depth: tuple[int, ...], cells: str, workers: int, again: bool, steps: int
) -> None:
    """Measures every cell that OUT does not hold yet; stop it whenever you like and start it again.

    Example: python -m benchmarks.trainable_depth --out cells --workers 2 --cells "*-relu2-*"
    """
    if context.invoked_subcommand is None:
        settings = replace(Settings(), steps=steps)
        chosen = [
            cell for cell in _cells(depth or DEPTHS) if any(fnmatch.fnmatch(cell.name, p) for p in cells.split(","))
        ]
        _run(chosen, settings, out, workers, again)


def _cells(depths: tuple[int, ...]) -> list[Cell]:
    """The cheap ones first, so that what is wrong shows early."""
    return [Cell(d, a, s) for d in sorted(depths) for s in SCHEMES for a in ACTIVATIONS]


def _run(cells: list[Cell], settings: Settings, out: Path, workers: int, again: bool) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from benchmarks.trainable_depth.measure import measure, read

    out.mkdir(parents=True, exist_ok=True)
    todo = [cell for cell in cells if again or read(out / f"{cell.name}.json", settings) is None]
    console = Console()
    console.print(f"{len(cells)} cells, {len(cells) - len(todo)} of them measured already, in {out}")
    columns = (
        TextColumn("[bold]cells"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool, Progress(*columns, console=console) as progress:
        bar = progress.add_task("cells", total=len(todo), last="")
        running: dict[Future[dict[str, Any]], Cell] = {pool.submit(measure, c, settings, out): c for c in todo}
        failures = []
        try:
            for done in as_completed(running):
                cell, problem = running[done], done.exception()
                told = f"{cell.name}: {type(problem).__name__}: {problem}" if problem else _told(cell, done.result())
                if problem or not console.is_terminal:
                    console.print(told)
                failures += [cell.name] if problem else []
                progress.update(bar, advance=1, last=told)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        raise click.ClickException(f"{len(failures)} cells failed: {', '.join(failures)}")


def _told(cell: Cell, record: dict[str, Any]) -> str:
    if record["status"] != "measured":
        return f"{cell.name}: {record['status']}"
    lost = f", {record['lost']} lost" if record["lost"] else ""
    return (
        f"{cell.name}: {record['median']:.3f} at {record['learning_rate']:.0e}{lost} "
        f"({record['provenance']['seconds']:.0f} s)"
    )


@main.command()
def ask() -> None:
    """Asks AnyInit and dks again and writes peers.json."""
    from benchmarks.trainable_depth.ask import ANSWERS
    from benchmarks.trainable_depth.ask import ask as ask_peers

    ask_peers()
    click.echo(f"wrote {ANSWERS}")


@main.command()
@click.option(
    "--cells", "cells", type=click.Path(path_type=Path, exists=True), default=None, help="Where the cells lie."
)
def table(cells: Path | None) -> None:
    """Collects the cells into docs/results and writes docs/trainable_depth.md and its picture from that one file."""
    from benchmarks.trainable_depth.page import write_all

    for path in write_all(cells):
        click.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
