"""The tables of a measurement, in Markdown, and what was not reached."""

from __future__ import annotations

from typing import Any

from benchmarks.pinn.cases import AIMS, SAME_LOSS

PEERS = ("nested autograd", "torch.func", "DeepXDE", "edgewise, compiled")


def tables(results: dict[str, Any]) -> str:
    """A table for each number of threads: our time, and how many times as long each peer takes."""
    lines = []
    present = [p for p in PEERS if any(p in row["times_as_fast"] for row in results["cases"])]
    for threads in sorted({row["threads"] for row in results["cases"]}):
        lines += [f"{threads} thread{'s' if threads > 1 else ''}:", ""]
        lines += [_row(["what", "network", "points", "precision", "ours, ms", *present])]
        lines += [_row(["---"] * (5 + len(present)))]
        for row in results["cases"]:
            if row["threads"] == threads:
                cells = [row["operator"], row["network"], row["points"], row["dtype"], f"{1e3 * row['seconds']:.3g}"]
                lines.append(_row([*cells, *(_times(row["times_as_fast"].get(peer)) for peer in present)]))
        lines.append("")
    machine = results["machine"]
    lines.append(
        f"Machine: {machine['processor']}, {machine['cores']} cores; torch {machine['torch']}, DeepXDE "
        f"{machine['deepxde']}; {machine['rounds']} rounds, {machine['clock']}; {machine['date']}."
    )
    return "\n".join(lines)


def _times(found: list[float] | None) -> str:
    return "" if found is None else f"{found[0]:.2f} ({found[1]:.2f}–{found[2]:.2f})"


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def misses(results: dict[str, Any]) -> list[str]:
    """In words, every aim that was not reached."""
    found = []
    for row in results["cases"]:
        for peer, (times, *_) in row["times_as_fast"].items():
            aim = AIMS.get((row["operator"], peer))
            if aim is not None and times < aim:
                found.append(f"{row['case']}: {times:.2f} times as fast as {peer}, aim {aim:g}")
            differs = row["loss_differs"][peer]
            if differs > SAME_LOSS:
                found.append(f"{row['case']}: loss differs from {peer}'s by {differs:.1e}, aim {SAME_LOSS:g}")
    return found
