"""The result of a conformance run, and how it looks in a terminal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgewise.testing.outcome import ConformanceError, Worst

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class CheckResult:
    """One check: its outcome, why it was skipped or what is wrong, and the worst error where one was measured."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    worst: Worst | None = None


@dataclass(frozen=True)
class ConformanceReport:
    """All checks of one activation, in the order they ran; printing it shows them all."""

    spec: str
    checks: tuple[CheckResult, ...]

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if c.outcome == "failed")

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def reason(self) -> str:
        """The verdict in a sentence."""
        count = {o: sum(c.outcome == o for c in self.checks) for o in ("passed", "failed", "skipped")}
        verdict = "conforms" if self.passed else "does not conform"
        tally = f"{count['passed']} checks passed, {count['failed']} failed, {count['skipped']} skipped"
        return f"{self.spec} {verdict}: {tally}."

    def raise_if_failed(self) -> None:
        """Raises ConformanceError with the messages of the failed checks."""
        if self.failed:
            raise ConformanceError("\n".join(f"{c.name}: {c.message}" for c in self.failed))

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries, lists, strings and numbers."""
        return {
            "spec": self.spec,
            "passed": self.passed,
            "reason": self.reason,
            "checks": [asdict(c) for c in self.checks],
        }

    def __str__(self) -> str:
        width = max((len(c.name) for c in self.checks), default=0)
        lines = [f"  {c.name:<{width}}  {c.outcome:<7}  {c.message}".rstrip() for c in self.checks]
        return "\n".join([self.reason, *lines])

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        colour = {"passed": "green", "failed": "bold red", "skipped": "dim"}
        table = Table(title=self.reason, title_justify="left", box=None)
        for heading in ("check", "outcome", ""):
            table.add_column(heading)
        for c in self.checks:
            table.add_row(c.name, Text(c.outcome, colour[c.outcome]), Text(c.message))
        return table
