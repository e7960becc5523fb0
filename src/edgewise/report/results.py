"""What the training check found, in sentences and table cells.

Training data are the list "runs": one entry for each depth and initialisation, at its chosen learning rate, with the
test
accuracy of every seed ("accuracy", None where the run diverged before it could be tested) and "diverged" flags.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.report.model import Subject
from edgewise.report.notation import number
from edgewise.report.schemes import SCHEME_NAME
from edgewise.report.tables import Cell, Head, Table

Data = Mapping[str, Any]

_LEARNED = 3.0
"""An accuracy counts as learned when it is this many times that of guessing."""


@dataclass(frozen=True)
class Summary:
    """sentence: the deepest networks in words; cells: their accuracy by initialisation, as SCHEME_NAME orders them."""

    sentence: str
    cells: tuple[str, ...]


def training_summary(subject: Subject) -> Summary | None:
    """What the deepest trained networks showed, None where there are none."""
    data = subject.data("training")
    if data is None or not data["runs"]:
        return None
    depth = max(run["depth"] for run in data["runs"])
    runs = {run["scheme"]: run for run in data["runs"] if run["depth"] == depth}
    told = [f"{_score(runs[scheme])} with {_called(scheme)}" for scheme in SCHEME_NAME if scheme in runs]
    sentence = (
        f"networks of {depth} layers read handwritten digits with an accuracy of {', '.join(told)} "
        f"({data['seeds']} seeds; guessing gives {_percent(data['chance'])})."
    )
    cells = tuple(_score(runs[scheme]) if scheme in runs else "–" for scheme in SCHEME_NAME)
    return Summary(sentence, cells)


def describe(data: Data) -> str:
    """Every depth and initialisation with its mean accuracy, for those who cannot see the picture."""
    return "; ".join(f"{run['depth']} layers, {SCHEME_NAME[run['scheme']]}: {_score(run)}" for run in data["runs"])


def training_table(subject: Subject) -> list[Table]:
    """Accuracy and learning rate by depth and initialisation."""
    data = subject.data("training")
    if data is None or not data["runs"]:
        return []
    head = (
        Head("layers", True), Head("initialisation"), Head("C_W", True), Head("C_b", True), Head("K⁽¹⁾", True),
        Head("learning rate", True), Head("test accuracy", True), Head("worst … best seed", True), Head("diverged", True),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(str(run["depth"]), "n"),
            Cell(SCHEME_NAME[run["scheme"]]),
            Cell(number(run["c_w"], 4), "n"),
            Cell(number(run["c_b"], 3), "n"),
            Cell(number(run["k0"], 3), "n"),
            Cell(number(run["learning_rate"], 2), "n"),
            Cell(_score(run), "n best" if run["scheme"] == "recommended" else "n"),
            Cell(_range(run), "n"),
            Cell(f"{sum(run['diverged'])} of {len(run['diverged'])}", "n"),
        )
        for run in data["runs"]
    )
    return [Table("The numbers of the training check", head, rows, data["reason"])]


def mean_and_spread(run: Data) -> tuple[float, float]:
    """Mean and standard deviation (0 for one seed) of the accuracy over seeds; a diverged run counts as guessing would."""
    values = [float(a) for a in run["accuracy"]]
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0
    return mean, spread


def _score(run: Data) -> str:
    if all(run["diverged"]):
        return "diverged"
    mean, spread = mean_and_spread(run)
    return f"{_percent(mean)} ± {100 * spread:.1f}"


def _range(run: Data) -> str:
    return f"{100 * min(run['accuracy']):.1f} … {100 * max(run['accuracy']):.1f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _called(scheme: str) -> str:
    return {"recommended": "the recommended initialisation", "he": "He's", "pytorch": "PyTorch's default"}[scheme]
