"""The tables of a measurement, in Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.ensembles.settings import REACH


def tables(results: dict[str, Any]) -> str:
    """Share of the product rate beside its aim, times as fast as each peer; a machine line under them."""
    lines = []
    peers = list(results["cases"][0]["times_as_fast"])
    for threads in sorted({case["threads"] for case in results["cases"]}):
        rows = [case for case in results["cases"] if case["threads"] == threads]
        heads = ["hidden layers", "batch", "activation", "bmm, GFLOP/s", "share of it (range)", "aim", "whole loop"]
        heads += ["compiled"] if "compiled" in rows[0]["share"] else []
        heads += [f"× {name}" for name in peers]
        word = "thread" if threads == 1 else "threads"
        lines += [f"{threads} {word}:", "", _row(heads), _row(["---"] * len(heads))]
        for case in rows:
            share, low, high = case["share"]["edgewise"]
            cells = [case["depth"], case["batch"], case["activation"], f"{case['product_gflops']:.0f}"]
            cells += [f"{share:.2f} ({low:.2f}–{high:.2f})", REACH[case["batch"]]]
            cells += [
                f"{case['share'][name][0]:.2f}" for name in ("training loop", "compiled") if name in case["share"]
            ]
            cells += [f"{case['times_as_fast'][name][0]:.2g}" for name in peers]
            lines.append(_row(cells))
        lines.append("")
    machine = results["machine"]
    lines.append(
        f"Machine: {machine['device']}; torch {machine['torch']}, jax {machine['jax']}; {machine['rounds']} rounds; "
        f"{machine['date']}."
    )
    return "\n".join(lines)


def convolutional(rows: list[dict[str, Any]]) -> str:
    """The table of convolutional ensembles."""
    peers = list(rows[0]["times_as_fast"])
    heads = ["networks", "threads", "a step of all, ms", *[f"× {name} (range)" for name in peers]]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row["case"], str(row["threads"]), f"{row['edgewise_ms']:.3g}"]
        cells += ["{:.2g} ({:.2g}–{:.2g})".format(*row["times_as_fast"][name]) for name in peers]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def misses(results: dict[str, Any]) -> list[str]:
    """In words, every aim that was not reached."""
    found = []
    for case in results["cases"]:
        where = f"{case['activation']}, {case['depth']} layers, batch {case['batch']}, {case['threads']} thread(s)"
        share, aim = case["share"]["edgewise"][0], REACH[case["batch"]]
        if share < aim:
            found.append(f"{where}: share {share:.2f}, aim {aim}")
        for name, (times, *_) in case["times_as_fast"].items():
            least = 5.0 if name == "loop" else 1.0
            if times < least:
                found.append(f"{where}: {times:.2g} times as fast as {name}, aim {least:g}")
    return found
