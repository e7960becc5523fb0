"""Known checksums compared with files, and the files remembered for which that was done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgewise.errors import DataError

_CHUNK = 1 << 20


def file_digest(path: Path, algorithm: str) -> str:
    """The checksum of a file, in hexadecimal. Raises DataError when it cannot be read."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); check the file and its rights") from error
    return digest.hexdigest()


def compare(known: Mapping[Path, str]) -> None:
    """Raises DataError for the first file whose checksum, "sha256:..." or "md5:...", is not the known one."""
    for path, expected in known.items():
        algorithm, _, value = expected.partition(":")
        found = file_digest(path, algorithm)
        if found != value:
            raise DataError(
                f"{path} has {algorithm} {found}, expected {value}: it is damaged or not the published file; delete it "
                "and fetch it again, or pass verify=False to read it as it is"
            )


class Remembered:
    """Which files were compared before, by place, size and time of change: an empty file a set in a folder of its own.

    A folder that cannot be written to remembers nothing: the comparison is then made again each time.
    """

    def __init__(self, folder: Path, files: Iterable[Path], against: object) -> None:
        seen = []
        for path in sorted(files):
            state = path.stat()
            seen.append([str(path.resolve()), state.st_size, state.st_mtime_ns])
        key = hashlib.sha256(json.dumps([seen, repr(against)]).encode()).hexdigest()
        self._mark = folder / "verified" / key

    def __bool__(self) -> bool:
        return self._mark.is_file()

    def remember(self) -> None:
        """From now on, these files count as compared."""
        try:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.touch()
        except OSError:
            return
