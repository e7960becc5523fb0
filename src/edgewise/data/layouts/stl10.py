"""STL-10's binary files (A. Coates, H. Lee, A. Ng, AISTATS 2011), the labelled part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from edgewise.data.layouts.layout import Arrays, checked_labels, from_bytes, in_folder, read_bytes

FILES = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")


@dataclass(frozen=True)
class Stl10:
    """Images are red, green and blue planes stored column by column; labels count from 1."""

    train: int
    test: int
    side: int
    classes: int
    digests: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    title: str = "STL-10 binary files"

    @property
    def verifiable(self) -> bool:
        """See `Layout.verifiable`."""
        return bool(self.digests)

    def files(self, folder: Path) -> dict[str, Path | None]:
        """See `Layout.files`."""
        return in_folder(folder, FILES)

    def checksums(self, folder: Path) -> dict[Path, str]:
        """See `Layout.checksums`."""
        return {folder / name: digest for name, digest in self.digests.items()}

    def read(self, folder: Path, *, verify: bool) -> Arrays:
        """See `Layout.read`."""
        return Arrays(*self._part(folder, "train", self.train), *self._part(folder, "test", self.test))

    def _part(self, folder: Path, part: str, count: int) -> tuple[Tensor, Tensor]:
        content = read_bytes(folder / f"{part}_X.bin", count * 3 * self.side * self.side)
        images = from_bytes(content, (count, 3, self.side, self.side)).mT.contiguous()
        path = folder / f"{part}_y.bin"
        labels = from_bytes(read_bytes(path, count), (count,)).to(torch.int64) - 1
        return images, checked_labels(labels, self.classes, path)
