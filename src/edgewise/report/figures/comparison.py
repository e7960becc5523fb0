"""Small multiples: the same picture for several activations, on shared axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import GREEN, INK, PAPER, blank, drawn, log_ticks
from edgewise.report.figures import flow, training
from edgewise.report.model import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 10.0
_MOST_COLUMNS = 4
_LONGEST = 26


@drawn
def accuracy_panels(subjects: Sequence[Subject]) -> Figure:
    """Test accuracy against depth, one panel an activation."""
    figure, panels = _panels(subjects)
    for axes, subject in zip(panels, subjects, strict=False):
        training.draw_accuracy(axes, _data(subject, "training"), every_seed=False)
    _finish(figure, panels, subjects, "layers", "test accuracy")
    return figure


@drawn
def kernel_panels(subjects: Sequence[Subject]) -> Figure:
    """Kernel against layer in theory, for the recommended and the usual initialisations."""
    figure, panels = _panels(subjects)
    for axes, subject in zip(panels, subjects, strict=False):
        flow.draw_schemes(axes, _data(subject, "flow"))
        axes.set_yscale("log")
        axes.set_ylim(flow.FLOOR, flow.CEILING)
    _finish(figure, panels, subjects, "layer", "kernel $K$, theory")
    return figure


@drawn
def ratio_panels(subjects: Sequence[Subject]) -> Figure:
    """chi_parallel / chi_perp against K, with every critical kernel."""
    import numpy as np

    figure, panels = _panels(subjects)
    for axes, subject in zip(panels, subjects, strict=False):
        data = _data(subject, "susceptibility")
        ratio = np.asarray([np.nan if r is None or r <= 0 else r for r in data["ratio"]], dtype=float)
        axes.axhline(1.0, color=INK, linewidth=0.9)
        axes.loglog(data["kernel"], ratio, color=GREEN)
        theory = subject.data("theory")
        critical = [p["kernel"] for p in theory["solutions"] if p["kernel"]] if theory else []
        axes.plot(critical, [1.0] * len(critical), "o", color=INK, markeredgecolor=PAPER, markersize=7, zorder=5)
        axes.set_ylim(0.2, 5.0)
        axes.set_xlim(1e-3, 1e3)
        log_ticks(axes.yaxis, 0.2, 5.0)
    _finish(figure, panels, subjects, "kernel $K$", r"$\chi_\parallel/\chi_\perp$")
    return figure


def _panels(subjects: Sequence[Subject]) -> tuple[Figure, list[Axes]]:
    rows = -(-len(subjects) // _MOST_COLUMNS)
    columns = -(-len(subjects) // rows)  # rows as even as can be
    figure = blank(_WIDE, 2.1 * rows + 0.5)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    for axes in grid[len(subjects) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(subjects) - columns) : len(subjects)]:  # the lowest panel of each column
        axes.tick_params(labelbottom=True)
    return figure, grid


def _finish(figure: Figure, panels: list[Axes], subjects: Sequence[Subject], x: str, y: str) -> None:
    for axes, subject in zip(panels, subjects, strict=False):
        name = subject.spec if len(subject.spec) <= _LONGEST else f"{subject.spec[: _LONGEST - 1]}…"
        axes.set_title(name.replace("$", r"\$"), loc="left")
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8.5)


def _data(subject: Subject, part: str) -> Any:
    data = subject.data(part)
    assert data is not None, f"{subject.spec} has no {part}"
    return data
