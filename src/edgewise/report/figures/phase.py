"""The phase diagram over weight and bias variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import BLUE, INK, MUTED, PAPER, VERMILION, blank, drawn
from edgewise.report.figures.flow import SCHEME_STYLE
from edgewise.report.schemes import SCHEME_NAME

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STRONGEST = 0.7
"""|ln chi_perp| of the full colour: gradients double or halve in every layer."""


@drawn
def phase_figure(data: Mapping[str, Any]) -> Figure:
    """Where gradients shrink (blue) or grow (vermilion), where the signal is lost (hatched), and the critical line.

    Colours fade out towards chi_perp = 1, so that the page's own background is what is good.
    """
    import numpy as np
    from matplotlib.patches import Patch

    c_w, c_b = np.asarray(data["c_w"]), np.asarray(data["c_b"])
    chi = np.asarray(data["chi_perp"], dtype=float)
    state = np.asarray(data["phase"], dtype=int)
    figure = blank(height=3.7)
    axes = figure.subplots()
    axes.grid(False)
    extent = (0.0, c_w[-1], 0.0, c_b[-1])
    axes.imshow(
        _colours(chi, state), extent=extent, origin="lower", aspect="auto", interpolation="nearest", rasterized=True
    )
    for index, colour in ((2, VERMILION), (3, BLUE)):
        if _visible(state == index):
            _hatch(axes, c_w, c_b, state == index, colour)
    line = data["line"]
    if len(line["c_w"]) > 1:
        axes.plot(line["c_w"], line["c_b"], color=INK, linewidth=1.4, label=r"$\chi_\perp=1$", clip_on=True)
    for name, (x, y) in data["marks"].items():
        if x > c_w[-1] or y > c_b[-1]:
            continue
        colour, _, marker = SCHEME_STYLE[name]
        marker, size = ("*", 15) if name == "recommended" else (marker, 8)
        axes.plot(
            [x],
            [y],
            marker,
            color=colour,
            markersize=size,
            markeredgecolor=PAPER,
            markeredgewidth=1.2,
            linestyle="none",
            label=SCHEME_NAME[name],
            clip_on=False,
            zorder=6,
        )
    axes.set_xlim(0.0, c_w[-1])
    axes.set_ylim(0.0, c_b[-1])
    axes.set_xlabel(r"weight variance $\times$ fan-in, $C_W$")
    axes.set_ylabel("bias variance, $C_b$")
    handles, labels = axes.get_legend_handles_labels()
    areas = [
        Patch(facecolor=BLUE, alpha=0.6, label="gradients shrink"),
        Patch(facecolor=VERMILION, alpha=0.6, label="gradients grow"),
    ]
    for index, colour, text in ((2, VERMILION, "signal explodes"), (3, BLUE, "signal dies")):
        if _visible(state == index):
            areas.append(Patch(facecolor="none", edgecolor=colour, hatch="////", linewidth=0.0, label=text))
    axes.legend(
        [*areas, *handles],
        [*(area.get_label() for area in areas), *labels],
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.5,
        handlelength=1.6,
        fontsize=8,
    )
    axes.spines[["left", "bottom"]].set_color(MUTED)
    return figure


def _visible(where: Any) -> bool:
    """Whether a region is more than the line C_b = 0, on which signals die at every C_W < 1/A2."""
    return bool(where.mean() > 0.02)


def _colours(chi: Any, state: Any) -> Any:
    """RGBA by ln chi_perp: transparent at 0, full blue or vermilion at -+`_STRONGEST`; lost signals are half-strong."""
    import numpy as np
    from matplotlib.colors import to_rgb

    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.log(chi) / _STRONGEST
    strength = np.where(np.isnan(strength), np.where(state == 2, 1.0, -1.0), strength)
    strength = np.where(state == 2, 1.0, np.where(state == 3, -1.0, strength))
    image = np.empty((*chi.shape, 4))
    image[..., :3] = np.where((strength > 0)[..., None], to_rgb(VERMILION), to_rgb(BLUE))
    image[..., 3] = 0.85 * np.clip(np.abs(strength), 0.0, 1.0) ** 0.7
    return image


def _hatch(axes: Any, c_w: Any, c_b: Any, where: Any, colour: str) -> None:
    """Hatches the cells of a region; contourf wants at least one cell inside and outside."""
    import matplotlib

    with matplotlib.rc_context({"hatch.color": PAPER, "hatch.linewidth": 0.9}):
        filled = axes.contourf(c_w, c_b, where.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"])
    filled.set_edgecolor(PAPER)
    filled.set_linewidth(0.0)
