"""Small image sets written in the formats of the published ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from edgewise.data.layouts import Arrays

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def random_set(train: int, test: int, shape: tuple[int, int, int], *, classes: int = 10, seed: int = 0) -> Arrays:
    """Random bytes and labels; every class occurs."""
    draw = torch.Generator().manual_seed(seed)

    def part(count: int) -> tuple[Tensor, Tensor]:
        images = torch.randint(256, (count, *shape), generator=draw, dtype=torch.uint8)
        return images, torch.arange(count) % classes

    return Arrays(*part(train), *part(test))


GREY = random_set(12, 10, (1, 5, 4))
COLOUR = random_set(12, 10, (3, 8, 8))


def equal(ours: Arrays, theirs: Arrays) -> bool:
    return all(
        torch.equal(getattr(ours, name), getattr(theirs, name))
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    )


def idx_bytes(array: Tensor) -> bytes:
    magic = 0x800 + array.ndim
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.to(torch.uint8).numpy().tobytes()


def write_idx(folder: Path, arrays: Arrays, *, compressed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contents = (arrays.train_images[:, 0], arrays.train_labels, arrays.test_images[:, 0], arrays.test_labels)
    for part, array in zip(PARTS, contents, strict=True):
        raw = idx_bytes(array)
        path = folder / (f"{part}.gz" if compressed else part)
        path.write_bytes(gzip.compress(raw, 1, mtime=0) if compressed else raw)


def idx_digests(folder: Path) -> dict[str, tuple[str, str]]:
    """Per part, the sha256 of the .gz file and of what is in it."""
    digests = {}
    for part in PARTS:
        packed = (folder / f"{part}.gz").read_bytes()
        both = (hashlib.sha256(content).hexdigest() for content in (packed, gzip.decompress(packed)))
        digests[part] = tuple(f"sha256:{digest}" for digest in both)
    return digests


def write_strips(folder: Path, arrays: Arrays, *, per_strip: int = 2, inexact: int = 0) -> None:
    """Zips of lossless WebP strips: the training set in two, and the manifest one folder up."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    half = len(arrays.train_images) // 2
    pieces = {
        "a.zip": (arrays.train_images[:half], arrays.train_labels[:half]),
        "b.zip": (arrays.train_images[half:], arrays.train_labels[half:]),
        "c.zip": (arrays.test_images, arrays.test_labels),
    }
    for name, (images, labels) in pieces.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            for number, strip in enumerate(images.split(per_strip)):
                column = strip.permute(0, 2, 3, 1).reshape(-1, strip.shape[3], 3).contiguous().numpy()
                content = io.BytesIO()
                Image.fromarray(column).save(content, "WEBP", lossless=True)
                archive.writestr(f"{number:03d}.webp", content.getvalue())
            archive.writestr("labels.u8", labels.to(torch.uint8).numpy().tobytes())

    def sha(array: Tensor) -> str:
        return hashlib.sha256(array.numpy().tobytes()).hexdigest()

    entry = {
        part: {"sha256_x_u8_NCHW": sha(images), "sha256_labels_u8": sha(labels.to(torch.uint8))}
        for part, images, labels in (
            ("train", arrays.train_images, arrays.train_labels),
            ("test", arrays.test_images, arrays.test_labels),
        )
    }
    manifest = {"tiny": {**entry, "inexact_train_indices": list(range(inexact)), "inexact_test_indices": []}}
    (folder.parent / "manifest.json").write_text(json.dumps(manifest), encoding="utf8")
