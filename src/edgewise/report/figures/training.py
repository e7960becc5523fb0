"""The training check: accuracy by depth and initialisation, and the loss on the way there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import MUTED, PAPER, blank, drawn, legend_above, log_ticks
from edgewise.report.figures.flow import SCHEME_STYLE
from edgewise.report.results import chosen
from edgewise.report.schemes import SCHEME_NAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@drawn
def accuracy_figure(data: Mapping[str, Any]) -> Figure:
    """Test accuracy by depth: a mark a seed (x where it diverged), a bar at the mean, initialisations side by side."""
    figure = blank(height=3.5)
    axes = figure.subplots()
    draw_accuracy(axes, data, every_seed=True)
    axes.set_xlabel("layers")
    axes.set_ylabel("test accuracy")
    legend_above(axes)
    return figure


def draw_accuracy(axes: Axes, data: Mapping[str, Any], *, every_seed: bool) -> None:
    """Accuracy against depth into these axes; with `every_seed` each of them, else bars from the worst to the best."""
    import numpy as np

    runs = chosen(data)
    depths = sorted({run["depth"] for run in runs})
    schemes = [scheme for scheme in SCHEME_NAME if any(run["scheme"] == scheme for run in runs)]
    axes.axhline(data["chance"], color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
    for place, scheme in enumerate(schemes):
        colour, _, marker = SCHEME_STYLE[scheme]
        shift = (place - (len(schemes) - 1) / 2) * 0.25
        means = []
        for x, depth in enumerate(depths):
            run = next((r for r in runs if (r["depth"], r["scheme"]) == (depth, scheme)), None)
            if run is None:
                continue
            values, lost = np.asarray(run["accuracy"], dtype=float), np.asarray(run["diverged"], dtype=bool)
            means.append((x + shift, run["mean"]))
            if every_seed:
                sides = np.linspace(-0.07, 0.07, len(values)) if len(values) > 1 else np.zeros(1)
                at = x + shift + sides
                axes.plot(
                    at[~lost], values[~lost], marker, color=colour, markersize=4.5, alpha=0.65, markeredgewidth=0.0
                )
                axes.plot(at[lost], values[lost], "x", color=colour, markersize=6, markeredgewidth=1.6)
            else:
                axes.vlines(x + shift, values.min(), values.max(), color=colour, linewidth=1.6, alpha=0.7)
                if lost.any():
                    axes.plot([x + shift], [values.min()], "x", color=colour, markersize=7, markeredgewidth=1.8)
                if lost.all():
                    means.pop()
        xs, ys = [x for x, _ in means], [y for _, y in means]
        label = SCHEME_NAME[scheme]
        if every_seed:
            axes.hlines(ys, np.asarray(xs) - 0.11, np.asarray(xs) + 0.11, color=colour, linewidth=2.2)
            axes.plot([], [], marker, color=colour, markersize=6, label=label)
        else:
            axes.plot(xs, ys, marker, color=colour, markersize=5.5, markeredgecolor=PAPER, label=label)
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axes.set_xlim(-0.5, len(depths) - 0.5)
    axes.set_ylim(0.0, 1.03)
    axes.grid(False, axis="x")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


@drawn
def loss_figure(data: Mapping[str, Any]) -> Figure:
    """Training loss against epoch, one panel a depth: thin a seed, thick the median of the seeds, log axis."""
    import numpy as np

    runs = chosen(data)
    depths = sorted({run["depth"] for run in runs})
    figure = blank(height=3.5)
    panels = figure.subplots(1, len(depths), sharey=True, squeeze=False)[0]
    lowest = 1.0
    for axes, depth in zip(panels, depths, strict=True):
        axes.axhline(-np.log(data["chance"]), color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
        for run in (r for r in runs if r["depth"] == depth):
            colour, dashes, _ = SCHEME_STYLE[run["scheme"]]
            curves = _shown(run["loss"])
            epochs = np.arange(1, curves.shape[1] + 1)
            for curve in curves:
                axes.plot(epochs, curve, color=colour, linewidth=0.6, alpha=0.45)
                lost = np.flatnonzero(np.isfinite(curve))
                if len(lost) and lost[-1] + 1 < len(curve):
                    axes.plot(
                        [epochs[lost[-1]]], [curve[lost[-1]]], "x", color=colour, markersize=6, markeredgewidth=1.6
                    )
            median = _median(curves)
            axes.plot(epochs, median, color=colour, linestyle=dashes, linewidth=2.0, label=SCHEME_NAME[run["scheme"]])
            if np.isfinite(curves).any():
                lowest = min(lowest, float(np.nanmin(curves)))
        axes.set_title(f"{depth} layers", loc="center")
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
    low, high = max(lowest / 1.5, 1e-5), 5.0
    panels[0].set_ylim(low, high)
    log_ticks(panels[0].yaxis, low, high)
    panels[0].set_ylabel("training loss (cross entropy)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=3, fontsize=8.5, columnspacing=1.2, handletextpad=0.6
    )
    return figure


def _shown(curves: Any) -> Any:
    """[seed, epoch] as floats; nan where a loss is not finite or far beyond the axis."""
    import numpy as np

    values = np.asarray(curves, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.where((values > 1e-8) & (values < 1e8), values, np.nan)


def _median(curves: Any) -> Any:
    """The median over the seeds that are still finite, nan where fewer than half are."""
    import numpy as np

    alive = np.isfinite(curves).mean(0) >= 0.5
    filled = np.where(np.isfinite(curves), curves, np.inf)
    return np.where(alive, np.median(filled, axis=0), np.nan)
