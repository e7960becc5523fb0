"""Data sets by name: found in a folder or downloaded, checked, split and normalised."""

from edgewise.data.augment import Augment, alternating
from edgewise.data.dataset import DataSet, Split
from edgewise.data.digits import digits
from edgewise.data.image_set import ImageSet
from edgewise.data.images import Images
from edgewise.data.load import cifar10, cifar100, fashion_mnist, load, mnist, names, stl10
from edgewise.data.wdbc import wdbc

__all__ = [
    "Augment",
    "DataSet",
    "ImageSet",
    "Images",
    "Split",
    "alternating",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "load",
    "mnist",
    "names",
    "stl10",
    "wdbc",
]
