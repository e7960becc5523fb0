"""The tailored activation beside the original, and its kernel through the layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, INK, MUTED, VERMILION, blank, drawn, legend_above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DEVIATIONS = (-1.0, 1.0)


@drawn
def tailored_shape_figure(data: Mapping[str, Any]) -> Figure:
    """sigma and sigma~ against x; where most preactivations lie at K = 1 is shaded."""
    import numpy as np

    x = np.asarray(data["x"], dtype=float)
    original, made = (np.asarray(data[name], dtype=float) for name in ("original", "shape"))
    figure = blank()
    axes = figure.subplots()
    axes.axvspan(*_DEVIATIONS, color=BLUE, alpha=0.12, linewidth=0, label="K = 1, ±1 sd")
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    axes.plot(x, original, color=MUTED, linestyle=DASHES[1], label=r"$\sigma(x)$")
    axes.plot(x, made, color=BLUE, linewidth=2.4, label=r"$\tilde\sigma(x)$, tailored")
    low, high = float(made.min()), float(made.max())
    axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    axes.set_xlim(x[0], x[-1])
    axes.set_xlabel("$x$")
    legend_above(axes, columns=3)
    return figure


@drawn
def tailored_flow_figure(data: Mapping[str, Any]) -> Figure:
    """The kernel in theory, layer by layer, from K = 1 and from half and twice of it."""
    import numpy as np

    figure = blank()
    axes = figure.subplots()
    for start, row, colour, dashes in zip(
        data["starts"], data["kernel"], (VERMILION, BLUE, INK), (DASHES[1], DASHES[0], DASHES[2]), strict=True
    ):
        kernel = np.asarray(row, dtype=float)
        layers = np.arange(1, len(kernel) + 1)
        axes.plot(layers, kernel, color=colour, linestyle=dashes, label=f"from K = {start:g}")
    axes.set_yscale("log")
    axes.set_ylim(0.1, 10.0)
    axes.set_yticks([0.1, 1.0, 10.0], ["0.1", "1", "10"])
    axes.set_xlim(1, data["depth"])
    axes.set_xlabel("layer")
    axes.set_ylabel("kernel $K$, theory")
    legend_above(axes, columns=3)
    return figure
