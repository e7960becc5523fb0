"""Turns a pytest-benchmark JSON into the tables of README.md: ``python -m benchmarks results.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def tables(results: dict[str, Any]) -> str:
    """Markdown: what was compared with a peer (ratio, errors), then what was timed alone."""
    info = [b["extra_info"] for b in results["benchmarks"]]
    lines = [
        "| work | peer | peer's time / ours: median (range) | pairs | our error | peer's error |",
        "|---|---|---|---|---|---|",
    ]
    for row in (i for i in info if "peer" in i):
        ratio = f"{_number(row['ratio'])} ({_number(row['ratio_low'])}–{_number(row['ratio_high'])})"
        if "again" in row:
            ratio += f"; σ known: {_number(row['again'])}"
        errors = f"{row['our_error']:.1e} | {row['their_error']:.1e}"
        lines.append(f"| {row['work']} | {row['peer']} | {ratio} | {row['pairs']} | {errors} |")
    lines += ["", "| work | measured |", "|---|---|"]
    for row in (i for i in info if "peer" not in i):
        rest = ", ".join(
            f"{k.removesuffix('_s').replace('_', ' ')} {v:.3g} s" if k.endswith("_s") else f"{k} {v}"
            for k, v in row.items()
            if k != "work"
        )
        lines.append(f"| {row['work']} | {rest} |")
    machine = results["machine_info"]
    lines += [
        "",
        f"Machine: {machine['cpu'].get('brand_raw', machine['processor'])}, {machine['cpu']['count']} cores, "
        f"Python {machine['python_version']}; {results['datetime'][:10]}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))))
