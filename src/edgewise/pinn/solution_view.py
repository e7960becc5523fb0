"""A Solution as a terminal panel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.pinn.solution import Solution


def panel(s: Solution) -> RenderableType:
    """The verdict, the members, and what was chosen."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from edgewise.pinn.solution import MISSED, SOLVED

    error = s.error
    colour = "green" if error <= SOLVED else "yellow" if error <= MISSED else "red"
    parts: list[RenderableType] = [Text(s.reason, style="bold")]
    if s.members > 1:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("network", "seed", "loss", "relative L2 error", ""):
            table.add_column(heading, justify="left" if heading == "" else "right")
        for i in range(s.members):
            lost = f"diverged at step {s.diverged_at[i]}" if s.diverged_at[i] else s.stopped[i]
            note = ", ".join(part for part in ("smallest loss: the one shown" if i == s.best else "", lost) if part)
            table.add_row(str(i + 1), str(s.settings.seed + i), _number(s.loss[i]), _number(s.relative_l2[i]), note)
        parts.append(table)
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, value in fact_rows(s):
        facts.add_row(name, value)
    parts.append(facts)
    return Panel(
        Group(*parts), title=f"{s.equation.title}, {s.activation.spec}", title_align="left", border_style=colour
    )


def fact_rows(s: Solution) -> list[tuple[str, str]]:
    """What was solved and how, in words."""
    c = s.settings
    conditions = "built into the output" if c.boundary == "hard" else f"{c.condition_points} points, in the loss"
    per_step = "all" if c.batch is None or c.batch >= c.points else str(c.batch)
    renewed = ""
    if c.resample_every:
        renewed = f", drawn anew every {c.resample_every} steps" + (
            " where the residual is large" if c.adaptive else ""
        )
    time = ", ".join(f"{_STAGE[name]} {seconds:.0f} s" for name, seconds in s.seconds.items())
    ended = f"; {s.stopped[0]}" if s.members == 1 and s.stopped[0] else ""
    return [
        ("equation", s.equation.formula),
        ("network", f"{c.depth} hidden layers of {c.width}, {c.dtype}; {s.start.reason}"),
        ("points", f"{c.points} ({c.sampling}), {per_step} in a step of Adam{renewed}; conditions: {conditions}"),
        ("reference", f"{s.reference.method}, error {s.reference.error_estimate:.1g}"),
        ("time", time + ended),
    ]


_STAGE = {"adam": "Adam", "lbfgs": "L-BFGS"}


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"
