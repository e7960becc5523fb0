"""The size of signals by depth against the variance law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, GREEN, INK, ORANGE, VERMILION, blank, drawn
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_STYLE = {
    "he": (BLUE, DASHES[0]), "xavier": (VERMILION, DASHES[0]), "prelu": (GREEN, DASHES[1]),
    "prelu-plain": (ORANGE, DASHES[1]),
}  # fmt: skip


@drawn
def layers_figure(data: Data) -> Figure:
    """The standard deviation of every layer over the first layer's, in powers of two; thin dark: the law."""
    import numpy as np

    figure = blank(width=7.4, height=3.9)
    axes = figure.subplots()
    layers = np.arange(data["steps"] + 1)
    for rule in data["rules"]:
        colour, dashes = _STYLE[rule["key"]]
        mean, deviation = (np.array(rule["layers"][key]) for key in ("mean", "deviation"))
        axes.fill_between(layers + 1, mean - deviation, mean + deviation, color=colour, alpha=0.16, linewidth=0)
        axes.plot(layers + 1, rule["theory"] * layers, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.plot(layers + 1, mean, color=colour, linestyle=dashes, label=rule["name"])
    axes.plot([], [], color=INK, linewidth=0.9, linestyle=(0, (3, 2)), label="the law, of averages over weights")
    axes.set_xlabel("layer")
    axes.set_ylabel("log$_2$ of std over layer 1's")
    axes.set_xlim(1, data["steps"] + 1)
    figure.legend(loc="outside upper left", ncols=2, columnspacing=1.4)
    return figure


def _caption(data: Data) -> str:
    return (
        "Standard deviation of each layer's preactivations over the first layer's, in powers of two: mean over "
        "networks and a band of one standard deviation; dashed dark is the law. Xavier loses half a bit, a factor "
        "√2, in every layer. These are ratios to the first layer, so that its own scale drops out."
    )


FIGURES = {"layers": Drawing("Size of the signal, by layer", layers_figure, _caption, wide=True)}
