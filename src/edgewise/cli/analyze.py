"""`edgewise analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewise.cli.group import SPEC, TAKES_SPEC
from edgewise.cli.terminal import console, print_json

if TYPE_CHECKING:
    from edgewise.activations import Activation

_DEPTH, _WIDTH = 100, 128
"""The network for which the repair is shown."""


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
    mended = _tailored(result.activation)
    if html is not None:
        from edgewise.report import theory_page

        theory_page(spec, out=html)
    if as_json:
        print_json({**result.to_dict(), "tailored": mended})
        return
    out = console()
    out.print(result)
    if "reason" in mended:
        out.print(
            f"tailored  {mended['formula']}, σ = {mended['base']}" if "formula" in mended else "not tailored",
            markup=False,
        )
        out.print(f"  {mended['reason']}", markup=False)
    if "call" in mended:
        out.print(f"  {mended['call']}", markup=False)
    if html is not None:
        out.print(f"\npage written to {html}", markup=False, soft_wrap=True)


def _tailored(a: Activation) -> dict[str, Any]:
    """The repair for a network of the usual size, or the reason why there is none."""
    from edgewise.errors import EdgewiseError
    from edgewise.report.parts.tailored import call
    from edgewise.tailor import tailor

    try:
        made = tailor(a, depth=_DEPTH, width=_WIDTH)
    except EdgewiseError as error:
        return {"reason": str(error)}
    return {**made.to_dict(), "formula": made.tailoring.formula, "call": call(a, _DEPTH, _WIDTH)}
