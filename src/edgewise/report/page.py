"""One self-contained HTML page from a report's data and its drawn pictures."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from edgewise.report import tables
from edgewise.report.advice import initialisation_code, learning_rate_code
from edgewise.report.cells import Table
from edgewise.report.formula import formula_svg
from edgewise.report.gallery import Gallery
from edgewise.report.model import Part, ReportData, Subject
from edgewise.report.notation import number, plain
from edgewise.report.pictures import Picture, comparison_pictures, pictures
from edgewise.report.results import best_rate, training_table
from edgewise.report.words import CLASS_NAME, deepest, verdict

BADGE = {"yes": "✓ Yes", "care": "▲ With care", "no": "✕ No", "unknown": "? Unknown"}

WORDS = (
    (
        "kernel K",
        "The mean square of the numbers that enter the activation in one layer: the size of the signal. It should "
        "neither "
        "grow nor shrink much with depth.",
    ),
    (
        "C_W, C_b",
        "How weights and biases are drawn at the start: weights with variance C_W divided by the number of inputs of "
        "the "
        "layer (fan-in), biases with variance C_b.",
    ),
    (
        "χ∥ (chi parallel)",
        "By what factor one layer multiplies a small change of the signal's size. Above 1 every layer exaggerates it, "
        "below 1 it forgets it.",
    ),
    (
        "χ⊥ (chi perpendicular)",
        "The same for a small change of the signal's direction: how different two similar inputs become. It is also "
        "the "
        "factor by which the squared gradient changes per layer on its way back.",
    ),
    (
        "critical point",
        "C_W, C_b and a kernel K* that reproduces itself with χ∥ = χ⊥ = 1: signal and gradient then reach any depth. "
        "Activations without one lose either the signal or the gradient exponentially fast.",
    ),
    (
        "universality class",
        "How the kernel behaves near its critical point. Scale-invariant: every K stays where it is. Half-stable: K* "
        "attracts from one side. K* = 0, stable: K falls like a power of the depth. K* = 0, unstable: K grows away.",
    ),
    ("PyTorch default", "What nn.Linear does on its own: weights and biases uniform within ±1/√fan-in (C_W = 1/3)."),
    ("He", "Weight variance 2/fan-in and no bias, made for ReLU (He et al., 2015)."),
    ("recommended", "What this report's theory recommends for the activation at that depth."),
)


def page(report: ReportData, gallery: Gallery) -> str:
    """The HTML of a report as far as it has come; pictures that have not been drawn are named as missing."""
    several = len(report.subjects) > 1
    comparison = None
    if several:
        compared = comparison_pictures(report)
        comparison = {
            "table": tables.comparison(report),
            "note": tables.comparison_note(report),
            "pictures": [_picture(p, gallery, -1) for p in compared],
        }
    html: str = _template().render(
        title=_title(report),
        heading=_title(report, mark=True),
        subtitle=subtitle(report),
        notice=_notice(report),
        comparison=comparison,
        subjects=[_subject(s, i, gallery) for i, s in enumerate(report.subjects)],
        words=WORDS,
        provenance=provenance_line(report),
        edgewise=report.provenance["edgewise"],
        css=Markup(resource("page.css")),
        script=Markup(resource("page.js")),
    )
    return html


def _title(report: ReportData, *, mark: bool = False) -> str:
    """The question the page answers; with `mark` as HTML whose formulas do not break at a minus."""
    specs = [Markup('<span class="spec">{}</span>').format(s.spec) if mark else s.spec for s in report.subjects]
    if len(specs) == 1:
        return Markup("Will a deep network with {} train?").format(specs[0]) if mark else f"Will {specs[0]} train deep?"
    if len(specs) > _MOST_IN_TITLE:
        return f"Which of {len(specs)} activations train deep?"
    listed = Markup(", ").join(specs[:-1]) + Markup(" or {}").format(specs[-1])
    return Markup("Which trains deep: {}?").format(listed) if mark else f"Which trains deep: {', '.join(specs)}?"


_MOST_IN_TITLE = 5


def mathematics(text: str) -> Markup:
    """Escaped text with C_W and C_b as symbols with subscripts."""
    return Markup(_SUBSCRIPT.sub(r"<var>C</var><sub>\1</sub>", str(escape(text))))


_SUBSCRIPT = re.compile(r"\bC_([Wb])\b")


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    environment.filters["maths"] = mathematics
    return environment.from_string(resource("page.html.j2"))


@functools.cache
def resource(name: str) -> str:
    return files("edgewise.report").joinpath("templates", name).read_text(encoding="utf-8")


def subtitle(report: ReportData) -> str:
    """When, and with which settings, in one line."""
    settings = report.settings
    depths = _listed(str(d) for d in settings["depths"])
    version = report.provenance["edgewise"]
    return f"Plain fully connected networks of {depths} layers · {report.date[:10]} · edgewise {version}"


def provenance_line(report: ReportData) -> str:
    """Everything needed to run it again."""
    p = report.provenance
    parts = [
        f"Made {report.date}",
        f"seed {p['seed']}",
        f"edgewise {p['edgewise']}" + (f" at revision {p['revision'][:12]}" if p["revision"] else ""),
        f"torch {p['torch']}",
        f"Python {p['python']}",
        f"{p['device']}, {p['threads']} thread{'s' if p['threads'] != 1 else ''}",
        f"theory in float64, training in {p['training_dtype']}",
    ]
    return " · ".join(parts) + "."


def _notice(report: ReportData) -> str:
    if report.complete:
        return ""
    state = "This report was interrupted" if report.interrupted else "This report is still being made"
    return f"{state}; not there yet: {', '.join(report.missing)}."


def _picture(p: Picture, gallery: Gallery, index: int) -> dict[str, Any]:
    svg = gallery.svg((index, p.name))
    return {
        "title": p.title,
        "caption": p.caption,
        "wide": p.wide,
        "svg": Markup(svg) if svg else None,
        "problem": "This picture has not been drawn; its numbers are in report.json.",
    }


def _subject(subject: Subject, index: int, gallery: Gallery) -> dict[str, Any]:
    formula = formula_svg(subject.formula, key=f"formula{index}")
    theory = subject.data("theory")
    start = deepest(theory["recommended"]) if theory else None
    said = verdict(subject)
    drawn = pictures(subject)
    return {
        "id": f"activation-{index + 1}",
        "spec": subject.spec,
        "formula_svg": Markup(formula) if formula else None,
        "formula_text": plain(subject.formula),
        "verdict": said,
        "badge": BADGE[said.level],
        "numbers": _numbers(subject),
        "code": initialisation_code(subject.spec, *start) if start else "",
        "rates": learning_rate_code(start[1], best_rate(subject, start[0])) if start else "",
        "advice": _advice(*start) if start else "",
        "why": start[1]["reason"] if start else "",
        "reason": theory["reason"] if theory else "",
        "groups": [
            _group(subject, index, gallery, drawn, title, lead, parts, found)
            for title, lead, parts, found in (
                (
                    "Does it work on real data?",
                    "",
                    ("training",),
                    training_table(subject),
                ),
                (
                    "What theory and random networks say",
                    "Infinitely wide networks can be solved exactly; the thin lines are real ones, at initialisation.",
                    ("shape", "susceptibility", "flow", "phase"),
                    [*tables.solutions(subject), *tables.recommendations(subject)],
                ),
                (
                    "Repaired for deep networks",
                    _repair(subject),
                    ("tailored",),
                    tables.tailored_conditions(subject),
                ),
            )
        ],
    }


def _group(
    subject: Subject,
    index: int,
    gallery: Gallery,
    drawn: tuple[Picture, ...],
    title: str,
    lead: str,
    parts: tuple[str, ...],
    found: list[Table],
) -> dict[str, Any]:
    order = [p for part in parts for p in drawn if p.part == part]
    return {
        "title": title,
        "lead": lead,
        "pictures": [_picture(p, gallery, index) for p in order],
        "problems": [line for part in parts if (line := _problem(part, subject.parts[part]))],
        "tables": found,
    }


def _problem(name: str, part: Part) -> str:
    """Why a part is not there, empty where it is."""
    match part.status:
        case "done":
            return ""
        case "failed":
            return f"No {PART_NAME[name]}: {part.message}"
        case "skipped":
            return f"No {PART_NAME[name]}: {part.message or 'not asked for'}."
        case "interrupted":
            return f"The {PART_NAME[name]} was interrupted" + ("; this is what was finished." if part.data else ".")
        case _:
            return f"The {PART_NAME[name]} is not there yet."


PART_NAME = {
    "theory": "theory",
    "shape": "picture of the activation",
    "susceptibility": "susceptibilities",
    "flow": "flow through the layers",
    "phase": "phase diagram",
    "tailored": "tailored activation",
    "training": "training check",
}
"""The parts as the page names them."""


def _repair(subject: Subject) -> str:
    """What the tailored activation is, how to make it, and why it is this one."""
    data = subject.data("tailored")
    return (
        f"{data['call']} shifts and scales it, for weights with C_W = 1 and no bias. {data['reason']}." if data else ""
    )


def _numbers(subject: Subject) -> list[dict[str, str]]:
    theory = subject.data("theory")
    if theory is None:
        return []
    critical = theory["critical"]
    found = [{"name": "universality class", "value": CLASS_NAME[theory["universality_class"]]}]
    if critical is not None:
        star = "any" if critical["kernel"] is None else number(critical["kernel"], 6)
        found += [
            {"name": "critical kernel K*", "value": star},
            {"name": "weight variance C_W", "value": number(critical["c_w"], 6)},
            {"name": "bias variance C_b", "value": number(critical["c_b"], 6)},
        ]
    start = deepest(theory["recommended"])
    if start is not None:
        depth, made = start
        if critical is None:
            found += [
                {"name": "least bad C_W", "value": number(made["c_w"], 5)},
                {"name": "with first kernel", "value": number(made["k0"], 4)},
            ]
        elif critical["kernel"] == 0.0:
            found.append({"name": f"first kernel for {depth} layers", "value": number(made["k0"], 3)})
    flow = subject.data("flow")
    if flow is not None and critical is not None:  # without one K starts at a repelling point, where only theory stays
        horizon = flow["theory"]["horizon"]
        found.append(
            {"name": "layers with K within 2×", "value": f"> {flow['depth']}" if horizon is None else str(horizon)}
        )
    return found


def _advice(depth: int, made: Any) -> str:
    if made["principle"] == "least_bad":
        begin = f"There is no good choice; this is the least bad one for {depth} layers"
    else:
        begin = f"Initialise a plain network of {depth} layers like this"
    return f"{begin}, and scale its inputs to mean square 1:"


def _listed(words: Any) -> str:
    *most, last = list(words)
    return f"{', '.join(most)} and {last}" if most else last
