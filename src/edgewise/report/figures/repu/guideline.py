"""The phase diagram with random networks in it, and the horizon of MRePU at its critical point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, DASHES, INK, MUTED, PAPER, VERMILION, blank, drawn
from edgewise.report.figures.phase import phase_figure
from edgewise.report.figures.registry import Drawing
from edgewise.report.notation import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_CEILING = 30.0
_PLURAL = {"stays": "stay", "explodes": "explode", "vanishes": "vanish"}
_MARKER = {"stays": "o", "explodes": "^", "vanishes": "v"}


@drawn
def phase_points_figure(data: Data) -> Figure:
    """The diagram at infinite width; a mark a point where random networks were tried, by what most of them do."""
    figure = phase_figure(data["diagram"])
    figure.set_layout_engine("constrained")  # the legend below has more rows than the one it was laid out for
    axes = figure.axes[0]
    at = data["diagram"]["guideline"]
    axes.plot(
        *at, "*", color=INK, markersize=15, markeredgecolor=PAPER, markeredgewidth=1.2, clip_on=False, zorder=7,
        linestyle="none", label="(1, 0)",
    )  # fmt: skip
    for fate, marker in _MARKER.items():
        chosen = [p for p in data["points"] if max(p["fates"], key=p["fates"].get) == fate]
        axes.plot(
            [p["c_w"] for p in chosen], [p["c_b"] for p in chosen], marker, color=PAPER, markersize=7.5,
            markeredgecolor=INK, markeredgewidth=1.4, linestyle="none", clip_on=False, zorder=6,
            label=f"networks {_PLURAL[fate]}",
        )  # fmt: skip
    old = axes.get_legend()
    handles, labels = axes.get_legend_handles_labels()
    if old is not None:
        areas = [(h, t.get_text()) for h, t in zip(old.legend_handles, old.get_texts(), strict=True)]
        known = {text for _, text in areas}
        areas += [(h, t) for h, t in zip(handles, labels, strict=True) if t not in known]
        handles, labels = [h for h, _ in areas], [t for _, t in areas]
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.0,
        handletextpad=0.5, handlelength=1.5, fontsize=7.5,
    )  # fmt: skip
    return figure


@drawn
def horizon_figure(data: Data) -> Figure:
    """Kernels of networks at criticality from several K_1, each with its two horizons."""
    import numpy as np

    rows = data["rows"]
    figure = blank(width=2.9 * len(rows) + 0.6, height=3.5)
    panels = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    for axes, row in zip(panels, rows, strict=True):
        layers = np.arange(len(row["theory"]))
        for i, line in enumerate(row["lines"]):
            axes.plot(layers, _shown(line), color=MUTED, linewidth=0.6, alpha=0.6, label=None if i else "networks")
        axes.plot(layers, _shown(row["theory"]), color=VERMILION, linewidth=2.0, label="infinite width")
        before = layers[layers < row["end_predicted"] * 0.999]
        law = row["k0"] / (1.0 - before / row["end_predicted"])
        axes.plot(before, law, color=BLUE, linestyle=DASHES[1], linewidth=1.8, label="$K_1/(1-a_1K_1l)$")
        for name, dashes, text in (
            ("doubling_predicted", (0, (1.2, 1.4)), "$1/(2a_1K_1)$"), ("end_predicted", (0, (3, 2)), "$1/(a_1K_1)$"),
        ):  # fmt: skip
            axes.axvline(row[name], color=INK, linewidth=1.0, linestyle=dashes, label=text)
        axes.set_title(f"$K_1={row['k0']:g}$", loc="center")
        axes.set_yscale("log")
        axes.set_ylim(3e-4, _CEILING)
        axes.set_xlim(0, min(len(row["theory"]) - 1, 1.8 * row["end_predicted"]))
        axes.set_xlabel("layers after the first")
    panels[0].set_ylabel("kernel $K$")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=5, fontsize=8.5, columnspacing=1.3)
    return figure


def _shown(line: Any) -> Any:
    """The values, cut just beyond the axis; what is not finite is there too."""
    import numpy as np

    values = np.array([np.inf if v is None else v for v in line], dtype=float)
    return np.clip(values, 1e-6, 1e3 * _CEILING)


def _phase_caption(data: Data) -> str:
    diagram = data["diagram"]
    return (
        f"MRePU(2), {diagram['depth']} layers at infinite width from K₁ = {number(diagram['k0'], 2)}, set by a first "
        f"layer of its own. Marks: what most of {data['networks']} random networks of width {data['width']} do there. "
        "The star is the critical point: the corner of the region that stays, beside the region that explodes."
    )


def _horizon_caption(data: Data) -> str:
    return (
        f"MRePU(2) at (C_W, C_b) = (1, 0), random networks of width {data['width']}, one line each; the first layer is "
        "scaled to the K₁ above each panel. Dotted: where the kernel should have doubled; dashed: where it should be "
        "lost."
    )


FIGURES = {
    "phase": Drawing("Phase diagram of MRePU(2), tried out", phase_points_figure, _phase_caption),
    "horizon": Drawing("How far a small first kernel carries", horizon_figure, _horizon_caption, wide=True),
}
