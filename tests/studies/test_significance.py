from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from edgewise.errors import DomainError
from edgewise.studies.significance import ALPHA, holm, pairwise, ratio


def test_holms_adjustment_is_the_one_worked_out_by_hand() -> None:
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, then never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_what_cannot_be_tested_still_counts_as_a_test() -> None:
    adjusted = holm([0.01, math.nan])
    assert adjusted[0] == 0.02
    assert math.isnan(adjusted[1])


def test_pairs_have_the_p_of_the_paired_t_test() -> None:
    generator = np.random.default_rng(0)
    values = {"a": generator.normal(0.9, 0.01, 6), "b": generator.normal(0.9, 0.01, 6)}
    (pair,) = pairwise({name: sample.tolist() for name, sample in values.items()})
    expected = ttest_rel(values["a"], values["b"])
    interval = expected.confidence_interval(1.0 - ALPHA)
    assert pair.p == pair.adjusted == pytest.approx(expected.pvalue, rel=1e-12)
    assert (pair.difference.low, pair.difference.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert pair.differ is False


def test_a_difference_that_every_seed_shows_is_found_though_seeds_spread() -> None:
    seeds = [0.80, 0.85, 0.90, 0.95]
    (pair,) = pairwise({"a": [s + 0.01 + 0.001 * (i % 2) for i, s in enumerate(seeds)], "b": seeds})
    assert pair.differ is True


def test_the_chance_of_any_false_alarm_stays_below_alpha() -> None:
    trials = 2000
    samples = np.random.default_rng(1).normal(size=(4, trials, 5))  # four alike, five seeds
    p = np.stack([ttest_rel(samples[i], samples[j], axis=1).pvalue for i, j in combinations(range(4), 2)], axis=1)
    alarms = sum(min(holm(row)) < ALPHA for row in p.tolist())
    # at most ALPHA in expectation; four standard deviations of a binomial above that
    assert alarms <= trials * ALPHA + 4.0 * math.sqrt(trials * ALPHA * (1.0 - ALPHA))
    assert sum(min(row) < ALPHA for row in p.tolist()) > 2 * alarms  # which without the correction is far exceeded


def test_one_seed_cannot_tell() -> None:
    (pair,) = pairwise({"a": [0.9], "b": [0.1]})
    assert pair.differ is None
    assert pair.to_dict()["p"] is None


def test_equal_differences_are_a_certainty_and_no_difference_none() -> None:
    same, other = pairwise({"a": [0.5, 0.5], "b": [0.5, 0.5], "c": [0.25, 0.25]})[:2]
    assert (same.p, same.differ) == (1.0, False)
    assert (other.p, other.differ) == (0.0, True)


def test_seeds_must_match() -> None:
    with pytest.raises(DomainError, match="2 for a, 1 for b values given"):
        pairwise({"a": [0.5, 0.5], "b": [0.5]})


def test_a_ratio_is_the_geometric_mean_of_pairs() -> None:
    found = ratio([2.0, 8.0], [1.0, 2.0])
    assert found.estimate == pytest.approx(math.sqrt(2.0 * 4.0))
    assert found.low < found.estimate < found.high
    assert ratio([3.0], [1.0]).high == math.inf
