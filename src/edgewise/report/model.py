"""What a report is before it is drawn: plain data, which is also its JSON.

A report holds subjects (one an activation), a subject holds parts, a part holds what was computed or why it was not.
All are
frozen; a finished part makes a new report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgewise.errors import DataError

FORMAT = "edgewise-report"
VERSION = 1

Status = Literal["waiting", "done", "failed", "skipped", "interrupted"]

PARTS = ("theory", "shape", "susceptibility", "flow", "phase", "tailored", "training")
"""In the order in which they are computed: each may use the ones before it."""


@dataclass(frozen=True)
class Part:
    """One part of one subject.

    status: "done" (data is there), "failed" (message says why), "skipped" (not asked for), "interrupted" (stopped in
    the
        middle; data may hold what was finished) or "waiting" (never begun).
    """

    status: Status = "waiting"
    message: str = ""
    seconds: float | None = None
    data: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"status": self.status, "message": self.message, "seconds": self.seconds, "data": self.data}


@dataclass(frozen=True)
class Subject:
    """One activation of a report; `given` is what the user wrote, `spec` how edgewise writes it."""

    given: str
    spec: str
    formula: str
    summary: str
    source: str
    parts: Mapping[str, Part] = field(default_factory=lambda: {name: Part() for name in PARTS})

    def data(self, part: str) -> Mapping[str, Any] | None:
        """What a part computed, None where there is nothing."""
        return self.parts[part].data

    def with_part(self, name: str, part: Part) -> Subject:
        return replace(self, parts={**self.parts, name: part})

    def to_dict(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("given", "spec", "formula", "summary", "source")}
        return {**facts, "parts": {name: part.to_dict() for name, part in self.parts.items()}}


@dataclass(frozen=True)
class ReportData:
    """A whole report. date: ISO 8601 in UTC; provenance: versions, revision, seed, device, dtype, threads."""

    subjects: tuple[Subject, ...]
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    date: str
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing that was asked for is waiting or was interrupted."""
        return not self.interrupted and not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there, as "relu: training"."""
        unfinished = ("waiting", "interrupted")
        return tuple(
            f"{s.spec}: {name}" for s in self.subjects for name, p in s.parts.items() if p.status in unfinished
        )

    def with_part(self, subject: int, name: str, part: Part) -> ReportData:
        changed = self.subjects[subject].with_part(name, part)
        return replace(self, subjects=(*self.subjects[:subject], changed, *self.subjects[subject + 1 :]))

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "date": self.date,
            "complete": self.complete,
            "interrupted": self.interrupted,
            "missing": list(self.missing),
            "settings": dict(self.settings),
            "provenance": dict(self.provenance),
            "activations": [subject.to_dict() for subject in self.subjects],
        }


_LATER = {"tailored": Part("skipped", "the report was made before there was one")}
"""Parts that reports of this version may lack."""


def from_dict(stored: Any) -> ReportData:
    """The report that `to_dict` made this of. Raises DataError when it is something else."""
    if not isinstance(stored, dict) or stored.get("format") != FORMAT or stored.get("version") != VERSION:
        raise DataError(
            f'this JSON is not a report of format "{FORMAT}" {VERSION}; try the report.json of `edgewise report`'
        )
    try:
        subjects = tuple(
            Subject(
                **{name: entry[name] for name in ("given", "spec", "formula", "summary", "source")},
                parts=_LATER | {name: Part(**part) for name, part in entry["parts"].items()},
            )
            for entry in stored["activations"]
        )
        unknown = {name for subject in subjects for name in subject.parts} ^ set(PARTS) if subjects else set()
        if unknown:
            raise KeyError(*sorted(unknown))
        return ReportData(
            subjects, stored["settings"], stored["provenance"], stored["date"], interrupted=stored["interrupted"]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"this report JSON is damaged ({type(error).__name__}: {error}); make the report again"
        ) from error
