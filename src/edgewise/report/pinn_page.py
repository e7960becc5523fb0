"""Networks trained on an equation as one self-contained HTML page: verdict, fields beside the reference, settings."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from edgewise.report.drawing import inline_svg
from edgewise.report.figures import pinn as figures
from edgewise.report.notation import number
from edgewise.report.page import resource

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
"""What `pinn.Solution.to_dict()` gives."""

SOLVED, MISSED = 0.01, 0.3
"""Relative L2 errors up to which a solution is called solved, and from which it is called missed."""


def pictures(solutions: Sequence[Data]) -> dict[str, Figure]:
    """Every picture of the page by its key: "gallery", "cuts", "histories" of several; "solution 0" of the first ..."""
    found = {f"solution {i}": figures.solution_figure(data) for i, data in enumerate(solutions)}
    if len(solutions) == 1:
        return {**found, "history 0": figures.history_figure(solutions[0])}
    return {
        "gallery": figures.gallery_figure(solutions),
        "cuts": figures.comparison_cuts_figure(solutions),
        "histories": figures.comparison_history_figure(solutions),
        **found,
    }


def html(solutions: Sequence[Data], drawn: Mapping[str, Figure] | None = None) -> str:
    """The page as text; nothing in it is loaded from anywhere.

    solutions: of one equation, an activation each. drawn: its `pictures`, where they are at hand.
    """
    first = solutions[0]
    specs = ", ".join(s["activation"] for s in solutions)
    several = len(solutions) > 1
    shown = pictures(solutions) if drawn is None else drawn
    made: str = _template().render(
        title=f"{first['problem']['title']}: {len(solutions)} activations" if several else _heading(first),
        formula=first["problem"]["formula"],
        comparison=_comparison(solutions, shown) if several else None,
        subjects=[_subject(s, i, shown) for i, s in enumerate(solutions)],
        specs=specs,
        provenance=_provenance(first),
        edgewise=first["provenance"]["edgewise"],
        css=Markup(resource("page.css")),
        script=Markup(resource("page.js")),
    )
    return made


def _heading(data: Data) -> str:
    return f"{data['problem']['title']}, solved by {data['activation']}?"


def level(error: float | None) -> tuple[str, str]:
    """The page's class and badge for a relative L2 error."""
    if error is None or not math.isfinite(error):
        return "no", "diverged"
    if error <= SOLVED:
        return "yes", "solved"
    return ("no", "missed") if error > MISSED else ("care", "near")


def _subject(data: Data, index: int, drawn: Mapping[str, Figure]) -> dict[str, Any]:
    error = data["relative_l2"][data["best"]]
    mark, badge = level(error)
    shown = "every network diverged" if error is None else f"relative L² error {_number(error)}"
    return {
        "activation": data["activation"],
        "level": mark,
        "badge": badge,
        "headline": shown,
        "reason": data["reason"],
        "numbers": _numbers(data),
        "facts": _facts(data),
        "pictures": list(_pictures(data, index, drawn)),
    }


def _pictures(data: Data, index: int, drawn: Mapping[str, Figure]) -> Iterator[dict[str, Any]]:
    spec, title = data["activation"], data["problem"]["title"]
    variable = data["problem"]["coordinates"][1]
    drawings = (
        (
            "solution",
            "The solution beside the reference",
            f"Above: the reference, the network of {spec} on the same scale, and how far they are apart on a scale of "
            f"its own. Below: cuts at three values of {variable}; the broad grey line is the reference.",
        ),
        (
            "history",
            "The way there",
            "The loss of the points of the step, and the error on some points of the reference, which training never "
            "sees. Thin: all networks; thick: the one with the smallest loss, which is shown above.",
        ),
    )
    for name, heading, caption in drawings:
        figure = drawn.get(f"{name} {index}")
        if figure is not None:
            alt = f"{heading}: {title} with {spec}. {data['reason']}."
            svg = inline_svg(figure, key=f"s{index}-{name}", label=alt)
            yield {"title": heading, "caption": caption, "svg": Markup(svg)}


def _comparison(solutions: Sequence[Data], drawn: Mapping[str, Figure]) -> dict[str, Any]:
    specs = ", ".join(s["activation"] for s in solutions)
    drawings = (
        ("gallery", "Networks and their errors", "All on one scale; errors too."),
        ("cuts", "Cuts", "The broad grey line is the reference."),
        (
            "histories",
            "The way there",
            "The median of the networks of each activation; bands reach from the best to the worst.",
        ),
    )
    ranked = sorted(solutions, key=lambda s: _median(s["relative_l2"]))
    rows = [
        (
            s["activation"],
            _number(s["relative_l2"][s["best"]]),
            _number(_median(s["relative_l2"])),
            _number(s["loss"][s["best"]]),
            str(sum(step > 0 for step in s["diverged_at"])),
            _time(sum(s["seconds"].values())),
        )
        for s in ranked
    ]
    return {
        "note": "Same equation, points, steps and seeds; sorted by the median error of the networks.",
        "head": ("activation", "error, shown", "error, median", "loss", "diverged", "time"),
        "rows": rows,
        "pictures": [
            {
                "title": title,
                "caption": caption,
                "svg": Markup(inline_svg(drawn[name], key=f"c-{name}", label=f"{title}: {specs}.")),
            }
            for name, title, caption in drawings
        ],
    }


def _median(values: Sequence[float | None]) -> float:
    """Of all members; one that diverged counts as infinitely wrong."""
    ordered = sorted(math.inf if v is None else v for v in values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else 0.5 * (low + high)


def _numbers(data: Data) -> list[dict[str, str]]:
    s = data["settings"]
    best = data["best"]
    found = [
        {"name": "relative L² error", "value": _number(data["relative_l2"][best])},
        {"name": "loss", "value": _number(data["loss"][best])},
        {"name": "hidden layers × width", "value": f"{s['depth']} × {s['width']}"},
        {"name": "steps, Adam + L-BFGS", "value": f"{s['adam_steps']} + {s['lbfgs_steps']}"},
        {"name": "collocation points", "value": f"{s['points']}"},
        {"name": "time", "value": _time(sum(data["seconds"].values()))},
    ]
    if s["members"] > 1:
        found.insert(1, {"name": f"median of {s['members']}", "value": _number(_median(data["relative_l2"]))})
    return found


def _facts(data: Data) -> list[dict[str, str]]:
    problem, s = data["problem"], data["settings"]
    lows, highs = problem["domain"]
    spans = [f"{c} in [{a:g}, {b:g}]" for c, a, b in zip(problem["coordinates"], lows, highs, strict=True)]
    batch = "all" if s["batch"] is None or s["batch"] >= s["points"] else s["batch"]
    renewed = f", drawn anew every {s['resample_every']} steps" if s["resample_every"] else ""
    if s["resample_every"] and s["adaptive"]:
        renewed += " where the residual is large"
    if s["boundary"] == "hard":
        conditions = f"built into the output, {problem['hard']}"
    else:
        conditions = (
            f"{', '.join(problem['conditions'])}: {s['condition_points']} points, a mean square each in the loss"
        )
        conditions += "" if s["condition_weight"] == 1.0 else f", times {s['condition_weight']:g}"
    values = {
        "domain": ", ".join(spans),
        "conditions": conditions,
        "network": f"{s['depth']} hidden layers of {s['width']} units, {s['dtype']}, {s['members']} of them, "
        f"seeds from {s['seed']}",
        "initialisation": data["start"]["reason"],
        "points": f"{s['points']}, {s['sampling']}{renewed}; a step of Adam sees {batch}, L-BFGS all",
        "optimiser": f"Adam, learning rate {s['learning_rate']:g} falling to {s['final_rate']:g} of it; then L-BFGS "
        f"with {s['history']} pairs and a strong Wolfe line search",
        "reference": f"{data['reference']['method']}; {data['reference']['reason']}",
        "time": ", ".join(f"{name} {_time(seconds)}" for name, seconds in data["seconds"].items()),
    }
    ended = [f"network {i + 1} {why}" for i, why in enumerate(data["stopped"]) if why]
    if ended:
        values["ended early"] = "; ".join(ended)
    return [{"name": name, "value": value} for name, value in values.items()]


def _provenance(data: Data) -> str:
    p = data["provenance"]
    parts = [
        f"seed {p['seed']}",
        f"edgewise {p['edgewise']}" + (f" at revision {p['revision'][:12]}" if p["revision"] else ""),
        f"torch {p['torch']}",
        f"Python {p['python']}",
        f"{p['device']}, {p['dtype']}, {p['threads']} thread{'s' if p['threads'] != 1 else ''}",
    ]
    return " · ".join(parts) + "."


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else number(value, 2)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(resource("pinn.html.j2"))
