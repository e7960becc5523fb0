"""Physics-informed networks on Burgers' equation: errors by activation, solutions, and what ReLU's residual misses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import (
    BLUE,
    DASHES,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    PURPLE,
    SKY,
    VERMILION,
    blank,
    drawn,
    log_ticks,
)
from edgewise.report.figures.registry import Drawing
from edgewise.report.notation import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

COLOURS = (BLUE, VERMILION, MUTED, GREEN, PURPLE, ORANGE, SKY)
"""In the order of the study: GELU, MRePU, ReLU, then the others."""
MARKS = "osDv^Ph"


@drawn
def errors_figure(data: Data) -> Figure:
    """The relative L2 error of every network, a column an activation, a bar at the median."""
    import numpy as np

    rows = data["rows"]
    figure = blank(width=7.2, height=3.5)
    axes = figure.subplots()
    for x, row in enumerate(rows):
        values = np.sort(np.asarray(row["error"], dtype=float))
        sides = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
        colour = COLOURS[x % 7]
        axes.plot(x + sides, values, MARKS[x % 7], color=colour, markersize=5.5, alpha=0.75, markeredgewidth=0.0)
        axes.hlines(np.median(values), x - 0.27, x + 0.27, color=colour, linewidth=2.4)
    axes.axhline(data["failed"], color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
    axes.annotate(
        "not trained above", (len(rows) - 0.5, data["failed"]), xytext=(0, 3), textcoords="offset points", ha="right",
        va="bottom", fontsize=8, color=INK,
    )  # fmt: skip
    every = [e for row in rows for e in row["error"]]
    low, high = min(every) / 1.5, 1.2
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)
    axes.set_xticks(range(len(rows)), [_label(row["activation"]) for row in rows])
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.grid(False, axis="x")
    axes.set_ylabel("relative $L^2$ error")
    return figure


@drawn
def fields_figure(data: Data) -> Figure:
    """u(x, t) of the reference and of the network of median error, one scale; cuts are what the page's text needs."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    x, t = (np.asarray(axis, dtype=float) for axis in data["axes"])
    shown = {"reference": data["reference"], **data["fields"]}
    figure = blank(width=10.4, height=3.1)
    panels = figure.subplots(1, len(shown), sharey=True)
    colours = LinearSegmentedColormap.from_list("signed", [BLUE, PAPER, VERMILION])
    for axes, (name, values) in zip(panels, shown.items(), strict=True):
        image = axes.imshow(
            np.asarray(values, dtype=float), extent=(t[0], t[-1], x[0], x[-1]), origin="lower", aspect="auto",
            interpolation="none", norm=Normalize(-1.0, 1.0), cmap=colours,
        )  # fmt: skip
        error = data["field_errors"].get(name)
        axes.set_title(name if error is None else f"{_label(name)}: error {number(error, 2)}", loc="center")
        axes.set_xlabel("$t$")
        axes.grid(False)
        axes.locator_params(nbins=5)
    panels[0].set_ylabel("$x$")
    figure.colorbar(image, ax=panels.tolist(), pad=0.01).ax.set_title("$u$", loc="center")
    return figure


@drawn
def histories_figure(data: Data) -> Figure:
    """The median error of each activation's networks against the step; a line where L-BFGS takes over."""
    figure = blank(width=7.2, height=3.6)
    axes = figure.subplots()
    lowest = 1.0
    for i, line in enumerate(data["histories"]):
        label = _label(line["activation"])
        axes.plot(line["step"], line["median"], color=COLOURS[i % 7], linestyle=DASHES[i % 6], label=label)
        lowest = min(lowest, *line["median"])
    over = data["histories"][0]["adam_steps"]
    axes.axvline(over, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
    axes.annotate(
        "L-BFGS", (over, 0.97), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points", va="top",
        fontsize=8, color=INK,
    )  # fmt: skip
    low, high = lowest / 1.4, 1.2
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)
    axes.set_xlabel("step")
    axes.set_ylabel("median relative $L^2$ error")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@drawn
def viscosity_figure(data: Data) -> Figure:
    """u at one time, and the viscous term of the equation there: what the residual is given of it."""
    import numpy as np

    figure = blank(width=10.4, height=3.4)
    left, right = figure.subplots(1, 2)
    reference, nu = data["reference"], data["viscosity"]
    x = np.asarray(data["x"], dtype=float)
    left.plot(x, reference["u"], color=MUTED, linewidth=4.5, alpha=0.45, label="reference")
    bent = nu * np.asarray(reference["u_xx"], dtype=float)
    right.plot(reference["x_inside"], bent, color=MUTED, linewidth=4.5, alpha=0.45)
    for i, (name, line) in enumerate(data["lines"].items()):
        style = {"color": INK if name == "relu" else COLOURS[i], "linestyle": DASHES[i], "linewidth": 1.6}
        left.plot(x, line["u"], label=_label(name), **style)
        right.plot(x, nu * np.asarray(line["u_xx"], dtype=float), **style)
    most = 1.6 * float(np.abs(bent).max())
    right.set_ylim(-most, most)
    right.set_xlim(-0.5, 0.5)
    left.set_ylabel("$u$")
    right.set_ylabel(r"viscous term $\nu\,u_{xx}$")
    for axes in (left, right):
        axes.set_xlabel(f"$x$, at $t={number(data['time'], 2)}$")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return figure


def _label(name: str) -> str:
    known = {"gelu": "GELU", "relu": "ReLU", "silu": "Swish", "mrepu(p=1)": "MRePU(1)", "mrepu(p=2)": "MRePU(2)"}
    return known.get(name, name.replace("repu(p=2)", "RePU(2)"))


def _errors_caption(data: Data) -> str:
    count = len(data["rows"][0]["error"])
    return (
        f"Relative L2 error of {count} networks of each activation, every one with weights and points of its own; bars "
        "are medians. A network that diverged, or is worse than u = 0, stands at 1."
    )


def _fields_caption(data: Data) -> str:
    return "The reference, and of each activation the network of median error, on one scale."


def _histories_caption(data: Data) -> str:
    return "The median over the networks of each activation, on some points of the reference that training never sees."


def _viscosity_caption(data: Data) -> str:
    return (
        "Left: u, of the network of median error. Right: the viscous term as the residual is given it. ReLU's is 0 at "
        "every point; its jumps of slope, where all of its curvature is, are never hit."
    )


FIGURES = {
    "errors": Drawing("Errors by activation", errors_figure, _errors_caption),
    "fields": Drawing("The solutions", fields_figure, _fields_caption, wide=True),
    "histories": Drawing("The way there", histories_figure, _histories_caption),
    "viscosity": Drawing("What the residual sees of the viscosity", viscosity_figure, _viscosity_caption, wide=True),
}
