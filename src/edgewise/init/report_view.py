"""An InitReport as a terminal panel (rich): a row a layer, the reasons below, what was left and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from edgewise.init.report import InitReport, LayerCheck, ParameterRecord

_NUMBERS = ("fan-in", "C_W", "C_b", "std", "K")
_NAMED = 4


def panel(report: InitReport) -> RenderableType:
    """The sentence, a row for each initialised layer, the reasons, what was left, the notes and what was measured."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    parts: list[RenderableType] = [Text(report.reason)]
    if report.initialised:
        parts += [Text(""), _layers(report)]
    parts += _grouped("why", report.initialised)
    parts += _grouped("left alone", report.left)
    if report.notes:
        parts += [Text("")] + [Text(f"note: {note}", style="yellow") for note in report.notes]
    if report.checks:
        parts += [Text(""), _checks(report.checks)]
    title = Text(f"{report.scheme} initialisation", style="bold")
    return Panel(Group(*parts), title=title, border_style="green", padding=(1, 2))


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")


def _layers(report: InitReport) -> Table:
    table = _table("layer", "fed by")
    for heading in _NUMBERS:
        table.add_column(heading, justify="right")
    for layer, records in _by(report.initialised, lambda r: r.layer):
        first = next((r for r in records if r.c_w is not None), records[0])
        numbers = (first.fan_in, first.c_w, first.c_b, first.std, first.kernel)
        cells = ["" if x is None else f"{x:.4g}" for x in numbers]
        if first.std is None and first.constant is not None:
            cells[3] = f"= {first.constant:.4g}"
        table.add_row(layer, first.fed_by, *cells)
    return table


def _grouped(title: str, records: Iterable[ParameterRecord]) -> list[RenderableType]:
    """One line a reason, with the parameters it holds for."""
    from rich.text import Text

    lines: list[RenderableType] = []
    for reason, group in _by(records, lambda r: r.reason):
        names = [record.parameter for record in group]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(Text.assemble((f"{', '.join(names[:_NAMED])}{more}: ", "bold"), reason))
    return [Text(""), Text(title, style="bold underline"), *lines] if lines else []


def _checks(checks: Iterable[LayerCheck]) -> Table:
    table = _table("layer", "what")
    for heading in ("predicted K", "measured", "ratio", "factor"):
        table.add_column(heading, justify="right")
    for check in checks:
        shown = ("" if x is None else f"{x:.4g}" for x in (check.predicted, check.measured, check.ratio))
        table.add_row(check.layer, check.detail, *shown, "" if check.factor == 1.0 else f"{check.factor:.4g}")
    return table


def _by(
    records: Iterable[ParameterRecord], key: Callable[[ParameterRecord], str]
) -> list[tuple[str, list[ParameterRecord]]]:
    groups: dict[str, list[ParameterRecord]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return list(groups.items())
