"""A comparison in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgewise.studies.evidence import Interval

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.studies.images.comparison import Comparison


LARGE = 1e4
"""From here on a number is the mark of a divergence, and its digits say nothing."""


def view(comparison: Comparison) -> RenderableType:
    """Two tables and a sentence."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    standings = Table(box=None, pad_edge=False, header_style="bold")
    standings.add_column("activation", overflow="fold")
    heads = ("accuracy %", "loss", "time", "memory", "rate", "diverged")
    for head in heads:
        standings.add_column(head, justify="right")
    first = comparison.standings[0] if comparison.standings else None
    for s in sorted(comparison.standings, key=lambda s: -s.accuracy.estimate):
        standings.add_row(
            s.activation, spread(s.accuracy, 100.0, 2), spread(s.loss, 1.0, 3),
            "1" if s is first else _times(s.time), megabytes(s.peak_bytes or s.kept_bytes),
            f"{s.learning_rate:g}", f"{s.diverged} of {s.seeds}",
        )  # fmt: skip
    parts: list[RenderableType] = [standings]
    if comparison.pairs:
        pairs = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("difference of accuracies, points", "", "Holm's p", ""):
            pairs.add_column(head, overflow="fold")
        for p in comparison.pairs:
            p_value = "–" if math.isnan(p.adjusted) else f"{p.adjusted:.2g}"
            pairs.add_row(f"{p.first} - {p.second}", spread(p.difference, 100.0, 2), p_value, said(p.differ))
        parts += ["", pairs]
    remarks = [Text(f"Note: {remark}.", style="yellow") for remark in comparison.remarks]
    return Group(*parts, "", Text(f"{comparison.reason[:1].upper()}{comparison.reason[1:]}."), *remarks)


def _times(ratio: Interval | None) -> str:
    return "–" if ratio is None else f"{spread(ratio, 1.0, 2)}x"


def said(differ: bool | None) -> str:
    """Whether two differ, in words."""
    return "cannot be told" if differ is None else "differ" if differ else "not distinguished"


def spread(interval: Interval, scale: float, digits: int) -> str:
    """estimate ± half the interval's width, or the estimate alone where the interval is open."""
    if not math.isfinite(interval.estimate):
        return "–"
    half = 0.5 * (interval.high - interval.low)
    if scale * abs(interval.estimate) >= LARGE:
        return f"{scale * interval.estimate:.1e}"
    centre = f"{scale * interval.estimate:.{digits}f}"
    return f"{centre} ± {scale * half:.{digits}f}" if math.isfinite(half) else centre


def megabytes(count: int) -> str:
    """Bytes as MB."""
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:,.0f} MB"
