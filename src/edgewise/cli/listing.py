"""`edgewise list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgewise.cli.group import CONTEXT
from edgewise.cli.terminal import console, print_json

if TYPE_CHECKING:
    from edgewise.activations import Activation


@click.command("list", context_settings=CONTEXT)
@click.option("--classes", is_flag=True, help="Also the universality class of each (some seconds).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(classes: bool, as_json: bool) -> None:
    """The registered activations: formula, smoothness, parity, kinks.

    \b
    Example:
      edgewise list --classes
    """
    from edgewise.activations import activation
    from edgewise.activations.registry import names

    rows = []
    for name in names():
        sigma = activation(name)
        rows.append(_facts(name, sigma) | (_class(sigma) if classes else {}))
    if as_json:
        print_json(rows)
    else:
        _print(rows, classes=classes)


def _facts(name: str, a: Activation) -> dict[str, Any]:
    from edgewise.measure.jsonable import jsonable

    return {
        "name": name,
        "spec": a.spec,
        "parameters": dict(a.parameters),
        "formula": a.formula,
        "smoothness": "infinity" if a.smoothness == float("inf") else a.smoothness,
        "parity": a.parity,
        "homogeneity": a.homogeneity,
        "kinks": jsonable(a.kinks),
        "source": a.definition.source,
        "summary": a.definition.summary,
    }


def _class(a: Activation) -> dict[str, Any]:
    from edgewise.errors import EdgewiseError
    from edgewise.theory.analysis import analyze

    try:
        result = analyze(a)
    except EdgewiseError as error:
        return {"universality_class": None, "reason": str(error)}
    return {"universality_class": result.universality_class, "reason": result.reason}


def _print(rows: list[dict[str, Any]], *, classes: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from edgewise.report.notation import number, plain, smoothness
    from edgewise.report.words import CLASS_NAME

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", max_width=28, overflow="fold", style="cyan")
    table.add_column("σ(x)", overflow="fold")
    table.add_column("smooth", no_wrap=True)
    table.add_column("parity", no_wrap=True)
    table.add_column("kinks")
    if classes:
        table.add_column("class")
    for row in rows:
        smooth = float("inf") if row["smoothness"] == "infinity" else row["smoothness"]
        own = row["name"] if row["spec"].partition("(")[0] == row["name"] else f"{row['name']} = {row['spec']}"
        given = ", ".join(f"{key}={number(value)}" for key, value in row["parameters"].items())
        cells = [
            own if own != row["name"] or not given else f"{row['name']}({given})",
            plain(row["formula"]),
            smoothness(smooth),
            row["parity"] or "",
            ", ".join(number(k, 3) for k in row["kinks"]),
        ]
        if classes:
            cells.append(CLASS_NAME.get(row["universality_class"]) or f"not found: {row['reason']}")
        table.add_row(*(escape(cell) for cell in cells))
    out = console()
    out.print(table)
    out.print(
        f'\n{len(rows)} activations; any formula in x works too: edgewise analyze "x*sigmoid(1.5*x)"', markup=False
    )
