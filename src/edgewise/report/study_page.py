"""The page of a study: every claim with what the paper says, what was measured, the verdict and the figures.

Made from a `StudyResult` alone, so that it can be drawn again from the JSON.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from edgewise.files import write_bytes, write_json, write_text
from edgewise.measure.provenance import Provenance
from edgewise.report.drawing import inline_svg, png
from edgewise.report.figures.registry import drawing
from edgewise.report.notation import number
from edgewise.report.page import resource
from edgewise.studies.claim import ABOVE_ZERO, BELOW_ZERO, VERDICTS, Check, Claim, Verdict
from edgewise.studies.result import MARK, NO_DATA, StudyResult

LEVEL: dict[Verdict, str] = {"holds": "yes", "does not hold": "no", "cannot be told": "unknown"}
"""The page's colour role of each verdict; the badge's sign and words say it without colour."""

HOW = (
    "Each claim rests on checks. A check names a quantity and the region in which the paper’s statement about it would "
    "be true, both written down before anything was measured. Measuring gives an interval, at 99 % confidence unless "
    "the table says otherwise, from independent networks or runs. An interval inside the region: the check holds. An "
    "interval wholly outside: it does not. Anything else: it cannot be told from this much evidence, and more networks "
    "would tell. A claim holds when all its checks hold and does not hold when one of them does not."
)

SCALE = {"smoke": "smoke scale: small networks and few of them, minutes", "full": "full scale"}


class Album:
    """The drawn figures of a study's claims; a claim that has not changed is not drawn again."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where PNG twins go, None for none."""
        self._folder = folder
        self._drawn: dict[tuple[str, str], tuple[Mapping[str, Any], str]] = {}

    def svg(self, study: str, claim: Claim, name: str) -> str | None:
        """A figure as inline SVG; None where this version cannot draw it."""
        held = self._drawn.get((claim.key, name))
        if held is not None and held[0] is claim.data:
            return held[1]
        how = drawing(study, name)
        if how is None:
            return None
        try:
            figure = how.draw(claim.data)
            label = f"{how.title}. {how.caption(claim.data)}"
        except (KeyError, IndexError, TypeError, ValueError):  # data of another version; the numbers are still told
            return None
        key = re.sub(r"[^A-Za-z0-9]+", "-", f"{claim.key}-{name}")
        drawn = inline_svg(figure, key=key, label=label)
        if self._folder is not None:
            write_bytes(self._folder / f"{name}.png", png(figure))
        self._drawn[claim.key, name] = (claim.data, drawn)
        return drawn


def write_study(result: StudyResult, folder: Path, album: Album | None = None) -> Path:
    """Writes STUDY.html, STUDY.json and the figures into `folder`, each whole; returns the page's path.

    Raises OSError where the folder cannot be written.
    """
    album = album if album is not None else Album(folder / "figures" / result.study)
    write_json(folder / f"{result.study}.json", result.to_dict())
    path = folder / f"{result.study}.html"
    write_text(path, study_html(result, album))
    return path


def study_html(result: StudyResult, album: Album | None = None) -> str:
    """The page as text; nothing in it is loaded from anywhere."""
    album = album if album is not None else Album()
    made: str = _template().render(
        study=result.study,
        title=result.title,
        paper=result.paper,
        about=result.about,
        subtitle=" · ".join(
            (SCALE.get(result.scale, result.scale), result.date[:10], f"edgewise {result.provenance.edgewise}")
        ),
        notices=_notices(result),
        tally=[
            {"count": result.count(verdict), "badge": MARK[verdict], "level": LEVEL[verdict]} for verdict in VERDICTS
        ],
        claims=[_claim(result.study, claim, album) for claim in result.claims],
        how=HOW,
        provenance=f"Put together {result.date} · {_origin(result.provenance)}.",
        edgewise=result.provenance.edgewise,
        css=Markup(resource("page.css") + resource("study.css")),
        script=Markup(resource("page.js")),
    )
    return made


def _claim(study: str, claim: Claim, album: Album) -> dict[str, Any]:
    return {
        "key": claim.key,
        "title": claim.title,
        "level": LEVEL[claim.verdict],
        "badge": MARK[claim.verdict],
        "where": claim.where,
        "speaker": "The paper says" if claim.of_paper else "We add",
        "says": claim.says,
        "measured": _sentence(claim.measured),
        "n": claim.n,
        "pictures": [_picture(study, claim, name, album) for name in claim.figures],
        "checks": [_check(check) for check in claim.checks],
        "remarks": claim.remarks,
        "settings": [(name.replace("_", " "), _value(value)) for name, value in claim.settings.items()],
        "origin": f"{_origin(claim.provenance)} · {claim.provenance.seconds:.0f} s." if claim.provenance else "",
    }


def _picture(study: str, claim: Claim, name: str, album: Album) -> dict[str, Any]:
    svg, how = album.svg(study, claim, name), drawing(study, name)
    return {
        "title": how.title if how else name,
        "wide": how.wide if how else False,
        "svg": Markup(svg) if svg else None,
        "caption": how.caption(claim.data) if how and svg else "",
        "problem": f"The figure {name!r} cannot be drawn by this version of edgewise; its numbers are in the JSON.",
    }


def _check(check: Check) -> dict[str, Any]:
    found, unit = check.interval, f" {check.unit}" if check.unit else ""
    return {
        "statement": check.statement,
        "estimate": number(found.estimate) + unit,
        "interval": between(found.low, found.high) if found.n else "computed",
        "region": between(*check.region),
        "n": found.n or "–",
        "method": found.method + (f", {100 * found.level:.4g} %" if found.n else ""),
        "level": LEVEL[check.verdict],
        "badge": MARK[check.verdict],
    }


def between(low: float, high: float) -> str:
    """An interval or a region in words; an end that is infinite is left out."""
    if math.isinf(low) and math.isinf(high):
        return "open"
    if (low, high) in (ABOVE_ZERO, BELOW_ZERO):
        return "> 0" if (low, high) == ABOVE_ZERO else "< 0"
    if math.isinf(high):
        return f"≥ {number(low)}"
    if math.isinf(low):
        return f"≤ {number(high)}"
    return f"{number(low)} … {number(high)}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_value(item)}" for key, item in value.items())
    return str(value)


def _notices(result: StudyResult) -> list[str]:
    failed = [f"{part.title} failed: {part.why}." for part in result.failed]
    absent = [
        part.title + (f" ({part.why})" if part.why.startswith(NO_DATA) else "")
        for part in result.missing
        if not part.failed
    ]
    if absent:
        failed.append(f"Not in this run: {', '.join(absent)}.")
    if result.scale == "smoke":
        failed.append(
            "This is the smoke scale, a check that everything works and of what small samples can tell; the full scale "
            "is committed with edgewise under docs/results."
        )
    return failed


def _origin(p: Provenance) -> str:
    parts = [
        f"seed {p.seed}",
        f"edgewise {p.edgewise}" + (f" at revision {p.revision[:12]}" if p.revision else ""),
        f"torch {p.torch}",
        f"Python {p.python}",
        f"{p.device}, {p.dtype}, {p.threads} thread{'s' if p.threads != 1 else ''}",
    ]
    return " · ".join(parts)


def _sentence(text: str) -> str:
    """With a full stop, and a capital where it begins with a word and not with a symbol."""
    text = text if text.endswith(".") else f"{text}."
    return text[0].upper() + text[1:] if re.match(r"[a-z]+\b[ ,]", text) else text


def mathematics(text: str) -> Markup:
    """Escaped text in which C_W, K_c and their like have subscripts."""
    return Markup(_SUBSCRIPT.sub(r"<var>\1</var><sub>\2</sub>", str(escape(text))))


_SUBSCRIPT = re.compile(r"(?<![\w.])([A-Za-z])_([A-Za-z0-9])(?![\w])")


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["maths"] = mathematics
    return environment.from_string(resource("study.html.j2"))
