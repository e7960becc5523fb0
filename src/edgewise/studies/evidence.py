"""Intervals for what was measured: an estimate, and the range that the evidence leaves open, by a named method.

Every function returns an `Interval` at a stated confidence level. Too few numbers make it wide, or infinite; that is
how "cannot be told" comes about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.errors import DomainError
from edgewise.measure.jsonable import jsonable

LEVEL = 0.99
"""Confidence level of every interval unless a study says otherwise: a claim often rests on several of them."""


@dataclass(frozen=True)
class Interval:
    """What the evidence allows a quantity to be.

    n: independent observations behind it, 0 where it was computed and not sampled. level: confidence level, 1 for a
    computed bound. method: how it was made, in a few words.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes None, its name and sign in `infinite` if need be."""
        plain: dict[str, Any] = jsonable(vars(self))
        usual = {"estimate": math.nan, "low": -math.inf, "high": math.inf}
        beyond = {name: getattr(self, name) for name in usual if math.isinf(getattr(self, name))}
        signs = {name: 1 if value > 0.0 else -1 for name, value in beyond.items() if value != usual[name]}
        return plain | ({"infinite": signs} if signs else {})

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Interval:
        signs = plain.get("infinite", {})

        def known(name: str, usual: float) -> float:
            if name in signs:
                return math.copysign(math.inf, signs[name])
            return usual if plain[name] is None else float(plain[name])

        return Interval(
            estimate=known("estimate", math.nan),
            low=known("low", -math.inf),
            high=known("high", math.inf),
            level=float(plain["level"]),
            n=int(plain["n"]),
            method=str(plain["method"]),
        )


def computed(value: float, error: float = 0.0) -> Interval:
    """A number that follows from theory, with a bound of its numerical error."""
    return Interval(value, value - error, value + error, 1.0, 0, "computed")


def mean(values: Sequence[float], *, level: float = LEVEL) -> Interval:
    """The mean of independent values by Student's t; open on both sides below two values or where one is infinite."""
    from scipy.stats import t

    x = _sample(values)
    if len(x) < 2 or not np.isfinite(x).all():
        return _open(float(x.mean()) if len(x) else math.nan, level, len(x), "mean, Student's t")
    half = float(t.ppf(0.5 + level / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    centre = float(x.mean())
    return Interval(centre, centre - half, centre + half, level, len(x), "mean, Student's t")


def median(values: Sequence[float], *, level: float = LEVEL) -> Interval:
    """The median of independent values from their order alone (the sign test turned round); infinite values allowed.

    Open below 8 values at level 0.99: then even the extremes do not have that confidence.
    """
    from scipy.stats import binom

    x = np.sort(_sample(values))
    n = len(x)
    centre = _middle(x) if n else math.nan
    k = (
        int(binom.ppf((1.0 - level) / 2.0, n, 0.5)) if n else 0
    )  # the largest k with 2 P(fewer than k below) <= 1 - level
    if k < 1:
        return _open(centre, level, n, "median, order statistics")
    return Interval(centre, float(x[k - 1]), float(x[n - k]), level, n, "median, order statistics")


def difference_of_means(a: Sequence[float], b: Sequence[float], *, level: float = LEVEL) -> Interval:
    """mean(a) - mean(b) of two independent samples of any variances, by Welch's t."""
    from scipy.stats import ttest_ind

    x, y = _sample(a), _sample(b)
    count = min(len(x), len(y))
    if count < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return _open(math.nan, level, count, "difference of means, Welch's t")
    centre = float(x.mean() - y.mean())
    if x.std() == 0.0 and y.std() == 0.0:
        return Interval(centre, centre, centre, level, count, "difference of means, Welch's t")
    found = ttest_ind(x, y, equal_var=False).confidence_interval(level)
    return Interval(centre, float(found.low), float(found.high), level, count, "difference of means, Welch's t")


def proportion(successes: int, n: int, *, level: float = LEVEL) -> Interval:
    """A probability from `successes` of `n` independent trials (Clopper and Pearson, exact). Raises DomainError."""
    from scipy.stats import binomtest

    if not 0 <= successes <= n or n < 1:
        raise DomainError(f"{successes} successes of {n} given, expected 0 <= successes <= n and n >= 1")
    found = binomtest(int(successes), int(n)).proportion_ci(level, method="exact")
    return Interval(successes / n, float(found.low), float(found.high), level, int(n), "proportion, exact binomial")


def bootstrap(
    values: Sequence[float], statistic: Callable[[Any], Any], *, name: str, level: float = LEVEL, seed: int = 0,
    resamples: int = 2000,
) -> Interval:  # fmt: skip
    """Any statistic of independent values by the bias-corrected, accelerated bootstrap; open below 10 values.

    statistic: an array with a last axis of observations to one without it, ``functools.partial(np.std, axis=-1)``.
    """
    from scipy.stats import bootstrap as resampled

    x = _sample(values)
    method = f"{name}, BCa bootstrap"
    if len(x) < 10 or not np.isfinite(x).all():
        return _open(float(statistic(x)) if len(x) else math.nan, level, len(x), method)
    centre = float(statistic(x))
    if np.ptp(x) == 0.0:
        return Interval(centre, centre, centre, level, len(x), method)
    found = resampled(
        (x,), lambda s, axis: statistic(np.moveaxis(s, axis, -1)), confidence_level=level, n_resamples=resamples,
        vectorized=True, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Interval(centre, float(found.low), float(found.high), level, len(x), method)


def _sample(values: Sequence[float]) -> Any:
    x = np.asarray(values, dtype=float).ravel()
    if np.isnan(x).any():
        raise DomainError(f"{int(np.isnan(x).sum())} of {len(x)} values are not a number, expected numbers or infinity")
    return x


def _middle(x: Any) -> float:
    """The median of sorted values that may be infinite, where the usual mean of the middle two would be nan."""
    low, high = float(x[(len(x) - 1) // 2]), float(x[len(x) // 2])
    return low if low == high else 0.5 * (low + high)


def _open(estimate: float, level: float, n: int, method: str) -> Interval:
    return Interval(estimate, -math.inf, math.inf, level, n, method)
