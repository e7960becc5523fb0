"""The verdict in plain language, from what the parts found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgewise.report.model import Subject
from edgewise.report.notation import number
from edgewise.report.results import training_summary

Level = Literal["yes", "care", "no", "unknown"]

CLASS_NAME = {
    "scale_invariant": "scale-invariant",
    "half_stable": "half-stable",
    "k_star_zero": "K* = 0, stable",
    "k_star_zero_unstable": "K* = 0, unstable",
    "none": "no critical point",
}
"""Universality classes as people write them."""

_HEADLINE: dict[str, tuple[Level, str]] = {
    "scale_invariant": ("yes", "Trains deep: signals of any size pass through unchanged."),
    "half_stable": ("yes", "Trains deep when it starts at its critical kernel."),
    "k_star_zero": ("yes", "Trains deep: the signal fades only slowly and never blows up."),
    "k_star_zero_unstable": ("care", "Trains deep only if the signal starts small."),
    "none": ("no", "No initialisation keeps both signal and gradient alive through many layers."),
}


_LEARNED, _TRIED = 0.7, 0.1
"""Shares of the way from guessing to no mistake: from the first on networks learned, below the second they did not."""

_LARGE = 0.5
"""V/(n K**2) from which networks of one kind differ so much that their mean says little about one of them."""


@dataclass(frozen=True)
class Verdict:
    """The headline is one short sentence; theory and evidence are a sentence or two each, empty where unknown."""

    level: Level
    headline: str
    theory: str
    evidence: str

    def to_dict(self) -> dict[str, str]:
        return {"level": self.level, "headline": self.headline, "theory": self.theory, "evidence": self.evidence}


def verdict(subject: Subject) -> Verdict:
    """What to tell someone who reads nothing else."""
    part = subject.parts["theory"]
    if part.data is None:
        told = {"failed": "Theory has no answer for this activation.", "waiting": "Not examined yet."}
        headline = told.get(part.status, "The theory was interrupted.")
        measured = training_summary(subject)
        return Verdict("unknown", headline, part.message, measured.sentence if measured else "")
    level, headline = _HEADLINE[part.data["universality_class"]]
    measured = training_summary(subject)
    theory = theory_sentence(part.data)
    if measured is None:
        return Verdict(level, headline, theory, "")
    if measured.score is not None and measured.score < _LEARNED and level != "no":
        outcome = "learned only in part" if measured.score > _TRIED else "did not learn"
        level = "care"
        headline = f"Its signal survives depth, but {measured.depth} layers of width {measured.width} {outcome}."
        theory = f"{theory}{_fluctuations(subject, measured.width)}"
    return Verdict(level, headline, theory, measured.sentence)


def theory_sentence(data: Mapping[str, Any]) -> str:
    """The class and the numbers of the preferred critical point, or why there is none, in a sentence or two."""
    critical = data["critical"]
    start = deepest(data["recommended"])
    match data["universality_class"]:
        case "scale_invariant":
            c_w = number(critical["c_w"], 6)
            return f"With weight variance C_W/fan-in, C_W = {c_w}, and no bias, every layer keeps the kernel."
        case "half_stable":
            return (
                f"At C_W = {number(critical['c_w'], 6)}, C_b = {number(critical['c_b'], 6)} the kernel "
                f"K* = {number(critical['kernel'], 6)} reproduces itself and gradients keep their size; it "
                f"{critical['stability']}, so start at K* or slightly {critical['stability'].split()[-1]}."
            )
        case "k_star_zero":
            return (
                f"At C_W = {number(critical['c_w'], 6)} without bias the kernel falls slowly towards 0, "
                "so signal and gradient shrink like powers of the depth, not exponentially."
            )
        case "k_star_zero_unstable":
            text = (
                f"Its only critical point, C_W = {number(critical['c_w'], 6)} without bias, is K* = 0 and repels: "
                "the kernel grows from layer to layer and blows up if it starts too large."
            )
            if start is not None:
                depth, made = start
                text += f" A first-layer kernel of K⁽¹⁾ = {number(made['k0'], 3)} is small enough for {depth} layers."
            return text
        case _:
            return str(data["reason"]).partition(". ")[0].rstrip(".") + "."


def _fluctuations(subject: Subject, width: int) -> str:
    """Why networks that theory calls critical may still fail: they are too deep for their width. Empty where they
    are not.

    The growth of the four-point vertex, V/(n K**2), is a first-order result, here only compared with 1.
    """
    flow = subject.data("flow")
    relative = flow["band"].get("relative_vertex") if flow else None
    if not relative or relative[-1] is None or relative[-1] / width < _LARGE:
        return ""
    return (
        f" That holds for wide networks: at {len(relative)} layers of width {width} the spread between networks, "
        f"V/(nK²) = {number(relative[-1] / width, 2)} to first order, is not small. Wider or shallower networks will "
        "do better."
    )


def deepest(by_depth: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]] | None:
    """(depth, value) of the largest depth that has a value."""
    known = [(int(depth), value) for depth, value in by_depth.items() if value is not None]
    return max(known, key=lambda pair: pair[0], default=None)
