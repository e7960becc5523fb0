"""Which of several things measured on the same seeds differ: paired differences, with Holm's correction over pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.errors import DomainError
from edgewise.measure.jsonable import jsonable
from edgewise.studies import evidence
from edgewise.studies.evidence import Interval

ALPHA = 0.05
"""The chance, at most, that any of the pairs is called different although none is."""


@dataclass(frozen=True)
class Pair:
    """first - second, seed by seed. p: two-sided, of the paired t test; adjusted: Holm's, over all pairs.

    differ: whether `adjusted` is below ALPHA; None where a single seed cannot tell.
    """

    first: str
    second: str
    difference: Interval
    p: float
    adjusted: float
    differ: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = jsonable(vars(self) | {"difference": self.difference.to_dict()})
        return plain


def pairwise(values: Mapping[str, Sequence[float]]) -> tuple[Pair, ...]:
    """Every pair of names, whose values belong to the same seeds in the same order.

    Intervals are at confidence 1 - ALPHA, each for itself. Raises DomainError where the numbers of values differ.
    """
    if len({len(sample) for sample in values.values()}) > 1:
        told = ", ".join(f"{len(sample)} for {name}" for name, sample in values.items())
        raise DomainError(f"{told} values given, expected as many for each, of the same seeds")
    names = list(itertools.combinations(values, 2))
    differences = [np.subtract(values[a], values[b]) for a, b in names]
    raw = [_p(difference) for difference in differences]
    return tuple(
        Pair(
            a, b, evidence.mean(difference.tolist(), level=1.0 - ALPHA), p, adjusted,
            None if math.isnan(p) else adjusted < ALPHA,
        )
        for (a, b), difference, p, adjusted in zip(names, differences, raw, holm(raw), strict=True)
    )  # fmt: skip


def _p(difference: Any) -> float:
    """Of the paired t test; nan for one seed; 0 or 1 where all differences are one number."""
    from scipy.stats import ttest_1samp

    if len(difference) < 2:
        return math.nan
    if np.ptp(difference) == 0.0:
        return 1.0 if difference[0] == 0.0 else 0.0
    return float(ttest_1samp(difference, 0.0).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the chance of any false alarm; nan stays nan, and still counts as a test.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979) 65-70.
    """
    adjusted, running = [math.nan] * len(p), 0.0
    known = sorted((value, i) for i, value in enumerate(p) if not math.isnan(value))
    for rank, (value, i) in enumerate(known):
        running = max(running, min(1.0, (len(p) - rank) * value))
        adjusted[i] = running
    return adjusted


def ratio(values: Sequence[float], to: Sequence[float]) -> Interval:
    """values / to, measured in pairs: the geometric mean of the ratios, by Student's t on their logarithms."""
    logs = [math.log(a / b) for a, b in zip(values, to, strict=True)]
    found = evidence.mean(logs, level=1.0 - ALPHA)
    low, high = (math.exp(end) if end < 700.0 else math.inf for end in (found.low, found.high))
    return Interval(math.exp(found.estimate), low, high, found.level, found.n, "geometric mean, Student's t of logs")
