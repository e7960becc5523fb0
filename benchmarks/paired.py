"""Fair timing on a noisy machine: two routes in turn, A B A B ..., and the ratio pair by pair."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Paired:
    """Seconds of each of the pairs; `ratio` is theirs / ours, median over pairs (above 1: we are faster)."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(t / o for t, o in zip(self.theirs, self.ours, strict=True))

    def record(self) -> dict[str, float]:
        return {
            "ratio": self.ratio,
            "ratio_low": min(t / o for t, o in zip(self.theirs, self.ours, strict=True)),
            "ratio_high": max(t / o for t, o in zip(self.theirs, self.ours, strict=True)),
            "ours_s": statistics.median(self.ours),
            "theirs_s": statistics.median(self.theirs),
            "pairs": len(self.ours),
        }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(ours: Callable[[], object], theirs: Callable[[], float], pairs: int = 5) -> Paired:
    """Times `ours` here and lets `theirs` return its own seconds, in turn, after one untimed round of each."""
    ours()
    theirs()
    taken = [(seconds(ours), theirs()) for _ in range(pairs)]
    return Paired([o for o, _ in taken], [t for _, t in taken])
