"""Accuracy of deep networks by scheme: a mark a network, a cross where it diverged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, VERMILION, blank, drawn
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]


@drawn
def accuracy_figure(data: Data) -> Figure:
    """A panel a depth, a row a scheme."""
    import numpy as np

    rows = data["rows"]
    depths = sorted({row["depth"] for row in rows})
    names = list(dict.fromkeys(row["name"] for row in rows))
    figure = blank(width=4.1 * len(depths) + 2.4, height=0.5 * len(names) + 1.3)
    panels = figure.subplots(1, len(depths), sharey=True, squeeze=False)[0]
    colours = dict(zip(names, (VERMILION, ORANGE, BLUE, PURPLE, GREEN), strict=False))
    for axes, depth in zip(panels, depths, strict=True):
        axes.axvline(data["trained"], color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.axvline(data["chance"], color=MUTED, linewidth=0.9, linestyle=(0, (1.2, 1.4)))
        for row in (r for r in rows if r["depth"] == depth):
            y = names.index(row["name"])
            values, lost = np.asarray(row["accuracy"]), np.asarray(row["diverged"], dtype=bool)
            sides = y + np.linspace(-0.22, 0.22, len(values))
            colour = colours[row["name"]]
            axes.plot(values[~lost], sides[~lost], "o", color=colour, markersize=4.5, alpha=0.8, markeredgewidth=0)
            axes.plot(values[lost], sides[lost], "x", color=colour, markersize=5.5, markeredgewidth=1.5)
            axes.plot([np.median(values)] * 2, [y - 0.32, y + 0.32], color=colour, linewidth=2.2)
        axes.set_title(f"{depth} hidden layers", loc="center")
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel("test accuracy")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.grid(False, axis="y")
    panels[0].set_yticks(range(len(names)), [name.replace("C_W", "$C_W$") for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _caption(data: Data) -> str:
    rates = ", ".join(f"{row['name']} at {row['depth']}: {row['learning_rate']:g}" for row in data["rows"])
    return (
        f"Plain networks of width {data['width']} on the handwritten digits, {data['steps']} steps of Adam, one mark a "
        "network (a cross where it diverged, which counts as a guess), a bar at the median. Dashed: the accuracy from "
        "which a network counts as trained; dotted: guessing. The first kernel K₁ is 1 except for the networks with a "
        f"first layer of their own. Learning rates chosen on validation images: {rates}."
    )


FIGURES = {"accuracy": Drawing("Which start trains", accuracy_figure, _caption, wide=True)}
