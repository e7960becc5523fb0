"""Every format on disk gives back what was written, and says what is wrong with a damaged file."""

from __future__ import annotations

import gzip
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_sets import PARTS, equal, random_set, write_idx, write_strips

from edgewise.data.layouts import CifarBinary, CifarPython, Idx, Layout, Stl10, Strips
from edgewise.errors import DataError

GREY = random_set(12, 10, (1, 5, 4))
COLOUR = random_set(12, 10, (3, 8, 8))
IDX = Idx(12, 10, (5, 4), 10, {})
PYTHON = CifarPython(12, 10, 8, 10, ("one", "two"), "test", "labels")
BINARY = CifarBinary(12, 10, 8, 10, ("one.bin", "two.bin"), "test.bin")
STL = Stl10(12, 10, 8, 10)
STRIPS = Strips(12, 10, 8, 10, ("a.zip", "b.zip"), "c.zip", key="tiny")


def cifar_parts() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    return {
        "one": (COLOUR.train_images[:6], COLOUR.train_labels[:6]),
        "two": (COLOUR.train_images[6:], COLOUR.train_labels[6:]),
        "test": (COLOUR.test_images, COLOUR.test_labels),
    }


def write_python(folder: Path, protocol: int = 2) -> None:
    for name, (images, labels) in cifar_parts().items():
        batch = {b"batch_label": b"x", b"labels": labels.tolist(), b"data": images.flatten(1).numpy()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))


def write_binary(folder: Path, coarse: bool = False) -> None:
    for name, (images, labels) in cifar_parts().items():
        marks = labels.to(torch.uint8)[:, None]
        columns = [torch.full_like(marks, 99)] * coarse + [marks, images.flatten(1)]
        (folder / f"{name}.bin").write_bytes(torch.cat(columns, 1).numpy().tobytes())


def write_stl10(folder: Path) -> None:
    for part, images, labels in (
        ("train", COLOUR.train_images, COLOUR.train_labels), ("test", COLOUR.test_images, COLOUR.test_labels),
    ):  # fmt: skip
        (folder / f"{part}_X.bin").write_bytes(images.mT.contiguous().numpy().tobytes())  # column by column
        (folder / f"{part}_y.bin").write_bytes((labels + 1).to(torch.uint8).numpy().tobytes())


@pytest.mark.parametrize("compressed", [True, False])
def test_idx(tmp_path: Path, compressed: bool) -> None:
    write_idx(tmp_path, GREY, compressed=compressed)
    assert equal(IDX.read(tmp_path, verify=False), GREY)


def test_cifar_python_batches(tmp_path: Path) -> None:
    write_python(tmp_path)
    assert equal(PYTHON.read(tmp_path, verify=False), COLOUR)


def test_cifar_binary(tmp_path: Path) -> None:
    write_binary(tmp_path)
    assert equal(BINARY.read(tmp_path, verify=False), COLOUR)


def test_cifar_binary_with_a_coarse_label_before_the_fine_one(tmp_path: Path) -> None:
    write_binary(tmp_path, coarse=True)
    two = CifarBinary(12, 10, 8, 10, ("one.bin", "two.bin"), "test.bin", label_bytes=2)
    assert equal(two.read(tmp_path, verify=False), COLOUR)


def test_stl10(tmp_path: Path) -> None:
    write_stl10(tmp_path)
    assert equal(STL.read(tmp_path, verify=False), COLOUR)


def test_strips(tmp_path: Path) -> None:
    write_strips(tmp_path / "set", COLOUR, inexact=3)
    read = STRIPS.read(tmp_path / "set", verify=True)
    assert equal(read, COLOUR)
    assert "3 images of this copy (3 for training, 0 for testing) come from a JPEG" in read.remarks[0]


def refused(layout: Layout, folder: Path, file: str, *words: str, verify: bool = False) -> None:
    with pytest.raises(DataError) as caught:
        layout.read(folder, verify=verify)
    message = str(caught.value)
    assert file in message
    assert "\n" not in message
    for word in words:
        assert word in message


IMAGES = f"{PARTS[0]}.gz"
LABELS = f"{PARTS[3]}.gz"


def _packed(*header: int, body: bytes = b"") -> bytes:
    return gzip.compress(struct.pack(f">{len(header)}I", *header) + body)


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        (IMAGES, lambda old: old[: len(old) // 2], ("truncated", "fetch it again")),
        (IMAGES, lambda old: b"", ("truncated", "expected 256")),
        (IMAGES, lambda old: b"<html>not found</html>", ("damaged",)),
        (IMAGES, lambda old: old[:30] + bytes([old[30] ^ 255]) + old[31:], ()),
        (IMAGES, lambda old: gzip.compress(gzip.decompress(old)[:-1]), ("truncated", "255", "256")),
        (IMAGES, lambda old: gzip.compress(gzip.decompress(old) + b"x"), ("too long",)),
        (IMAGES, lambda old: gzip.compress(gzip.decompress(old) + b"x" * 10**6), ("too long", "257")),  # a bomb
        (IMAGES, lambda old: _packed(0x801, 12, body=bytes(12)), ("0x00000801", "0x00000803")),
        (IMAGES, lambda old: _packed(0x803, 12, 4, 5, body=bytes(240)), ("(12, 4, 5)", "(12, 5, 4)")),
        (LABELS, lambda old: _packed(0x801, 11, body=bytes(11)), ("(11,)", "(10,)")),
        (LABELS, lambda old: _packed(0x801, 10, body=bytes([0] * 9 + [10])), ("0 to 10", "expected 0 to 9")),
        (LABELS, lambda old: _packed(0x801), ("truncated", "expected 18")),
    ],
)
def test_a_damaged_idx_file(
    tmp_path: Path, file: str, damage: Callable[[bytes], bytes], words: tuple[str, ...]
) -> None:
    write_idx(tmp_path, GREY)
    (tmp_path / file).write_bytes(damage((tmp_path / file).read_bytes()))
    refused(IDX, tmp_path, file, *words)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"labels": [0] * 6}, ("'data'",)),
        ([1, 2], ("list", "dictionary")),
        ({"data": torch.zeros(6, 192, dtype=torch.uint8).numpy()}, ("'labels'",)),
        ({"data": torch.zeros(5, 192, dtype=torch.uint8).numpy(), "labels": [0] * 5}, ("(5, 192)", "(6, 192)")),
        ({"data": torch.zeros(6, 192, dtype=torch.int16).numpy(), "labels": [0] * 6}, ("i2", "u1")),
        ({"data": b"no array", "labels": [0] * 6}, ("bytes",)),
        ({"data": torch.zeros(6, 192, dtype=torch.uint8).numpy(), "labels": [0] * 5}, ("6 whole numbers",)),
        ({"data": torch.zeros(6, 192, dtype=torch.uint8).numpy(), "labels": [0.5] * 6}, ("whole numbers",)),
        ({"data": torch.zeros(6, 192, dtype=torch.uint8).numpy(), "labels": [2**70] * 6}, ("whole numbers",)),
        ({"data": torch.zeros(6, 192, dtype=torch.uint8).numpy(), "labels": [-1] * 6}, ("-1", "0 to 9")),
    ],
)
def test_a_wrong_cifar_batch(tmp_path: Path, batch: object, words: tuple[str, ...]) -> None:
    write_python(tmp_path)
    (tmp_path / "two").write_bytes(pickle.dumps(batch))
    refused(PYTHON, tmp_path, "two", *words)


def test_a_truncated_cifar_batch(tmp_path: Path) -> None:
    write_python(tmp_path)
    (tmp_path / "test").write_bytes((tmp_path / "test").read_bytes()[:-100])
    refused(PYTHON, tmp_path, "test", "no CIFAR batch")


@pytest.mark.parametrize(
    ("layout", "write", "file"), [(BINARY, write_binary, "two.bin"), (STL, write_stl10, "test_X.bin")]
)
def test_fixed_sizes(tmp_path: Path, layout: Layout, write: Callable[[Path], None], file: str) -> None:
    write(tmp_path)
    whole = (tmp_path / file).read_bytes()
    for content, word in ((whole[:-1], "truncated"), (whole + b"x", "too long")):
        (tmp_path / file).write_bytes(content)
        refused(layout, tmp_path, file, word, f"expected {len(whole):,}")


def test_labels_out_of_range(tmp_path: Path) -> None:
    write_binary(tmp_path)
    write_stl10(tmp_path)
    content = bytearray((tmp_path / "test.bin").read_bytes())
    content[0] = 10
    (tmp_path / "test.bin").write_bytes(content)
    refused(BINARY, tmp_path, "test.bin", "to 10", "expected 0 to 9")
    (tmp_path / "train_y.bin").write_bytes(bytes(12))
    refused(STL, tmp_path, "train_y.bin", "-1")


def _rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def test_damaged_strips(tmp_path: Path) -> None:
    folder = tmp_path / "set"

    def damage(change: Callable[[dict[str, bytes]], None], *words: str, verify: bool = False) -> None:
        write_strips(folder, COLOUR)
        _rewritten(folder / "b.zip", change)
        refused(STRIPS, folder, words[0], *words[1:], verify=verify)

    damage(lambda c: c.pop("labels.u8"), "b.zip", "labels.u8")
    damage(lambda c: c.pop("001.webp"), "b.zip", "as many of both")
    damage(lambda c: c.update({"001.webp": c["001.webp"][:40]}), "b.zip", "001.webp")
    damage(lambda c: c.update({"001.webp": b"GIF89a"}), "b.zip", "001.webp")
    damage(lambda c: c.update({"labels.u8": bytes([77] * 6)}), "b.zip", "77")
    damage(lambda c: c.update({"001.webp": c["000.webp"]}), "train images", "sha256", "manifest.json", verify=True)
    damage(lambda c: c.update({"labels.u8": bytes(6)}), "train labels", "sha256", verify=True)
    write_strips(folder, COLOUR)
    (folder / "c.zip").write_bytes((folder / "c.zip").read_bytes()[:-30])
    refused(STRIPS, folder, "c.zip", "zip")
    write_strips(folder, random_set(12, 10, (3, 4, 4)))
    refused(STRIPS, folder, ".zip", "4x8 pixels", "8x8")
    write_strips(folder, COLOUR)
    (tmp_path / "manifest.json").write_text('{"tiny": 3}', encoding="utf8")
    refused(STRIPS, folder, "manifest.json")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_binary(tmp_path)
    (tmp_path / "two.bin").unlink()
    refused(BINARY, tmp_path, "two.bin", "cannot be read")
