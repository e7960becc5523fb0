"""A study: parts with settings for each scale, run one after the other, whose finished parts are kept on disk.

`reproduce` is interrupted without loss: a part that was finished with the same settings, seed, device and code is read
back and not run again.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from edgewise.errors import DomainError, EdgewiseError
from edgewise.files import write_json
from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import provenance
from edgewise.studies.claim import Claim
from edgewise.studies.result import Missing, StudyResult

Scale = Literal["smoke", "full"]
SCALES: tuple[Scale, ...] = ("smoke", "full")


@dataclass(frozen=True)
class Context:
    """What a part is given beside its settings.

    seed: the root of all its random numbers; device, dtype: of whatever it trains or simulates; folder: its own, for
    checkpoints, kept until the part is finished; progress: called with (work done, in all).
    """

    seed: int
    device: torch.device
    dtype: torch.dtype
    folder: Path
    progress: Callable[[int, int], None]

    def generator(self, *stream: int) -> torch.Generator:
        """A generator on the device, seeded by `seed` and the numbers of a stream: the same for the same numbers."""
        text = json.dumps([self.seed, *stream]).encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
        return torch.Generator(self.device).manual_seed(number)


@dataclass(frozen=True)
class Part:
    """A part of a study: one or several claims from one computation.

    key: letters, digits and hyphens. run: (settings, context) -> the claims. settings: a frozen dataclass of plain
    values for each scale. seconds: expected on one core of an ordinary machine, for the progress bar.
    """

    key: str
    title: str
    run: Callable[[Any, Context], Claim | Sequence[Claim]]
    settings: Mapping[Scale, Any]
    seconds: Mapping[Scale, float]


@dataclass(frozen=True)
class Study:
    """Everything a paper is asked. paper: authors, title and number in a line; about: what the study is, a sentence."""

    name: str
    title: str
    paper: str
    about: str
    parts: tuple[Part, ...]

    def part(self, key: str) -> Part:
        """The part of this key. Raises DomainError naming the parts there are."""
        for part in self.parts:
            if part.key == key:
                return part
        known = ", ".join(part.key for part in self.parts)
        raise DomainError(f"part {key!r} of study {self.name!r} given, expected one of {known}")


class Watcher(Protocol):
    """What a running study tells: which part begins, how far it has come, how it ended."""

    def begin(self, subject: str, part: str, weight: float) -> None: ...

    def advance(self, fraction: float) -> None: ...

    def end(self, outcome: str, seconds: float) -> None: ...


def reproduce(
    study: Study, *, scale: Scale = "smoke", folder: Path, only: Sequence[str] = (), seed: int = 0,
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, fresh: bool = False,
    watcher: Watcher | None = None, on_part: Callable[[StudyResult], None] | None = None,
) -> StudyResult:  # fmt: skip
    """Runs the parts of a study and returns its claims; parts finished before in `folder` are read back.

    only: keys of the parts wanted, none for all. fresh: run them even where a finished one is at hand. on_part: called
    with everything so far after each part, so that an interruption leaves a page. A part that raises is named in
    `missing` and does not take the others with it.

    Raises DomainError for an unknown scale, part or device, OSError where `folder` cannot be written.
    """
    if scale not in SCALES:
        raise DomainError(f"scale {scale!r} given, expected one of {', '.join(SCALES)}; try scale='smoke'")
    wanted = [study.part(key) for key in dict.fromkeys(only)] or list(study.parts)
    where, started = _device(device), time.perf_counter()
    claims: dict[str, tuple[Claim, ...]] = {}
    missing: dict[str, Missing] = {part.key: Missing(part.key, part.title, "not asked for") for part in study.parts}
    missing |= {part.key: Missing(part.key, part.title, "not there yet") for part in wanted}

    def result() -> StudyResult:
        seconds = time.perf_counter() - started
        keys = [part.key for part in study.parts]
        return StudyResult(
            study=study.name,
            title=study.title,
            paper=study.paper,
            about=study.about,
            scale=scale,
            claims=tuple(claim for key in keys for claim in claims.get(key, ())),
            missing=tuple(missing[key] for key in keys if key in missing),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            provenance=provenance(seed=seed, device=where, dtype=dtype, seconds=seconds),
        )

    for part in wanted:
        tell = watcher or _Nobody()
        tell.begin(study.name, part.title, part.seconds[scale])
        begun = time.perf_counter()
        keeper = _Keeper(folder, study, part, scale, seed, where, dtype)
        found = None if fresh else keeper.load()
        outcome = "done before" if found is not None else "done"
        if found is None:
            context = Context(seed, where, dtype, keeper.working, _share(tell))
            try:
                found = _claims(part, scale, context, begun)
                keeper.store(found)
            except EdgewiseError as error:
                outcome = str(error)
            except Exception as error:  # a slip in one part must not take the others with it; it is told
                outcome = f"internal error ({type(error).__name__}: {error})"
        if found is None:
            missing[part.key] = Missing(part.key, part.title, outcome, failed=True)
        else:
            claims[part.key] = found
            missing.pop(part.key, None)
        tell.end(outcome, time.perf_counter() - begun)
        if on_part is not None:
            on_part(result())
    return result()


def _device(name: torch.device | str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA raises the latter
        raise DomainError(f"device {str(name)!r} given, which is not at hand here; try device='cpu'") from error
    return device


def _claims(part: Part, scale: Scale, context: Context, begun: float) -> tuple[Claim, ...]:
    """The claims of a part, each with where it comes from."""
    found = part.run(part.settings[scale], context)
    claims = (found,) if isinstance(found, Claim) else tuple(found)
    origin = provenance(
        seed=context.seed, device=context.device, dtype=context.dtype, seconds=time.perf_counter() - begun
    )
    chosen = plain_settings(part.settings[scale])
    return tuple(
        replace(
            claim,
            settings={**chosen, **claim.settings},
            provenance=claim.provenance if claim.provenance is not None else origin,
        )
        for claim in claims
    )


def plain_settings(settings: Any) -> dict[str, Any]:
    """A settings dataclass as plain JSON values."""
    plain: dict[str, Any] = jsonable(asdict(settings))
    return plain


def _share(tell: Watcher) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        tell.advance(min(1.0, done / total) if total > 0 else 0.0)

    return progress


class _Nobody:
    def begin(self, subject: str, part: str, weight: float) -> None: ...

    def advance(self, fraction: float) -> None: ...

    def end(self, outcome: str, seconds: float) -> None: ...


class _Keeper:
    """Where one part's claims are kept, and by what they are known to be those of this very computation."""

    def __init__(
        self, folder: Path, study: Study, part: Part, scale: Scale, seed: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._file = folder / "parts" / study.name / f"{part.key}-{scale}.json"
        self.working = folder / "parts" / study.name / f"{part.key}-{scale}"
        self._print = {
            "study": study.name,
            "part": part.key,
            "scale": scale,
            "seed": seed,
            "device": str(device),
            "dtype": str(dtype),
            "torch": str(torch.__version__),
            "settings": plain_settings(part.settings[scale]),
            "source": hashlib.sha256("".join(_source(part.run)).encode()).hexdigest(),
        }

    def load(self) -> tuple[Claim, ...] | None:
        """The claims of a finished part; None where there are none, or those of other settings or other code."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["fingerprint"] != self._print:
                return None
            return tuple(Claim.from_dict(claim) for claim in kept["claims"])
        except (OSError, ValueError, KeyError, TypeError):  # absent, or damaged: it is computed again
            return None

    def store(self, claims: tuple[Claim, ...]) -> None:
        write_json(self._file, {"fingerprint": self._print, "claims": [claim.to_dict() for claim in claims]})


def _source(run: Callable[..., Any]) -> Iterator[str]:
    """The text of the module that a part's function is written in."""
    module = sys.modules[run.__module__]
    yield inspect.getsource(module)
