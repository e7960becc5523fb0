"""What a study found: its claims, what is missing, where it comes from; as JSON and back, and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgewise.errors import DataError
from edgewise.measure.provenance import Provenance
from edgewise.studies.claim import VERDICTS, Claim, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType


NO_DATA = "without its data: "
"""How the reason begins why a part is missing whose data could not be had."""


@dataclass(frozen=True)
class Missing:
    """A part whose claims are not there. why: "not asked for", "not there yet" or what went wrong (`failed`)."""

    key: str
    title: str
    why: str
    failed: bool = False


@dataclass(frozen=True)
class StudyResult:
    """The claims of one run of a study, in the study's order.

    date: when, ISO 8601 in UTC; provenance: of the run that put the claims together, each of which has its own.
    """

    study: str
    title: str
    paper: str
    about: str
    scale: str
    claims: tuple[Claim, ...]
    missing: tuple[Missing, ...]
    date: str
    provenance: Provenance

    def count(self, verdict: Verdict) -> int:
        """How many claims have this verdict."""
        return sum(claim.verdict == verdict for claim in self.claims)

    @property
    def failed(self) -> tuple[Missing, ...]:
        """The parts that broke."""
        return tuple(part for part in self.missing if part.failed)

    @property
    def reason(self) -> str:
        """The outcome in a sentence."""
        counts = [_counted(n, verdict) for verdict in VERDICTS if (n := self.count(verdict))]
        told = (
            f"of {len(self.claims)} claim{'s' if len(self.claims) != 1 else ''} {', '.join(counts)}"
            if counts
            else "no claim was examined"
        )
        gone = [part for part in self.missing if part.failed]
        return told + (f"; {', '.join(part.key for part in gone)} failed" if gone else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, enough to draw the page again."""
        return {
            "study": self.study,
            "title": self.title,
            "paper": self.paper,
            "about": self.about,
            "scale": self.scale,
            "reason": self.reason,
            "date": self.date,
            "claims": [claim.to_dict() for claim in self.claims],
            "missing": [asdict(part) for part in self.missing],
            "provenance": self.provenance.to_dict(),
        }

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> StudyResult:
        """The result that `to_dict` wrote. Raises DataError for anything else."""
        try:
            return StudyResult(
                study=str(plain["study"]),
                title=str(plain["title"]),
                paper=str(plain["paper"]),
                about=str(plain["about"]),
                scale=str(plain["scale"]),
                claims=tuple(Claim.from_dict(claim) for claim in plain["claims"]),
                missing=tuple(Missing(**part) for part in plain["missing"]),
                date=str(plain["date"]),
                provenance=Provenance(**plain["provenance"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"not the result of a study ({type(error).__name__}: {error}); try the JSON of `edgewise reproduce`"
            ) from error

    def __rich__(self) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for heading in ("", "claim", "measured"):
            table.add_column(heading, no_wrap=heading == "")
        for claim in self.claims:
            table.add_row(
                Text(MARK[claim.verdict], style=_COLOUR[claim.verdict]), Text(claim.title), Text(claim.measured)
            )
        gone = [Text(f"{part.title}: {part.why}", style="red" if part.failed else "dim") for part in self.missing]
        return Group(Text(f"{self.title} ({self.scale} scale)", style="bold"), Text(self.paper), table, *gone)


MARK: dict[Verdict, str] = {
    "holds": "✓ holds",
    "does not hold": "✕ does not hold",
    "cannot be told": "? cannot be told",
}
"""Each verdict with a sign of its own, so that colour is never needed to tell them apart."""


def _counted(n: int, verdict: Verdict) -> str:
    plural: dict[Verdict, str] = {
        "holds": "hold", "does not hold": "do not hold", "cannot be told": "cannot be told",
    }  # fmt: skip
    return f"{n} {verdict if n == 1 else plural[verdict]}"


_COLOUR: dict[Verdict, str] = {"holds": "green", "does not hold": "red", "cannot be told": "yellow"}
