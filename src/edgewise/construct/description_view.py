"""A Construction as a terminal panel (rich)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.construct.description import Construction

_SHOWN = 4


def panel(c: Construction) -> RenderableType:
    """The reason, the size and the errors."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, value in fact_rows(c):
        facts.add_row(name, value)
    colour = "green" if c.accurate else "yellow"
    title = Text(f"a polynomial of degree {c.degree} in {c.activation}", style="bold")
    return Panel(Group(Text(c.reason), Text(""), facts), title=title, border_style=colour, padding=(1, 2))


def fact_rows(c: Construction) -> list[tuple[str, str]]:
    """(name, text) pairs."""
    box = " × ".join(f"[{low:g}, {high:g}]" for low, high in c.box[:_SHOWN]) + " × …" * (len(c.box) > _SHOWN)
    widths = " + ".join(map(str, c.widths))
    layers = f"{c.hidden_layers} hidden; at least {c.fewest_layers}, as each multiplies the degree by {c.layer_degree}"
    theorem = f"theorem: a multiple of {c.general_coefficients}, the coefficients of such a polynomial"
    rows = [
        ("box", box),
        ("layers", layers),
        ("units", f"{c.units} = {widths}; {theorem}"),
        ("weights", f"{c.weights} that are not 0, for {c.coefficients} Chebyshev coefficients"),
    ]
    for name, error, norm in zip(("value", "first derivative", "second derivative"), c.errors, c.norms, strict=True):
        rows.append((f"error of {name}", f"{error:.1e} of its sup norm {norm:.4g} ({c.dtype})"))
    rows.append(("condition", f"{c.condition:.3g}"))
    if c.function_error is not None:
        rows.append(("distance from f", f"{c.function_error:.1e} of max |f|"))
    return rows
