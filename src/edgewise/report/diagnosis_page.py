"""A diagnosis as one self-contained HTML page: verdict and calls on top, pictures and every number below."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from edgewise.measure.diagnosis import Diagnosis
from edgewise.measure.diagnosis_view import BADGE, COLUMNS, cells, sentence
from edgewise.measure.wording import number
from edgewise.report.drawing import inline_svg
from edgewise.report.files import write_text
from edgewise.report.page import mathematics, resource

WORDS = (
    (
        "kernel K",
        "The mean square of the numbers that a layer hands to its activation: the size of the signal. predicted: what "
        "theory makes of the mean square of the input with the variances of the weights as they are.",
    ),
    (
        "growth",
        "K of a layer over K of the one before. 1 everywhere is critical; anything else is to the power of the depth.",
    ),
    (
        "gradient, back",
        "gradient: root mean square of the derivative of the loss by the layer's output. back: by what factor the "
        "layer "
        "multiplies the sum of their squares on the way down; theory says χ⊥.",
    ),
    (
        "χ∥, χ⊥",
        "By what factor one layer multiplies a small change of the signal's size and of its direction, at the measured "
        "K and with the weights of the next layer.",
    ),
    (
        "dead",
        "Units whose activation has slope exactly 0, so that no gradient passes: for every sample of the batch, plus "
        "those for single samples. About half is usual for ReLU and no harm.",
    ),
    (
        "correlation",
        "Mean cosine between what different samples give. At 1 a layer tells its samples apart no more, and no later "
        "layer can.",
    ),
    ("C_W, C_b", "Weight variance times fan-in, and bias variance."),
)


def diagnosis_page(diagnosis: Diagnosis, *, out: str | Path) -> Path:
    """Writes the page to the file `out`, whole or not at all, and returns its path. Raises OSError where it cannot."""
    path = Path(out)
    write_text(path, html(diagnosis))
    return path


def html(d: Diagnosis) -> str:
    """The page as text; nothing in it is loaded from anywhere."""
    made: str = _template().render(
        title=f"Diagnosis of {d.model}",
        model=d.model,
        subtitle=_subtitle(d),
        level=d.level,
        badge=BADGE[d.level],
        headline=d.headline,
        findings=[sentence(f.text) for f in d.findings],
        because=[sentence(cause) for cause in d.causes] if d.findings else [sentence(d.reason)],
        numbers=_numbers(d),
        advice=[
            {
                "why": sentence(a.why),
                "code": "\n".join(("import edgewise as ew", "", *a.calls)) if a.calls else "",
                "after": sentence(a.after) if a.checked else "",
            }
            for a in d.advice
        ],
        pictures=list(_pictures(d)),
        head=COLUMNS,
        rows=[cells(row) for row in d.layers],
        notes=[sentence(note) for note in d.notes],
        words=WORDS,
        provenance=_provenance(d),
        edgewise=d.provenance.edgewise,
        css=Markup(resource("page.css") + resource("diagnosis.css")),
        script=Markup(resource("page.js")),
    )
    return made


def _pictures(d: Diagnosis) -> Iterator[dict[str, Any]]:
    from edgewise.report.figures import depth

    data = d.to_dict()
    rows = [row for row in d.layers if row.role != "other"]
    drawn: list[tuple[str, str, str, Any]] = []
    if rows:
        drawn.append(
            (
                "kernel",
                "Signal through the layers",
                "Kernel K of what enters each activation. The broad line is what theory expects of weights of these "
                "variances; where the measured one leaves it, the weights are no longer random, or the network is too "
                "narrow for its depth.",
                depth.kernel_figure,
            )
        )
    if any(row.gradient_norm for row in rows):
        drawn.append(
            (
                "gradient",
                "Gradient through the layers",
                "The size of the gradient that reaches each layer, from the right to the left. A level line learns "
                "everywhere; a slope means that the first layers get too little or too much.",
                depth.gradient_figure,
            )
        )
    if any(row.one_minus_rho is not None for row in rows):
        drawn.append(
            (
                "correlation",
                "Do samples stay apart?",
                "How far different samples are from being parallel. A critical network brings them together slowly, as "
                "a "
                "power of the depth; an exponential fall is an ordered phase.",
                depth.correlation_figure,
            )
        )
    if any(row.dead_static is not None for row in d.layers):
        drawn.append(
            (
                "dead",
                "Units without a slope",
                "Shares of units that pass no gradient, beside the share that a Gaussian of the same K gives (dotted). "
                "In deep layers, where samples are alike, units are dead for all of them or for none.",
                depth.dead_figure,
            )
        )
    for name, title, caption, draw in drawn:
        alt = f"{title}: {d.model}, {len(rows)} layers. {d.headline}."
        yield {"title": title, "caption": caption, "svg": Markup(inline_svg(draw(data), key=f"d-{name}", label=alt))}


def _numbers(d: Diagnosis) -> list[dict[str, str]]:
    rows = d.preactivations or d.stream
    found = [{"name": "activations", "value": ", ".join(d.activations[:2]) or "none"}]
    found.append({"name": "layers × width", "value": f"{d.depth} × {d.width}"})
    if rows:
        found.append({"name": "K first → last", "value": f"{number(rows[0].kernel, 2)} → {number(rows[-1].kernel, 2)}"})
        first, last = rows[0].gradient_norm, rows[-1].gradient_norm
        if first is not None and last:
            found.append({"name": "gradient first / last", "value": number(first / last, 2)})
        c_w = [row.next_c_w for row in rows if row.next_c_w is not None]
        if c_w:
            found.append({"name": "weight variance C_W", "value": number(sorted(c_w)[len(c_w) // 2])})
    if d.loss is not None:
        found.append({"name": "loss", "value": number(d.loss)})
    return found


def _subtitle(d: Diagnosis) -> str:
    samples = max((row.samples for row in d.layers), default=0)
    what = "with your loss" if d.loss is not None else "gradient of a random direction of the output"
    return f"{samples} samples · {d.mode} mode · {what} · edgewise {d.provenance.edgewise}"


def _provenance(d: Diagnosis) -> str:
    p = d.provenance
    parts = [
        f"seed {p.seed}",
        f"edgewise {p.edgewise}" + (f" at revision {p.revision[:12]}" if p.revision else ""),
        f"torch {p.torch}",
        f"Python {p.python}",
        f"{p.device}, {p.dtype}, {p.threads} thread{'s' if p.threads != 1 else ''}",
        f"layers found by {'torch.fx' if d.source == 'torch.fx' else 'watching one batch'}",
    ]
    return " · ".join(parts) + "."


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["maths"] = mathematics
    return environment.from_string(resource("diagnosis.html.j2"))
