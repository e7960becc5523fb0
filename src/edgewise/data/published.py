"""Finds a published image set on disk or downloads it, and reads it whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypedDict

from edgewise.data.archive import unpack
from edgewise.data.catalogue import Entry
from edgewise.data.checksums import Remembered, compare
from edgewise.data.download import Told, fetch
from edgewise.data.image_set import ImageSet
from edgewise.data.images import Images, channel_statistics
from edgewise.data.layouts import Layout
from edgewise.data.places import VARIABLE, cache_folder, candidates, named_folders, user_cache
from edgewise.data.progress import telling
from edgewise.errors import DataError


class Where(TypedDict, total=False):
    """Options of every image set: see `edgewise.data.load`."""

    folder: str | os.PathLike[str] | None
    download: bool
    cache: str | os.PathLike[str] | None
    verify: bool | None
    progress: bool | Told


def published(
    entry: Entry,
    *,
    folder: str | os.PathLike[str] | None = None,
    download: bool = True,
    cache: str | os.PathLike[str] | None = None,
    verify: bool | None = None,
    progress: bool | Told = True,
) -> ImageSet:
    """The set of this entry; see `edgewise.data.load`."""
    kept = cache_folder() if cache is None else Path(cache).expanduser()
    marks = user_cache() if cache is None else kept
    places = named_folders(folder)
    if folder is None and kept not in places:
        places.append(kept)
    unfinished: list[str] = []
    for place in places:
        found = _complete(entry, place, unfinished)
        if found is None and _archive(entry, place) is not None:
            found = _unpacked(entry, place, kept / entry.name)
        if found is not None:
            return _read(entry, *found, verify, marks)
        if place == kept and download:
            unfinished.clear()  # the rest of it is fetched below
    if unfinished:
        raise DataError(f"{entry.name} is incomplete: {'; '.join(unfinished)}; {_advice(entry, kept)}")
    if folder is not None or not download:
        looked = ", ".join(str(place) for place in places)
        raise DataError(f"{entry.name} was not found in {looked}; {_advice(entry, kept)}")
    return _read(entry, *_downloaded(entry, kept / entry.name, progress), verify, marks)


def _complete(entry: Entry, place: Path, unfinished: list[str]) -> tuple[Layout, Path] | None:
    """The first format of which all files are there; notes those of which only some are."""
    for layout in entry.layouts:
        for path in candidates(place, entry.name, layout):
            files = layout.files(path)
            missing = [name for name, at in files.items() if at is None]
            if not missing:
                return layout, path
            if any(at is not None and at.parent == path and at.name != "manifest.json" for at in files.values()):
                unfinished.append(f"{path} lacks {', '.join(missing)} ({layout.title})")
    return None


def _archive(entry: Entry, place: Path) -> Path | None:
    """The published tar archive, where somebody put it there as it is."""
    if not entry.members:
        return None
    paths = (place / entry.name / entry.files[0].name, place / entry.files[0].name)
    return next((path for path in paths if path.is_file()), None)


def _unpacked(entry: Entry, place: Path, folder: Path) -> tuple[Layout, Path]:
    archive = _archive(entry, place)
    assert archive is not None
    compare({archive: entry.files[0].checksum})
    unpack(archive, entry.members, folder)
    return entry.layouts[0], folder


def _downloaded(entry: Entry, folder: Path, progress: bool | Told) -> tuple[Layout, Path]:
    with telling(progress) as told:
        for remote in entry.files:
            try:
                path = fetch(remote, folder, told)
            except DataError as error:
                raise DataError(f"{error}; {_advice(entry, folder.parent)}") from error
    if entry.members:
        unpack(path, entry.members, folder)
        path.unlink()  # its files are there now, and their checksums are known
    return entry.layouts[0], folder


def _read(entry: Entry, layout: Layout, folder: Path, verify: bool | None, marks: Path) -> ImageSet:
    """Reads, compares checksums where wanted, and only then makes the set."""
    files = [path for path in layout.files(folder).values() if path is not None]
    known = layout.checksums(folder)
    before = Remembered(marks, files, known)
    due = verify is True or (verify is None and not before)
    arrays = layout.read(folder, verify=due)  # first: what is wrong with a format says more than a checksum
    if due:
        compare(known)
        if layout.verifiable:
            before.remember()
    mean, std = channel_statistics(arrays.train_images)
    return ImageSet(
        name=entry.name,
        title=entry.title,
        train=Images(arrays.train_images, arrays.train_labels, mean, std),
        test=Images(arrays.test_images, arrays.test_labels, mean, std),
        class_names=entry.class_names,
        source=f"{layout.title} in {folder}",
        verified=layout.verifiable and (due or bool(before)),
        remarks=arrays.remarks,
    )


def _advice(entry: Entry, kept: Path) -> str:
    """What to put where."""
    names = ", ".join(remote.name for remote in entry.files)
    addresses = " or ".join(dict.fromkeys(url.rpartition("/")[0] for url in entry.files[0].urls))
    return (
        f"put {names} (from {addresses}) into {kept / entry.name}, or into {entry.name} in a folder given as folder=, "
        f"--data-dir or {VARIABLE}"
    )
