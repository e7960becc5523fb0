"""A Diagnosis as a terminal panel (rich)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgewise.measure.diagnosis import Diagnosis, LayerDiagnosis, Level
from edgewise.measure.wording import correlation, number, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

BADGE: dict[Level, str] = {"yes": "✓ Yes", "care": "▲ With care", "no": "✕ No", "unknown": "? Unknown"}
"""Answers to "will it train?"."""
_COLOUR = {"yes": "green", "care": "yellow", "no": "red", "unknown": "blue"}
MOST_ROWS = 24

COLUMNS = (
    "layer", "what", "K", "predicted", "growth", "gradient", "back", "χ∥", "χ⊥", "dead", "correlation",
)  # fmt: skip
LEGEND = (
    "K: mean square of the layer's output; predicted: theory from the measured weights; growth: K over the K before; "
    "gradient: root mean square of ∂loss/∂z; back: factor on the squared gradient through this layer (theory: χ⊥); "
    "dead: static + dynamic; correlation: between different samples"
)


def panel(d: Diagnosis) -> RenderableType:
    """The verdict, what to do, and the figures layer by layer for a terminal."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    colour = _COLOUR[d.level]
    parts: list[RenderableType] = [Text(d.headline, style=f"bold {colour}")]
    if d.findings:
        parts += [Text.assemble(("• ", colour), sentence(f.text)) for f in d.findings]
        parts += [Text(sentence(cause)) for cause in d.causes]
    elif d.reason:
        parts.append(Text(sentence(d.reason)))
    for piece in d.advice:
        parts.append(Text(""))
        if piece.calls:
            parts.append(Text("Try", style="bold"))
            parts += [Text(f"    {call}", style="bold cyan", no_wrap=True, overflow="fold") for call in piece.calls]
        parts.append(Text(sentence(piece.why)))
        if piece.checked:
            parts.append(Text(f"On a copy of this model, after these calls: {piece.after}.", style="green"))
        elif piece.calls:
            parts.append(Text("Not tried on a copy (check=True does).", style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold")
    for heading in COLUMNS:
        if heading != "what":
            table.add_column(heading, justify="left" if heading == "layer" else "right", no_wrap=True)
    for row in chosen_rows(d.layers):
        table.add_row(*(("…",) if row is None else (row.name, *cells(row, 2)[2:])))
    if d.layers:
        parts += [table, Text(LEGEND, style="dim")]
    parts += [Text(f"Note: {note}.", style="dim") for note in d.notes]
    title = f"{d.model}: {d.depth} activation{'s' if d.depth != 1 else ''}, width {d.width}, {d.mode} mode"
    return Panel(Group(*parts), title=Text(title, style="bold"), border_style=colour, padding=(1, 2))


def chosen_rows(layers: Sequence[LayerDiagnosis]) -> list[LayerDiagnosis | None]:
    """All rows of a short model; of a long one its ends and every so many between, None where some are left out."""
    if len(layers) <= MOST_ROWS:
        return list(layers)
    step = -(-(len(layers) - 8) // (MOST_ROWS - 8))
    kept = sorted({*range(4), *range(4, len(layers) - 4, step), *range(len(layers) - 4, len(layers))})
    rows: list[LayerDiagnosis | None] = []
    for i, index in enumerate(kept):
        if (
            i
            and index != kept[i - 1] + 1
            and (not rows or rows[-1] is not None)
            and step > 1
            and index == len(layers) - 4
        ):
            rows.append(None)
        rows.append(layers[index])
    return rows


def cells(row: LayerDiagnosis, digits: int = 3) -> tuple[str, ...]:
    """The figures of one layer, in the order of COLUMNS."""
    what = row.detail + (f" → {row.activation}" if row.activation else "")
    dead = "–" if row.dead_static is None else f"{percent(row.dead_static)} + {percent(row.dead_dynamic or 0.0)}"
    figures = (
        row.kernel, row.predicted, row.growth, row.gradient, row.gradient_growth, row.chi_parallel, row.chi_perp,
    )  # fmt: skip
    return (row.name, what, *(number(value, digits) for value in figures), dead, correlation(row.one_minus_rho))


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
