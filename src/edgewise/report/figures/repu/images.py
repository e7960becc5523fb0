"""The image experiments: test accuracy by depth and activation, plain and residual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, GREEN, MUTED, ORANGE, VERMILION, blank, drawn
from edgewise.report.figures.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_STYLE = {
    "mrepu(p=2)": (BLUE, DASHES[0], "o"),
    "repu(p=2)": (VERMILION, DASHES[0], "s"),
    "relu": (ORANGE, DASHES[1], "^"),
    "gelu": (GREEN, DASHES[3], "v"),
}


@drawn
def depths_figure(data: Data) -> Figure:
    """The mean accuracy by depth with its interval, and every network."""
    figure = blank(width=5.6, height=3.6)
    axes = figure.subplots()
    _panel(axes, data["cells"], data["guess"])
    axes.set_xlabel("hidden layers")
    axes.set_ylabel("test accuracy, %")
    _legend(figure, axes)
    return figure


@drawn
def residual_figure(data: Data) -> Figure:
    """A panel an initialisation."""
    inits = list(dict.fromkeys(cell["init"] for cell in data["cells"]))
    figure = blank(width=8.2, height=3.6)
    row = figure.subplots(1, len(inits), sharey=True, squeeze=False)[0]
    for axes, init in zip(row, inits, strict=True):
        _panel(axes, [cell for cell in data["cells"] if cell["init"] == init], data["guess"])
        axes.set_title(f"initialised: {init}", loc="center", fontsize=9)
        axes.set_xlabel("layers of the ResNet")
    row[0].set_ylabel("test accuracy, %")
    _legend(figure, row[0])
    return figure


def _panel(axes: Axes, cells: list[dict[str, Any]], guess: float) -> None:
    depths = sorted({cell["depth"] for cell in cells})
    names = list(dict.fromkeys(cell["activation"] for cell in cells))
    for at, name in enumerate(names):
        colour, dashes, marker = _STYLE[name]
        mine = sorted((c for c in cells if c["activation"] == name), key=lambda c: int(c["depth"]))
        shift = (at - (len(names) - 1) / 2) * 0.07  # so that intervals stand side by side
        xs = [depths.index(c["depth"]) + shift for c in mine]
        for x, cell in zip(xs, mine, strict=True):
            axes.vlines(x, 100 * cell["low"], 100 * cell["high"], color=colour, linewidth=1.1, alpha=0.8)
            dots = [100 * value for value in cell["accuracy"]]
            axes.plot([x] * len(dots), dots, "_", color=colour, markersize=5, alpha=0.6)
        axes.plot(xs, [100 * c["mean"] for c in mine], color=colour, linestyle=dashes, linewidth=1.5, marker=marker,
                  markersize=4.5, label=name)  # fmt: skip
    axes.axhline(100 * guess, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axes.set_xlim(-0.4, len(depths) - 0.6)
    axes.set_ylim(0, max(40.0, min(104.0, 110 * max(max(c["accuracy"]) for c in cells))))


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), columnspacing=1.3)


def _lost(data: Data) -> str:
    lost = sum(cell["diverged"] for cell in data["cells"])
    return f" {lost} networks diverged and are drawn at a guess." if lost else ""


def _depths_caption(data: Data) -> str:
    return (
        f"Test accuracy on {data['data']} by depth of a {data['network']}: mean with its 99 % interval, short strokes "
        "are single networks, dotted a guess. Every activation starts as recommended for it, its first layer too, from "
        f"images of mean square 1.{_lost(data)}"
    )


def _residual_caption(data: Data) -> str:
    return (
        f"Test accuracy of small ResNets on {data['data']} by depth and initialisation: mean with its 99 % interval, "
        f"short strokes are single networks, dotted a guess.{_lost(data)}"
    )


FIGURES = {
    "mlp": Drawing("Fully connected networks on images, by depth", depths_figure, _depths_caption),
    "cnn": Drawing("Plain convolutional networks on images, by depth", depths_figure, _depths_caption),
    "residual": Drawing("Accuracy of ResNets on images", residual_figure, _residual_caption, wide=True),
}
