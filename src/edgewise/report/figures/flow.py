"""Kernel and gradient through the layers: theory against random networks, and the usual initialisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, INK, MUTED, ORANGE, PURPLE, VERMILION, blank, drawn, legend_above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CEILING, _FLOOR = 1e12, 1e-12
"""Kernels beyond these are lost for float32 training; the axis ends there and says at which layer."""

SCHEME_STYLE = {
    "recommended": (BLUE, DASHES[0], "o"),
    "he": (ORANGE, DASHES[1], "s"),
    "pytorch": (PURPLE, DASHES[3], "^"),
}
"""Colour, dashes and marker of each initialisation, in every figure."""

SCHEME_NAME = {"recommended": "recommended here", "he": "He", "pytorch": "PyTorch default"}


@drawn
def measured_figure(data: Mapping[str, Any]) -> Figure:
    """The kernel of each random network (thin), the theory (thick) and the predicted spread, against the layer."""
    import numpy as np

    layers = np.arange(1, data["depth"] + 1)
    members = _array(data["measured"]["kernel"])[:, :, 0]
    predicted = _array(data["theory"]["kernel"])
    figure = blank()
    axes = figure.subplots()
    for i in range(members.shape[1]):
        axes.plot(
            layers, members[:, i], color=MUTED, linewidth=0.6, alpha=0.55, label="one random network" if i == 0 else None
        )
    low, high = _band_edges(data["band"], len(layers))
    if low is not None:
        axes.fill_between(layers, low, high, color=BLUE, alpha=0.22, linewidth=0, label="predicted ± 1 sd")
    axes.plot(layers, predicted, color=BLUE, linewidth=2.4, label="theory, infinitely wide")
    _logarithmic(axes, np.concatenate([members.ravel(), predicted]))
    axes.set_xlim(1, layers[-1])
    axes.set_xlabel("layer")
    axes.set_ylabel("kernel $K$ (mean square preactivation)")
    legend_above(axes, columns=3)
    return figure


@drawn
def gradient_figure(data: Mapping[str, Any]) -> Figure:
    """The squared gradient at each layer, relative to the last: every network (thin) against the product of chi_perp."""
    import numpy as np

    layers = np.arange(1, data["depth"] + 1)
    members = _array(data["measured"]["gradient_norm"])[:, :, 0]
    perp = _array(data["theory"]["chi_perp"])
    logs = np.log(np.where(perp > 0, perp, np.nan))
    predicted = np.exp(np.concatenate([np.cumsum(logs[:-1][::-1])[::-1], [0.0]]))
    figure = blank()
    axes = figure.subplots()
    for i in range(members.shape[1]):
        axes.plot(
            layers, members[:, i], color=MUTED, linewidth=0.6, alpha=0.55, label="one random network" if i == 0 else None
        )
    axes.plot(layers, predicted, color=VERMILION, linewidth=2.4, label=r"theory: product of $\chi_\perp$")
    _logarithmic(axes, np.concatenate([members.ravel(), predicted]))
    axes.set_xlim(1, layers[-1])
    axes.set_xlabel("layer (the gradient travels from right to left)")
    axes.set_ylabel("squared gradient / that at the last layer")
    legend_above(axes, columns=2)
    return figure


@drawn
def schemes_figure(data: Mapping[str, Any]) -> Figure:
    """The kernel in theory, layer by layer, for the recommended and the usual initialisations; where each is lost."""
    import numpy as np

    figure = blank()
    axes = figure.subplots()
    flows = {"recommended": data["theory"], **data["usual"]}
    shown = []
    for name, values in flows.items():
        colour, dashes, marker = SCHEME_STYLE[name]
        kernel = _array(values["kernel"])
        kernel = np.where((kernel <= _CEILING) & (kernel >= _FLOOR), kernel, np.nan)
        layers = np.arange(1, len(kernel) + 1)
        width = 2.4 if name == "recommended" else 1.6
        axes.plot(layers, kernel, color=colour, linestyle=dashes, linewidth=width, label=SCHEME_NAME[name])
        lost = np.flatnonzero(~np.isfinite(kernel))
        if len(lost) and lost[0] > 0:
            axes.plot([layers[lost[0] - 1]], [kernel[lost[0] - 1]], marker="x", color=colour, markersize=8, mew=2.2)
        shown.append(kernel)
    _logarithmic(axes, np.concatenate(shown))
    axes.set_xlim(1, data["depth"])
    axes.set_xlabel("layer")
    axes.set_ylabel("kernel $K$, theory")
    legend_above(axes, columns=3)
    return figure


def _array(values: Any) -> Any:
    """Nested lists with None for what is not finite, as a float array with nan there."""
    import numpy as np

    return np.asarray(values, dtype=float)


def _band_edges(band: Mapping[str, Any], layers: int) -> tuple[Any, Any]:
    """Mean - sd and mean + sd of the empirical kernel for the layers where the expansion holds; None where it does nowhere."""
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
    low, high = max(float(finite.min()), _FLOOR), min(float(finite.max()), _CEILING)
    middle = np.sqrt(low * high)
    low, high = min(low / 1.4, middle / 4.0), max(high * 1.4, middle * 4.0)
    axes.set_ylim(low, high)


def scheme_names(schemes: Sequence[str]) -> list[str]:
    """The schemes as shown to people."""
    return [SCHEME_NAME.get(scheme, scheme) for scheme in schemes]
