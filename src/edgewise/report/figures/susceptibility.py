"""The two susceptibilities and their ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import (
    BLUE,
    DASHES,
    GREEN,
    INK,
    MUTED,
    PAPER,
    VERMILION,
    blank,
    drawn,
    legend_above,
    log_ticks,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@drawn
def susceptibility_figure(data: Mapping[str, Any], *, critical: Sequence[tuple[float, str]] = ()) -> Figure:
    """chi_parallel and chi_perp (above), their ratio (below) against K, both axes logarithmic.

    critical: (K, text) of each critical kernel to mark; a K that is not > 0 has no place on the axis and is left out.
    """
    import numpy as np

    k = np.asarray(data["kernel"], dtype=float)
    parallel, perp = (_positive(data[name]) for name in ("chi_parallel", "chi_perp"))
    ratio = _positive(data["ratio"])
    figure = blank(height=4.3)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))

    above.axhline(1.0, color=INK, linewidth=0.9)
    above.loglog(k, parallel, color=BLUE, label=r"$\chi_\parallel$ (along the signal)")
    above.loglog(k, perp, color=VERMILION, linestyle=DASHES[1], label=r"$\chi_\perp$ (across it: gradients)")
    _clip(above, np.concatenate([parallel, perp]), 1e-2, 1e2)
    above.set_ylabel(f"per layer, at $C_W={data['c_w']:.4g}$")
    legend_above(above, columns=2)

    below.axhline(1.0, color=INK, linewidth=0.9)
    below.semilogx(k, ratio, color=GREEN)
    if np.nanmin(ratio) > 0 and np.nanmax(ratio) / np.nanmin(ratio) > 12.0:
        below.set_yscale("log")
        _clip(below, ratio, 1e-2, 1e2)
    below.set_ylabel(r"$\chi_\parallel/\chi_\perp$")
    below.set_xlabel("kernel $K$ (mean square preactivation)")
    below.set_xlim(k[0], k[-1])
    for value, text in critical:
        if not k[0] <= value <= k[-1]:
            continue
        for axes, height in ((above, 1.0), (below, 1.0)):
            axes.axvline(value, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
            axes.plot([value], [height], "o", color=INK, markeredgecolor=PAPER, markersize=7, zorder=5)
        above.annotate(text, (value, 1.0), xytext=(7, 9), textcoords="offset points", fontsize=8.5)
    if any(value == 0.0 for value, _ in critical):
        below.annotate(
            "← $K^*=0$",
            (0.0, 1.0),
            xycoords=("axes fraction", "data"),
            xytext=(4, 5),
            textcoords="offset points",
            fontsize=8.5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
        )
    return figure


def _positive(values: Sequence[float | None]) -> Any:
    """The values as an array, those that have no logarithm as nan."""
    import numpy as np

    array = np.asarray([np.nan if v is None else v for v in values], dtype=float)
    return np.where(array > 0.0, array, np.nan)


def _clip(axes: Any, values: Any, low: float, high: float) -> None:
    """Limits of a logarithmic axis: what is there, within [low, high], and 1 always."""
    import numpy as np

    finite = values[np.isfinite(values)]
    bottom = max(low, float(finite.min()) / 1.3) if len(finite) else low
    top = min(high, float(finite.max()) * 1.3) if len(finite) else high
    low, high = min(bottom, 0.7), max(top, 1.4)
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)
