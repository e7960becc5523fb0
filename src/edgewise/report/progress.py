"""How a running report tells where it is: bars in a terminal, a line a part in a pipe, or nothing."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Listener(Protocol):
    """What the builder tells. `weight` is a part's expected share of the whole, in seconds of an ordinary machine."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, weight: float) -> None:
        """That much work lies ahead in all."""

    def begin(self, subject: str, part: str, weight: float) -> None:
        """A part starts."""

    def advance(self, fraction: float) -> None:
        """The current part has come this far, 0 to 1."""

    def end(self, outcome: str, seconds: float) -> None:
        """The current part is over: "done", or why not."""


class Silent:
    """Tells nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def expect(self, weight: float) -> None: ...

    def begin(self, subject: str, part: str, weight: float) -> None: ...

    def advance(self, fraction: float) -> None: ...

    def end(self, outcome: str, seconds: float) -> None: ...


class Lines(Silent):
    """A plain line on stderr for each part: for pipes and log files."""

    def begin(self, subject: str, part: str, weight: float) -> None:
        self._what = f"{subject}: {part}"

    def end(self, outcome: str, seconds: float) -> None:
        print(f"{self._what}: {outcome} ({seconds:.1f} s)", file=sys.stderr, flush=True)


class Bars(Silent):
    """One bar for the whole with the time that remains, and one for each part, on stderr."""

    def __init__(self, title: str = "report") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._title = title
        self._progress: Progress = Progress(*columns, console=Console(stderr=True), speed_estimate_period=120.0)
        self._whole: TaskID | None = None
        self._part: TaskID | None = None
        self._weight = 0.0
        self._done = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def expect(self, weight: float) -> None:
        self._whole = self._progress.add_task(f"[bold]{self._title}", total=weight)

    def begin(self, subject: str, part: str, weight: float) -> None:
        from rich.markup import escape

        self._weight = weight
        self._part = self._progress.add_task(f"{escape(subject)}: {part}", total=1.0)

    def advance(self, fraction: float) -> None:
        if self._part is not None and self._whole is not None:
            self._progress.update(self._part, completed=fraction)
            self._progress.update(self._whole, completed=self._done + fraction * self._weight)

    def end(self, outcome: str, seconds: float) -> None:
        self.advance(1.0)
        self._done += self._weight
        if self._part is not None and outcome == "done":
            self._progress.remove_task(self._part)  # what went well needs no line of its own any more
        self._part = None


def listener(wanted: bool | Listener, title: str = "report") -> Listener:
    """Bars in a terminal, lines in a pipe, nothing for False; a listener stays itself."""
    if not isinstance(wanted, bool):
        return wanted
    if not wanted:
        return Silent()
    return Bars(title) if sys.stderr.isatty() else Lines()
