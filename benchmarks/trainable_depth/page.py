"""docs/trainable_depth.md: what was measured, in tables and in words, all of it computed from the results file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.trainable_depth.ask import peers
from benchmarks.trainable_depth.heatmap import draw
from benchmarks.trainable_depth.results import LEARNED, RESULTS, ROOT, Duel, Results, collected, duels, load, save
from benchmarks.trainable_depth.settings import ACTIVATIONS, CELLS, SCHEMES, TITLES
from edgewise.train.training import LOSS_BOUND

PAGE = ROOT / "docs" / "trainable_depth.md"
PICTURE = ROOT / "docs" / "images" / "trainable_depth.png"

REACH_DEPTH = 100
REACH = (("relu2", 0.93), ("mrepu(p=2)", 0.93))
"""What this project wants of tailored activations at depth 100: this median, and no seed lost."""

HEAD = """# How deep does a plain network train?

Written by `python -m benchmarks.trainable_depth table` from `docs/results/trainable_depth.json`; do not edit by hand.

![Test accuracy of every scheme, activation and depth](images/trainable_depth.png)
"""


def write_all(cells: Path | None) -> list[Path]:
    """The results file (from the cells, where a folder is given), the picture and the page; their paths."""
    if cells is not None:
        save(collected(cells))
    results = load()
    draw(results, PICTURE)
    PAGE.write_text(page(results), encoding="utf8")
    return [RESULTS, PICTURE, PAGE]


def page(results: Results) -> str:
    """The whole page."""
    parts = [HEAD, _method(results), _schemes(results), "## Results\n\n" + _legend(results)]
    parts += [_table(results, depth) for depth in results.depths]
    parts += [_comparison(results), _lost(results), _cost(results)]
    return "\n".join(parts)


def _prose(*sentences: str, bullet: bool = False) -> str:
    """A paragraph, or an item of a list, filled to the width of the sources."""
    first, rest = ("* ", "  ") if bullet else ("", "")
    return textwrap.fill(
        " ".join(sentences), 118, initial_indent=first, subsequent_indent=rest, break_long_words=False,
        break_on_hyphens=False,
    ) + "\n"  # fmt: skip


def _method(results: Results) -> str:
    s, data = results.settings, results.data
    rates = ", ".join(f"{rate:.3g}" for rate in s["learning_rates"])
    text = _prose(
        "Plain fully connected networks, no skip connection, no normalisation layer: `depth` hidden layers of",
        f"{s['width']} units with the activation after each, then {data['classes']} outputs.",
        f"Data: {data['name']}, {data['train']} training, {data['validation']} validation and {data['test']} test",
        f"images; {data['normalisation']}, the same for every scheme.",
        f"Training: {s['steps']} steps of Adam (torch's defaults) at a constant learning rate, batches of",
        f"{s['batch']}, {len(s['seeds'])} seeds at each of the learning rates {rates}.",
        "The rate is chosen for every cell by itself, by mean accuracy on the validation images; the numbers are test",
        "accuracy. A network has diverged, and counts as lost, when a loss or gradient is not finite or the loss",
        f"passes {LOSS_BOUND:.0f}; its accuracy then counts as that of a guess, {1 / data['classes']:g}. A network",
        "that merely learns nothing is not lost: it shows an accuracy near that. Seeds share their batches, so",
        "schemes are compared on equal terms. Steps and batch were chosen by their cost before any result was seen.",
    )
    return f"## What was measured\n\n{text}"


def _schemes(results: Results) -> str:
    version = {name: known["version"] for name, known in peers().items()}
    items = (
        "**PyTorch default**: `nn.Linear` as it is. **He**: normal, variance 2/fan-in, no bias, in every layer.",
        f'**AnyInit** {version["anyinit"]}: `anyinit.initialize(model, "analytic", …)` on this very network; functions '
        "that it does not know are registered as its README shows.",
        f"**dks** {version['dks']}: its transformed activation for a chain of this depth with its default targets, its "
        "scaled-uniform orthogonal weights, no bias. Instead of ReLU it asks for the leaky ReLU, which is what stands "
        "in its ReLU column. The inputs have mean square 1, as it wants them; its optional extra coordinate is left "
        "out.",
        "**edgewise critical**: `theory.recommend` for this depth and width with orthogonal weights, outputs of "
        "variance 1, as `ew.init.critical_` does it, one learning rate for all layers (the layer-wise rates of the "
        "theory are for SGD).",
        "**edgewise tailored**: `ew.tailor(a, depth=…, width=…)`, then the same. Orthogonal weights were preferred to "
        "normal ones after a pilot at depths 50 and 100 (gelu critical; relu2 and mrepu(p=2) tailored, where they "
        "raised the median accuracy by 0.03 and 0.05), on seeds 0, 1 and 2; the table is measured on others.",
    )
    text = "".join(_prose(item, bullet=True) for item in items)
    return f"Every scheme as its own documentation has it:\n\n{text}{_refusals(results)}"


def _refusals(results: Results) -> str:
    """Who had no answer for what, in the words the scheme gave, cut to their first sentence."""
    cells: dict[str, list[str]] = {}
    for record in results.cells.values():
        if record["status"] != "measured":
            words = record["reason"].partition(". ")[0].rstrip(".")
            cells.setdefault(f"{TITLES[record['scheme']]}: {words}", []).append(
                f"{record['activation']} at {record['depth']}"
            )
    text = "".join(_prose(f"{reason} ({', '.join(where)}).", bullet=True) for reason, where in sorted(cells.items()))
    return f"\nNo answer, in the scheme's own words:\n\n{text}" if text else ""


def _legend(results: Results) -> str:
    return _prose(
        f"Median test accuracy over {len(results.settings['seeds'])} seeds (lowest to highest) at the chosen learning",
        "rate; bold: the best of its row. The standard error of an accuracy of 0.95 on",
        f"{results.data['test']} images is {results.resolution:.3f}: smaller differences say nothing.",
    )


def _table(results: Results, depth: int) -> str:
    lines = [f"### Depth {depth}\n", "| activation | " + " | ".join(TITLES[s] for s in SCHEMES) + " |"]
    lines.append("|---" * (len(SCHEMES) + 1) + "|")
    for activation in ACTIVATIONS:
        best = results.best(depth, activation)
        cells = [_entry(results, results.at(depth, activation, scheme), best) for scheme in SCHEMES]
        lines.append(f"| `{activation}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _entry(results: Results, record: dict[str, Any] | None, best: tuple[str, float] | None) -> str:
    if record is None:
        return "not measured"
    if record["status"] != "measured":
        return "no answer"
    seeds = len(results.settings["seeds"])
    if record["lost"] == seeds:
        return "all lost"
    median = f"{record['median']:.3f}"
    if best is not None and record["median"] >= max(best[1], LEARNED):
        median = f"**{median}**"
    lost = f", {record['lost']} lost" if record["lost"] else ""
    return f"{median} ({record['low']:.3f}–{record['high']:.3f}) at {record['learning_rate']:.1e}{lost}"


def _comparison(results: Results) -> str:
    found, grain = list(duels(results)), results.resolution
    behind = sorted((d for d in found if d.ahead < 0.0), key=lambda d: d.ahead)
    clearly, ahead = sum(-d.ahead > grain for d in behind), sum(d.ahead > grain for d in found)
    text = _prose(
        "The better of the two edgewise schemes beside the best peer, for every activation and depth at which anything",
        f"learned, {len(found)} in all: ahead by more than the standard error of a test accuracy ({grain:.3f}) in",
        f"{ahead}, behind by more than that in {clearly}, within it in {len(found) - ahead - clearly}.",
        "A peer's median is the higher one in:" if behind else "No peer's median is higher anywhere.",
    )
    listed = f"\n{_listed(behind)}" if behind else ""
    return f"## Where peers win\n\n{text}{listed}{''.join(_reach(results))}"


def _listed(found: list[Duel]) -> str:
    rows = [
        f"| {d.depth} | `{d.activation}` | {TITLES[d.peer[0]]} {d.peer[1]:.3f} "
        f"| {TITLES[d.ours[0]]} {d.ours[1]:.3f} | {-d.ahead:.3f} |"
        for d in found
    ]
    head = "| depth | activation | best peer | better of ours | difference |\n|---|---|---|---|---|"
    return "\n".join([head, *rows, ""])


def _reach(results: Results) -> Iterator[str]:
    for activation, wanted in REACH:
        record = results.at(REACH_DEPTH, activation, "tailored")
        if record is not None and record["status"] == "measured":
            met = record["median"] >= wanted and record["lost"] == 0
            yield "\n" + _prose(
                f"The aim for tailored `{activation}` at depth {REACH_DEPTH}, a median of {wanted} and no seed lost,",
                f"is {'reached' if met else 'not reached'}: {record['median']:.3f}, {record['lost']} lost.",
            )


def _lost(results: Results) -> str:
    """How each scheme stands with seeds lost over all its learning rates, not at the best one alone."""
    lines = [
        "## Robustness\n",
        "Networks lost, and networks that ended at a test accuracy of at least 0.9, of all that were trained: every",
        "activation for which the scheme has an answer, every learning rate, every seed.",
        "",
        "| scheme | " + " | ".join(f"lost at {d} | ≥ 0.9 at {d}" for d in results.depths) + " |",
        "|---" * (2 * len(results.depths) + 1) + "|",
    ]
    for scheme in SCHEMES:
        row = []
        for depth in results.depths:
            runs = [
                (at, right)
                for a in ACTIVATIONS
                if (r := results.at(depth, a, scheme)) is not None and r["status"] == "measured"
                for ats, rights in zip(r["diverged_at"], r["accuracy"], strict=True)
                for at, right in zip(ats, rights, strict=True)
            ]
            lost, good = sum(at > 0 for at, _ in runs), sum(right >= 0.9 for _, right in runs)
            row += [f"{lost} of {len(runs)}", f"{good} of {len(runs)}"] if runs else ["–", "–"]
        lines.append(f"| {TITLES[scheme]} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _cost(results: Results) -> str:
    origins = [record["provenance"] for record in results.cells.values()]
    hours = sum(record["cpu_seconds"] for record in results.cells.values()) / 3600.0
    threads = "/".join(str(n) for n in sorted({origin["threads"] for origin in origins}))
    versions = ", ".join(sorted({f"torch {origin['torch']}" for origin in origins}))
    revisions = ", ".join(sorted({str(origin["revision"])[:8] for origin in origins}))
    text = _prose(
        f"{len(origins)} cells, {hours:.1f} hours of processor time ({threads} thread a cell; all seeds and",
        f"learning rates of a cell are one batched program); {versions}; revisions {revisions}.",
        "Again: `python -m benchmarks.trainable_depth --workers 2`, then",
        f"`python -m benchmarks.trainable_depth table --cells {CELLS}`.",
    )
    return f"## Cost\n\n{text}"
