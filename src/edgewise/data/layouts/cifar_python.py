"""CIFAR's python version: pickled batches, read without unpickling (A. Krizhevsky, 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.data.layouts.layout import Arrays, checked_labels, in_folder, read_bytes
from edgewise.data.layouts.plain_pickle import Array, UnreadablePickle, plain_pickle
from edgewise.errors import DataError


@dataclass(frozen=True)
class CifarPython:
    """Batches that are a dictionary with "data", uint8 [image, 3 * side * side], and `label_key`, a list of numbers.

    Each training batch holds train / number of batches images.
    """

    train: int
    test: int
    side: int
    classes: int
    train_files: tuple[str, ...]
    test_file: str
    label_key: str
    digests: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    title: str = "CIFAR python batches"

    @property
    def verifiable(self) -> bool:
        """See `Layout.verifiable`."""
        return bool(self.digests)

    def files(self, folder: Path) -> dict[str, Path | None]:
        """See `Layout.files`."""
        return in_folder(folder, (*self.train_files, self.test_file))

    def checksums(self, folder: Path) -> dict[Path, str]:
        """See `Layout.checksums`."""
        return {folder / name: digest for name, digest in self.digests.items()}

    def read(self, folder: Path, *, verify: bool) -> Arrays:
        """See `Layout.read`."""
        each = self.train // len(self.train_files)
        parts = [self._batch(folder / name, each) for name in self.train_files]
        images, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        return Arrays(images, labels, *self._batch(folder / self.test_file, self.test))

    def _batch(self, path: Path, count: int) -> tuple[Tensor, Tensor]:
        try:
            batch = plain_pickle(read_bytes(path))
        except UnreadablePickle as error:
            raise DataError(f"{path} is no CIFAR batch: {error}; delete it and fetch it again") from error
        pixels = _entry(batch, "data", path)
        numbers = _entry(batch, self.label_key, path)
        expected = (count, 3 * self.side * self.side)
        if not isinstance(pixels, Array) or pixels.kind != "u1" or pixels.shape != expected:
            found = f"{pixels.kind} {pixels.shape}" if isinstance(pixels, Array) else type(pixels).__name__
            raise DataError(f"{path}: data is {found}, expected an array u1 {expected}; fetch the file again")
        plain = isinstance(numbers, list) and all(type(n) is int and abs(n) < 2**31 for n in numbers)
        if not plain or len(numbers) != count:
            raise DataError(f"{path}: {self.label_key} is no list of {count:,} whole numbers; fetch the file again")
        labels = checked_labels(torch.tensor(numbers, dtype=torch.int64), self.classes, path)
        return pixels.tensor().view(count, 3, self.side, self.side), labels


def _entry(batch: Any, key: str, path: Path) -> Any:
    """A value by its name, which Python 2 wrote as bytes."""
    if not isinstance(batch, dict) or (key not in batch and key.encode() not in batch):
        found = ", ".join(sorted(map(str, batch)))[:200] if isinstance(batch, dict) else type(batch).__name__
        raise DataError(f"{path} holds {found}, expected a dictionary with {key!r}; it is another file")
    return batch[key] if key in batch else batch[key.encode()]
