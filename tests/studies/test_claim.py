"""Verdicts follow from checks, and survive their JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import DataError
from edgewise.measure.provenance import Provenance
from edgewise.studies.claim import Check, Claim
from edgewise.studies.evidence import Interval, computed
from edgewise.studies.result import Missing, StudyResult

ORIGIN = Provenance(0, "0", "2", "3", None, "cpu", "float32", 1, 0.5)


def check(low: float, high: float, region: tuple[float, float] = (0.0, 1.0)) -> Check:
    return Check("a quantity", Interval((low + high) / 2, low, high, 0.99, 9, "t"), region)


def claim(*checks: Check) -> Claim:
    return Claim("key", "title", "says", "where", checks, "measured", 9, provenance=ORIGIN)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 0.8, "holds"),
        (0.0, 1.0, "holds"),
        (0.5, 1.1, "cannot be told"),
        (-math.inf, math.inf, "cannot be told"),
        (1.1, 1.5, "does not hold"),
        (-2.0, -1.0, "does not hold"),
        (math.nan, 1.0, "cannot be told"),
    ],
)
def test_a_check_compares_its_interval_with_its_region(low: float, high: float, verdict: str) -> None:
    assert check(low, high).verdict == verdict


def test_a_claim_needs_all_its_checks_and_fails_with_one() -> None:
    good, bad, open_ = check(0.4, 0.6), check(2.0, 3.0), check(0.5, 1.5)
    assert claim(good, good).verdict == "holds"
    assert claim(good, open_).verdict == "cannot be told"
    assert claim(open_, bad, good).verdict == "does not hold"
    assert claim().verdict == "cannot be told"


@given(st.floats(-10, 10), st.floats(0, 5), st.floats(-10, 10), st.floats(0, 5))
def test_a_narrower_interval_never_changes_a_verdict_that_was_given(
    centre: float, half: float, low: float, width: float
) -> None:
    region = (low, low + width)
    wide = check(centre - half, centre + half, region).verdict
    narrow = check(centre - half / 2, centre + half / 2, region).verdict
    assert wide in ("cannot be told", narrow)


def test_a_result_survives_its_json_and_its_verdicts_are_made_again() -> None:
    made = claim(check(0.2, 0.9, (-math.inf, 1.0)), Check("computed", computed(1.0), (0.5, math.inf), "layers"))
    result = StudyResult("s", "t", "p", "a", "smoke", (made,), (Missing("k", "t", "w", True),), "2026-01-01", ORIGIN)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    plain["claims"][0]["verdict"] = "does not hold"  # what is stored is not what decides
    again = StudyResult.from_dict(plain)
    assert again.to_dict() == result.to_dict()
    assert again.claims[0].verdict == "holds"
    assert again.reason == "of 1 claim 1 holds; k failed"


@pytest.mark.parametrize("plain", [{}, {"study": "x"}, {"claims": 3}])
def test_what_is_no_result_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(DataError, match="edgewise reproduce"):
        StudyResult.from_dict(plain)
