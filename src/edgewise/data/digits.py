"""The handwritten digits that come with scikit-learn: 1,797 real 8x8 images of 10 classes, no download."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.data.dataset import DataSet, Split
from edgewise.data.stratified import stratified
from edgewise.errors import DataError, DomainError

_SHAPE, _CLASSES, _BRIGHTEST = (1797, 64), 10, 16.0


def digits(*, validation: float = 0.15, test: float = 0.25, seed: int = 0) -> DataSet:
    """The digits, split class by class and normalised so that every input has mean square 1.

    validation, test: fractions of each class kept for choosing settings and for reporting; the rest is for training.
    Each pixel's mean over the training images is subtracted (a pixel that is constant there is set to 0), then each
    image is divided by the root of its mean square, so that a first layer with weight variance C_W / 64 has
    K(1) = C_b + C_W for every image.

    Raises DomainError for fractions that leave no training data and DataError when the images cannot be loaded.
    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.
    """
    if not (0.0 < validation < 1.0 and 0.0 < test < 1.0 and validation + test < 0.9):
        raise DomainError(
            f"validation={validation!r} and test={test!r} given, expected fractions > 0 that sum to less than 0.9; "
            "try validation=0.15, test=0.25"
        )
    inputs, labels = pixels()
    parts = stratified(labels, (validation, test), torch.Generator().manual_seed(seed))
    held_out, tested, trained = parts
    return DataSet(
        name="scikit-learn digits (8x8)",
        **{
            name: Split(_normalised(inputs, trained)[rows], labels[rows])
            for name, rows in (("train", trained), ("validation", held_out), ("test", tested))
        },
        classes=_CLASSES,
        normalisation="training mean of each pixel subtracted, then each image scaled to mean square 1",
        seed=seed,
    )


def pixels() -> tuple[Tensor, Tensor]:
    """All 1,797 images as they come: float64 rows of 64 numbers from 0 to 16, and int64 labels. Raises DataError."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(
            "the digits need scikit-learn, which cannot be imported; try pip install scikit-learn"
        ) from error
    try:
        values, labels = load_digits(return_X_y=True)
    except (OSError, ValueError) as error:
        raise DataError(f"scikit-learn's digits cannot be read ({error}); try reinstalling scikit-learn") from error
    inputs = torch.as_tensor(values, dtype=torch.float64)
    classes = torch.as_tensor(labels, dtype=torch.int64)
    intact = (
        inputs.shape == _SHAPE and classes.shape == _SHAPE[:1] and bool(((inputs >= 0) & (inputs <= _BRIGHTEST)).all())
    )
    if not intact or sorted(set(classes.tolist())) != list(range(_CLASSES)):
        raise DataError(
            f"scikit-learn's digits hold {tuple(inputs.shape)} numbers, expected {_SHAPE} from 0 to 16 in 10 classes; "
            "try reinstalling scikit-learn"
        )
    return inputs, classes


def _normalised(inputs: Tensor, train: Tensor) -> Tensor:
    """All inputs, float32, normalised with the numbers of the training rows."""
    constant = (inputs[train] == inputs[train][0]).all(0)
    centred = torch.where(constant, 0.0, inputs - inputs[train].mean(0))
    return (centred / centred.square().mean(1, keepdim=True).sqrt()).to(torch.float32)
