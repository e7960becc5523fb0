"""Figures 2 and 3 of the PReLU paper: training loss from He's initialisation and from Xavier's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, MUTED, VERMILION, blank, drawn
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_STYLE = {"He": (BLUE, DASHES[0]), "Xavier": (VERMILION, DASHES[1])}
_EDGE = 2.5
"""Losses beyond are drawn here."""


@drawn
def curves_figure(data: Data) -> Figure:
    """The loss of every network by training step, averaged over windows."""
    figure = blank(width=4.9, height=3.5)
    axes = figure.subplots()
    for rule in data["rules"]:
        colour, dashes = _STYLE[rule["rule"]]
        for i, curve in enumerate(rule["curves"]):
            steps = [(place + 0.5) * data["window"] for place in range(len(curve))]
            shown = [_EDGE if v is None or not math.isfinite(v) else min(v, _EDGE) for v in curve]
            axes.plot(steps, shown, color=colour, linestyle=dashes, linewidth=1.4, alpha=0.85,
                      label=rule["rule"] if i == 0 else None)  # fmt: skip
    axes.axhline(data["guess"], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), label="a guess")
    axes.set_xlabel("training step")
    axes.set_ylabel("training loss")
    axes.set_title(f"{data['layers']} layers", loc="center")
    figure.legend(loc="outside upper left", ncols=3, columnspacing=1.4)
    return figure


def _caption(data: Data) -> str:
    return (
        f"Training loss of ReLU networks of {data['layers']} layers on CIFAR-10, a line a network, averaged over "
        f"{data['window']} steps; dotted is the loss of a guess. The same seed has the same random numbers and batches "
        "under both rules."
    )


FIGURES = {
    f"layers-{layers}": Drawing(f"Convergence of {layers} layers", curves_figure, _caption) for layers in (14, 22, 30)
}
