"""An archive gives the wanted files and nothing else, whatever it says."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from edgewise.data.archive import unpack
from edgewise.errors import DataError


def archive(path: Path, *members: tuple[str, bytes | str]) -> Path:
    """bytes: a file's content; str: where a symbolic link points."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_what_is_needed_comes_out(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", ("set/extra", b"x"), ("./set/a", b"1"), ("set/b", b"2"))
    unpack(path, ("set/a", "set/b"), tmp_path / "out")
    assert names(tmp_path / "out") == {"a", "b"}
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("escape", ["../outside", "set/../../outside"])
def test_nothing_leaves_the_folder(tmp_path: Path, escape: str) -> None:
    path = archive(tmp_path / "a.tar.gz", ("set", str(tmp_path)), ("set/a", b"1"), (escape, b"2"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path, ("set/a", escape), tmp_path / "in" / "out")
    assert names(tmp_path) == {"a.tar.gz", "in"}
    assert names(tmp_path / "in") == {"out"}
    assert names(tmp_path / "in" / "out") == set()
    unpack(path, ("set/a",), tmp_path / "in" / "out")
    assert names(tmp_path / "in" / "out") == {"a"}
    assert names(tmp_path) == {"a.tar.gz", "in"}


def test_a_link_is_no_file(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", ("set/a", "/etc/passwd"))
    with pytest.raises(DataError, match="lacks set/a"):
        unpack(path, ("set/a",), tmp_path / "out")


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", ("set/a", bytes(range(256)) * 400), ("set/b", b"2"))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be unpacked"):
        unpack(path, ("set/a", "set/b"), tmp_path / "out")
    assert names(tmp_path / "out") == set()
    (tmp_path / "b.tar.gz").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"b\.tar\.gz cannot be unpacked"):
        unpack(tmp_path / "b.tar.gz", ("set/a",), tmp_path / "out")
