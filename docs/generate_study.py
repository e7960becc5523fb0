"""Writes docs/reproduce_STUDY.md from the committed result of a study: ``python docs/generate_study.py repu``.

``python docs/generate_study.py repu FOLDER`` first takes claims and figures over from FOLDER, where ``edgewise
reproduce repu --scale full --out FOLDER`` has put them. Claims of parts that were not run there (``--only``) stay as
committed; each says for itself by which revision it was measured.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from edgewise.files import write_json
from edgewise.report.study_markdown import study_markdown
from edgewise.studies.result import StudyResult

DOCS = Path(__file__).parent


def page(study: str) -> Path:
    """Where the page of a study is."""
    return DOCS / f"reproduce_{study}.md"


def result(study: str) -> Path:
    """Where its committed result is."""
    return DOCS / "results" / study / f"{study}.json"


def take_over(study: str, folder: Path) -> None:
    """The claims and the figures of a finished run into docs/results."""
    made, committed = _read(folder / f"{study}.json"), result(study)
    write_json(committed, (combined(_read(committed), made) if committed.exists() else made).to_dict())
    figures = committed.parent / "figures"
    figures.mkdir(exist_ok=True)
    for claim in made.claims:
        for name in claim.figures:
            shutil.copy(folder / "figures" / study / f"{name}.png", figures)


def combined(before: StudyResult, made: StudyResult) -> StudyResult:
    """`made`, and of `before` the claims whose parts were not run; new claims take the places of old ones."""
    new = {claim.key: claim for claim in made.claims}
    kept = [new.pop(claim.key, claim) for claim in before.claims]
    gone = {part.key for part in before.missing}
    return replace(
        made, claims=(*kept, *new.values()), missing=tuple(part for part in made.missing if part.key in gone)
    )


def _read(path: Path) -> StudyResult:
    return StudyResult.from_dict(json.loads(path.read_text(encoding="utf-8")))


def written(study: str) -> str:
    """The page as its committed result makes it."""
    return study_markdown(_read(result(study)))


if __name__ == "__main__":
    name, *folder = sys.argv[1:]
    if folder:
        take_over(name, Path(folder[0]))
    page(name).write_text(written(name), encoding="utf-8")
