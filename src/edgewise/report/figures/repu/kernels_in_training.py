"""Figure 2: the mean of the empirical kernels over networks at x0 = (1, 0) while they train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION, blank, drawn, log_ticks
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)


@drawn
def means_figure(data: Data) -> Figure:
    """One line a layer: the mean over networks against the step, band mean -+ a share of the standard deviation."""
    import numpy as np

    panels = data["panels"]
    figure = blank(width=9.8, height=4.0)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(row, panels, strict=True):
        steps = np.asarray(panel["steps"], dtype=float)
        mean, deviation = (np.asarray(panel[key], dtype=float) for key in ("mean", "deviation"))
        layers = mean.shape[1]
        for layer in range(layers):
            output = layer == layers - 1
            colour = INK if output else _COLOURS[layer % len(_COLOURS)]
            low, high = (np.clip(mean + side * data["band"] * deviation, 1e-30, None)[:, layer] for side in (-1, 1))
            axes.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
            label = "output" if output else f"layer {layer + 1}"
            axes.plot(steps, mean[:, layer], color=colour, linestyle=DASHES[layer % len(DASHES)], label=label)
        axes.set_yscale("log")
        axes.set_xscale("symlog", linthresh=10.0)
        axes.set_xlim(0, steps[-1])
        low, high = axes.get_ylim()
        log_ticks(axes.yaxis, low, high)
        axes.set_title(f"{panel['activation']}, {panel['networks']} networks")
        axes.set_xlabel("step")
    row[0].set_ylabel("mean kernel $K$ at $x_0$")
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=8.5, columnspacing=1.3)
    return figure


def _caption(data: Data) -> str:
    starts = " and ".join(f"{panel['mean'][0][0]:.3g} for {panel['activation']}" for panel in data["panels"])
    return (
        "Mean of the empirical kernels over networks at x₀ = (1, 0) while they learn x y by Adam; the band is the "
        f"mean ± {data['band']:g} standard deviations, as in the paper. The first layer's mean kernel at the start is "
        f"{starts}. Note the different axes: where networks differ by orders of magnitude the mean is the largest "
        "network's."
    )


FIGURES = {"means": Drawing("Kernels while networks train", means_figure, _caption, wide=True)}
