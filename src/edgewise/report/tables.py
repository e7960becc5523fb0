"""The tables of a report."""

from __future__ import annotations

from edgewise.report.cells import Cell, Head, Table
from edgewise.report.model import ReportData, Subject
from edgewise.report.notation import number
from edgewise.report.results import training_summary
from edgewise.report.schemes import SCHEME_NAME
from edgewise.report.words import CLASS_NAME, verdict


def solutions(subject: Subject) -> list[Table]:
    """Every critical point of an activation; nothing where there is none."""
    theory = subject.data("theory")
    if theory is None or not theory["solutions"]:
        return []
    head = (
        Head("class"),
        Head("K*", True),
        Head("C_W", True),
        Head("C_b", True),
        Head("stability"),
        Head("with depth l"),
    )
    rows = tuple(
        (
            Cell(CLASS_NAME[p["universality_class"]]),
            Cell("any" if p["kernel"] is None else number(p["kernel"], 10), "n"),
            Cell(number(p["c_w"], 10), "n"),
            Cell(number(p["c_b"], 10), "n"),
            Cell(p["stability"]),
            Cell(p["law"]["text"]),
        )
        for p in theory["solutions"]
    )
    return [Table("All critical points", head, rows)]


def recommendations(subject: Subject) -> list[Table]:
    """The recommended initialisation at each depth."""
    theory = subject.data("theory")
    if theory is None:
        return []
    rows = tuple(
        (
            Cell(depth, "n"),
            Cell(number(made["c_w"], 7), "n"),
            Cell(number(made["c_b"], 7), "n"),
            Cell(number(made["k0"], 4), "n"),
            Cell(number(made["initial"]["first_c_w"], 4), "n"),
            Cell(made["reason"]),
        )
        for depth, made in theory["recommended"].items()
        if made is not None
    )
    if not rows:
        return []
    head = (
        Head("layers", True),
        Head("C_W", True),
        Head("C_b", True),
        Head("K⁽¹⁾", True),
        Head("first layer C_W", True),
    )
    return [Table(f"Recommended at each depth (width {theory['width']})", (*head, Head("why")), rows)]


def tailored_conditions(subject: Subject) -> list[Table]:
    """What the tailored activation was to meet, and what it does."""
    data = subject.data("tailored")
    if data is None:
        return []
    rows = tuple(
        (
            Cell(_CONDITION.get(c["name"], c["name"])),
            Cell(number(c["wanted"], 7), "n"),
            Cell(number(c["found"], 7), "n"),
            Cell("✓ met" if c["met"] else f"missed by {number(c['found'] - c['wanted'], 2)}"),
        )
        for c in data["conditions"]
    )
    head = (Head("condition at K = 1"), Head("wanted", True), Head("found", True), Head(""))
    title = f"Tailored for {data['depth']} layers of width {data['width']} ({_METHOD[data['method']]})"
    return [Table(title, head, rows)]


_CONDITION = {
    "<s>": "mean ⟨σ̃⟩",
    "<s^2>": "variance ⟨σ̃²⟩",
    "<s''^2>": "curvature ⟨σ̃″²⟩",
    "chi_parallel": "χ∥",
    "chi_perp": "χ⊥",
    "max(chi)": "largest of χ⊥, χ∥, 1/χ∥",
    "c(0)": "correlation of unrelated inputs, last layer",
}
_METHOD = {"dks": "DKS", "tat": "TAT", "leaky": "TAT, leaky ReLU", "shift": "substitute: DKS has no solution"}


def comparison(report: ReportData) -> Table:
    """One row an activation: verdict, class, recommended initialisation, and accuracy at the largest depth."""
    deepest = max(report.settings["depths"])
    rows = []
    for i, subject in enumerate(report.subjects):
        theory, summary = subject.data("theory"), training_summary(subject)
        made = theory["recommended"].get(str(deepest)) if theory else None
        told = summary.cells if summary else ("–", "–", "–")
        rows.append(
            (
                Cell(subject.spec, href=f"activation-{i + 1}"),
                Cell(_ANSWER[verdict(subject).level]),
                Cell(CLASS_NAME[theory["universality_class"]] if theory else "–"),
                Cell(number(made["c_w"], 5) if made else "–", "n"),
                Cell(number(made["c_b"], 4) if made else "–", "n"),
                Cell(number(made["k0"], 3) if made else "–", "n"),
                *(Cell(text, "n") for text in told),
            )
        )
    texts, numeric = ("activation", "trains deep?", "class"), ("C_W", "C_b", "K⁽¹⁾", *SCHEME_NAME.values())
    head = (*(Head(name) for name in texts), *(Head(name, True) for name in numeric))
    return Table("All activations side by side", head, tuple(rows))


def comparison_note(report: ReportData) -> str:
    """What the columns of `comparison` are."""
    deepest = max(report.settings["depths"])
    return (
        f"C_W, C_b and the first layer's kernel K⁽¹⁾ as recommended for {deepest} layers. The last three columns: test "
        f"accuracy on handwritten digits at {deepest} layers with three initialisations, mean ± standard deviation "
        "over "
        "seeds."
    )


_ANSWER = {"yes": "✓ yes", "care": "▲ with care", "no": "✕ no", "unknown": "?"}
