"""Learned slopes by layer, beside the paper's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, GREEN, INK, MUTED, blank, drawn
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_COLOUR = {"shared": BLUE, "channel-wise": GREEN}


@drawn
def layers_figure(data: Data) -> Figure:
    """A panel a kind: every network's slope (its mean over channels) and their mean, and the paper's."""
    figure = blank(width=9.2, height=3.7)
    row = figure.subplots(1, len(data["kinds"]), sharey=True, squeeze=False)[0]
    places = list(range(len(data["layers"])))
    for axes, kind in zip(row, data["kinds"], strict=True):
        colour, networks = _COLOUR[kind["kind"]], kind["networks"]
        for slopes in networks:
            axes.plot(places, slopes, "_", color=colour, markersize=6, alpha=0.6)
        mean = [sum(values) / len(values) for values in zip(*networks, strict=True)]
        axes.plot(places, mean, color=colour, marker="o", markersize=4, label="measured here, CIFAR-10 (mean)")
        axes.plot(places, kind["paper"], color=INK, marker="D", markersize=4, linewidth=1.0, linestyle=(0, (2, 2)),
                  label="the paper's, ImageNet")  # fmt: skip
        axes.axhline(data["start"], color=MUTED, linewidth=0.8, linestyle=(0, (5, 3)), label="where slopes begin")
        axes.set_title(kind["name"], loc="center", fontsize=9)
        axes.set_xticks(places, data["layers"], rotation=60, ha="right", rotation_mode="anchor", fontsize=7.5)
    row[0].set_ylabel("slope $a$ for $x < 0$")
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, columnspacing=1.4)
    return figure


def _caption(data: Data) -> str:
    return (
        "Learned slopes of the 14-layer model by layer, one a layer (left) and the mean over channels (right): short "
        "strokes are single networks that learned CIFAR-10. The dark diamonds are the paper's table 1, learned on "
        "ImageNet by a network 8 times as wide, not measured here."
    )


FIGURES = {"layers": Drawing("Learned slopes, by layer", layers_figure, _caption, wide=True)}
