"""Activations compared on images: accuracy of every seed, curves of loss and accuracy, differences of pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
"""What `studies.images.Comparison.to_dict()` gives."""

_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
_WIDE, _LONGEST = 10.0, 28


def chosen(data: Data) -> dict[str, list[Data]]:
    """The runs of every finished activation at its best learning rate, in the order they were given."""
    return {
        s["activation"]: [
            t["run"]
            for t in data["trials"]
            if t["activation"] == s["activation"] and t["run"]["learning_rate"] == s["learning_rate"]
        ]
        for s in data["standings"]
    }


@drawn
def accuracy_figure(data: Data) -> Figure:
    """A row an activation, best first: every seed a dot, the mean with its interval below the dots."""
    ranked = sorted(data["standings"], key=lambda s: -s["accuracy"]["estimate"])
    runs = chosen(data)
    colours = _colours(data)
    figure = blank(_WIDE, 1.0 + 0.52 * len(ranked))
    axes = figure.subplots()
    every = [run["test"]["accuracy"] for of in runs.values() for run in of]
    apart = 0.012 * (max(every) - min(every))
    for row, standing in enumerate(ranked):
        name, interval = standing["activation"], standing["accuracy"]
        levels = _levels([run["test"]["accuracy"] for run in runs[name]], apart)
        for run, level in zip(runs[name], levels, strict=True):
            mark, size = ("x", 6.5) if run["diverged_at"] else ("o", 6)
            edge = {"markeredgewidth": 1.6} if run["diverged_at"] else {"markeredgecolor": PAPER}
            y = row - 0.06 - 0.12 * level
            axes.plot(100 * run["test"]["accuracy"], y, mark, color=colours[name], markersize=size, **edge)
        centre = 100 * interval["estimate"]
        if interval["low"] is not None:
            ends = max(0.0, 100 * interval["low"]), min(100.0, 100 * interval["high"])
            axes.hlines(row + 0.2, *ends, color=INK, linewidth=1.6)
        axes.plot(centre, row + 0.2, "|", color=INK, markersize=9, markeredgewidth=2.2)
    axes.set_yticks(range(len(ranked)), [_short(s["activation"]) for s in ranked])
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.set_ylim(len(ranked) - 0.45, -0.55)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("test accuracy (%)")
    axes.margins(x=0.04)
    return figure


def _levels(values: Sequence[float], apart: float, most: int = 4) -> list[int]:
    """How high each dot stands so that none hides another, as far as `most` levels allow."""
    ends = [-math.inf] * most
    levels = [0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: values[i]):
        free = [level for level in range(most) if values[i] - ends[level] > apart]
        levels[i] = free[0] if free else ends.index(min(ends))
        ends[levels[i]] = values[i]
    return levels


@drawn
def curves_figure(data: Data) -> Figure:
    """Batch loss and validation accuracy against epochs: thin a seed, thick the mean over seeds."""
    import numpy as np

    figure = blank(_WIDE, 3.5)
    left, right = figure.subplots(1, 2)
    colours = _colours(data)
    lowest, highest = np.inf, 0.0
    for i, (name, runs) in enumerate(chosen(data).items()):
        losses = _rows([run["batch_loss"] for run in runs])
        scores = 100 * _rows([run["curves"]["validation"]["accuracy"] for run in runs])
        epochs = np.asarray(max((run["epochs_seen"] for run in runs), key=len), dtype=float)
        for axes, x, curves in (
            (left, epochs[1 : losses.shape[1] + 1], losses), (right, epochs[: scores.shape[1]], scores),
        ):  # fmt: skip
            for curve in curves:
                axes.plot(x, curve, color=colours[name], linewidth=0.6, alpha=0.5)
            mean = _mean(curves)
            style = DASHES[i % len(DASHES)]
            axes.plot(x, mean, color=colours[name], linestyle=style, label=_short(name), linewidth=2.0)
            if len(x) == 1:
                axes.plot(x, mean, "o", color=colours[name], markersize=5)
        known = losses[np.isfinite(losses) & (losses > 0)]
        if known.size:
            lowest, highest = min(lowest, known.min()), max(highest, known.max())
    left.set_ylabel("training loss (cross entropy)")
    right.set_ylabel("validation accuracy (%)")
    if np.isfinite(lowest):
        low, high = max(lowest / 1.3, 1e-6), min(highest * 1.3, 1e2)
        left.set_yscale("log")
        left.set_ylim(low, high)
        log_ticks(left.yaxis, low, high)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        _whole_epochs(axes)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 5), columnspacing=1.4)
    return figure


@drawn
def cost_figure(data: Data) -> Figure:
    """Time of training relative to the first activation, and memory kept for the backward pass."""
    standings = data["standings"]
    figure = blank(_WIDE, 1.0 + 0.4 * len(standings))
    left, right = figure.subplots(1, 2, sharey=True)
    colours = _colours(data)
    for row, s in enumerate(standings):
        colour, time = colours[s["activation"]], s["time"]
        if row == 0:
            left.axvline(1.0, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
            left.plot(1.0, row, "D", color=colour, markersize=6)
        elif time is not None:
            if time["low"] is not None and time["high"] is not None:
                left.hlines(row, time["low"], time["high"], color=colour, linewidth=1.8)
            left.plot(time["estimate"], row, "o", color=colour, markersize=7, markeredgecolor=PAPER)
        right.barh(row, (s["peak_bytes"] or s["kept_bytes"]) / 1e6, color=colour, height=0.5)
    left.set_yticks(range(len(standings)), [_short(s["activation"]) for s in standings])
    left.set_ylim(len(standings) - 0.5, -0.5)
    left.set_xlabel("time of training, first activation = 1")
    peak = any(s["peak_bytes"] for s in standings)
    right.set_xlabel("peak memory (MB)" if peak else "memory that a step keeps for its gradients (MB)")
    for axes in (left, right):
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
    left.margins(x=0.12)
    return figure


def _colours(data: Data) -> dict[str, str]:
    return {s["activation"]: _COLOURS[i % len(_COLOURS)] for i, s in enumerate(data["standings"])}


def _rows(values: Sequence[Sequence[float | None]]) -> Any:
    """[seed, look], padded with nan where a run ended early."""
    import numpy as np

    width = max(len(row) for row in values)
    rows = [[np.nan if v is None else v for v in row] + [np.nan] * (width - len(row)) for row in values]
    return np.asarray(rows, dtype=float).reshape(len(rows), width)


def _mean(curves: Any) -> Any:
    """The mean over the seeds that are still there; nan where fewer than half are."""
    import numpy as np

    there = np.isfinite(curves)
    counts = there.sum(0)
    total = np.where(there, curves, 0.0).sum(0)
    return np.where(2 * counts >= len(curves), total / np.maximum(counts, 1), np.nan)


def _whole_epochs(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _short(name: str) -> str:
    shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return shown.replace("$", r"\$")
