"""A web server that misbehaves on request, small sets published on it, and a home of its own for every test."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from published_files import Server
from small_sets import COLOUR, GREY, PARTS, idx_digests, write_idx

from edgewise.data.catalogue import Entry, RemoteFile
from edgewise.data.layouts import CifarPython, Idx, Strips


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's folders, writes to the user's cache or asks a proxy for 127.0.0.1."""
    monkeypatch.delenv("EDGEWISE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append((self.path, wanted))
            content = state.files.get(self.path)
            self.close_connection = True
            if content is None:
                self.send_error(404)
                return
            begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if begin >= len(content) and begin:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if wanted and state.ranges else 200)
            if wanted and state.ranges:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - begin))
            self.send_header("Connection", "close")
            self.end_headers()
            cuts = state.cut.get(self.path)
            self.wfile.write(content[begin:][: cuts.pop(0)] if cuts else content[begin:])

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = False  # closing waits for every answer, so that no socket is left open
        state.address = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


NAMES = tuple(str(i) for i in range(10))


@pytest.fixture
def tiny(tmp_path: Path, server: Server) -> Entry:
    """A set like MNIST, published on the test server, with two mirrors of which the first lacks it."""
    write_idx(tmp_path / "published", GREY)
    digests = idx_digests(tmp_path / "published")
    files = []
    for part in PARTS:
        server.files[f"/b/{part}.gz"] = (tmp_path / "published" / f"{part}.gz").read_bytes()
        urls = tuple(f"{server.address}/{mirror}/{part}.gz" for mirror in "ab")
        files.append(RemoteFile(f"{part}.gz", digests[part][0], urls))
    layout = Idx(12, 10, (5, 4), 10, digests, folders=("Tiny/raw",))
    return Entry("tiny_set", "Tiny", NAMES, (layout,), tuple(files))


@pytest.fixture
def tiny_colour(server: Server) -> Entry:
    """A set like CIFAR-10: one archive of pickled batches."""
    content, digests = io.BytesIO(), {}
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, images, labels in (
            ("one", COLOUR.train_images, COLOUR.train_labels), ("test", COLOUR.test_images, COLOUR.test_labels),
        ):  # fmt: skip
            batch = pickle.dumps({"data": images.flatten(1).numpy(), "labels": labels.tolist()}, 2)
            digests[name] = f"md5:{hashlib.md5(batch, usedforsecurity=False).hexdigest()}"
            member = tarfile.TarInfo(f"tiny-batches/{name}")
            member.size = len(batch)
            tar.addfile(member, io.BytesIO(batch))
    server.files["/tiny.tar.gz"] = content.getvalue()
    checksum = f"md5:{hashlib.md5(content.getvalue(), usedforsecurity=False).hexdigest()}"
    layouts = (
        CifarPython(12, 10, 8, 10, ("one",), "test", "labels", digests, folders=("tiny-batches",)),
        Strips(12, 10, 8, 10, ("a.zip", "b.zip"), "c.zip", key="tiny"),
    )
    remote = RemoteFile("tiny.tar.gz", checksum, (f"{server.address}/tiny.tar.gz",))
    return Entry("tiny_colour", "Tiny", NAMES, layouts, (remote,), ("tiny-batches/one", "tiny-batches/test"))
