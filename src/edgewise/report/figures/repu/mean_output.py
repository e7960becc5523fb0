"""Figure 3: the mean output of many networks against the target on random test points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, INK, VERMILION, blank, drawn
from edgewise.report.figures.registry import Drawing
from edgewise.report.notation import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_EDGE = 3.4
"""Targets have variance 1; what lies beyond this is drawn at the edge."""


@drawn
def scatter_figure(data: Data) -> Figure:
    """A row an activation, a column a depth; a point a test input, its bar one standard deviation over networks."""
    import numpy as np

    panels = data["panels"]
    rows = list(dict.fromkeys(panel["activation"] for panel in panels))
    columns = sorted({panel["depth"] for panel in panels})
    figure = blank(width=3.1 * len(columns) + 0.5, height=2.9 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    for panel in panels:
        axes = grid[rows.index(panel["activation"])][columns.index(panel["depth"])]
        target, mean, deviation = (
            np.array([np.nan if v is None else v for v in panel[key]], dtype=float)
            for key in ("target", "mean", "deviation")
        )
        colour = VERMILION if panel["activation"].startswith("repu") else BLUE
        low, high = (np.clip(mean + side * deviation, -_EDGE, _EDGE) for side in (-1, 1))
        axes.vlines(target, low, high, color=colour, linewidth=0.7, alpha=0.45)
        shown = np.clip(mean, -_EDGE, _EDGE)
        outside = np.abs(mean) > _EDGE
        axes.plot(target[~outside], shown[~outside], "o", color=colour, markersize=2.6)
        axes.plot(target[outside], shown[outside], "x", color=colour, markersize=3.6)
        axes.plot([-_EDGE, _EDGE], [-_EDGE, _EDGE], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlim(-2.6, 2.6)
        axes.set_ylim(-_EDGE - 0.2, _EDGE + 0.2)
        lost = f", {panel['diverged']} diverged" if panel["diverged"] else ""
        layers = f"{panel['depth']} hidden layer{'s' if panel['depth'] > 1 else ''}"
        axes.set_title(f"{layers}: error {_plain(panel['mean_error'])}{lost}", loc="center", fontsize=8.5)
    for i, name in enumerate(rows):
        grid[i][0].set_ylabel(f"{name}\nmean output")
    for axes in grid[-1]:
        axes.set_xlabel("target")
    return figure


def _plain(value: float | None) -> str:
    return "not finite" if value is None else number(value, 2)


def _caption(data: Data) -> str:
    return (
        "Mean output over the networks that did not diverge against the target on random test points; bars are ±1 "
        "standard deviation over networks, crosses lie beyond the axis; the dashed line is a perfect fit. Inputs have "
        "mean square 1; RePU's first layer has the C_W = √(2/3) of the others, MRePU's the K₁ recommended for the "
        "depth. The error is relative L2 of the mean output."
    )


FIGURES = {"scatter": Drawing("Mean output against the target, by depth", scatter_figure, _caption, wide=True)}
