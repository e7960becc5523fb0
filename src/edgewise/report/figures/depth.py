"""A model layer by layer: kernel and gradient beside their predictions, dead units, correlation between samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgewise.report.drawing import (
    BLUE,
    DASHES,
    GREEN,
    MUTED,
    ORANGE,
    PURPLE,
    VERMILION,
    blank,
    drawn,
    legend_above,
    log_ticks,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CEILING, FLOOR = 1e30, 1e-30
"""Beyond these float32 is about to give up; the axis ends there."""
Rows = Sequence[Mapping[str, Any]]


@drawn
def kernel_figure(data: Mapping[str, Any]) -> Figure:
    """K of each layer as measured, as theory predicts it, and where it stops being finite."""
    figure = blank()
    axes = figure.subplots()
    rows, stream = _of(data, "preactivation"), _of(data, "stream")
    shown: list[float] = []
    x = _positions(rows)
    predicted = _within([row["predicted"] for row in rows])
    measured = _within([row["kernel"] for row in rows])
    axes.plot(x, predicted, color=MUTED, linewidth=5.0, alpha=0.35, label="predicted", zorder=2)
    axes.plot(x, measured, color=BLUE, marker="o", markersize=_size(rows), linewidth=1.8, label="measured", zorder=3)
    shown += [*predicted, *measured]
    if stream:
        values = _within([row["kernel"] for row in stream])
        axes.plot(
            _positions(stream), values, color=ORANGE, marker="s", markersize=_size(stream), linestyle=DASHES[3],
            label="residual stream",
        )  # fmt: skip
        shown += values
    lost = next((at for at, row in zip(x, rows, strict=True) if row["bad"]), None)
    if lost is not None:
        axes.axvspan(lost, max(x), color=VERMILION, alpha=0.16, linewidth=0)
        axes.axvline(lost, color=VERMILION, linewidth=1.4, label="not finite")
    logarithmic(axes, shown)
    _layers(axes, data)
    axes.set_ylabel("kernel $K$")
    legend_above(axes, columns=2)
    return figure


@drawn
def gradient_figure(data: Mapping[str, Any]) -> Figure:
    """The size of the gradient at each layer, and what the product of chi_perp makes of that at the last."""
    figure = blank()
    axes = figure.subplots()
    rows, stream = _of(data, "preactivation"), _of(data, "stream")
    measured = _within([row["gradient_norm"] for row in rows])
    expected = _within(_product(rows))
    x = _positions(rows)
    axes.plot(x, expected, color=MUTED, linewidth=5.0, alpha=0.35, label="predicted, product of χ⊥", zorder=2)
    axes.plot(
        x, measured, color=VERMILION, marker="o", markersize=_size(rows), linewidth=1.8, label="measured", zorder=3
    )
    shown = [*measured, *expected]
    if stream:
        values = _within([row["gradient_norm"] for row in stream])
        axes.plot(
            _positions(stream), values, color=ORANGE, marker="s", markersize=_size(stream), linestyle=DASHES[3],
            label="residual stream",
        )  # fmt: skip
        shown += values
    logarithmic(axes, shown)
    _layers(axes, data)
    axes.set_ylabel("size of ∂loss/∂z")
    legend_above(axes, columns=2)
    return figure


@drawn
def dead_figure(data: Mapping[str, Any]) -> Figure:
    """Shares of units without slope: for every sample, and beyond those for single samples; saturated ones."""
    figure = blank()
    axes = figure.subplots()
    rows = [row for row in data["layers"] if row["dead_static"] is not None]
    x = _positions(rows)
    static = [100.0 * row["dead_static"] for row in rows]
    total = [100.0 * (row["dead_static"] + (row["dead_dynamic"] or 0.0)) for row in rows]
    axes.fill_between(x, static, color=VERMILION, alpha=0.55, linewidth=0, label="dead for every sample")
    axes.fill_between(x, static, total, color=ORANGE, alpha=0.35, linewidth=0, label="for this one")
    axes.plot(x, total, color=ORANGE, linewidth=1.4)
    axes.plot(x, static, color=VERMILION, linewidth=1.6, linestyle=DASHES[1])
    expected = [None if row["dead_expected"] is None else 100.0 * row["dead_expected"] for row in rows]
    axes.plot(x, _within(expected, zero=True), color=MUTED, linestyle=DASHES[2], linewidth=1.6, label="Gaussian")
    if any(row["saturated"] is not None for row in rows):
        saturated = [None if row["saturated"] is None else 100.0 * row["saturated"] for row in rows]
        axes.plot(x, _within(saturated, zero=True), color=PURPLE, linestyle=DASHES[3], label="saturated")
    axes.set_ylim(0, 104)
    _layers(axes, data)
    axes.set_ylabel("% of units")
    legend_above(axes, columns=2)
    return figure


@drawn
def correlation_figure(data: Mapping[str, Any]) -> Figure:
    """1 - the mean correlation between different samples, beside what a critical ReLU network makes of the first."""
    import math

    figure = blank()
    axes = figure.subplots()
    rows, stream = _of(data, "preactivation"), _of(data, "stream")
    measured = _within([row["one_minus_rho"] for row in rows])
    x = _positions(rows)
    axes.plot(x, measured, color=GREEN, marker="o", markersize=_size(rows), linewidth=1.8, label="measured", zorder=3)
    start = next(
        (row["one_minus_rho"] for row in rows if row["one_minus_rho"]), 1.0
    )  # the law of judgements, from there
    law = [start / (1.0 + i * math.sqrt(2.0 * start) / (3.0 * math.pi)) ** 2 for i in range(len(rows))]
    axes.plot(x, law, color=MUTED, linestyle=DASHES[1], linewidth=1.6, label="critical ReLU", zorder=2)
    shown = [*measured, *law]
    if stream:
        values = _within([row["one_minus_rho"] for row in stream])
        axes.plot(
            _positions(stream), values, color=ORANGE, marker="s", markersize=_size(stream), linestyle=DASHES[3],
            label="residual stream",
        )  # fmt: skip
        shown += values
    logarithmic(axes, shown, low_at_most=1e-2)
    _layers(axes, data)
    axes.set_ylabel("1 − correlation")
    legend_above(axes, columns=2)
    return figure


def _of(data: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    return [row for row in data["layers"] if row["role"] == role]


def _positions(rows: Rows) -> list[int]:
    return [row["number"] for row in rows]


def _size(rows: Rows) -> float:
    return 3.4 if len(rows) <= 30 else 2.0 if len(rows) <= 80 else 0.0


def _within(values: Sequence[float | None], *, zero: bool = False) -> list[float]:
    """Numbers that the axes can show, nan for the others."""
    floor = -1.0 if zero else FLOOR
    return [v if v is not None and floor <= v <= CEILING else float("nan") for v in values]


def _product(rows: Rows) -> list[float | None]:
    """The gradient's size from the last layer's by theory: times the square root of chi_perp (or a norm's) a layer."""
    sizes: list[float | None] = []
    size: float | None = None
    for row in reversed(rows):
        norm = row["gradient_norm"]
        chi = row["norm_chi_backward"] if row["norm_chi_backward"] is not None else row["chi_perp"]
        size = norm if size is None else None if chi is None else size * chi**0.5
        if size is None:
            size = norm
        sizes.append(size)
    return sizes[::-1]


def logarithmic(axes: Any, values: Sequence[float], low_at_most: float | None = None) -> None:
    """A logarithmic axis at least a factor of 10 wide, so that what is constant looks constant."""
    import math

    axes.set_yscale("log")
    finite = [v for v in values if math.isfinite(v) and v > 0.0]
    if not finite:
        axes.set_ylim(0.1, 10.0)
        return
    low, high = min(finite), max(finite)
    middle = math.sqrt(low * high)
    low, high = min(low / 1.5, middle / 4.0), max(high * 1.5, middle * 4.0)
    if low_at_most is not None:
        low = min(low, low_at_most)
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high)


def _layers(axes: Any, data: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [row["number"] for row in data["layers"]] or [0, 1]
    low, high = min(numbers), max(numbers)
    axes.set_xlim(low - 0.02 * (high - low) - 0.2, high + 0.02 * (high - low) + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlabel("layer")
