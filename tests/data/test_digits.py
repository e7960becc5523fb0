"""The digits: real images, split class by class, normalised with the training images alone."""

from __future__ import annotations

import pytest
import torch

from edgewise.data import digits
from edgewise.errors import DataError, DomainError


def test_splits_are_disjoint_and_together_are_all_images():
    data = digits()
    assert len(data.train) + len(data.validation) + len(data.test) == 1797
    rows = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert len(torch.unique(rows, dim=0)) == 1797  # every image once: the 1,797 images all differ


def test_every_input_has_mean_square_one():
    data = digits()
    for split in (data.train, data.validation, data.test):
        assert split.inputs.dtype == torch.float32
        # 64 float32 squares: the rounding error of their mean is below 64 eps
        torch.testing.assert_close(split.inputs.square().mean(1), torch.ones(len(split)), rtol=0, atol=64 * 1.2e-7)


def test_classes_have_the_same_share_in_every_split():
    data = digits(validation=0.2, test=0.3)
    whole = sum(torch.bincount(s.labels, minlength=10) for s in (data.train, data.validation, data.test))
    for split, share in ((data.validation, 0.2), (data.test, 0.3)):
        assert ((torch.bincount(split.labels, minlength=10) - share * whole).abs() <= 0.5).all()  # rounded per class


def test_constant_pixels_are_zero_and_others_centred():
    data = digits()
    constant = (data.train.inputs == 0).all(0)
    assert constant.any()  # the corners of the images are always black
    assert (data.test.inputs[:, constant] == 0).all()


def test_the_seed_decides_the_split():
    assert torch.equal(digits(seed=3).test.inputs, digits(seed=3).test.inputs)
    assert not torch.equal(digits(seed=3).test.labels, digits(seed=4).test.labels)


@pytest.mark.parametrize("fractions", [(0.0, 0.2), (0.5, 0.5), (float("nan"), 0.2)])
def test_fractions_that_leave_nothing_are_refused(fractions):
    with pytest.raises(DomainError, match=r"try validation=0\.15"):
        digits(validation=fractions[0], test=fractions[1])


def test_an_unreadable_file_is_a_data_error(monkeypatch):
    import sklearn.datasets

    def broken(**_):
        raise OSError("digits.csv.gz is truncated")

    monkeypatch.setattr(sklearn.datasets, "load_digits", broken)
    with pytest.raises(DataError, match="truncated"):
        digits()


def test_a_file_with_other_contents_is_a_data_error(monkeypatch):
    import numpy
    import sklearn.datasets

    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda **_: (numpy.zeros((3, 64)), numpy.zeros(3, int)))
    with pytest.raises(DataError, match="expected"):
        digits()
