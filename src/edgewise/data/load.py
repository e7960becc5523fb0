"""Data sets by name."""

from __future__ import annotations

import difflib
import os
from typing import Literal, Unpack, overload

from edgewise.data.catalogue import CIFAR10, CIFAR100, ENTRIES, FASHION_MNIST, MNIST, STL10
from edgewise.data.dataset import DataSet
from edgewise.data.digits import digits
from edgewise.data.download import Told
from edgewise.data.image_set import ImageSet
from edgewise.data.published import Where, published
from edgewise.data.wdbc import wdbc
from edgewise.errors import DataError

ImageSetName = Literal["mnist", "fashion_mnist", "cifar10", "cifar100", "stl10"]
TableName = Literal["digits", "wdbc"]
_TABLES = {"digits": digits, "wdbc": wdbc}


def names() -> tuple[str, ...]:
    """Every name that `load` knows."""
    return (*_TABLES, *ENTRIES)


@overload
def load(name: ImageSetName, *, seed: int = 0, **where: Unpack[Where]) -> ImageSet: ...


@overload
def load(name: TableName, *, seed: int = 0, **where: Unpack[Where]) -> DataSet: ...


@overload
def load(name: str, *, seed: int = 0, **where: Unpack[Where]) -> ImageSet | DataSet: ...


def load(
    name: str,
    *,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    download: bool = True,
    cache: str | os.PathLike[str] | None = None,
    verify: bool | None = None,
    progress: bool | Told = True,
) -> ImageSet | DataSet:
    """A data set by its name: an ImageSet for images of the web, a DataSet for the tables that scikit-learn brings.

    folder: look there and nowhere else, in the folder itself, in one with the set's name or the published archive's.
    Without it, the folders of the environment variable EDGEWISE_DATA are searched, then the cache, and then, if
    `download`, the set is fetched into the cache. cache: None for the first writable folder of EDGEWISE_DATA, else the
    user's cache folder. verify: compare known checksums now (True), never (False), or the first time these files are
    read (None). progress: bars on stderr, none, or a function called with a file's name, the bytes that are here and
    those in all, None where unknown. seed: how `digits` and `wdbc` are split.

    Raises DataError for an unknown name, and for files that are missing, incomplete, damaged or not the published ones:
    it names the file, what was expected and what to do. There is never a partly loaded set.

    >>> from edgewise import data
    >>> data.load("wdbc").features
    30
    """
    if name in _TABLES:
        return _TABLES[name](seed=seed)
    if name not in ENTRIES:
        near = difflib.get_close_matches(name, names(), n=1)
        raise DataError(
            f"no data set {name!r}; known are {', '.join(names())}" + (f"; did you mean {near[0]}?" if near else "")
        )
    return published(ENTRIES[name], folder=folder, download=download, cache=cache, verify=verify, progress=progress)


def mnist(**where: Unpack[Where]) -> ImageSet:
    """60,000 and 10,000 handwritten digits, 28x28 grey (Y. LeCun, C. Cortes, C. Burges, 1998); options as `load`."""
    return published(MNIST, **where)


def fashion_mnist(**where: Unpack[Where]) -> ImageSet:
    """60,000 and 10,000 articles of clothing, 28x28 grey (H. Xiao et al., arXiv:1708.07747); options as `load`."""
    return published(FASHION_MNIST, **where)


def cifar10(**where: Unpack[Where]) -> ImageSet:
    """50,000 and 10,000 photographs of 10 classes, 32x32 colour (A. Krizhevsky, 2009); options as `load`."""
    return published(CIFAR10, **where)


def cifar100(**where: Unpack[Where]) -> ImageSet:
    """50,000 and 10,000 photographs of 100 classes, 32x32 colour (A. Krizhevsky, 2009); options as `load`."""
    return published(CIFAR100, **where)


def stl10(**where: Unpack[Where]) -> ImageSet:
    """5,000 and 8,000 photographs of 10 classes, 96x96 colour (A. Coates et al., 2011); options as `load`."""
    return published(STL10, **where)
