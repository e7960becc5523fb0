"""A tailoring as a terminal panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.tailor.tailored import Tailoring

_SHOWN = 8


def panel(t: Tailoring) -> RenderableType:
    """The formula, the conditions, the candidates and the reason."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    formula = f"{t.formula},  σ = {t.base.spec}"
    met = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading, side in (("condition", "left"), ("wanted", "right"), ("found", "right"), ("", "left")):
        met.add_column(heading, justify=side)  # type: ignore[arg-type]
    for c in t.conditions:
        met.add_row(
            c.name, f"{c.wanted:.8g}", f"{c.found:.8g}", "met" if c.met else f"missed by {c.found - c.wanted:.2g}"
        )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in ("method", "target", "α", "β", "χ∥", "χ⊥", "dχ∥/dK", "survive", "far", "spread of log K"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for candidate in t.candidates[:_SHOWN]:
        s = candidate.survival
        table.add_row(
            candidate.method, f"{candidate.zeta:.4g}", f"{candidate.alpha:.4g}", f"{candidate.beta:.4g}",
            f"{candidate.parallel:.7g}", f"{candidate.perp:.7g}", f"{candidate.parallel_slope:.3g}",
            f"{100 * s.share:.1f} %", f"{100 * s.far:.0f} %", f"{s.spread:.3g}",
            style="" if candidate.chosen else "dim",
        )  # fmt: skip
    parts: list[RenderableType] = [Text(formula, style="bold"), Text(t.reason), met, table]
    if len(t.candidates) > _SHOWN:
        parts.append(Text(f"… and {len(t.candidates) - _SHOWN} more candidates", style="dim"))
    title = Text(f"{t.given} tailored by {t.method} to {t.stack}, width {t.width}", style="bold")
    return Panel(
        Group(*parts), title=title, border_style="red" if t.chosen.survival.share < 0.5 else "green", padding=(1, 2)
    )
