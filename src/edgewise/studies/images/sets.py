"""The images a comparison learns from: a data set by its name, parts of it set aside or left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch

from edgewise import data
from edgewise.data import Images, ImageSet
from edgewise.data.digits import pixels
from edgewise.data.images import channel_statistics
from edgewise.errors import DataError, DomainError

_SPLIT = 0
"""Seed of what is set aside and left out: the same images in every comparison, whatever its seeds."""


def image_set(name: str, *, folder: str | os.PathLike[str] | None = None, progress: bool = True) -> ImageSet:
    """A set of images by name: "digits" (8x8, comes with scikit-learn), and those of `edgewise.data.load`.

    Raises DataError for another name, and what `load` raises.
    """
    if name == "digits":
        return _digits()
    loaded = data.load(name, folder=folder, progress=progress)
    if not isinstance(loaded, ImageSet):
        raise DataError(f"{name} holds no images; try mnist, fashion_mnist, cifar10 or digits")
    return loaded


def _digits() -> ImageSet:
    """The digits of scikit-learn as images of bytes, a quarter of each class for testing."""
    values, labels = pixels()
    images = (values * (255.0 / 16.0)).round().to(torch.uint8).view(-1, 1, 8, 8)
    whole = Images(images, labels, *channel_statistics(images))
    train, test = whole.split(0.25, torch.Generator().manual_seed(_SPLIT))
    mean, std = channel_statistics(train.images)
    return ImageSet(
        name="digits", title="scikit-learn digits", train=replace(train, mean=mean, std=std),
        test=replace(test, mean=mean, std=std), class_names=tuple("0123456789"), source="scikit-learn", verified=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What is learnt from, in `learnt.train`, what is reported, in `learnt.test`, and what settings are chosen on."""

    learnt: ImageSet
    validation: Images


def parts(
    whole: ImageSet, *, train: int | None = None, validation: int | None = None, test: int | None = None
) -> Parts:
    """Disjoint random parts of the training images, and of the test images, every class in its own proportion.

    train: None for all that validation leaves. validation: None for a tenth of the training images, 5000 at most, or
    a fifth of `train` where that is smaller. test: None for all. Raises DomainError for more than there is.
    """
    available = len(whole.train)
    held = validation or max(1, min(5000, available // 10, available if train is None else max(train // 5, 100)))
    generator = torch.Generator().manual_seed(_SPLIT)
    for name, wanted, most in (
        ("training", train, available - held), ("validation", held, available - 1), ("test", test, len(whole.test)),
    ):  # fmt: skip
        if wanted is not None and not 1 <= wanted <= most:
            raise DomainError(f"{wanted:,} {name} images wanted of {whole.title}, expected from 1 to {most:,}")
    rest, aside = whole.train.split(held, generator)
    if train is not None and train < len(rest):
        _, rest = rest.split(train, generator)
    tested = whole.test
    if test is not None and test < len(tested):
        _, tested = tested.split(test, generator)
    return Parts(replace(whole, train=rest, test=tested), aside)
