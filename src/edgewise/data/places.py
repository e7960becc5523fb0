"""Where data sets are looked for, and where downloads are kept."""

from __future__ import annotations

import os
from pathlib import Path

from edgewise.data.layouts import Layout
from edgewise.errors import DataError

VARIABLE = "EDGEWISE_DATA"
"""The environment variable that names folders with data sets, separated as in PATH."""


def named_folders(folder: str | os.PathLike[str] | None) -> list[Path]:
    """The folder given, or else those of EDGEWISE_DATA. Raises DataError when the one given is not there."""
    if folder is not None:
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise DataError(f"{path} is not a folder, expected one with data sets; check the path")
        return [path]
    setting = os.environ.get(VARIABLE, "")
    return [Path(name).expanduser() for name in setting.split(os.pathsep) if name]


def cache_folder() -> Path:
    """Where downloads are kept: the first writable folder of EDGEWISE_DATA, else the user's cache."""
    for folder in named_folders(None):
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    return user_cache()


def user_cache() -> Path:
    """The user's cache folder of edgewise, as the system wants it."""
    import pooch

    return Path(str(pooch.os_cache("edgewise")))


def candidates(folder: Path, name: str, layout: Layout) -> list[Path]:
    """Where in a data folder a set may lie, the most specific first, so that sets with equal file names do not mix."""
    own = [name, name.replace("_", "-")]
    inner = [Path(n) / f for n in own for f in layout.folders]
    paths = [folder / p for p in (*inner, *map(Path, own), *map(Path, layout.folders))]
    return [path for path in (*paths, folder) if path.is_dir()]
