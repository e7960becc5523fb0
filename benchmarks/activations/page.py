"""The page and the picture, from the numbers alone."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, PAPER, LINE = "#1c2128", "#57606b", "#ffffff", "#d5dae0"
COLOURS = {"same": "#1f6fae", "nearest": "#d9822b"}
LABELS = {"same": "against the same function in torch", "nearest": "against the nearest built-in"}


_ABOUT = """\
An activation here is a formula, which torch evaluates in a pass over memory for every operation: some ten for forward
and backward of MRePU, against two of `nn.ReLU`. So for tensors of 4096 elements and more its value and its gradient are
compiled from that formula by [llvmlite](https://pypi.org/project/llvmlite/) into one pass each. exp, tanh and erfc in
float32 are our own, the other elementary functions are those that torch itself uses, and torch's own threads share the
work.

One tensor is saved: the value where it says on which line it lies (the rectifiers, hardtanh, the shrinkage operators),
which the next layer keeps anyway, so that it costs nothing; x elsewhere. torch saves the value of tanh and sigmoid too,
but in float32 1 - y² has lost three digits of the slope at |x| = 4 and all of them at 10, so here it is x. The identity
saves nothing.

Where llvmlite is missing, under `torch.func`, `torch.compile`, tracing and export, for second derivatives, for learned
parameters and for functions of your own the formula runs as it is. `torch.compile` is also given the closed form of the
slope, where torch has no derivative of its own for the activation. Kernels and formulas agree to rounding:
piecewise polynomials to the last bit, the others within 64 units in the last place of the value and of what rounding x
does to it (most within 2). No kernel is used before it has been compared with its formula. `EDGEWISE_KERNELS=0` turns
the compiled route off; `edgewise doctor` says which one is active. On a GPU the same programs go through torch's
run-time compiler (`torch.cuda.jiterator`); their text is tested as C++, but no GPU has run them yet."""


def write(results: dict[str, Any], page: Path, picture: Path) -> None:
    from edgewise.files import write_text

    draw(results, picture)
    write_text(page, text(results, picture.name))


def _cells(results: dict[str, Any], **wanted: Any) -> list[dict[str, Any]]:
    return [c for c in results["cells"] if all(c[k] == v for k, v in wanted.items())]


def _plain(results: dict[str, Any], elements: int, what: str = "both") -> list[dict[str, Any]]:
    """float32, one thread, eager, against torch's functions."""
    cells = _cells(results, elements=elements, what=what, dtype="float32", threads=1, compiled=False)
    return [c for c in cells if c["kind"] in COLOURS]


def _sizes(results: dict[str, Any]) -> list[int]:
    return sorted({c["elements"] for c in results["cells"]})


def _size(n: int) -> str:
    mantissa, exponent = f"{n:.1e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _ratio(c: dict[str, Any]) -> str:
    return f"{c['ratio']:.2f} ({c['low']:.2f}–{c['high']:.2f})"


def text(results: dict[str, Any], picture: str) -> str:
    made = results["provenance"]
    sizes = _sizes(results)
    cold = list(results["cold_start_seconds"].values())
    lines = [
        "# How fast activations are",
        "",
        "Written by `python -m benchmarks.activations`; do not edit by hand.",
        "",
        f"![Time of forward and backward against torch's built-in functions](images/{picture})",
        "",
        _ABOUT,
        "",
        f"First use of an activation: {statistics.median(cold) * 1e3:.0f} ms more than later ones "
        f"(median; worst {max(cold) * 1e3:.0f} ms), once a process.",
        "",
        f"Route: {results['route']}. {made['device']}, {made['revision'] or 'no revision'}, "
        f"{made['seconds']:.0f} s in all, load {results['load']:.1f} at the end.",
        "",
        *(["**A quick look on small tensors, not the full run.**", ""] if results["quick"] else []),
        "## Every activation, forward and backward",
        "",
        "Time over torch's, one thread (its own time, not the wall's), float32: median over interleaved pairs (range);",
        "below 1 we are faster.",
        "Bandwidth: least possible traffic over time, as a share of a copy's, at "
        + f"{_size(16_000_000 if 16_000_000 in sizes else sizes[-1])} elements. Every second",
        "tensor of a copy is written, to new memory, and two of five here, so that it can exceed 100 %; the identity",
        "moves nothing backward.",
        "Saved: bytes an element kept for the backward pass, ours and torch's.",
        "",
        "| activation | against | " + " | ".join(_size(n) for n in sizes) + " | bandwidth | saved |",
        "|---|---|" + "---|" * (len(sizes) + 2),
    ]
    middle = 16_000_000 if 16_000_000 in sizes else sizes[-1]
    for first in sorted(_plain(results, sizes[0]), key=lambda c: c["activation"]):
        row = [_match(results, first, n) for n in sizes]
        at = row[sizes.index(middle)]
        star = "" if first["kind"] == "same" else " (nearest)"
        lines.append(
            f"| {first['activation']} | {first['against']}{star} | "
            + " | ".join(_ratio(c) for c in row)
            + f" | {at['bandwidth']:.0%} | {at['saved']:g}, {at['theirs_saved']:g} |"
        )
    lines += ["", *_others(results), "## Reached", "", *_reached(results, sizes), ""]
    return "\n".join(lines)


def _match(results: dict[str, Any], like: dict[str, Any], elements: int) -> dict[str, Any]:
    return next(c for c in _plain(results, elements) if c["activation"] == like["activation"])


def _others(results: dict[str, Any]) -> list[str]:
    groups = {
        "bfloat16, one thread": _cells(results, dtype="bfloat16", what="both"),
        "float32, two threads": _cells(results, threads=2, what="both"),
        "float32, one thread, both under torch.compile": _cells(results, compiled=True, what="both"),
        "float32, one thread, against the naive formula": _cells(results, kind="naive", what="both"),
        "against Liger's squared ReLU": _cells(results, kind="peer", what="both"),
    }
    lines: list[str] = []
    for title, cells in groups.items():
        if not cells:
            continue
        lines += [f"## {title}", "", "| activation | against | elements | time over theirs |", "|---|---|---|---|"]
        lines += [f"| {c['activation']} | {c['against']} | {_size(c['elements'])} | {_ratio(c)} |" for c in cells]
        lines.append("")
    return lines


def _reached(results: dict[str, Any], sizes: list[int]) -> list[str]:
    lines = []
    for elements in sizes:
        cells = _plain(results, elements)
        mrepu = next((c for c in cells if c["activation"] == "mrepu"), None)
        bound = 1.1 if elements >= 16_000_000 else 1.5
        if mrepu is not None and elements >= 1_000_000:
            verdict = "reached" if mrepu["ratio"] <= bound else "missed"
            lines.append(f"* MRePU at {_size(elements)}: {mrepu['ratio']:.2f}× F.relu, aim {bound}×: {verdict}.")
        slow = [c for c in cells if c["ratio"] > 1.3 and c["activation"] != "mrepu"]
        told = ", ".join(f"{c['activation']} {c['ratio']:.2f}" for c in sorted(slow, key=lambda c: -c["ratio"]))
        lines.append(
            f"* The others at {_size(elements)}, aim 1.3×: {len(cells) - 1 - len(slow)} of {len(cells) - 1} reached"
            + (f"; missed: {told}." if slow else ".")
        )
    return lines


def draw(results: dict[str, Any], path: Path) -> None:
    """One row an activation, one panel a size: the ratio with its range, on a logarithmic axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = [n for n in _sizes(results) if n >= 1_000_000][:2] or _sizes(results)[-1:]
    order = sorted(_plain(results, sizes[-1]), key=lambda c: -c["ratio"])
    names = [c["activation"] for c in order]
    figure = Figure(figsize=(9.6, 1.6 + 0.2 * len(names)), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(sizes), squeeze=False, sharey=True)[0]
    for ax, elements in zip(axes, sizes, strict=True):
        _panel(ax, {c["activation"]: c for c in _plain(results, elements)}, names, elements)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    figure.suptitle(
        "Forward and backward: our time over torch's (float32, one thread)",
        x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold",
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _panel(ax: Axes, cells: dict[str, dict[str, Any]], names: list[str], elements: int) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ax.set_facecolor(PAPER)
    ax.axvline(1.0, color=INK, linewidth=1.0)
    ax.axvline(1.3, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    for kind, colour in COLOURS.items():
        places = [i for i, n in enumerate(names) if n in cells and cells[n]["kind"] == kind]
        found = [cells[names[i]] for i in places]
        ax.hlines(places, [c["low"] for c in found], [c["high"] for c in found], color=colour, linewidth=1.2, alpha=0.5)
        marker = "o" if kind == "same" else "D"
        ax.plot([c["ratio"] for c in found], places, marker, color=colour, markersize=4, label=LABELS[kind])
    ax.set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1.0, 1.3, 2.0, 5.0, 10.0]
    low = min(0.5, *(c["ratio"] for c in cells.values())) / 1.2
    high = max(2.0, *(c["ratio"] for c in cells.values())) * 1.2
    ax.set_xlim(low, high)  # a range that leaves the picture is cut: a disturbed pair, not a result
    ax.xaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    ax.set_yticks(range(len(names)), names, fontsize=8, color=INK)
    ax.set_ylim(-0.8, len(names) - 0.2)
    ax.grid(axis="y", color=LINE, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, labelsize=8, colors=MUTED)
    ax.tick_params(axis="y", labelcolor=INK)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(f"{_size(elements)} elements", loc="left", fontsize=10, color=INK)
