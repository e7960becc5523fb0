"""A labelled set of images as it was published: what to learn from and what to report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from edgewise.data.dataset import DataSet
from edgewise.data.images import Images

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class ImageSet:
    """train: what networks learn from; test: what is reported. Both are normalised with the training set's numbers.

    name: as `edgewise.data.load` knows it. class_names: what each label means. source: where the files were found and
    in which format. verified: whether known checksums were compared, now or when these same files were first read.
    remarks: what a result that rests on this copy of the data has to say.
    """

    name: str
    title: str
    train: Images
    test: Images
    class_names: tuple[str, ...]
    source: str
    verified: bool
    remarks: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self.class_names)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training images, pixels scaled to 0...1."""
        return self.train.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training images."""
        return self.train.std

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return self.train.shape

    def to(self, device: torch.device | str) -> ImageSet:
        """The same set on a device."""
        return ImageSet(
            self.name, self.title, self.train.to(device), self.test.to(device), self.class_names, self.source,
            self.verified, self.remarks,
        )  # fmt: skip

    def flat(
        self, *, validation: int | float = 0.1, seed: int = 0, unit: bool = False, dtype: torch.dtype = torch.float32
    ) -> DataSet:
        """The set as rows of numbers, for networks without convolutions.

        validation: how many training images (int) or which share of them (float) to set aside for choosing settings,
        drawn class by class with `seed`. unit: see `Images.flat`.
        """
        rest, held = self.train.split(validation, torch.Generator().manual_seed(seed))
        words = "training mean of each channel subtracted, divided by its standard deviation"
        return DataSet(
            name=self.title,
            train=rest.flat(unit=unit, dtype=dtype),
            validation=held.flat(unit=unit, dtype=dtype),
            test=self.test.flat(unit=unit, dtype=dtype),
            classes=self.classes,
            normalisation=words + (", then each image scaled to mean square 1" if unit else ""),
            seed=seed,
        )

    def describe(self) -> str:
        """What the set is, in one sentence, with what has to be said about this copy."""
        channels, height, width = self.shape
        kind = "grey" if channels == 1 else "colour"
        told = (
            f"{self.title}: {len(self.train):,} training and {len(self.test):,} test images, {height}x{width} "
            f"{kind}, {self.classes} classes, from {self.source}"
            f" ({'checksums verified' if self.verified else 'checksums not verified'})."
        )
        return " ".join((told, *self.remarks))

    def to_dict(self) -> dict[str, Any]:
        """What the data are and where they come from, without the data."""
        return {
            "name": self.name,
            "title": self.title,
            "train": len(self.train),
            "test": len(self.test),
            "shape": list(self.shape),
            "classes": self.classes,
            "class_names": list(self.class_names),
            "mean": list(self.mean),
            "std": list(self.std),
            "source": _told(self.source),
            "verified": self.verified,
            "remarks": list(self.remarks),
        }

    def __rich__(self) -> RenderableType:
        from rich.panel import Panel
        from rich.text import Text

        return Panel(Text(self.describe()), title=Text(self.name, style="bold"), padding=(1, 2))


def _told(source: str) -> str:
    """Where images come from in a result that others read: the folder's name, not where it lies on this machine."""
    kind, found, folder = source.partition(" in ")
    return f"{kind} in {Path(folder).name}" if found else source
