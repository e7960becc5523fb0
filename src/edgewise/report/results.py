"""What the training check found, in sentences and table cells.

The data are `Trainability.to_dict()`: "runs" holds every depth, initialisation and learning rate; "chosen" marks the
best learning rate of each depth and initialisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.report.cells import Cell, Head, Table
from edgewise.report.model import Subject
from edgewise.report.notation import number
from edgewise.report.schemes import RECOMMENDED, SCHEME_NAME

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """The deepest networks.

    sentence: all initialisations in words; cells: their accuracy, as SCHEME_NAME orders them; score: how far the
    recommended initialisation came from guessing (0) to no mistake (1), None where it was not tried.
    """

    depth: int
    width: int
    sentence: str
    cells: tuple[str, ...]
    score: float | None


def training_summary(subject: Subject) -> Summary | None:
    """What the deepest trained networks showed, None where there are none."""
    data = subject.data("training")
    if data is None or not data["runs"]:
        return None
    depth = max(data["depths"])
    runs = {run["scheme"]: run for run in chosen(data) if run["depth"] == depth}
    told = [_told(runs[scheme]) for scheme in SCHEME_NAME if scheme in runs]
    sentence = (
        f"on handwritten digits, networks of {depth} layers: {'; '.join(told)}. "
        f"({data['seeds']} seeds each; guessing gives {_percent(data['chance'])}.)"
    )
    cells = tuple(_score(runs[scheme]) if scheme in runs else "–" for scheme in SCHEME_NAME)
    made, chance = runs.get(RECOMMENDED), float(data["chance"])
    score = None if made is None else (float(made["mean"]) - chance) / (1.0 - chance)
    return Summary(depth, data["width"], sentence, cells, score)


def describe(data: Data) -> str:
    """Every depth and initialisation with its mean accuracy, for those who cannot see the picture."""
    return "; ".join(f"{run['depth']} layers, {SCHEME_NAME[run['scheme']]}: {_score(run)}" for run in chosen(data))


def chosen(data: Data) -> list[Data]:
    """The runs at their best learning rate, by depth, initialisations in the order of SCHEME_NAME."""
    order = list(SCHEME_NAME)
    found = [run for run in data["runs"] if run["chosen"]]
    return sorted(found, key=lambda run: (run["depth"], order.index(run["scheme"])))


def training_table(subject: Subject) -> list[Table]:
    """Accuracy and learning rate by depth and initialisation."""
    data = subject.data("training")
    if data is None or not data["runs"]:
        return []
    numeric = ("C_W", "C_b", "K⁽¹⁾", "learning rate", "test accuracy", "worst … best seed", "diverged")
    head = (Head("layers", True), Head("initialisation"), *(Head(name, True) for name in numeric))
    rows = tuple(
        (
            Cell(str(run["depth"]), "n"),
            Cell(SCHEME_NAME[run["scheme"]]),
            Cell(number(run["c_w"], 4), "n"),
            Cell(number(run["c_b"], 3), "n"),
            Cell(number(run["k0"], 3), "n"),
            Cell(number(run["learning_rate"], 2), "n"),
            Cell(_score(run), "n best" if run["scheme"] == RECOMMENDED else "n"),
            Cell(_range(run), "n"),
            Cell(f"{sum(run['diverged'])} of {len(run['diverged'])}", "n"),
        )
        for run in chosen(data)
    )
    return [Table("The numbers of the training check", head, rows, _method(data))]


def best_rate(subject: Subject, depth: int) -> float | None:
    """The learning rate that was best for the recommended initialisation at this depth, None where it was not tried."""
    data = subject.data("training")
    runs = chosen(data) if data else []
    found = [run for run in runs if (run["depth"], run["scheme"]) == (depth, RECOMMENDED)]
    return float(found[0]["learning_rate"]) if found and not all(found[0]["diverged"]) else None


def _method(data: Data) -> str:
    said = ". ".join([data["method"], *data["missing"]])
    return f"{said[0].upper()}{said[1:]}."


def _score(run: Data) -> str:
    if all(run["diverged"]):
        return "diverged"
    return f"{_percent(run['mean'])} ± {100 * run['spread']:.1f}"


def _range(run: Data) -> str:
    return f"{100 * min(run['accuracy']):.1f} … {100 * max(run['accuracy']):.1f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _told(run: Data) -> str:
    lost, count = sum(run["diverged"]), len(run["diverged"])
    called = "the least bad initialisation" if run["principle"] == "least_bad" else _CALLED[run["scheme"]]
    if lost == count:
        return f"every run diverged with {called}"
    some = f" ({lost} of {count} runs diverged)" if lost else ""
    return f"{_score(run)} accuracy with {called}{some}"


_CALLED = {
    "recommended": "the recommended initialisation",
    "he": "He's",
    "pytorch": "PyTorch's default",
}
