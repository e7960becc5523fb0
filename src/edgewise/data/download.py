"""Fetches published files: mirrors in turn, continued where a connection was cut, checked before they are kept."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgewise.data.catalogue import RemoteFile
from edgewise.errors import DataError

_CHUNK = 1 << 16
_TRIES = 3
"""How often a mirror that cuts the connection is asked to go on."""
_TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection and for the next bytes."""

Told = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are here and those there are in all, None where the server does not say."""


def fetch(remote: RemoteFile, folder: Path, told: Told) -> Path:
    """The file in `folder`, downloaded unless it is there with the right checksum.

    What has arrived of an unfinished download stays beside it as NAME.part, and the next call goes on from there; a
    file with a wrong checksum is not kept.

    Raises DataError, with every mirror's reason, when none delivers it.
    """
    import pooch
    import requests
    import urllib3

    part = folder / f"{remote.name}.part"
    reasons = []
    with _quiet_pooch(pooch), _alone(folder):
        for url in remote.urls:
            where = urlsplit(url).netloc
            while True:
                continued = part.is_file()
                try:
                    return Path(
                        pooch.retrieve(
                            url,
                            known_hash=remote.checksum,
                            fname=remote.name,
                            path=folder,
                            downloader=Resuming(part, remote.name, told),
                        )
                    )
                except ValueError:  # pooch's word for a wrong checksum; the file is gone by now
                    if continued:
                        continue  # what lay here from an earlier attempt may have been wrong: once more from the start
                    reasons.append(f"{where} sends another file (its checksum is not {remote.checksum})")
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                    reasons.append(f"{where}: {_short(error)}")
                break
    raise DataError(f"{remote.name} could not be downloaded ({'; '.join(reasons)})")


class Resuming:
    """A downloader for pooch that keeps what has arrived in `part` and asks the server for the rest only."""

    def __init__(self, part: Path, name: str, told: Told) -> None:
        self._part = part
        self._name = name
        self._told = told

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        import requests
        import urllib3

        for attempt in range(1, _TRIES + 1):
            before = self._here()
            try:
                if self._receive(url, before):
                    os.replace(self._part, output_file)
                    return
            except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError):
                if attempt == _TRIES or self._here() <= before:
                    raise
        raise requests.ConnectionError(f"connection cut {_TRIES} times; what has arrived is kept for the next attempt")

    def _here(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _receive(self, url: str, have: int) -> bool:
        """Appends what is missing; whether all of it is here now."""
        import requests

        headers = {"Accept-Encoding": "identity"}  # a .gz is to arrive as it is
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable and have:
                if response.headers.get("Content-Range") == f"bytes */{have}":
                    return True
                self._part.unlink()  # longer than the file itself: of no use
                return False
            response.raise_for_status()
            continued = response.status_code == requests.codes.partial_content
            if continued and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self._part.unlink(missing_ok=True)
                return False
            here = have if continued else 0
            length = response.headers.get("Content-Length")
            total = here + int(length) if length is not None and length.isdigit() else None
            with self._part.open("ab" if continued else "wb") as file:
                self._told(self._name, here, total)
                for chunk in response.raw.stream(_CHUNK, decode_content=False):
                    file.write(chunk)
                    here += len(chunk)
                    self._told(self._name, here, total)
        return total is None or here == total


@contextlib.contextmanager
def _quiet_pooch(pooch: Any) -> Iterator[None]:
    """pooch tells each download in its log; here the progress bar does."""
    log = pooch.get_logger()
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time downloads into a folder; the others wait, and then find the file. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written to ({error.strerror}); set EDGEWISE_DATA to a folder that can"
        ) from error
    with lock:
        # Windows has no fcntl: two processes at once would spoil each other's file there, which the checksum shows
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _short(error: BaseException) -> str:
    """An error in one short line: the innermost reason, without the objects libraries print along."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    inner = error
    for _ in range(5):
        below = getattr(inner, "reason", None) or next((a for a in inner.args if isinstance(a, BaseException)), None)
        if not isinstance(below, BaseException):
            break
        inner = below
    text = str(inner).rpartition(": ")[2] or type(inner).__name__
    return " ".join(text.split())[:120]
