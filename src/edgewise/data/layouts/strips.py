"""CIFAR-10 as zips of lossless WebP strips, each a column of images, beside a manifest of checksums."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.data.layouts.layout import Arrays, checked_labels, from_bytes, in_folder, read_bytes
from edgewise.errors import DataError

_LABELS = "labels.u8"
_AGAIN = "it is damaged: fetch it again"


@dataclass(frozen=True)
class Strips:
    """train_parts and test_part: names of the zips; manifest.json lies beside them or one folder up.

    Every strip is `side` pixels wide and holds whole images of `side` rows, one below the other, RGB.
    """

    train: int
    test: int
    side: int
    classes: int
    train_parts: tuple[str, ...]
    test_part: str
    key: str
    folders: tuple[str, ...] = ()
    title: str = "WebP strips"

    @property
    def verifiable(self) -> bool:
        """See `Layout.verifiable`."""
        return True

    def files(self, folder: Path) -> dict[str, Path | None]:
        """See `Layout.files`."""
        found = in_folder(folder, (*self.train_parts, self.test_part))
        manifests = (path for path in (folder / "manifest.json", folder.parent / "manifest.json") if path.is_file())
        return {**found, "manifest.json": next(manifests, None)}

    def checksums(self, folder: Path) -> Mapping[Path, str]:
        """None of files: the decoded arrays are what is compared."""
        return {}

    def read(self, folder: Path, *, verify: bool) -> Arrays:
        """See `Layout.read`."""
        manifest = self._manifest(folder)
        train = self._part(folder, self.train_parts, self.train)
        test = self._part(folder, (self.test_part,), self.test)
        if verify:
            self._compare(folder, manifest, "train", *train)
            self._compare(folder, manifest, "test", *test)
        inexact = [len(manifest.get(f"inexact_{part}_indices", ())) for part in ("train", "test")]
        remarks = (
            (
                f"{sum(inexact)} images of this copy ({inexact[0]} for training, {inexact[1]} for testing) come from a "
                "JPEG of the same photograph and differ slightly from the published pixels.",
            )
            if any(inexact)
            else ()
        )
        return Arrays(train[0], train[1].to(torch.int64), test[0], test[1].to(torch.int64), remarks)

    def _manifest(self, folder: Path) -> dict[str, Any]:
        path = self.files(folder)["manifest.json"]
        if path is None:
            raise DataError(f"{folder} holds no manifest.json, expected beside its zips or one folder up")
        try:
            entry = json.loads(read_bytes(path))[self.key]
            _ = entry["train"]["sha256_x_u8_NCHW"], entry["test"]["sha256_labels_u8"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} is no manifest of {self.key} ({type(error).__name__}: {error}); {_AGAIN}"
            ) from error
        return dict(entry)

    def _part(self, folder: Path, names: tuple[str, ...], count: int) -> tuple[Tensor, Tensor]:
        """(uint8 images, uint8 labels) of some zips, in order."""
        strips, labels = [], []
        with ThreadPoolExecutor() as pool:
            for name in names:
                path = folder / name
                members, marks = _members(path)
                strips += list(pool.map(lambda member: self._strip(path, *member), members))  # noqa: B023
                labels.append(checked_labels(from_bytes(marks, (len(marks),)), self.classes, path))
                images = sum(len(strip) for strip in strips)
                if images != sum(len(part) for part in labels):
                    raise DataError(
                        f"{path} brings the images to {images:,} and the labels to {sum(map(len, labels)):,}, "
                        f"expected as many of both; {_AGAIN}"
                    )
        if sum(len(strip) for strip in strips) != count:
            raise DataError(
                f"{', '.join(names)} in {folder} hold {sum(len(s) for s in strips):,} images, expected {count:,}; "
                "fetch them again"
            )
        return torch.cat(strips), torch.cat(labels).to(torch.uint8)

    def _strip(self, path: Path, name: str, content: bytes) -> Tensor:
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
                width, height = picture.size
                if width != self.side or height % self.side or height > self.side * max(self.train, self.test):
                    raise DataError(
                        f"{path}: {name} is {width}x{height} pixels, expected images of {self.side}x{self.side} "
                        f"one below the other; {_AGAIN}"
                    )
                pixels = from_bytes(picture.convert("RGB").tobytes(), (height // self.side, self.side, self.side, 3))
        except DataError:
            raise
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(f"{path}: {name} cannot be decoded ({error}); {_AGAIN}") from error
        return pixels.permute(0, 3, 1, 2).contiguous()

    def _compare(self, folder: Path, manifest: dict[str, Any], part: str, images: Tensor, labels: Tensor) -> None:
        for array, key in ((images, "sha256_x_u8_NCHW"), (labels, "sha256_labels_u8")):
            found = hashlib.sha256(array.numpy().tobytes()).hexdigest()
            if found != manifest[part][key]:
                raise DataError(
                    f"the {part} {'images' if array is images else 'labels'} in {folder} have sha256 {found}, expected "
                    f"{manifest[part][key]} (manifest.json); the files are damaged: fetch them again"
                )


def _members(path: Path) -> tuple[list[tuple[str, bytes]], bytes]:
    """(name, content) of every strip in order of name, and the labels."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".webp"))
            return list(_contents(archive, names)), archive.read(_LABELS)
    except KeyError as error:
        raise DataError(f"{path} holds no {_LABELS}, expected one byte an image; {_AGAIN}") from error
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as a zip ({error}); {_AGAIN}") from error


def _contents(archive: zipfile.ZipFile, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        yield name, archive.read(name)
