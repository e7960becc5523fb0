"""A claim of a paper beside what was measured, and the verdict that follows from rules declared beforehand.

A claim rests on checks. Each says, before anything is measured, in which region a quantity must lie for the statement
to be true; measuring gives an interval of it. Interval inside the region: holds. Interval wholly outside: does not
hold. Anything else cannot be told from this much evidence. A claim holds when all its checks do and fails when one
does; nobody sets a verdict by hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import Provenance
from edgewise.studies.evidence import Interval

Verdict = Literal["holds", "does not hold", "cannot be told"]
ABOVE_ZERO = (math.nextafter(0.0, 1.0), math.inf)
"""The region of "greater": a tie is no difference."""
BELOW_ZERO = (-math.inf, math.nextafter(0.0, -1.0))
VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "cannot be told")


@dataclass(frozen=True)
class Check:
    """One quantity, the region in which the statement about it is true, and the interval measured.

    statement: a sentence, "the doubling of log K per layer is 2"; region: (low, high), both ends allowed, infinite for
    none; unit: printed after the numbers, "%", "layers".
    """

    statement: str
    interval: Interval
    region: tuple[float, float]
    unit: str = ""

    @property
    def verdict(self) -> Verdict:
        low, high = self.region
        if math.isnan(self.interval.low) or math.isnan(self.interval.high):
            return "cannot be told"
        if low <= self.interval.low and self.interval.high <= high:
            return "holds"
        if self.interval.high < low or self.interval.low > high:
            return "does not hold"
        return "cannot be told"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; an end of the region that is not finite becomes None."""
        return {
            "statement": self.statement,
            "verdict": self.verdict,
            "interval": self.interval.to_dict(),
            "region": jsonable(self.region),
            "unit": self.unit,
        }

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Check:
        low, high = plain["region"]
        region = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        return Check(str(plain["statement"]), Interval.from_dict(plain["interval"]), region, str(plain["unit"]))


@dataclass(frozen=True)
class Claim:
    """What a paper says, what was measured, and whether it holds.

    key: letters, digits and hyphens, distinct within its study. says: the paper's statement in our words; where: the
    figure, table or section. measured: one plain sentence with the numbers, n and spread. n: independent observations
    (networks, runs). settings: everything that was chosen. numbers: what a table would show. figures: names of drawings
    in `edgewise.report.figures.<study>`; data: what they draw. All three are plain JSON values. remarks: sentences
    that a careful reader needs, such as how far this goes from the paper's own set-up. of_paper: whether the statement
    is the paper's, or one that we add to it and examine by the same rules. provenance: filled in by the
    study that runs it.
    """

    key: str
    title: str
    says: str
    where: str
    checks: tuple[Check, ...]
    measured: str
    n: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    of_paper: bool = True
    provenance: Provenance | None = None

    @property
    def verdict(self) -> Verdict:
        """Holds when every check does, does not when one does not, else it cannot be told."""
        found = {check.verdict for check in self.checks}
        if "does not hold" in found:
            return "does not hold"
        return "cannot be told" if "cannot be told" in found or not found else "holds"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "key": self.key,
            "title": self.title,
            "says": self.says,
            "of_paper": self.of_paper,
            "where": self.where,
            "verdict": self.verdict,
            "measured": self.measured,
            "n": self.n,
            "checks": [check.to_dict() for check in self.checks],
            "remarks": list(self.remarks),
            "settings": jsonable(self.settings),
            "numbers": jsonable(self.numbers),
            "figures": list(self.figures),
            "data": jsonable(self.data),
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Claim:
        """The claim that `to_dict` wrote; the verdict follows from its checks again. Raises KeyError, TypeError."""
        origin = plain["provenance"]
        return Claim(
            key=str(plain["key"]),
            title=str(plain["title"]),
            says=str(plain["says"]),
            where=str(plain["where"]),
            checks=tuple(Check.from_dict(check) for check in plain["checks"]),
            measured=str(plain["measured"]),
            n=int(plain["n"]),
            settings=dict(plain["settings"]),
            numbers=dict(plain["numbers"]),
            figures=tuple(str(name) for name in plain["figures"]),
            data=dict(plain["data"]),
            remarks=tuple(str(remark) for remark in plain["remarks"]),
            of_paper=bool(plain["of_paper"]),
            provenance=None if origin is None else Provenance(**origin),
        )
