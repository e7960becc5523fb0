"""IDX files, compressed or not: the format of MNIST and Fashion-MNIST (Y. LeCun, C. Cortes, C. Burges)."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from edgewise.data.layouts.layout import Arrays, checked_labels, from_bytes, read_bytes
from edgewise.errors import DataError

_MAGIC = {1: 0x00000801, 3: 0x00000803}
"""Two zeros, 08 for unsigned bytes, the number of dimensions."""

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class Idx:
    """Four files, each plain or as .gz; a plain one is preferred, being quicker to read.

    digests: per part, the known checksums of the .gz file and of the plain one.
    """

    train: int
    test: int
    size: tuple[int, int]
    classes: int
    digests: Mapping[str, tuple[str, str]]
    folders: tuple[str, ...] = ()
    title: str = "IDX files"

    @property
    def verifiable(self) -> bool:
        """See `Layout.verifiable`."""
        return bool(self.digests)

    def files(self, folder: Path) -> dict[str, Path | None]:
        """See `Layout.files`."""
        found: dict[str, Path | None] = {}
        for part in PARTS:
            # "train-images.idx3-ubyte" is how some copies are spelt
            names = (part, part.replace("-idx", ".idx"), f"{part}.gz")
            found[f"{part}.gz"] = next((folder / name for name in names if (folder / name).is_file()), None)
        return found

    def checksums(self, folder: Path) -> dict[Path, str]:
        """See `Layout.checksums`."""
        known = {}
        for part, path in zip(PARTS, self.files(folder).values(), strict=True):
            if path is not None and part in self.digests:
                known[path] = self.digests[part][0 if path.suffix == ".gz" else 1]
        return known

    def read(self, folder: Path, *, verify: bool) -> Arrays:
        """See `Layout.read`."""
        paths = [path for path in self.files(folder).values() if path is not None]
        counts = (self.train, self.train, self.test, self.test)
        shapes = [(n, *self.size) if i % 2 == 0 else (n,) for i, n in enumerate(counts)]
        arrays = [_array(path, shape) for path, shape in zip(paths, shapes, strict=True)]
        return Arrays(
            arrays[0][:, None],
            checked_labels(arrays[1], self.classes, paths[1]),
            arrays[2][:, None],
            checked_labels(arrays[3], self.classes, paths[3]),
        )


def _array(path: Path, shape: tuple[int, ...]) -> Tensor:
    """The array of one file, uint8. Raises DataError unless it has exactly this shape."""
    header = 4 * (1 + len(shape))
    length = header
    for size in shape[:1]:
        length += size * _product(shape[1:])
    content = _unpacked(path, length) if path.suffix == ".gz" else read_bytes(path)
    if len(content) < header:
        raise DataError(f"{path} is truncated: {len(content)} bytes, expected {length:,}; delete it and fetch it again")
    magic, *sizes = struct.unpack(f">{1 + len(shape)}I", content[:header])
    if magic != _MAGIC[len(shape)]:
        raise DataError(
            f"{path} begins with the magic number {magic:#010x}, expected {_MAGIC[len(shape)]:#010x} (IDX, "
            f"{'labels' if len(shape) == 1 else 'images'} of unsigned bytes); it is another file: fetch it again"
        )
    if tuple(sizes) != shape:
        raise DataError(f"{path} holds an array {tuple(sizes)}, expected {shape}; it belongs to another data set")
    if len(content) != length:
        what = "truncated" if len(content) < length else "too long"
        raise DataError(
            f"{path} is {what}: {len(content):,} bytes unpacked, expected {length:,}; delete it and fetch it again"
        )
    return from_bytes(content, shape, header)


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _unpacked(path: Path, most: int) -> bytes:
    """What a .gz file holds, at most one byte more than expected (so that a bomb stays small)."""
    try:
        with gzip.open(path, "rb") as file:
            return file.read(most + 1)
    except EOFError as error:
        raise DataError(f"{path} is truncated: its compressed data end early; delete it and fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}), expected gzip data; delete it and fetch it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the file and its rights") from error
