"""Figure 4: the susceptibilities and their ratio, theory as lines, perturbed random layers as marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import (
    BLUE,
    DASHES,
    GREEN,
    INK,
    PAPER,
    PURPLE,
    VERMILION,
    blank,
    drawn,
    legend_above,
    log_ticks,
)
from edgewise.report.figures.registry import Drawing
from edgewise.report.notation import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]


@drawn
def mrepu_figure(data: Data) -> Figure:
    """chi_par and chi_perp above, their ratio minus 1 below, a column a power."""
    import numpy as np

    panels = data["panels"]
    figure = blank(width=4.0 * len(panels) + 0.6, height=5.4)
    grid = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False, height_ratios=(1.3, 1.0))
    for column, panel in enumerate(panels):
        above: Axes = grid[0][column]
        below: Axes = grid[1][column]
        k = np.asarray(panel["kernel"])
        parallel, perp = np.asarray(panel["chi_parallel"]), np.asarray(panel["chi_perp"])
        at, seen = panel["measured_kernels"], panel["measured"]
        above.axhline(1.0, color=INK, linewidth=0.9)
        above.loglog(k, parallel, color=BLUE, label=r"$\chi_\parallel$")
        above.loglog(k, perp, color=VERMILION, linestyle=DASHES[1], label=r"$\chi_\perp$")
        for name, colour, marker in (("chi_parallel", BLUE, "o"), ("chi_perp", VERMILION, "s")):
            _marks(above, at, seen[name], 0.0, colour, marker, None)
        above.plot([], [], "o", color=INK, markersize=4.5, linestyle="none", label="random layers")
        above.set_ylim(0.7, 60.0)
        log_ticks(above.yaxis, 0.7, 60.0)
        above.set_title(f"MRePU({panel['p']}), $C_W=1$, $C_b=0$", loc="center")
        slope = panel["predicted_slope"]
        below.loglog(k, parallel / perp - 1.0, color=GREEN, label="theory")
        below.loglog(k, slope * k, color=PURPLE, linestyle=DASHES[2], label=f"$(2a_1-b_1)K={slope:g}\\,K$")
        _marks(below, at, seen["ratio"], 1.0, GREEN, "o", "random layers")
        below.set_ylim(1e-5, 3.0)
        below.set_xlim(k[0], k[-1])
        below.set_xlabel("kernel $K$, set directly")
        below.legend(loc="lower right", fontsize=8)
    grid[0][0].set_ylabel("susceptibility")
    grid[1][0].set_ylabel(r"$\chi_\parallel/\chi_\perp - 1$")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8.5)
    return figure


def _marks(axes: Axes, at: Any, seen: Data, minus: float, colour: str, marker: str, label: str | None) -> None:
    """Means with bars of two standard errors; on a logarithmic axis a bar that reaches 0 ends at its bottom."""
    import numpy as np

    mean, error = np.asarray(seen["mean"]) - minus, 2.0 * np.asarray(seen["error"])
    low = np.minimum(error, np.where(mean > 0.0, mean * (1.0 - 1e-9), 0.0))
    axes.errorbar(
        at, mean, yerr=np.stack([low, error]), fmt=marker, color=colour, markersize=4.5, markeredgecolor=PAPER,
        markeredgewidth=0.6, elinewidth=1.1, label=label,
    )  # fmt: skip


@drawn
def repu_figure(data: Data) -> Figure:
    """The ratio of RePU, a horizontal line a power, beside that of MRePU, which reaches 1."""
    import numpy as np

    figure = blank()
    axes = figure.subplots()
    axes.axhline(1.0, color=INK, linewidth=0.9)
    colours = (BLUE, VERMILION, GREEN)
    for colour, row, other in zip(colours, data["rows"], data["mrepu"], strict=False):
        k = np.asarray(other["kernel"])
        found = row["ratio"]
        axes.plot(k, np.full_like(k, row["expected"]), color=colour, label=f"RePU({row['p']})")
        low = found["low"] if found["low"] is not None else found["estimate"]
        high = found["high"] if found["high"] is not None else found["estimate"]
        axes.errorbar(
            [1.0], [found["estimate"]], yerr=[[found["estimate"] - low], [high - found["estimate"]]], fmt="o",
            color=colour, markersize=5, markeredgecolor=PAPER, elinewidth=1.3,
        )  # fmt: skip
        ratio = np.asarray(other["chi_parallel"]) / np.asarray(other["chi_perp"])
        axes.plot(k, ratio, color=colour, linestyle=DASHES[1], label=f"MRePU({other['p']})")
    axes.set_xscale("log")
    axes.set_xlim(1e-5, 10.0)
    axes.set_ylim(0.95, 1.85)
    axes.set_xlabel("kernel $K$, set directly")
    axes.set_ylabel(r"$\chi_\parallel/\chi_\perp$")
    legend_above(axes, columns=4)
    return figure


def _mrepu_caption(data: Data) -> str:
    return (
        f"Lines: theory at infinite width. Marks: one layer of {data['networks']} random networks of width "
        f"{data['width']}, perturbed; bars are two standard errors. There is no first layer: K is set "
        "directly, so that the whole range is seen. At criticality both susceptibilities are 1; that is reached as "
        "K → 0, where the ratio leaves 1 in proportion to K."
    )


def _repu_caption(data: Data) -> str:
    shown = ", ".join(f"{number(row['expected'])} for p = {row['p']}" for row in data["rows"])
    return (
        f"RePU's ratio (2p − 1)/p is {shown}, whatever K and C_W are; MRePU's falls to 1 with K. Marks with 99 % "
        f"intervals: {data['networks']} random layers of width {data['width']}."
    )


FIGURES = {
    "mrepu": Drawing("Susceptibilities of MRePU", mrepu_figure, _mrepu_caption, wide=True),
    "repu": Drawing("The ratio that decides", repu_figure, _repu_caption),
}
