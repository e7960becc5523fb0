"""Finished runs on disk, so that an interrupted comparison does not run them again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewise.files import slug, write_json
from edgewise.studies.images.run import ImageRun
from edgewise.train import Checkpoints


class Shelf:
    """A folder with one JSON file for each job that was finished, and the checkpoints of the one under way.

    A job is found again by everything that decides its result; with other settings it is another job.
    """

    def __init__(self, folder: Path | None, common: dict[str, Any]) -> None:
        self._folder, self._common = folder, common

    def load(self, name: str, job: dict[str, Any]) -> tuple[ImageRun, ...] | None:
        """The runs of a finished job; None where there are none that can be read."""
        if self._folder is None:
            return None
        try:
            held = json.loads(self._path(name, job).read_text(encoding="utf8"))
            if held["job"] != self._told(job):
                return None
            return tuple(ImageRun.from_dict(run) for run in held["runs"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, name: str, job: dict[str, Any], runs: Sequence[ImageRun]) -> None:
        """Runs to disk; the checkpoints that led to them go."""
        if self._folder is not None:
            path = self._path(name, job)
            write_json(path, {"job": self._told(job), "runs": [run.to_dict() for run in runs]})
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)

    def checkpoints(self, name: str, job: dict[str, Any], every: int) -> Checkpoints | None:
        """Where a job that is under way is saved."""
        return None if self._folder is None else Checkpoints(self._path(name, job).with_suffix(""), every=every, keep=2)

    def _path(self, name: str, job: dict[str, Any]) -> Path:
        assert self._folder is not None
        key = hashlib.sha256(json.dumps(self._told(job), sort_keys=True).encode()).hexdigest()[:10]
        return self._folder / f"{slug(name)}-{key}.json"

    def _told(self, job: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(json.dumps(self._common | job))
        return told
