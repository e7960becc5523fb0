"""The tumours: 70 and 30 per cent of each class, standardised with the training tumours alone."""

from __future__ import annotations

import pytest
import torch

from edgewise.data import wdbc
from edgewise.errors import DataError, DomainError


def test_the_usual_split() -> None:
    data = wdbc()
    assert (len(data.train), len(data.validation), len(data.test)) == (398, 0, 171)
    assert (data.features, data.classes) == (30, 2)
    whole = torch.bincount(data.train.labels) + torch.bincount(data.test.labels)
    assert whole.tolist() == [212, 357]  # malignant, benign
    assert torch.bincount(data.test.labels).tolist() == [64, 107]


def test_training_measurements_are_standardised() -> None:
    inputs = wdbc(validation=0.1).train.inputs.double()
    assert float(inputs.mean(0).abs().max()) < 1e-6
    torch.testing.assert_close(inputs.square().mean(0), torch.ones(30, dtype=torch.float64), rtol=1e-5, atol=0)
    raw = wdbc(standardise=False)
    assert float(raw.train.inputs.min()) >= 0
    assert raw.normalisation == "none"


def test_splits_are_disjoint_and_depend_on_the_seed() -> None:
    data = wdbc(validation=0.2, standardise=False)
    rows = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert len(rows.unique(dim=0)) == 569
    assert not torch.equal(wdbc(seed=1).test.inputs, wdbc(seed=2).test.inputs)
    assert torch.equal(wdbc(seed=1).test.inputs, wdbc(seed=1).test.inputs)


def test_fractions_out_of_range_are_refused() -> None:
    with pytest.raises(DomainError, match=r"try test=0\.3"):
        wdbc(test=0.0)


def test_a_table_with_other_contents_is_a_data_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy
    import sklearn.datasets

    monkeypatch.setattr(sklearn.datasets, "load_breast_cancer", lambda **_: (numpy.ones((3, 30)), numpy.zeros(3)))
    with pytest.raises(DataError, match="expected"):
        wdbc()
