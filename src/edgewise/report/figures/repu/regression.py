"""Regression: errors of value and derivatives by depth, and what the networks look like along a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import (
    BLUE,
    DASHES,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    blank,
    drawn,
)
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_STYLE = {
    "mrepu(p=2)": (BLUE, DASHES[0], "o"),
    "tailored repu(p=2)": (SKY, DASHES[1], "D"),
    "repu(p=2)": (VERMILION, DASHES[0], "s"),
    "relu": (ORANGE, DASHES[1], "^"),
    "gelu": (GREEN, DASHES[3], "v"),
    "silu": (PURPLE, DASHES[2], "P"),
    "tanh": (MUTED, DASHES[4], "X"),
}
_ORDERS = {"value": "value", "gradient": "first derivatives", "second": "second derivatives"}
_CEILING = 1e2
"""Errors beyond are drawn here, at the edge."""


@drawn
def errors_figure(data: Data) -> Figure:
    """A column a target, a row an order of derivative; the relative L2 error of the median network by depth."""
    targets, cells = data["targets"], data["cells"]
    names = list(dict.fromkeys(cell["activation"] for cell in cells))
    figure = blank(width=2.45 * len(targets) + 0.6, height=7.0)
    grid = figure.subplots(len(_ORDERS), len(targets), sharex=True, sharey="row", squeeze=False)
    depths = sorted({cell["depth"] for cell in cells})
    for row, (order, word) in enumerate(_ORDERS.items()):
        for column, (key, formula) in enumerate(targets.items()):
            axes = grid[row][column]
            for at, name in enumerate(names):
                colour, dashes, marker = _STYLE[name]
                found = {c["depth"]: c[order] for c in cells if c["target"] == key and c["activation"] == name}
                shift = (at - (len(names) - 1) / 2) * 0.05  # so that intervals stand side by side
                xs = [i + shift for i, depth in enumerate(depths) if depth in found]
                middle, low, high = (
                    [_shown(found[depth][end]) for depth in depths if depth in found]
                    for end in ("estimate", "low", "high")
                )
                axes.vlines(xs, low, high, color=colour, linewidth=1.0, alpha=0.8)
                axes.plot(
                    xs, middle, color=colour, linestyle=dashes, linewidth=1.4, marker=marker, markersize=4, label=name
                )
            axes.axhline(1.0, color=INK, linewidth=0.7, linestyle=(0, (2, 2)))
            axes.set_yscale("log")
            axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
            axes.set_xlim(-0.4, len(depths) - 0.6)
            if row == 0:
                axes.set_title(formula, loc="center", fontsize=8.5)
            if column == 0:
                axes.set_ylabel(f"error of {word}")
    for axes in grid[-1]:
        axes.set_xlabel("hidden layers")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=8.5, columnspacing=1.3)
    return figure


def _shown(value: float | None) -> float:
    return _CEILING if value is None or not math.isfinite(value) else min(value, _CEILING)


@drawn
def slices_figure(data: Data) -> Figure:
    """A column a derivative; the median network of each activation along the first coordinate, over the target."""
    figure = blank(width=9.8, height=3.3)
    row = figure.subplots(1, 3)
    for order, (axes, word) in enumerate(zip(row, ("value", "∂/∂x", "∂²/∂x²"), strict=True)):
        truth = data["slices"][0]["target"][order]
        reach = max(abs(v) for v in truth)
        for piece in data["slices"]:
            colour, dashes, _ = _STYLE[piece["activation"]]
            axes.plot(piece["x"], piece["network"][order], color=colour, linestyle=dashes, linewidth=1.5,
                      label=piece["activation"])  # fmt: skip
        axes.plot(data["slices"][0]["x"], truth, color=INK, linewidth=1.0, linestyle=(0, (2, 2)), label="target")
        axes.set_ylim(-1.7 * reach, 1.7 * reach)
        axes.set_xlim(-1, 1)
        axes.set_xlabel("$x$")
        axes.set_ylabel(word)
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=8.5, columnspacing=1.3)
    return figure


def _errors_caption(data: Data) -> str:
    return (
        "Relative L2 error on test points of the median network with its 99 % interval, by activation, target and "
        "depth; 1 (dotted) is the error of predicting the mean. Points at the upper edge are at or beyond it, or "
        "diverged. Inputs have mean square 1; every activation has the first layer recommended for it."
    )


def _slices_caption(data: Data) -> str:
    depth = data["slices"][0]["depth"]
    return (
        f"{data['formula']} along y = 0 and its derivatives, as the median network with {depth} hidden layers has "
        "them. A ReLU network is piecewise linear: its slope jumps, and its second derivative is 0 wherever it exists."
    )


FIGURES = {
    "errors": Drawing("Errors of value and derivatives, by depth", errors_figure, _errors_caption, wide=True),
    "slices": Drawing("What was learned, along a line", slices_figure, _slices_caption, wide=True),
}
