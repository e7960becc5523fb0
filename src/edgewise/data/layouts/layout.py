"""What every format on disk has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from edgewise.errors import DataError


@dataclass(frozen=True)
class Arrays:
    """A whole data set as it is stored: uint8 images [image, channel, height, width] and int64 labels [image]."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    remarks: tuple[str, ...] = ()


class Layout(Protocol):
    """A format on disk."""

    @property
    def title(self) -> str:
        """What the format is called."""
        ...

    @property
    def folders(self) -> tuple[str, ...]:
        """Where in a data folder such files are usually found, besides the data set's own name."""
        ...

    @property
    def verifiable(self) -> bool:
        """Whether checksums of the files or of what they hold are known."""
        ...

    def files(self, folder: Path) -> Mapping[str, Path | None]:
        """Every file that is needed, by the name people know it by, and where it lies; None for a missing one."""
        ...

    def checksums(self, folder: Path) -> Mapping[Path, str]:
        """Known checksums of files in the folder, "sha256:..." or "md5:..."; empty where none are known."""
        ...

    def read(self, folder: Path, *, verify: bool) -> Arrays:
        """All of it. verify: compare what only shows once the images are decoded. Raises DataError."""
        ...


def in_folder(folder: Path, names: Sequence[str]) -> dict[str, Path | None]:
    """Which of these plain files the folder holds."""
    return {name: folder / name if (folder / name).is_file() else None for name in names}


def read_bytes(path: Path, expected: int | None = None) -> bytes:
    """A file's content. Raises DataError when it cannot be read or has another size than expected."""
    try:
        size = path.stat().st_size
        if expected is not None and size != expected:
            raise DataError(_sized(path, size, expected))
        content = path.read_bytes()
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the file and its rights") from error
    return content


def _sized(path: Path, size: int, expected: int) -> str:
    what = "truncated" if size < expected else "too long"
    return f"{path} is {what}: {size:,} bytes, expected {expected:,}; delete it and fetch it again"


def checked_labels(labels: Tensor, classes: int, path: Path) -> Tensor:
    """The labels as int64. Raises DataError when one is outside 0...classes-1."""
    wide = labels.to(torch.int64)
    if len(wide) and not 0 <= int(wide.min()) <= int(wide.max()) < classes:
        raise DataError(
            f"{path} holds labels from {int(wide.min())} to {int(wide.max())}, expected 0 to {classes - 1}; "
            "it is damaged or belongs to another data set: fetch it again"
        )
    return wide


def from_bytes(content: bytes, shape: tuple[int, ...], skip: int = 0) -> Tensor:
    """A uint8 tensor, in memory of its own, of what comes after `skip` bytes."""
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)[skip:].view(shape)
