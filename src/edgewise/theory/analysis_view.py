"""An Analysis as a terminal panel (rich) and as an HTML fragment."""

from __future__ import annotations

import html as markup
import math
from typing import TYPE_CHECKING

from edgewise.theory.critical_point import CriticalPoint
from edgewise.theory.properties import Bound, Point, Region

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.theory.analysis import Analysis

_CLASSES = {
    "scale_invariant": ("scale-invariant", "green"),
    "half_stable": ("half-stable, K* > 0", "green"),
    "k_star_zero": ("K* = 0, stable", "cyan"),
    "k_star_zero_unstable": ("K* = 0, unstable", "yellow"),
    "none": ("no critical point", "red"),
}
_HEADINGS = ("K*", "C_b", "C_W", "class", "stability", "leading correction", "p⊥")


def panel(r: Analysis) -> RenderableType:
    """The verdict, the solutions and the calculus facts for a terminal."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    word, colour = _CLASSES[r.universality_class]
    parts: list[RenderableType] = [Text(word, style=f"bold {colour}"), Text(r.reason)]
    if r.solutions:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for heading in _HEADINGS:
            table.add_column(heading, justify="right" if heading in {"K*", "C_b", "C_W", "p⊥"} else "left")
        for i, point in enumerate(r.solutions):
            table.add_row(*_cells(point), style="" if i == 0 else "dim")
        parts.append(table)
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, value in fact_rows(r):
        facts.add_row(name, value)
    parts.append(facts)
    return Panel(Group(*parts), title=Text(r.activation.spec, style="bold"), border_style=colour, padding=(1, 2))


def html(r: Analysis) -> str:
    """The same as an HTML fragment without styles or scripts of its own."""
    word, _ = _CLASSES[r.universality_class]

    def cell(tag: str, text: str) -> str:
        return f"<{tag}>{markup.escape(text)}</{tag}>"

    rows = "".join("<tr>" + "".join(cell("td", c) for c in _cells(p)) + "</tr>" for p in r.solutions)
    head = "<tr>" + "".join(cell("th", h) for h in _HEADINGS) + "</tr>"
    solutions = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if r.solutions else ""
    facts = "".join(f"<tr>{cell('th', name)}{cell('td', value)}</tr>" for name, value in fact_rows(r))
    return (
        f'<section class="edgewise-analysis"><h3>{markup.escape(r.activation.spec)}: {markup.escape(word)}</h3>'
        f"{cell('p', r.reason)}{solutions}<table><tbody>{facts}</tbody></table></section>"
    )


def fact_rows(r: Analysis) -> list[tuple[str, str]]:
    """The expansion and the calculus facts as (name, text) pairs."""
    p, e = r.properties, r.expansion
    rows = []
    if e.a1 is not None and e.order not in {"flat", "scale_invariant"}:
        half = f"a_½ = {e.a_half:.6g}, " if e.a_half else ""
        rows.append(("near K = 0", f"A₂ = {e.a2:.9g}, {half}a₁ = {e.a1:.6g}, b₁ = {e.b1:.6g}"))
    rows.append(("range", f"inf {_bound(p.infimum)}; sup {_bound(p.supremum)}"))
    rows.append(("slope", f"inf {_bound(p.slope_infimum)}; sup {_bound(p.slope_supremum)}"))
    rows.append(("Lipschitz", f"σ: {_bound(p.lipschitz)}; σ': {_bound(p.slope_lipschitz)}"))
    rows.append(("limits", f"σ → {_number(p.limits[0])} and {_number(p.limits[1])} at −∞ and +∞"))
    if any(p.oscillates):
        where = "both sides" if all(p.oscillates) else "the left" if p.oscillates[0] else "the right"
        shown = f"listed for {_number(p.window[0])} < x < {_number(p.window[1])}"
        rows.append(("oscillates", f"without end on {where}, period about {p.period:.5g}; {shown}"))
    rows.append(("monotone", _regions(p.monotone)))
    rows.append(("curvature", _regions(p.curvature)))
    rows.append(("stationary points", _listed([f"{q.kind} {_point(q)}" for q in p.stationary_points])))
    rows.append(("inflection points", _listed([_point(q) for q in p.inflection_points])))
    zeros = [f"{x:.7g}" for x in p.zeros] + [_interval(z) for z in p.zero_regions]
    rows.append(("zeros", _listed(zeros)))
    smooth = "C^∞" if math.isinf(p.smoothness) else "jumps" if p.smoothness < 0 else f"C^{p.smoothness:g}"
    extra = [f"{p.parity}"] if p.parity else []
    extra += [f"homogeneous of degree {p.homogeneity:g}"] if p.homogeneity is not None else []
    extra += [f"kinks at {_listed([f'{k:.6g}' for k in p.kinks])}"] if p.kinks else []
    rows.append(("smoothness", ", ".join([smooth, *extra])))
    return rows


def _cells(point: CriticalPoint) -> tuple[str, ...]:
    kernel = "any" if point.kernel is None else f"{point.kernel:.10g}"
    p_perp = "–" if point.p_perp is None else f"{point.p_perp:.4g}"
    word = _CLASSES[point.universality_class][0].partition(",")[0]
    return (kernel, f"{point.c_b:.10g}", f"{point.c_w:.10g}", word, point.stability, point.correction, p_perp)


def _number(x: float) -> str:
    return "no limit" if math.isnan(x) else ("∞" if x > 0 else "−∞") if math.isinf(x) else f"{x:.10g}"


def _bound(b: Bound) -> str:
    return f"{_number(b.value)} ({b.where})"


def _interval(r: Region) -> str:
    left = "(−∞" if math.isinf(r.low) else f"[{r.low:.6g}"
    right = "∞)" if math.isinf(r.high) else f"{r.high:.6g}]"
    return f"{left}, {right}"


def _listed(texts: list[str], most: int = 8) -> str:
    if not texts:
        return "none"
    return ", ".join(texts[:most]) + (f", … ({len(texts)} in all)" if len(texts) > most else "")


def _regions(regions: tuple[Region, ...]) -> str:
    if len(regions) == 1 and math.isinf(regions[0].low) and math.isinf(regions[0].high):
        return f"{regions[0].kind} everywhere"
    return _listed([f"{r.kind} on {_interval(r)}" for r in regions], 5)


def _point(p: Point) -> str:
    return f"at {p.x:.7g} (σ = {p.value:.7g})"
