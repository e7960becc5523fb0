"""`edgewise doctor`."""

from __future__ import annotations

import click

from edgewise.cli.group import CONTEXT
from edgewise.cli.terminal import console, print_json


@click.command(context_settings=CONTEXT)
@click.option("--compile", "compile_test", is_flag=True, help="Also try torch.compile (up to a minute).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(compile_test: bool, as_json: bool) -> int:
    """What this machine offers: versions, threads, compiler, GPU, data folders.

    Exits 1 where something edgewise needs is missing.

    \b
    Example:
      edgewise doctor --json
    """
    from edgewise.doctor import doctor as examine

    result = examine(compile_test=compile_test)
    if as_json:
        print_json(result.to_dict())
        return 0 if result.healthy else 1

    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "problem": "[red bold]problem[/]"}
    for check in result.checks:
        table.add_row(marks[check.status], check.name, escape(check.found), escape(check.advice))
    out = console()
    out.print(table)
    out.print(f"\n{result.reason}")
    return 0 if result.healthy else 1
