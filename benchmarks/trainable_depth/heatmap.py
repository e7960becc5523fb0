"""The picture: schemes by activations, one panel a depth; colour is accuracy, and every number is written out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.trainable_depth.results import LEARNED, Results
from benchmarks.trainable_depth.settings import ACTIVATIONS, OURS, SCHEMES, TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, PAPER, BLANK = "#1c2128", "#57606b", "#ffffff", "#eceff2"
CHANCE = 0.1
DARK = 0.62
"""Share of the colour scale from which text is white."""


def draw(results: Results, path: Path) -> None:
    """Writes the picture. One hue from light (chance) to dark (all right): safe for every kind of colour vision."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    colours = LinearSegmentedColormap.from_list("accuracy", ["#f3f6fa", "#c3d9ec", "#6aa5d0", "#1f6fae", "#08306b"])
    scale = Normalize(CHANCE, 1.0)
    depths = results.depths
    rows = len(SCHEMES)
    figure = Figure(figsize=(9.6, 1.0 + 0.43 * (rows + 1.6) * len(depths)), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(depths), 1, squeeze=False)[:, 0]
    for depth, ax in zip(depths, axes, strict=True):
        _panel(ax, results, depth, lambda value: colours(scale(value)))
    figure.suptitle(
        f"Digits, plain networks of width {results.settings['width']}: median test accuracy after "
        f"{results.settings['steps']} Adam steps",
        x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold",
    )  # fmt: skip
    figure.supxlabel(
        f"{len(results.settings['seeds'])} seeds at the best of {len(results.settings['learning_rates'])} learning "
        "rates; a lost (diverged) network counts as a guess, 0.1; framed: best of its column",
        x=0.01, ha="left", color=MUTED, fontsize=9,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _panel(ax: Axes, results: Results, depth: int, colour: Any) -> None:
    from matplotlib.patches import Rectangle

    seeds = len(results.settings["seeds"])
    for column, activation in enumerate(ACTIVATIONS):
        best = results.best(depth, activation)
        for row, scheme in enumerate(SCHEMES):
            record = results.at(depth, activation, scheme)
            fill, text, ink = BLANK, "not measured" if record is None else "no answer", MUTED
            strong = False
            if record is not None and record["status"] == "measured":
                fill = colour(record["median"])
                text = _text(record, seeds)
                ink = PAPER if record["median"] > DARK * (1.0 - CHANCE) + CHANCE else INK
                strong = best is not None and record["median"] >= max(best[1], LEARNED)
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=fill, edgecolor=PAPER, linewidth=1.5))
            if strong:
                ax.add_patch(
                    Rectangle((column + 0.035, row + 0.07), 0.93, 0.86, fill=False, edgecolor="#e69f00", linewidth=2.0)
                )
            ax.text(
                column + 0.5, row + 0.5, text, ha="center", va="center", color=ink,
                fontsize=9 if record is not None and record["status"] == "measured" else 7.5,
                fontweight="bold" if strong else "normal",
            )  # fmt: skip
    ax.axhline(len(SCHEMES) - len(OURS), color=INK, linewidth=1.0)
    ax.set_xlim(0, len(ACTIVATIONS))
    ax.set_ylim(len(SCHEMES), 0)
    ax.set_xticks([i + 0.5 for i in range(len(ACTIVATIONS))], ACTIVATIONS)
    ax.set_yticks([i + 0.5 for i in range(len(SCHEMES))], [TITLES[s] for s in SCHEMES])
    ax.tick_params(length=0, labelsize=9, labelcolor=INK)
    ax.set_title(f"depth {depth}", loc="left", fontsize=10.5, color=INK)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _text(record: dict[str, Any], seeds: int) -> str:
    if record["lost"] == seeds:
        return "all lost"
    return f"{record['median']:.3f}" + (f" · {record['lost']} lost" if record["lost"] else "")
