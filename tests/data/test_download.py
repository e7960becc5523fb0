"""Downloads from a real server on this machine: mirrors, cut connections, wrong files, progress."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

import pytest
from published_files import Server

from edgewise.data.catalogue import RemoteFile
from edgewise.data.download import fetch
from edgewise.data.progress import telling
from edgewise.errors import DataError

CONTENT = bytes(range(256)) * 2000
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def remote(server: Server, *paths: str, checksum: str = SHA) -> RemoteFile:
    return RemoteFile("file.bin", checksum, tuple(server.address + path for path in paths))


def silent(name: str, done: int, total: int | None) -> None:
    return


def test_a_file_is_fetched_once_and_then_found(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    for _ in range(2):
        path = fetch(remote(server, "/file.bin"), tmp_path / "new", silent)
        assert path.read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert {p.name for p in path.parent.iterdir()} <= {"file.bin", ".lock"}


def test_md5_counts_as_well(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    md5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    assert fetch(remote(server, "/file.bin", checksum=md5), tmp_path, silent).read_bytes() == CONTENT


def test_the_next_mirror_is_tried_when_one_fails(server: Server, tmp_path: Path) -> None:
    server.files |= {"/wrong": b"<html>moved</html>", "/right": CONTENT}
    with socket.socket() as closed:  # bound and never listening: refused
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
        urls = (dead, *(server.address + path for path in ("/missing", "/wrong", "/right")))
        path = fetch(RemoteFile("file.bin", SHA, urls), tmp_path, silent)
    assert path.read_bytes() == CONTENT
    assert [asked for asked, _ in server.requests] == ["/missing", "/wrong", "/right"]


def test_a_cut_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.cut["/file.bin"] = [200_000, 150_000]
    seen: list[int] = []
    path = fetch(remote(server, "/file.bin"), tmp_path, lambda name, done, total: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert server.requests == [("/file.bin", None), ("/file.bin", "bytes=200000-"), ("/file.bin", "bytes=350000-")]
    assert seen == sorted(seen)  # progress never falls back
    assert seen[-1] == len(CONTENT)


def test_an_interrupted_download_goes_on_in_the_next_call(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.cut["/file.bin"] = [100_000, 0]
    with pytest.raises(DataError, match=r"file\.bin could not be downloaded \(127\.0\.0\.1:\d+: "):
        fetch(remote(server, "/file.bin"), tmp_path, silent)
    assert (tmp_path / "file.bin.part").stat().st_size == 100_000
    assert not (tmp_path / "file.bin").exists()
    server.cut.clear()
    assert fetch(remote(server, "/file.bin"), tmp_path, silent).read_bytes() == CONTENT
    assert server.requests[-1] == ("/file.bin", "bytes=100000-")
    assert not (tmp_path / "file.bin.part").exists()


def test_ctrl_c_keeps_what_has_arrived(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT

    def interrupt(name: str, done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote(server, "/file.bin"), tmp_path, interrupt)
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 100_000 < kept < len(CONTENT)
    assert fetch(remote(server, "/file.bin"), tmp_path, silent).read_bytes() == CONTENT
    assert server.requests[-1] == ("/file.bin", f"bytes={kept}-")


def test_a_server_that_ignores_ranges_sends_everything_again(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.ranges = False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(remote(server, "/file.bin"), tmp_path, silent).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"rubbish" * 100, CONTENT + b"too much"])
def test_a_beginning_that_was_wrong_is_dropped(server: Server, tmp_path: Path, part: bytes) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(part)
    assert fetch(remote(server, "/file.bin"), tmp_path, silent).read_bytes() == CONTENT


def test_a_complete_beginning_needs_no_more_bytes(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(remote(server, "/file.bin"), tmp_path, silent).read_bytes() == CONTENT
    assert server.requests == [("/file.bin", f"bytes={len(CONTENT)}-")]


def test_a_wrong_checksum_is_refused_and_the_file_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(DataError, match="another file"):
        fetch(remote(server, "/file.bin"), tmp_path, silent)
    assert [p.name for p in tmp_path.iterdir() if p.name != ".lock"] == []


def test_a_wrong_file_in_the_cache_is_replaced(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin").write_bytes(b"old")
    assert fetch(remote(server, "/file.bin"), tmp_path, silent).read_bytes() == CONTENT


def test_several_at_once_fetch_it_once(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    threads = [threading.Thread(target=fetch, args=(remote(server, "/file.bin"), tmp_path, silent)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_cache_that_is_a_file_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match="taken"):
        fetch(remote(server, "/file.bin"), tmp_path / "taken", silent)


def test_progress_in_a_pipe_is_a_line_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with telling(True) as told:
        for done in (0, 500_000, 1_000_000):
            told("a.gz", done, 1_000_000)
        told("b.gz", 0, None)
    assert capsys.readouterr().err == "downloading a.gz (1.0 MB)\ndownloading b.gz\n"
    with telling(False) as told:
        told("a.gz", 0, 10)
    assert capsys.readouterr().err == ""


def test_progress_in_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with telling(True) as told:
        told("[a].gz", 0, 1_000_000)
        told("[a].gz", 1_000_000, 1_000_000)
    shown = capsys.readouterr().err
    assert "[a].gz" in shown
    assert "1.0/1.0 MB" in shown
