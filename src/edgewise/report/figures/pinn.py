"""A physics-informed network beside the reference: heat maps, the error, slices, and the way there."""

from __future__ import annotations

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
from edgewise.report.notation import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
"""What `pinn.Solution.to_dict()` gives."""

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
SLICES = (0.25, 0.5, 0.75)
"""Where the solution is cut, as shares of the last coordinate's range."""
MOST_COLUMNS = 4
_PIXELS = 400


@drawn
def solution_figure(data: Data) -> Figure:
    """The reference, the network on the same scale, their difference on its own; cuts through both below."""
    figure = blank(10.4, 5.9)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.12, 1.0), hspace=0.04)
    top, bottom = halves
    _maps(top, data)
    panels = bottom.subplots(1, len(SLICES), sharey=True)
    _cuts(panels, [data])
    handles, labels = panels[0].get_legend_handles_labels()
    bottom.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


@drawn
def history_figure(data: Data) -> Figure:
    """Loss and relative L2 error against the step, thin a member, thick the chosen one; where L-BFGS takes over."""
    return _histories([data], each=True)


@drawn
def gallery_figure(solutions: Sequence[Data]) -> Figure:
    """Several activations on one equation: the reference, then each network above its error, all on one scale."""
    count = len(solutions) + 1
    columns = min(count, MOST_COLUMNS)
    bands = -(-count // columns)
    figure = blank(2.75 * columns, 4.5 * bands)
    rows = figure.subplots(2 * bands, columns, squeeze=False)
    scale, colours = _scale(solutions[0])
    worst = max(_finite_max(_difference(s)) for s in solutions)
    from matplotlib.colors import Normalize

    errors, error_colours = Normalize(0.0, worst), _error_colours()
    shown: Any = None
    wrong: Any = None
    for place in range(bands * columns):
        above, below = rows[2 * (place // columns), place % columns], rows[2 * (place // columns) + 1, place % columns]
        if place >= count or place == 0:
            below.set_axis_off()
        if place >= count:
            above.set_axis_off()
            continue
        if place == 0:
            shown = _image(above, solutions[0], "reference", scale, colours)
            above.set_title("reference")
            continue
        data = solutions[place - 1]
        _image(above, data, "solution", scale, colours)
        above.set_title(f"{data['activation']}: {_percent(_own_error(data))}")
        wrong = _image(below, data, "error", errors, error_colours)
    figure.colorbar(shown, ax=rows[0, :].tolist(), pad=0.01).ax.set_title("$u$", loc="center")
    figure.colorbar(wrong, ax=rows[1, :].tolist(), label="|network − reference|", pad=0.01)
    return figure


@drawn
def comparison_cuts_figure(solutions: Sequence[Data]) -> Figure:
    """Cuts through the reference and every network in one set of axes."""
    figure = blank(10.4, 3.3)
    panels = figure.subplots(1, len(SLICES), sharey=True)
    _cuts(panels, solutions)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 6))
    return figure


@drawn
def comparison_history_figure(solutions: Sequence[Data]) -> Figure:
    """Loss and error against the step, one line an activation: the median of its members, a band from best to worst."""
    return _histories(solutions, each=False)


def _maps(figure: Any, data: Data) -> None:
    from matplotlib.colors import Normalize

    panels = figure.subplots(1, 3)
    scale, colours = _scale(data)
    _image(panels[0], data, "reference", scale, colours)
    panels[0].set_title("reference")
    shown = _image(panels[1], data, "solution", scale, colours)
    panels[1].set_title(f"network, {data['activation']}")
    figure.colorbar(shown, ax=panels[:2].tolist(), pad=0.015).ax.set_title("$u$", loc="center")
    wrong = _image(panels[2], data, "error", Normalize(0.0, _finite_max(_difference(data))), _error_colours())
    panels[2].set_title(f"relative $L^2$ error {_percent(_own_error(data))}")
    figure.colorbar(wrong, ax=panels[2], label="|network − reference|", pad=0.03)


def _image(axes: Axes, data: Data, what: str, scale: Normalize, colours: Colormap) -> Any:
    """One heat map; the equation's second coordinate is horizontal where it is time, else vertical."""
    import numpy as np

    values = _difference(data) if what == "error" else _field(data, what)
    first, second = (np.asarray(axis, dtype=float) for axis in data["grid"]["axes"])
    names = data["problem"]["coordinates"]
    image = _uniform(values, first, second)  # [first, second]
    extents = ((first[0], first[-1]), (second[0], second[-1]))
    if names[1] == "t":
        rows, (left, right), (low, high) = image, extents[1], extents[0]
        axes.set_xlabel("$t$")
        axes.set_ylabel(f"${names[0]}$")
    else:
        rows, (left, right), (low, high) = image.T, extents[0], extents[1]
        axes.set_xlabel(f"${names[0]}$")
        axes.set_ylabel(f"${names[1]}$")
    axes.grid(False)
    axes.locator_params(nbins=5)
    return axes.imshow(
        rows, extent=(left, right, low, high), origin="lower", aspect="auto", interpolation="none", norm=scale,
        cmap=colours,
    )  # fmt: skip


def _cuts(panels: Sequence[Axes], solutions: Sequence[Data]) -> None:
    import numpy as np

    first, second = (np.asarray(axis, dtype=float) for axis in solutions[0]["grid"]["axes"])
    names = solutions[0]["problem"]["coordinates"]
    truth = _field(solutions[0], "reference")
    span = float(np.nanmax(truth) - np.nanmin(truth)) or 1.0
    for axes, share in zip(panels, SLICES, strict=True):
        at = int(np.abs(second - (second[0] + share * (second[-1] - second[0]))).argmin())
        axes.plot(first, truth[:, at], color=MUTED, linewidth=4.5, alpha=0.45, label="reference")
        for i, data in enumerate(solutions):
            label = "network" if len(solutions) == 1 else data["activation"]
            values = _field(data, "solution")[:, at]
            axes.plot(first, values, color=COLOURS[i % 6], linestyle=DASHES[i % 6], linewidth=1.5, label=label)
        axes.set_ylim(float(np.nanmin(truth)) - 0.12 * span, float(np.nanmax(truth)) + 0.12 * span)
        axes.set_xlabel(f"${names[0]}$")
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(f"${names[1]} = {number(float(second[at]), 3)}$", loc="center")
    panels[0].set_ylabel("$u$")


def _histories(solutions: Sequence[Data], *, each: bool) -> Figure:
    import numpy as np

    figure = blank(10.4, 3.4)
    panels = figure.subplots(1, 2)
    for axes, key, label in zip(panels, ("loss", "relative_l2"), ("loss", "relative $L^2$ error"), strict=True):
        seen = []
        for i, data in enumerate(solutions):
            history = data["history"]
            steps = np.asarray(history["step"], dtype=float)
            lines = _positive(history[key])  # [look, member]
            seen.append(lines)
            colour, dashes = COLOURS[i % 6], DASHES[i % 6]
            if each:
                if lines.shape[1] > 1:
                    axes.plot(steps, lines, color=colour, linewidth=0.7, alpha=0.5)
                axes.plot(steps, lines[:, data["best"]], color=colour, linewidth=1.8)
            else:
                alive = np.isfinite(lines).any(1)
                middle = np.full(len(steps), np.nan)
                middle[alive] = np.nanmedian(lines[alive], axis=1)
                axes.plot(steps, middle, color=colour, linestyle=dashes, label=data["activation"])
                if lines.shape[1] > 1 and alive.any():
                    low, high = np.nanmin(lines[alive], axis=1), np.nanmax(lines[alive], axis=1)
                    axes.fill_between(steps[alive], low, high, color=colour, alpha=0.15, linewidth=0.0)
        axes.set_yscale("log")
        values = np.concatenate([lines[np.isfinite(lines)] for lines in seen])
        if len(values):
            low, high = float(values.min()) / 1.4, float(values.max()) * 1.4
            axes.set_ylim(low, high)
            log_ticks(axes.yaxis, low, high)
        taken_over = solutions[0]["settings"]["adam_steps"]
        if solutions[0]["settings"]["lbfgs_steps"]:
            axes.axvline(taken_over, color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
            axes.annotate(
                "L-BFGS", (taken_over, 0.98), xycoords=("data", "axes fraction"), xytext=(4, 0),
                textcoords="offset points", va="top", fontsize=8, color=INK,
            )  # fmt: skip
        axes.set_xlabel("step")
        axes.set_ylabel(label)
    if not each:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 6))
    return figure


def _field(data: Data, what: str) -> Any:
    import numpy as np

    return np.asarray(data["grid"][what], dtype=float)


def _difference(data: Data) -> Any:
    import numpy as np

    return np.abs(_field(data, "solution") - _field(data, "reference"))


def _own_error(data: Data) -> float | None:
    value: float | None = data["relative_l2"][data["best"]]
    return value


def _percent(value: float | None) -> str:
    if value is None:
        return "diverged"
    return f"{100.0 * value:.3g} %" if value >= 1e-3 else number(value, 2)


def _finite_max(values: Any) -> float:
    import numpy as np

    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size and finite.max() > 0.0 else 1.0


def _positive(values: Any) -> Any:
    """As floats [look, member]; nan where a log axis has no place for them."""
    import numpy as np

    numbers = np.asarray(values, dtype=float)
    return np.where(np.isfinite(numbers) & (numbers > 0.0), numbers, np.nan)


def _uniform(values: Any, first: Any, second: Any) -> Any:
    """`values` on a uniform grid, for images; as they are where the grid is uniform already."""
    import numpy as np

    for axis, points in enumerate((first, second)):
        steps = np.diff(points)
        if np.allclose(steps, steps[0], rtol=1e-6):
            continue
        even = np.linspace(points[0], points[-1], min(_PIXELS, 2 * len(points)))
        values = np.apply_along_axis(_along(even, points), axis, values)
    return values


def _along(even: Any, points: Any) -> Any:
    """Lines from `points` to `even`."""
    import numpy as np

    return lambda line: np.interp(even, points, line)


def _scale(data: Data) -> tuple[Normalize, Colormap]:
    """Blue to vermilion around 0 where u has both signs, else from paper to blue; limits are the reference's."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    truth = _field(data, "reference")
    low, high = float(np.nanmin(truth)), float(np.nanmax(truth))
    if low < -0.05 * (high - low) and high > 0.05 * (high - low):
        most = max(-low, high)
        return Normalize(-most, most), LinearSegmentedColormap.from_list("signed", [BLUE, PAPER, VERMILION])
    return Normalize(low, high), LinearSegmentedColormap.from_list("unsigned", [PAPER, SKY, BLUE, INK])


def _error_colours() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("error", [PAPER, ORANGE, VERMILION, INK])
