"""What a Monitor saw during training: kernel, gradient, dead units and correlation of some layers against the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.errors import DomainError
from edgewise.report.drawing import BLUE, DASHES, GREEN, ORANGE, PURPLE, SKY, VERMILION, blank, drawn, save
from edgewise.report.figures.depth import logarithmic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
MOST_LAYERS = 6
PANELS = (
    ("kernel", "kernel $K$", True),
    ("gradient_norm", "size of ∂loss/∂z", True),
    ("dead", "dead units, %", False),
    ("one_minus_rho", "1 − correlation", True),
)


@drawn
def history_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Four panels against the training step, one line for each of up to six layers spread over the depth."""
    from matplotlib.ticker import MaxNLocator

    figure = blank(9.4, 6.0)
    panels = figure.subplots(2, 2)
    steps = [entry["step"] for entry in history]
    names = _spread([row["name"] for row in history[-1]["layers"]])
    for axes, (field, label, as_log) in zip(panels.ravel(), PANELS, strict=True):
        shown: list[float] = []
        for i, name in enumerate(names):
            values = [_value(entry, name, field) for entry in history]
            if as_log:
                values = [v if v > 0.0 else float("nan") for v in values]
            shown += values
            marker = "o" if len(steps) <= 30 else None
            axes.plot(
                steps, values, color=COLOURS[i], linestyle=DASHES[i], marker=marker, markersize=3.0, linewidth=1.6,
                label=name,
            )  # fmt: skip
        if as_log:
            logarithmic(axes, shown)
        if field == "dead":
            axes.set_ylim(0, 104)
        axes.set_ylabel(label)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(3, len(labels)), frameon=False)
    return figure


def history_picture(history: Sequence[Mapping[str, Any]], *, out: str | Path) -> Path:
    """Draws a Monitor's history to a .png, .svg or .pdf file and returns its path.

    Raises DomainError for an empty history or another suffix, OSError where the file cannot be written.
    """
    if not history:
        raise DomainError("an empty history given, expected at least one look; try monitor.look(step, batch)")
    path = Path(out)
    save(history_figure(history), path)
    return path


def _spread(names: Sequence[str]) -> list[str]:
    """Up to MOST_LAYERS names, the first and the last among them, evenly between."""
    if len(names) <= MOST_LAYERS:
        return list(dict.fromkeys(names))
    step = (len(names) - 1) / (MOST_LAYERS - 1)
    return [names[round(i * step)] for i in range(MOST_LAYERS)]


def _value(entry: Mapping[str, Any], name: str, field: str) -> float:
    row = next((row for row in entry["layers"] if row["name"] == name), None)
    if row is None:
        return float("nan")
    if field == "dead":
        static, dynamic = row["dead_static"], row["dead_dynamic"]
        return float("nan") if static is None else 100.0 * (static + (dynamic or 0.0))
    value = row[field]
    return float("nan") if value is None or not abs(value) < 1e30 else float(value)
