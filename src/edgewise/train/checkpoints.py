"""Where a training is saved and resumed from: safetensors beside JSON with checksums, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import platform
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.errors import CheckpointError, DomainError, EdgewiseWarning
from edgewise.files import write_bytes

FORMAT = 1


@dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints, one each `every` steps and one at the end, of which the newest `keep` stay.

    A run that finds one of its own in the folder goes on from there; bit for bit, on the same machine with the same
    versions and threads, as if it had never been interrupted. A damaged newest one is told in a warning and the one
    before it used.
    """

    folder: str | Path
    every: int = 100
    keep: int = 2

    def __post_init__(self) -> None:
        if self.every < 1 or self.keep < 1:
            raise DomainError(
                f"every={self.every!r}, keep={self.keep!r} given, expected integers >= 1; "
                "try Checkpoints(folder, every=100, keep=2)"
            )

    def due(self, step: int, steps: int) -> bool:
        """Whether to save after this step."""
        return step % self.every == 0 or step == steps


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: tensors on the CPU and JSON values, by name."""

    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save(
    where: Checkpoints, step: int, tensors: Mapping[str, Tensor], values: dict[str, Any], settings: dict[str, Any]
) -> None:
    """One checkpoint, then those older than the newest `keep` go.

    The tensors are on the disk before the JSON that vouches for them is: a kill at any moment leaves either a whole
    checkpoint or a tensor file that nobody looks at.
    """
    from safetensors.torch import save as packed

    folder = Path(where.folder)
    # a clone each: safetensors refuses tensors that share memory
    content = packed(
        {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    )
    told: dict[str, Any] = {
        "format": FORMAT,
        "step": step,
        "settings": settings,
        "values": values,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "made by": {
            "torch": str(torch.__version__), "python": platform.python_version(), "threads": torch.get_num_threads(),
        },
    }  # fmt: skip
    told["checksum"] = _checksum(told)
    name = f"step-{step:09d}"
    write_bytes(folder / f"{name}.safetensors", content, durable=True)
    write_bytes(folder / f"{name}.json", (_dumped(told) + "\n").encode(), durable=True)
    kept = sorted((n for n in _steps(folder) if n <= step), reverse=True)[: where.keep]
    for suffix in (".json", ".safetensors"):  # the voucher goes first
        for path in folder.glob(f"step-*{suffix}"):
            if _number(path) not in (None, *kept):
                path.unlink(missing_ok=True)


def newest(where: Checkpoints, settings: dict[str, Any]) -> Saved | None:
    """The newest whole checkpoint; None for a folder without any.

    Raises CheckpointError where all are damaged, or where the newest is of a run with other settings.
    """
    folder = Path(where.folder)
    for left in folder.glob(".step-*.part"):
        left.unlink(missing_ok=True)  # of a process that was killed as it wrote
    damaged: list[str] = []
    for step in sorted(_steps(folder), reverse=True):
        try:
            told, content = _read(folder, step)
        except _Damaged as damage:
            damaged.append(f"{folder / f'step-{step:09d}'}: {damage}")
            continue
        _compare(told["settings"], settings, folder)
        if damaged:
            warnings.warn(
                f"damaged checkpoint {'; '.join(damaged)}; going on from step {step} instead", EdgewiseWarning,
                stacklevel=3,
            )  # fmt: skip
        from safetensors.torch import load as unpacked

        return Saved(step, unpacked(content), told["values"])
    if damaged:
        raise CheckpointError(
            f"no whole checkpoint left: {'; '.join(damaged)}; expected at least one; try an empty folder, to begin anew"
        )
    return None


class _Damaged(Exception):
    """Why a checkpoint cannot be used."""


def _read(folder: Path, step: int) -> tuple[dict[str, Any], bytes]:
    name = folder / f"step-{step:09d}"
    try:
        told = json.loads(name.with_suffix(".json").read_bytes())
        checksum = told.pop("checksum")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _Damaged("its JSON is incomplete") from None
    if checksum != _checksum(told):
        raise _Damaged("its JSON is not what was written")
    if told["format"] != FORMAT:
        raise CheckpointError(
            f"{name.with_suffix('.json')}: format {told['format']} found, expected {FORMAT}; try the version of "
            "edgewise that wrote it, or an empty folder"
        )
    try:
        content = name.with_suffix(".safetensors").read_bytes()
    except OSError:
        raise _Damaged("its tensors are missing") from None
    if len(content) != told["bytes"]:
        raise _Damaged(f"its tensors have {len(content)} of {told['bytes']} bytes")
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise _Damaged("its tensors are not what was written")
    return told, content


def _compare(found: dict[str, Any], given: dict[str, Any], folder: Path) -> None:
    """Raises CheckpointError where a run of other settings lies in the folder; both as JSON reads them back."""
    given = json.loads(_dumped(given))
    different = [name for name in dict.fromkeys((*given, *found)) if given.get(name) != found.get(name)]
    if different:
        told = "; ".join(f"{name} {_short(given.get(name))} now, {_short(found.get(name))} there" for name in different)
        raise CheckpointError(
            f"{folder} holds a run of other settings ({told}); expected the same; try another folder, or the settings "
            "of that run"
        )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def digest(tensors: Collection[Tensor]) -> str:
    """The values, types and shapes of tensors, in 16 hexadecimal digits."""
    found = hashlib.sha256()
    for t in tensors:
        found.update(f"{t.dtype} {tuple(t.shape)}".encode())
        found.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _steps(folder: Path) -> set[int]:
    return {number for path in folder.glob("step-*.json") if (number := _number(path)) is not None}


def _number(path: Path) -> int | None:
    """The step in a checkpoint's name; None for a file of another kind."""
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) >= 9 else None


def _dumped(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)


def _checksum(told: dict[str, Any]) -> str:
    return hashlib.sha256(_dumped(told).encode()).hexdigest()
