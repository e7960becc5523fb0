"""Intervals cover what they should, and stay open where there is too little evidence."""

from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgewise.errors import DomainError
from edgewise.studies import evidence
from edgewise.studies.claim import Check


def test_the_mean_has_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    found = evidence.mean(values, level=0.95)
    # t(0.975, 3) = 3.18245 from the tables; s = 2.6458, so half a width is 3.18245 * 2.6458/2
    assert found.estimate == 3.5
    assert found.high - 3.5 == pytest.approx(3.182446 * 2.645751 / 2.0, rel=1e-6)
    assert found.low + found.high == pytest.approx(7.0)
    assert found.n == 4


@pytest.mark.parametrize(
    "make", [evidence.mean, evidence.median, partial(evidence.bootstrap, statistic=np.mean, name="mean")]
)
def test_a_single_value_leaves_everything_open(make: object) -> None:
    found = make([3.0])  # type: ignore[operator]
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_the_median_of_eight_is_between_their_extremes_and_of_seven_is_open() -> None:
    # P(all of n on one side of the median) * 2 = 2**(1-n): 0.0078 for 8, 0.0156 for 7
    found = evidence.median([8.0, 1.0, 5.0, 3.0, math.inf, 2.0, 4.0, 6.0])
    assert (found.low, found.high, found.estimate) == (1.0, math.inf, 4.5)
    assert evidence.median(range(7)).low == -math.inf


def test_the_interval_of_the_median_covers_it_as_often_as_it_says() -> None:
    generator, n, trials = np.random.default_rng(1), 25, 2000
    hit = sum(
        found.low <= math.log(2.0) <= found.high
        for found in (evidence.median(generator.exponential(size=n), level=0.9) for _ in range(trials))
    )
    # at least 0.9 by construction; 4 standard errors of 2000 trials are 0.027
    assert hit / trials >= 0.9 - 0.027


def test_a_proportion_has_the_exact_interval() -> None:
    # 10 of 10: the low end p has p**10 = 0.005
    found = evidence.proportion(10, 10)
    assert found.low == pytest.approx(0.005**0.1, rel=1e-9)
    assert found.high == 1.0
    with pytest.raises(DomainError, match="11 successes of 10"):
        evidence.proportion(11, 10)


def test_the_difference_of_means_is_welchs() -> None:
    a, b = [5.0, 6.0, 7.5, 4.0], [1.0, 1.5, 0.5]
    va, vb = np.var(a, ddof=1) / 4, np.var(b, ddof=1) / 3
    dof = (va + vb) ** 2 / (va**2 / 3 + vb**2 / 2)
    half = stats.t.ppf(0.995, dof) * math.sqrt(va + vb)
    found = evidence.difference_of_means(a, b)
    assert found.low == pytest.approx(5.625 - 1.0 - half)
    assert found.high == pytest.approx(5.625 - 1.0 + half)


def test_equal_values_have_an_interval_without_width() -> None:
    assert evidence.difference_of_means([1.0] * 5, [0.5] * 5).high == 0.5
    assert evidence.bootstrap([2.0] * 12, partial(np.mean, axis=-1), name="mean").low == 2.0


def test_the_bootstrap_of_a_mean_is_near_students() -> None:
    values = np.random.default_rng(0).normal(size=200)
    student = evidence.mean(values)
    found = evidence.bootstrap(values, partial(np.mean, axis=-1), name="mean")
    # 2000 resamples leave the ends uncertain by about 5 % of the half-width at level 0.99
    assert found.high - found.low == pytest.approx(student.high - student.low, rel=0.15)
    assert "BCa" in found.method


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(DomainError, match="1 of 2 values"):
        evidence.mean([1.0, math.nan])


@pytest.mark.parametrize("values", [[math.inf] * 9, [-math.inf] * 9, [1.0] * 3 + [math.inf] * 9])
def test_an_infinite_median_keeps_its_sign_and_with_it_the_verdict_through_json(values: list[float]) -> None:
    found = evidence.median(values)
    again = evidence.Interval.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert again == found
    region = (0.5, math.inf)
    assert Check("it fails", again, region).verdict == Check("it fails", found, region).verdict != "cannot be told"


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.sampled_from([math.inf, 1.0]))
def test_an_interval_survives_its_json(centre: float, width: float, end: float) -> None:
    found = evidence.Interval(centre, centre - width, centre + width if end == 1.0 else end, 0.99, 5, "x")
    assert evidence.Interval.from_dict(found.to_dict()) == found
