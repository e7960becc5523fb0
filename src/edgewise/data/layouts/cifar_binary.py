"""CIFAR's binary version: records of label bytes and pixels (A. Krizhevsky, 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from edgewise.data.layouts.layout import Arrays, checked_labels, from_bytes, in_folder, read_bytes


@dataclass(frozen=True)
class CifarBinary:
    """Records of `label_bytes` labels, the last of which counts, then red, green and blue planes.

    Each training file holds train / number of files records.
    """

    train: int
    test: int
    side: int
    classes: int
    train_files: tuple[str, ...]
    test_file: str
    label_bytes: int = 1
    folders: tuple[str, ...] = ()
    title: str = "CIFAR binary files"

    @property
    def verifiable(self) -> bool:
        """See `Layout.verifiable`."""
        return False

    def files(self, folder: Path) -> dict[str, Path | None]:
        """See `Layout.files`."""
        return in_folder(folder, (*self.train_files, self.test_file))

    def checksums(self, folder: Path) -> Mapping[Path, str]:
        """None are known for the files themselves; their sizes are exact."""
        return {}

    def read(self, folder: Path, *, verify: bool) -> Arrays:
        """See `Layout.read`."""
        each = self.train // len(self.train_files)
        parts = [self._records(folder / name, each) for name in self.train_files]
        images, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        return Arrays(images, labels, *self._records(folder / self.test_file, self.test))

    def _records(self, path: Path, count: int) -> tuple[Tensor, Tensor]:
        pixels = 3 * self.side * self.side
        record = self.label_bytes + pixels
        table = from_bytes(read_bytes(path, count * record), (count, record))
        labels = checked_labels(table[:, self.label_bytes - 1], self.classes, path)
        return table[:, self.label_bytes :].reshape(count, 3, self.side, self.side), labels
