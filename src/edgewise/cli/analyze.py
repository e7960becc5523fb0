"""`edgewise analyze`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise.cli.group import SPEC, TAKES_SPEC
from edgewise.cli.terminal import console, print_json


@click.command(context_settings=TAKES_SPEC)
@click.argument("spec", type=SPEC)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with pictures to this file."
)
def analyze(spec: str, as_json: bool, html: Path | None) -> None:
    """The theory of one activation: its critical points, universality class, and how to initialise with it.

    \b
    Examples:
      edgewise analyze gelu
      edgewise analyze "x*relu(x+1)**2" --html mrepu.html
      edgewise analyze "-x*tanh(x)" --json
    """
    from edgewise.theory.analysis import analyze as examine

    result = examine(spec)
    if html is not None:
        from edgewise.report import theory_page

        theory_page(spec, out=html)
    if as_json:
        print_json(result.to_dict())
        return
    out = console()
    out.print(result)
    if html is not None:
        out.print(f"\npage written to {html}", markup=False)
