"""Parts of published image sets that studies learn from, from data at hand; studies download nothing."""

from __future__ import annotations

import functools
import os

from edgewise import data
from edgewise.data import ImageSet
from edgewise.studies.images.sets import image_set, parts


def subset(name: str, *, train: int, validation: int = 500, test: int = 1000) -> tuple[ImageSet, data.Images]:
    """(what is learnt from and reported, what settings are chosen on): always the same images, every class alike.

    Raises DataError where the files of the set are not at hand, DomainError for more images than there are.
    """
    chosen = parts(_whole(name, os.environ.get("EDGEWISE_DATA", "")), train=train, validation=validation, test=test)
    return chosen.learnt, chosen.validation


@functools.lru_cache(maxsize=1)
def _whole(name: str, _: str) -> ImageSet:
    """The whole set, kept: decoding one takes longer than many a part of a study."""
    if name == "digits":
        return image_set(name)
    found = data.load(name, download=False, progress=False)
    assert isinstance(found, ImageSet)
    return found
