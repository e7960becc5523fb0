"""Kernel and gradient through the layers: theory against random networks, and the usual initialisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import (
    BLUE,
    DASHES,
    MUTED,
    ORANGE,
    PURPLE,
    VERMILION,
    blank,
    drawn,
    legend_above,
    log_ticks,
)
from edgewise.report.schemes import SCHEME_NAME

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CEILING, FLOOR = 1e12, 1e-12
"""Kernels beyond these are lost for float32 training; the axis ends there and says at which layer."""

SCHEME_STYLE = {
    "recommended": (BLUE, DASHES[0], "o"),
    "he": (ORANGE, DASHES[1], "s"),
    "pytorch": (PURPLE, DASHES[3], "^"),
}
"""Colour, dashes and marker of each initialisation, in every figure."""


@drawn
def measured_figure(data: Mapping[str, Any]) -> Figure:
    """The kernel of each random network (thin), the theory (thick) and the predicted spread, against the layer."""
    import numpy as np

    members = _within(_array(data["measured"]["kernel"])[:, :, 0])
    predicted = _within(_array(data["theory"]["kernel"]))
    layers = np.arange(1, data["depth"] + 1)
    figure = blank()
    axes = figure.subplots()
    low, high = _band_edges(data["band"], len(layers))
    if low is not None:
        axes.fill_between(layers, low, high, color=BLUE, alpha=0.3, linewidth=0, label="predicted ±1 sd")
    _members(axes, layers, members)
    axes.plot(layers, predicted, color=BLUE, linewidth=2.4, label="theory")
    _logarithmic(axes, np.concatenate([members.ravel(), predicted]))
    axes.set_xlim(1, layers[-1])
    axes.set_xlabel("layer")
    axes.set_ylabel("kernel $K$")
    legend_above(axes, columns=3)
    return figure


@drawn
def gradient_figure(data: Mapping[str, Any]) -> Figure:
    """The squared gradient at each layer over the last: every network (thin), the product of chi_perp (thick)."""
    import numpy as np

    members = _within(_array(data["measured"]["gradient_norm"])[:, :, 0])
    perp = _array(data["theory"]["chi_perp"])
    logs = np.log(np.where(perp > 0, perp, np.nan))
    predicted = _within(np.exp(np.clip(np.concatenate([np.cumsum(logs[:-1][::-1])[::-1], [0.0]]), -700, 700)))
    layers = np.arange(1, data["depth"] + 1)
    figure = blank()
    axes = figure.subplots()
    _members(axes, layers, members)
    axes.plot(layers, predicted, color=VERMILION, linewidth=2.4, label=r"theory: product of $\chi_\perp$")
    _logarithmic(axes, np.concatenate([members.ravel(), predicted]))
    axes.set_xlim(1, layers[-1])
    axes.set_xlabel("layer (the gradient travels from right to left)")
    axes.set_ylabel("squared gradient / last layer's")
    legend_above(axes, columns=2)
    return figure


@drawn
def schemes_figure(data: Mapping[str, Any]) -> Figure:
    """The kernel in theory, layer by layer, for the recommended and the usual initialisations; where each is lost."""
    import numpy as np

    figure = blank()
    axes = figure.subplots()
    shown = draw_schemes(axes, data)
    _logarithmic(axes, np.concatenate(shown))
    axes.set_xlabel("layer")
    axes.set_ylabel("kernel $K$, theory")
    legend_above(axes, columns=3)
    return figure


def draw_schemes(axes: Any, data: Mapping[str, Any]) -> list[Any]:
    """The kernels of all initialisations into these axes; returns what is shown of each."""
    import numpy as np

    shown = []
    for name, values in {"recommended": data["theory"], **data["usual"]}.items():
        colour, dashes, _ = SCHEME_STYLE[name]
        kernel = _within(_array(values["kernel"]))
        layers = np.arange(1, len(kernel) + 1)
        width = 2.4 if name == "recommended" else 1.6
        axes.plot(layers, kernel, color=colour, linestyle=dashes, linewidth=width, label=SCHEME_NAME[name])
        lost = np.flatnonzero(~np.isfinite(kernel))
        if len(lost) and lost[0] > 0:
            end = lost[0] - 1
            axes.plot([layers[end]], [kernel[end]], marker="x", color=colour, markersize=8, markeredgewidth=2.2)
        shown.append(kernel)
    axes.set_xlim(1, data["depth"])
    return shown


def _array(values: Any) -> Any:
    """Nested lists with None for what is not finite, as a float array with nan there."""
    import numpy as np

    return np.asarray(values, dtype=float)


def _within(values: Any) -> Any:
    """The values, nan where they are beyond what the axes show: matplotlib overflows on 1e300."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.where((values <= CEILING) & (values >= FLOOR), values, np.nan)


def _members(axes: Any, layers: Any, values: Any) -> None:
    """One thin line a network."""
    for i in range(values.shape[1]):
        label = "random networks" if i == 0 else None
        axes.plot(layers, values[:, i], color=MUTED, linewidth=0.6, alpha=0.55, label=label)


def _band_edges(band: Mapping[str, Any], layers: int) -> tuple[Any, Any]:
    """Mean -+ sd of the empirical kernel at the layers where the expansion holds; None where it does nowhere."""
    import numpy as np

    if "kernel_mean" not in band:
        return None, None
    mean, variance = _array(band["kernel_mean"]), _array(band["kernel_variance"])
    holds = np.asarray(band["holds"], dtype=bool)
    spread = np.sqrt(variance)
    low = np.where(holds & (mean > spread), mean - spread, np.nan)
    high = np.where(holds, mean + spread, np.nan)
    if not np.isfinite(low).any():
        return None, None
    return low[:layers], high[:layers]


def _logarithmic(axes: Any, values: Any) -> None:
    """A logarithmic axis over what is there, at least a factor of 10 wide so that a constant looks constant."""
    import numpy as np

    axes.set_yscale("log")
    finite = values[np.isfinite(values) & (values > 0)]
    if not len(finite):
        axes.set_ylim(0.1, 10.0)
        return
    low, high = max(float(finite.min()), FLOOR), min(float(finite.max()), CEILING)
    middle = np.sqrt(low * high)
    low, high = min(low / 1.4, middle / 4.0), max(high * 1.4, middle * 4.0)
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)
