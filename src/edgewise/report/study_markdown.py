"""The result of a study as a Markdown page for the docs, with pictures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgewise.report.figures.registry import drawing
from edgewise.report.notation import number
from edgewise.report.study_page import HOW, between
from edgewise.studies.claim import Check, Claim
from edgewise.studies.result import MARK, StudyResult

HEAD = """# {title}

Written by `python docs/generate_study.py {study}` from `docs/results/{study}/{study}.json`; do not edit by hand (a test
compares them).

{paper}. {about}.

Again: `edgewise reproduce {study} --scale {scale}`; in minutes, with small samples: `edgewise reproduce {study}`. The
page with light and dark figures: `edgewise reproduce {study} --from docs/results/{study}/{study}.json --out PAGE`.
"""


def study_markdown(result: StudyResult) -> str:
    """Verdicts first, then each claim with its figures, expected in results/STUDY/figures, and what decides."""
    lines = [HEAD.format(**{name: getattr(result, name) for name in ("title", "study", "paper", "about", "scale")})]
    lines += ["## Verdicts", "", f"{_capital(result.reason)}.", "", "| verdict | claim | n |", "|---|---|---|"]
    lines += [f"| {MARK[c.verdict]} | [{_cell(c.title)}](#{_anchor(c.title)}) | {c.n} |" for c in result.claims]
    for part in result.missing:
        lines += ["", f"Not there: {part.title} ({part.why})."]
    lines += ["", HOW, ""]
    for claim in result.claims:
        lines += list(_claim(result.study, claim))
    p = result.provenance
    revision = f" at revision {p.revision[:12]}" if p.revision else ""
    lines.append(
        f"Put together {result.date[:10]} with edgewise {p.edgewise}{revision}, torch {p.torch}, Python {p.python}, "
        f"seed {p.seed}, {p.device}, {p.threads} thread{'s' if p.threads != 1 else ''}; every claim has its own "
        "origin in the JSON."
    )
    return "\n".join(lines) + "\n"


def _claim(study: str, claim: Claim) -> Iterator[str]:
    yield f"## {claim.title}"
    yield ""
    yield f"**{MARK[claim.verdict]}** ({claim.where})"
    yield ""
    yield f"{'The paper says' if claim.of_paper else 'We add'}: {claim.says}"
    yield ""
    yield f"Measured: {claim.measured.rstrip('.')}."
    yield ""
    for name in claim.figures:
        how = drawing(study, name)
        title = how.title if how else name
        yield f"![{title}](results/{study}/figures/{name}.png)"
        yield ""
        if how:
            yield how.caption(claim.data)
            yield ""
    yield "| statement | measured | interval | true within | n | verdict |"
    yield "|---|---|---|---|---|---|"
    for check in claim.checks:
        yield _row(check)
    yield ""
    for remark in claim.remarks:
        yield remark
        yield ""


def _row(check: Check) -> str:
    found = check.interval
    cells = (
        check.statement, number(found.estimate) + (f" {check.unit}" if check.unit else ""),
        between(found.low, found.high) if found.n else "computed", between(*check.region), str(found.n or "–"),
        MARK[check.verdict],
    )  # fmt: skip
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
