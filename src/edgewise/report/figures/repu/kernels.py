"""Figures 1 and 5: kernels of random networks, layer by layer, against theory and the exact law at finite width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, GREEN, INK, MUTED, ORANGE, VERMILION, blank, drawn
from edgewise.report.figures.registry import Drawing
from edgewise.report.notation import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_CEILING, _FLOOR = 1e16, 1e-16
"""Beyond these the axis ends: float32 networks are lost long before float64 is."""


@drawn
def repu_figure(data: Data) -> Figure:
    """RePU: a column a C_W, random weights above, random data below."""
    return _lines(data, floor=_FLOOR, ceiling=_CEILING)


@drawn
def mrepu_figure(data: Data) -> Figure:
    """MRePU: a column a C_W, random weights above, random data below."""
    return _lines(data, floor=3e-6, ceiling=3.0)


def _lines(data: Data, *, floor: float, ceiling: float) -> Figure:
    import numpy as np

    panels = data["panels"]
    figure = blank(width=2.35 * len(panels) + 0.6, height=5.6)
    grid = figure.subplots(2, len(panels), sharex=True, sharey=True, squeeze=False)
    for column, panel in enumerate(panels):
        layers = np.arange(1, panel["depth"] + 1)
        for row, (lines, law) in enumerate((("fixed", "law"), ("random", "law_data"))):
            axes: Axes = grid[row][column]
            low, middle, high = (_within(q, floor, ceiling) for q in panel[law])
            axes.fill_between(layers, low, high, color=BLUE, alpha=0.22, linewidth=0, label="68 % of the exact law")
            for i, line in enumerate(panel[lines]):
                label = ("networks" if row == 0 else "inputs") if i == 0 else None
                axes.plot(layers, _within(line, floor, ceiling), color=MUTED, linewidth=0.6, alpha=0.6, label=label)
            axes.plot(layers, middle, color=BLUE, linewidth=1.6, linestyle=DASHES[1], label="its median")
            if row == 0:
                theory = _within(panel["theory"], floor, ceiling)
                axes.plot(layers, theory, color=VERMILION, linewidth=2.0, label="infinite width")
                _first_order(axes, panel, floor, ceiling)
            axes.set_yscale("log")
            axes.set_ylim(floor, ceiling)
            axes.set_xlim(1, panel["depth"])
        grid[0][column].set_title(f"$C_W={panel['c_w']:.4g}$, $K_1={panel['k0']:.3g}$", loc="center")
        grid[1][column].set_xlabel("layer")
    grid[0][0].set_ylabel("kernel $K$\n$x_0$ fixed, weights random")
    grid[1][0].set_ylabel("kernel $K$\nweights fixed, data random")
    _legend(figure, grid[0][0])
    return figure


def _first_order(axes: Axes, panel: Data, floor: float, ceiling: float) -> None:
    """Mean +- sd to first order in 1/n, as far as that expansion is in its range."""
    import numpy as np

    first = panel["first_order"]
    count = first["layers"]
    if count < 2:
        return
    mean = np.asarray(first["mean"][:count], dtype=float)
    spread = np.sqrt(np.asarray(first["variance"][:count], dtype=float))
    layers = np.arange(1, count + 1)
    label = "±1 sd to first order in 1/n"
    for sign in (-1.0, 1.0):
        edge = _within(mean + sign * spread, floor, ceiling)
        axes.plot(layers, edge, color=GREEN, linewidth=1.4, linestyle=DASHES[2], label=label if sign > 0 else None)


@drawn
def law_figure(data: Data) -> Figure:
    """log|log(K/K_c)| against the layer: a double exponential is a straight line of slope log p."""
    import numpy as np

    panels, p = data["panels"], data["p"]
    figure = blank(width=2.35 * len(panels) + 0.6, height=3.5)
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, panel, fit in zip(row, panels, data["fits"], strict=True):
        layers = np.arange(1, panel["depth"] + 1)
        for line in panel["fixed"]:
            kernel = np.array([np.nan if k is None or k <= 0.0 else k for k in line], dtype=float)
            distance = np.log(kernel / fit["k_c"])
            grew = distance[np.isfinite(distance)][-1] > 0.0
            axes.plot(layers, np.abs(distance), color=ORANGE if grew else MUTED, linewidth=0.7, alpha=0.7)
        start = fit["start_predicted"]
        axes.plot(
            layers, abs(start) * float(p) ** (layers - 1), color=BLUE, linewidth=1.8, linestyle=DASHES[1],
            label="law at this width",
        )  # fmt: skip
        if abs(fit["start_infinite_width"]) > 1e-9:
            predicted = abs(fit["start_infinite_width"]) * float(p) ** (layers - 1)
            axes.plot(layers, predicted, color=VERMILION, linewidth=1.8, label="infinite width")
        base = fit["base"]
        axes.set_title(f"$C_W={panel['c_w']:.4g}$, $K_1={panel['k0']:.3g}$", loc="center")
        axes.text(
            0.96, 0.05, f"power per layer\n{base['estimate']:.3f} [{base['low']:.3f}, {base['high']:.3f}]",
            transform=axes.transAxes, ha="right", va="bottom", fontsize=8, color=INK,
        )  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylim(1e-3, 1e3)
        axes.set_xlim(1, panel["depth"])
        axes.set_xlabel("layer")
    row[0].plot([], [], color=MUTED, linewidth=0.9, label="networks that vanish")
    row[0].plot([], [], color=ORANGE, linewidth=0.9, label="networks that explode")
    row[0].set_ylabel(r"$|\log(K/K_c)|$")
    _legend(figure, row[0])
    return figure


@drawn
def exploding_figure(data: Data) -> Figure:
    """MRePU from x0 = (1, 0) when the first layer has no scale of its own."""
    import numpy as np

    panel = data["panels"][0]
    figure = blank()
    axes = figure.subplots()
    layers = np.arange(1, panel["depth"] + 1)
    low, _, high = (_within(q, 1e-3, 1e45) for q in panel["law"])
    axes.fill_between(layers, low, high, color=BLUE, alpha=0.22, linewidth=0, label="68 % of the exact law")
    for i, line in enumerate(panel["fixed"]):
        axes.plot(
            layers, _within(line, 1e-3, 1e45), color=MUTED, linewidth=0.6, alpha=0.6, label=None if i else "networks"
        )
    axes.plot(layers, _within(panel["theory"], 1e-3, 1e45), color=VERMILION, linewidth=2.0, label="infinite width")
    axes.axhline(3.4e38, color=INK, linewidth=1.0, linestyle=(0, (3, 2)))
    axes.text(1.05, 6e38, "float32 ends here", fontsize=8, va="bottom", color=INK)
    for layer, kernel in enumerate(panel["theory"][:4], start=1):
        axes.annotate(
            number(kernel, 2),
            (layer, kernel),
            xytext=(7, -9 if layer > 1 else 5),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    axes.set_yscale("log")
    axes.set_ylim(1e-2, 1e45)
    axes.set_xlim(1, panel["depth"])
    axes.set_xticks(layers)
    axes.set_xlabel("layer")
    axes.set_ylabel("kernel $K$")
    _legend(figure, axes)
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: _ORDER.get(labels[i], 9))
    figure.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="outside upper left", ncols=5, fontsize=8.5,
        columnspacing=1.3, handletextpad=0.6,
    )  # fmt: skip


_ORDER = {
    "networks": 0,
    "networks that vanish": 0,
    "networks that explode": 0,
    "infinite width": 1,
    "68 % of the exact law": 2,
    "its median": 3,
}


def _within(values: Sequence[float | None], floor: float, ceiling: float) -> Any:
    """The values up to one layer beyond the axis, which the axis then cuts; nan after that and for no number."""
    import numpy as np

    array = np.array([np.inf if v is None else v for v in values], dtype=float)
    with np.errstate(invalid="ignore"):
        return np.clip(np.where(np.isnan(array), np.inf, array), floor * 1e-3, ceiling * 1e3)


def _networks(data: Data) -> str:
    panel = data["panels"][0]
    return f"width {panel['width']}, two inputs, no biases"


def _repu_caption(data: Data) -> str:
    return (
        f"Empirical kernels of random RePU(2) networks ({_networks(data)}), one line a network (above, x₀ = (1, 0)) "
        "or an input (below, one network, x normal with |x|² = 1 on average). The first layer has the C_W of the "
        "others, so that K₁ = C_W/2 on x₀. At C_W = 2/√3 K₁ is the fixed point K_c = 2/(3 C_W) itself: an infinitely "
        "wide network would stay, real ones leave in both directions."
    )


def _law_caption(data: Data) -> str:
    return (
        f"How far the kernel of each network ({_networks(data)}, x₀ = (1, 0), K₁ = C_W/2) is from K_c, as a logarithm "
        "on a logarithmic axis: a straight line of slope log 2 is K_l = K_c (K₁/K_c)^(2^(l−1)). Orange lines explode, "
        "grey ones vanish. The power per layer is the mean of fits to single networks with its 99 % interval."
    )


def _mrepu_caption(data: Data) -> str:
    panel = data["panels"][0]
    return (
        f"The same for MRePU(2) ({_networks(data)}), with a first layer of its own scale: its C_W is "
        f"{number(panel['first_c_w'], 2)}, which puts K₁ at {number(panel['k0'], 2)} on x₀ (above) and on average over "
        f"the data (below). At C_W = 1 theory keeps K within a factor of 2 for {number(data['horizon'], 3)} layers; "
        "K* = 0 repels, and inputs with a larger K₁ leave earlier."
    )


def _exploding_caption(data: Data) -> str:
    return f"MRePU(2) ({_networks(data)}) on x₀ = (1, 0), C_W = 1 in the first layer too, K₁ = 1/2: one line a network."


FIGURES = {
    "repu": Drawing("RePU(2): every network explodes or vanishes", repu_figure, _repu_caption, wide=True),
    "law": Drawing("The double exponential, fitted", law_figure, _law_caption, wide=True),
    "mrepu": Drawing("MRePU(2): the scale is kept, then lost", mrepu_figure, _mrepu_caption, wide=True),
    "exploding": Drawing("MRePU(2) without a first layer of its own", exploding_figure, _exploding_caption),
}
