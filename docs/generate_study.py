"""Writes docs/reproduce_STUDY.md from the committed result of a study: ``python docs/generate_study.py repu``.

``python docs/generate_study.py repu FOLDER`` first takes the JSON and the figures over from FOLDER, where ``edgewise
reproduce repu --scale full --out FOLDER`` has put them.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

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
    """The JSON and the figures of a finished run into docs/results."""
    made = result(study)
    made.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / made.name, made)
    shutil.rmtree(made.parent / "figures", ignore_errors=True)
    shutil.copytree(folder / "figures" / study, made.parent / "figures")


def written(study: str) -> str:
    """The page as its committed result makes it."""
    return study_markdown(StudyResult.from_dict(json.loads(result(study).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    name, *folder = sys.argv[1:]
    if folder:
        take_over(name, Path(folder[0]))
    page(name).write_text(written(name), encoding="utf-8")
