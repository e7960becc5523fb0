"""`edgewise report`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise.cli.group import SPEC, TAKES_SPEC


@click.command(context_settings=TAKES_SPEC)
@click.argument("specs", type=SPEC, nargs=-1, required=True, metavar="SPEC...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="edgewise-report", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def report(specs: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Will it train? Theory, random networks and a check on real data.

    \b
    Examples:
      edgewise report "mrepu(p=2)"
      edgewise report relu gelu "x*sigmoid(1.5*x)" --out comparison
    """
    from edgewise.report import report as make

    make(specs, out=out)
