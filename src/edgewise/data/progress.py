"""How a download tells how far it is: a bar a file in a terminal, a line a file elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from edgewise.data.download import Told


@contextlib.contextmanager
def telling(wanted: bool | Told) -> Iterator[Told]:
    """What a download calls. True: bars or lines on stderr; False: nothing; a function is called itself."""
    if not isinstance(wanted, bool):
        yield wanted
    elif not wanted:
        yield lambda name, done, total: None
    elif sys.stderr.isatty():
        with _bars() as told:
            yield told
    else:
        yield _lines()


@contextlib.contextmanager
def _bars() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {}

        def told(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield told


def _lines() -> Told:
    begun: set[str] = set()

    def told(name: str, done: int, total: int | None) -> None:
        if name not in begun:
            begun.add(name)
            size = "" if total is None else f" ({total / 1e6:.1f} MB)"
            print(f"downloading {name}{size}", file=sys.stderr, flush=True)

    return told
