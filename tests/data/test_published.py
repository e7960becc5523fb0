"""A published set is found where people keep it, checked, fetched when it is nowhere, and never partly loaded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from published_files import Server
from small_sets import COLOUR, GREY, PARTS, random_set, write_idx, write_strips

from edgewise import data
from edgewise.data import catalogue, checksums
from edgewise.data.catalogue import Entry
from edgewise.data.published import published
from edgewise.errors import DataError


def is_grey(found: data.ImageSet) -> bool:
    return (
        torch.equal(found.train.images, GREY.train_images)
        and torch.equal(found.train.labels, GREY.train_labels)
        and torch.equal(found.test.images, GREY.test_images)
        and torch.equal(found.test.labels, GREY.test_labels)
    )


def test_a_set_that_is_nowhere_is_downloaded_and_then_found(tiny: Entry, server: Server, tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    found = published(tiny, cache=tmp_path / "cache", progress=lambda name, done, total: seen.update({name: done}))
    assert is_grey(found)
    assert found.verified
    assert seen == {f"{part}.gz": len(server.files[f"/b/{part}.gz"]) for part in PARTS}
    assert [path for path, _ in server.requests][:2] == [f"/a/{PARTS[0]}.gz", f"/b/{PARTS[0]}.gz"]
    asked = len(server.requests)
    assert is_grey(published(tiny, cache=tmp_path / "cache", download=False))
    assert len(server.requests) == asked


def test_an_unfinished_download_goes_on(tiny: Entry, server: Server, tmp_path: Path) -> None:
    server.files[f"/b/{PARTS[3]}.gz"], kept = b"", server.files[f"/b/{PARTS[3]}.gz"]
    with pytest.raises(DataError, match=f"{PARTS[3]}.gz could not be downloaded"):
        published(tiny, cache=tmp_path / "cache", progress=False)
    server.files[f"/b/{PARTS[3]}.gz"] = kept
    server.requests.clear()
    assert is_grey(published(tiny, cache=tmp_path / "cache", progress=False))
    assert [path for path, _ in server.requests] == [f"/{mirror}/{PARTS[3]}.gz" for mirror in "ab"]


def test_offline_the_error_says_what_to_put_where(tiny: Entry, tmp_path: Path) -> None:
    offline = replace(
        tiny, files=tuple(replace(file, urls=("http://127.0.0.1:9/x/y.gz",)) for file in tiny.files)
    )  # port 9, discard: nobody listens
    with pytest.raises(DataError) as caught:
        published(offline, cache=tmp_path / "cache", progress=False)
    message = str(caught.value)
    assert "\n" not in message
    for words in (*(f"{part}.gz" for part in PARTS), str(tmp_path / "cache" / "tiny_set"), "--data-dir", "127.0.0.1:9"):
        assert words in message


def test_without_download_the_error_says_where_was_looked(tiny: Entry, server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"tiny_set was not found in {tmp_path / 'cache'}; put "):
        published(tiny, cache=tmp_path / "cache", download=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"tiny_set was not found in {tmp_path / 'empty'}; put "):
        published(tiny, folder=tmp_path / "empty")  # a folder given is the only place
    with pytest.raises(DataError, match="no-such is not a folder"):
        published(tiny, folder=tmp_path / "no-such")
    assert server.requests == []


@pytest.mark.parametrize("inner", [".", "tiny_set", "tiny-set", "Tiny/raw", "tiny_set/Tiny/raw"])
def test_a_local_folder_in_every_usual_shape(tiny: Entry, tmp_path: Path, inner: str) -> None:
    write_idx(tmp_path / "mine" / inner, GREY, compressed=len(inner) % 2 == 0)
    found = published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache")
    assert is_grey(found)
    assert found.source == f"IDX files in {tmp_path / 'mine' / inner}"
    assert found.verified


def test_the_environment_names_several_folders(
    tiny: Entry, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "second" / "tiny_set", GREY)
    (tmp_path / "first").mkdir()
    monkeypatch.setenv("EDGEWISE_DATA", os.pathsep.join(str(tmp_path / name) for name in ("gone", "first", "second")))
    assert is_grey(published(tiny))
    assert server.requests == []


def test_downloads_go_to_the_first_writable_folder_of_the_environment(
    tiny: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("EDGEWISE_DATA", str(tmp_path / "mine"))
    assert is_grey(published(tiny, progress=False))
    assert (tmp_path / "mine" / "tiny_set" / f"{PARTS[0]}.gz").is_file()


def test_without_the_environment_downloads_go_to_the_users_cache(tiny: Entry, tmp_path: Path) -> None:
    found = published(tiny, progress=False)
    assert str(tmp_path / "user-cache") in found.source


def test_a_set_with_a_file_missing_is_not_loaded(tiny: Entry, tmp_path: Path) -> None:
    write_idx(tmp_path / "mine" / "tiny_set", GREY)
    (tmp_path / "mine" / "tiny_set" / f"{PARTS[2]}.gz").unlink()
    with pytest.raises(DataError, match=f"tiny_set is incomplete: .*mine/tiny_set lacks {PARTS[2]}.gz"):
        published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_set_with_other_contents_is_refused_unless_wanted(tiny: Entry, tmp_path: Path, compressed: bool) -> None:
    other = random_set(12, 10, (1, 5, 4), seed=1)
    write_idx(tmp_path / "mine", other, compressed=compressed)
    for verify in (None, True):
        with pytest.raises(DataError, match=f"{PARTS[0]}.* has sha256 .* expected .*verify=False"):
            published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache", verify=verify)
    found = published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache", verify=False)
    assert torch.equal(found.train.images, other.train_images)
    assert not found.verified
    assert "checksums not verified" in found.describe()


def test_checksums_are_compared_once_on_request_and_after_a_change(
    tiny: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Path] = []
    digest = checksums.file_digest
    monkeypatch.setattr(checksums, "file_digest", lambda path, how: (compared.append(path), digest(path, how))[1])
    folder = tmp_path / "mine" / "tiny_set"
    write_idx(folder, GREY)

    def load(verify: bool | None = None) -> int:
        before = len(compared)
        assert published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache", verify=verify).verified
        return len(compared) - before

    assert [load(), load(), load(True)] == [4, 0, 4]
    os.utime(folder / f"{PARTS[0]}.gz", ns=(1, 1))
    assert [load(), load()] == [4, 0]


def test_a_cache_that_cannot_be_written_only_forgets(tiny: Entry, tmp_path: Path) -> None:
    write_idx(tmp_path / "mine", GREY)
    (tmp_path / "cache").write_bytes(b"in the way")
    assert published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache").verified


def test_an_archive_is_downloaded_unpacked_and_not_kept(tiny_colour: Entry, server: Server, tmp_path: Path) -> None:
    found = published(tiny_colour, cache=tmp_path / "cache", progress=False)
    assert torch.equal(found.train.images, COLOUR.train_images)
    assert torch.equal(found.test.labels, COLOUR.test_labels)
    kept = {path.name for path in (tmp_path / "cache" / "tiny_colour").iterdir()}
    assert kept - {".lock"} == {"one", "test"}
    published(tiny_colour, cache=tmp_path / "cache", progress=False)
    assert len(server.requests) == 1


def test_an_archive_put_into_a_folder_as_it_is(tiny_colour: Entry, server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tiny.tar.gz").write_bytes(server.files["/tiny.tar.gz"])
    found = published(tiny_colour, folder=tmp_path / "mine", cache=tmp_path / "cache")
    assert torch.equal(found.test.images, COLOUR.test_images)
    assert server.requests == []
    (tmp_path / "mine" / "tiny.tar.gz").write_bytes(server.files["/tiny.tar.gz"][:-20])
    with pytest.raises(DataError, match=r"tiny\.tar\.gz has md5"):
        published(tiny_colour, folder=tmp_path / "mine", cache=tmp_path / "other")
    assert not (tmp_path / "other" / "tiny_colour").exists()


def test_strips_are_one_more_format_and_say_what_they_are(tiny_colour: Entry, tmp_path: Path) -> None:
    write_strips(tmp_path / "mine" / "tiny_colour", COLOUR, inexact=1)
    found = published(tiny_colour, folder=tmp_path / "mine", cache=tmp_path / "cache")
    assert torch.equal(found.train.images, COLOUR.train_images)
    assert "JPEG" in found.to_dict()["remarks"][0]
    assert "JPEG" in found.describe()
    assert found.verified


def test_a_set_tells_what_it_is(tiny: Entry, tmp_path: Path) -> None:
    write_idx(tmp_path / "mine", GREY)
    found = published(tiny, folder=tmp_path / "mine", cache=tmp_path / "cache")
    told = found.to_dict()
    assert (told["train"], told["test"], told["shape"], told["classes"]) == (12, 10, [1, 5, 4], 10)
    assert told["source"] == "IDX files in mine"  # a result that others read does not say where folders lie here
    assert told["mean"] == [float(GREY.train_images.double().mean() / 255)]
    assert found.describe().startswith("Tiny: 12 training and 10 test images, 5x4 grey, 10 classes, from IDX files in ")
    table = found.flat(validation=2, seed=1)
    assert (len(table.train), len(table.validation), len(table.test), table.features) == (10, 2, 10, 20)


def test_names() -> None:
    assert set(data.names()) == {"digits", "wdbc", "mnist", "fashion_mnist", "cifar10", "cifar100", "stl10"}
    with pytest.raises(DataError, match=r"no data set 'minst'; known are .*; did you mean mnist\?"):
        data.load("minst")
    assert isinstance(data.load("digits", seed=3), data.DataSet)


@pytest.mark.parametrize("entry", catalogue.ENTRIES.values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry: Entry) -> None:
    digits = {"sha256": 64, "md5": 32}
    assert all(len(set(e)) == len(e) for e in (entry.class_names, [f.name for f in entry.files]))
    assert all(layout.classes == len(entry.class_names) for layout in entry.layouts)  # type: ignore[attr-defined]
    for remote in entry.files:
        kind, _, value = remote.checksum.partition(":")
        assert len(value) == digits[kind]
        assert len(remote.urls) >= 2
        assert all(url.rpartition("/")[2] == remote.name for url in remote.urls)
    wanted = {Path(name).name for name in entry.members} or {remote.name for remote in entry.files}
    assert wanted == set(entry.layouts[0].files(Path("nowhere")))
