"""Figures of a comparison: no dot hides another."""

from __future__ import annotations

from edgewise.report.figures.image_comparison import _levels


def test_dots_of_equal_accuracy_stand_above_each_other() -> None:
    assert _levels([0.1, 0.1, 0.2, 0.1], 0.01) == [0, 1, 0, 2]


def test_dots_far_enough_apart_stand_in_one_row_whatever_their_order() -> None:
    assert _levels([0.9, 0.1, 0.5], 0.01) == [0, 0, 0]


def test_more_dots_than_levels_share_the_one_that_was_left_longest() -> None:
    found = _levels([0.1 + 0.001 * i for i in range(9)], 0.1)
    assert found == [0, 1, 2, 3, 0, 1, 2, 3, 0]
