"""Files written whole or not at all, so that an interruption leaves the previous version."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """`content` to `path` through a temporary file beside it and a rename. Raises OSError where that cannot be.

    durable: it returns once the content and its name are on the disk, so that what is written later cannot be there
    without it, whatever fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes private files; a report is to be shared
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """`text` in UTF-8, as `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`value` as strict JSON (no NaN, no Infinity), as `write_bytes`."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _sync_folder(folder: Path) -> None:
    """The folder's entries to the disk, where the system lets a folder be opened (Windows does not)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def slug(text: str) -> str:
    """A file name that resembles `text`: "mrepu(p=2)" becomes "mrepu-p-2"; never empty, never long."""
    kept = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")
    return kept[:48].rstrip("-.") or "activation"
