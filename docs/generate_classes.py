"""Writes docs/classes.md, the class of every registered activation: ``python docs/generate_classes.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import edgewise as ew
from edgewise.theory.critical_point import CriticalPoint

PAGE = Path(__file__).with_name("classes.md")

MEMBERS = ("mrepu(p=1)", "mrepu(p=3)", "repu(p=3)", "swish(beta=2)", "celu(alpha=2)")
"""Shown beside each family at its default parameters."""

SECTIONS = {
    "half_stable": (
        "Half-stable, K* > 0",
        "χ∥ = χ⊥ = 1 at a finite K*, which attracts from one side and repels on the other. Aim K⁽¹⁾ at K*.",
    ),
    "scale_invariant": (
        "Scale-invariant",
        "σ(cx) = c σ(x) for c > 0: every K is a fixed point and stays where it starts.",
    ),
    "k_star_zero": (
        "K* = 0, stable",
        "K shrinks towards 0 by a power of depth, or more slowly, and the susceptibilities settle at 1.",
    ),
    "k_star_zero_unstable": (
        "K* = 0, unstable",
        "K grows away from 0: critical only in the limit of a small first kernel. Choose K₀ for the depth.",
    ),
    "none": (
        "No critical point",
        "No (C_b ≥ 0, C_W) makes χ∥ = χ⊥ = 1 at any K.",
    ),
}

HEAD = """# The universality class of every registered activation

Written by `python docs/generate_classes.py`; do not edit by hand (a test compares it with what `ew.analyze` says).

The critical point is the solution of χ∥(K\\*) = χ⊥(K\\*) = 1, K\\* = C_b + C_W g(K\\*) with C_b ≥ 0: weights of
variance C_W over fan-in and biases of variance C_b then neither blow up nor wash out a signal or its gradients. Where
an activation has several solutions the preferred one is shown and the others are in the notes. Parameters are at their
defaults unless shown. For any other parameters, or any formula: `edgewise analyze "mrepu(p=2.5)"`.
"""


def rows() -> Iterator[tuple[str, str, str]]:
    """(class, spec, Markdown row) of every activation, by name."""
    for spec in sorted([*ew.activations(), *MEMBERS]):
        r = ew.analyze(spec)
        point = r.critical
        cells = (
            f"`{spec}`",
            *(("–", "–", "–", "–") if point is None else _numbers(point)),
            _note(r),
        )
        yield r.universality_class, spec, "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _numbers(p: CriticalPoint) -> tuple[str, str, str, str]:
    kernel = "any" if p.kernel is None else f"{p.kernel:.10g}"
    return kernel, f"{p.c_b:.12g}", f"{p.c_w:.10g}", p.correction


def _note(r: ew.Analysis) -> str:
    if r.critical is None:
        return r.reason.removeprefix("No critical point: ").removeprefix("No critical point with C_b ≥ 0. ")
    p = r.critical
    said = [] if p.universality_class == "scale_invariant" else [str(p.law)]
    if "family" in p.reason:
        said.insert(0, p.reason.partition(";")[0])
    said += [
        f"also K\\* = {q.kernel:.6g}, {q.stability}: C_b = {q.c_b:.6g}, C_W = {q.c_w:.10g}, {q.correction}"
        for q in r.solutions[1:]
    ]
    if r.activation.definition.surrogate is not None:
        said.append("of the forward map; " + r.reason.rpartition("; ")[2].rstrip("."))
    return "; ".join(said)


def page() -> str:
    """The whole page."""
    found = list(rows())
    parts = [HEAD]
    for name, (title, text) in SECTIONS.items():
        parts.append(f"\n## {title}\n\n{text}\n")
        parts.append("| activation | K\\* | C_b | C_W | leading correction | notes |\n|---|---|---|---|---|---|")
        parts += [row for universality_class, _, row in found if universality_class == name]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
