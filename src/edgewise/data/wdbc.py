"""Wisconsin diagnostic breast cancer, which comes with scikit-learn: 569 tumours, 30 measurements, 2 classes."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.data.dataset import DataSet, Split
from edgewise.data.stratified import stratified
from edgewise.errors import DataError, DomainError

_SHAPE, _CLASSES = (569, 30), 2


def wdbc(*, test: float = 0.3, validation: float = 0.0, standardise: bool = True, seed: int = 0) -> DataSet:
    """The tumours, split class by class, each measurement with mean 0 and variance 1 over the training tumours.

    test, validation: fractions of each class; the rest is for training. By default 70 % train and 30 % test, and the
    validation split is empty. standardise: False for the raw measurements. Labels: 0 malignant, 1 benign.

    Raises DomainError for fractions that leave no training data and DataError when the table cannot be loaded.
    Source: W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin (Diagnostic), UCI (1995).
    """
    if not (0.0 < test < 1.0 and 0.0 <= validation < 1.0 and validation + test < 0.9):
        raise DomainError(
            f"test={test!r} and validation={validation!r} given, expected fractions, test > 0, that sum to less than "
            "0.9; try test=0.3, validation=0.0"
        )
    inputs, labels = _load()
    held_out, tested, trained = stratified(labels, (validation, test), torch.Generator().manual_seed(seed))
    if standardise:
        mean, deviation = inputs[trained].mean(0), inputs[trained].std(0, correction=0)
        inputs = (inputs - mean) / deviation
    values = inputs.to(torch.float32)
    splits = {"train": trained, "validation": held_out, "test": tested}
    return DataSet(
        name="Wisconsin diagnostic breast cancer",
        **{name: Split(values[rows], labels[rows]) for name, rows in splits.items()},
        classes=_CLASSES,
        normalisation="each measurement standardised with the training split" if standardise else "none",
        seed=seed,
    )


def _load() -> tuple[Tensor, Tensor]:
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError as error:
        raise DataError("wdbc needs scikit-learn, which cannot be imported; try pip install scikit-learn") from error
    try:
        table, classes = load_breast_cancer(return_X_y=True)
    except (OSError, ValueError) as error:
        raise DataError(f"scikit-learn's wdbc cannot be read ({error}); try reinstalling scikit-learn") from error
    inputs = torch.as_tensor(table, dtype=torch.float64)
    labels = torch.as_tensor(classes, dtype=torch.int64)
    intact = inputs.shape == _SHAPE and labels.shape == _SHAPE[:1] and bool(inputs.isfinite().all())
    if not intact or sorted(set(labels.tolist())) != [0, 1]:
        raise DataError(
            f"scikit-learn's wdbc holds {tuple(inputs.shape)} numbers, expected {_SHAPE} finite ones in 2 classes; "
            "try reinstalling scikit-learn"
        )
    return inputs, labels
