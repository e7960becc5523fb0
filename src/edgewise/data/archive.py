"""Takes the files that are needed out of a published tar archive."""

from __future__ import annotations

import os
import tarfile
import tempfile
import zlib
from pathlib import Path

from edgewise.errors import DataError


def unpack(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Puts these members, which are plain files, side by side into `folder`.

    Each appears whole or not at all; nothing outside the folder is touched, whatever the archive says (tarfile's "data"
    filter). Raises DataError when the archive is damaged or lacks one.
    """
    missing = set(members)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as temporary, tarfile.open(archive) as tar:
            for member in tar:
                if member.name.removeprefix("./") in missing and member.isreg():
                    tar.extract(member, temporary, filter="data")
                    missing.discard(member.name.removeprefix("./"))
                if not missing:
                    break  # STL-10's archive goes on for gigabytes
            if missing:
                raise DataError(f"{archive} lacks {', '.join(sorted(missing))}; it is another archive: fetch it again")
            for name in members:
                os.replace(Path(temporary, name), folder / Path(name).name)
    except DataError:
        raise
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(
            f"{archive} cannot be unpacked into {folder} ({error}); delete it and fetch it again"
        ) from error
