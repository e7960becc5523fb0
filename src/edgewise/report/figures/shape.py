"""The activation and its derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, GREEN, INK, MUTED, VERMILION, blank, drawn, legend_above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = (r"$\sigma(x)$", r"$\sigma'(x)$", r"$\sigma''(x)$")


@drawn
def shape_figure(data: Mapping[str, Any]) -> Figure:
    """sigma, sigma', sigma'' against x; lines break where they jump, dots on the axis mark the kinks."""
    import numpy as np

    x = np.asarray(data["x"], dtype=float)
    lines = [np.asarray(values, dtype=float) for values in data["derivatives"]]
    figure = blank()
    axes = figure.subplots()
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    low, high = _limits(x, lines)
    for order in (2, 1, 0):
        colour, dashes = (BLUE, VERMILION, GREEN)[order], DASHES[order]
        broken = _broken_at_jumps(x, lines[order], data["kinks"])
        axes.plot(*broken, color=colour, linestyle=dashes, linewidth=2.4 if order == 0 else 1.5, label=_NAMES[order])
    kinks = [k for k in data["kinks"] if x[0] <= k <= x[-1]]
    if kinks:
        place = axes.get_xaxis_transform()
        axes.plot(
            kinks,
            [0.0] * len(kinks),
            "D",
            color=INK,
            markersize=4.5,
            clip_on=False,
            transform=place,
            label="kink",
            zorder=5,
        )
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(low, high)
    axes.set_xlabel("$x$")
    handles, labels = axes.get_legend_handles_labels()
    order_shown = sorted(range(len(labels)), key=lambda i: [*_NAMES, "kink"].index(labels[i]))
    legend_above(axes, columns=4)
    axes.legend(
        [handles[i] for i in order_shown],
        [labels[i] for i in order_shown],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        borderaxespad=0.2,
        columnspacing=1.4,
    )
    return figure


def _limits(x: Any, lines: list[Any]) -> tuple[float, float]:
    """A window that shows sigma near 0 and its derivatives, whatever they do far out."""
    import numpy as np

    near = np.abs(x) <= 2.0
    values = np.concatenate([lines[0][near], lines[1][near], np.clip(lines[2][near], -1.5, 2.5)])
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    low, high = max(float(values.min()), -3.5), min(float(values.max()), 4.5)
    room = 0.08 * max(high - low, 0.5)
    return low - room, high + room


def _broken_at_jumps(x: Any, y: Any, kinks: list[float]) -> tuple[Any, Any]:
    """The line without the vertical stroke that would join the two sides of a jump."""
    import numpy as np

    where = [int(np.searchsorted(x, k)) for k in kinks]
    breaks = [i for i in where if 0 < i < len(x) and not abs(y[i] - y[i - 1]) <= 1e-6 * (1.0 + abs(y[i]))]
    return np.insert(x, breaks, np.nan), np.insert(y, breaks, np.nan)
