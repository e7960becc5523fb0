"""Running a study: part after part or side by side, the finished ones kept on disk.

It is interrupted without loss: a part that was finished with the same settings, seed, device, torch and source (of its
own file and of the functions beside it) is read back and not run again. What it calls elsewhere in edgewise is not
looked at: `fresh` runs it again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import torch

from edgewise.errors import DataError, DomainError, EdgewiseError
from edgewise.measure.provenance import provenance
from edgewise.studies.claim import Claim
from edgewise.studies.keeper import Keeper, plain_settings
from edgewise.studies.result import NO_DATA, Missing, StudyResult
from edgewise.studies.study import SCALES, Context, Part, Scale, Study


class Watcher(Protocol):
    """What a running study tells: which part begins, how far it has come, how it ended."""

    def begin(self, subject: str, part: str, weight: float) -> None: ...

    def advance(self, fraction: float) -> None: ...

    def end(self, outcome: str, seconds: float) -> None: ...


def reproduce(
    study: Study, *, scale: Scale = "smoke", folder: Path, only: Sequence[str] = (), seed: int = 0,
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, fresh: bool = False, jobs: int = 1,
    watcher: Watcher | None = None, on_part: Callable[[StudyResult], None] | None = None,
) -> StudyResult:  # fmt: skip
    """Runs the parts of a study and returns its claims; parts finished before in `folder` are read back.

    only: keys of the parts wanted, none for all. fresh: run them from their beginning even where a finished one, or
    checkpoints of one, are at hand. jobs: how many parts run side by side, each in a process of its own with its share
    of the threads. on_part: called with everything so far after each part, so that an interruption leaves a page. A
    part that raises, or whose process dies, is named in `missing`; one that raises does not take the others with it.

    Raises DomainError for an unknown scale, part or device or jobs < 1, OSError where `folder` cannot be written.
    """
    if scale not in SCALES:
        raise DomainError(f"scale {scale!r} given, expected one of {', '.join(SCALES)}; try scale='smoke'")
    if jobs < 1:
        raise DomainError(f"jobs={jobs} given, expected an integer >= 1; try jobs=2")
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

    orders = [_Order(study, part, scale, folder, seed, where, dtype, fresh) for part in wanted]
    tell = watcher if watcher is not None else _Nobody()
    alone = jobs == 1 or len(orders) == 1
    finished = _one_by_one(orders, tell) if alone else _side_by_side(orders, tell, jobs)
    for part, found, outcome in finished:
        if found is None:
            missing[part.key] = Missing(part.key, part.title, outcome, failed=not outcome.startswith(NO_DATA))
        else:
            claims[part.key] = found
            missing.pop(part.key, None)
        if on_part is not None:
            on_part(result())
    return result()


@dataclass(frozen=True)
class _Order:
    """One part to run; it goes to another process whole."""

    study: Study
    part: Part
    scale: Scale
    folder: Path
    seed: int
    device: torch.device
    dtype: torch.dtype
    fresh: bool


_Outcome = tuple[tuple[Claim, ...] | None, str]


def _one_by_one(orders: Sequence[_Order], tell: Watcher) -> Iterator[tuple[Part, tuple[Claim, ...] | None, str]]:
    for order in orders:
        tell.begin(order.study.name, order.part.title, order.part.seconds[order.scale])
        begun = time.perf_counter()
        found, outcome = _fulfil(order, _share(tell))
        tell.end(outcome, time.perf_counter() - begun)
        yield order.part, found, outcome


def _side_by_side(
    orders: Sequence[_Order], tell: Watcher, jobs: int
) -> Iterator[tuple[Part, tuple[Claim, ...] | None, str]]:
    """The long ones first, so that none is left for the end; the watcher hears of a part when it is finished."""
    threads = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(min(jobs, len(orders)), mp_context=get_context("spawn"))
    try:
        begun = time.perf_counter()
        longest_first = sorted(orders, key=lambda order: -order.part.seconds[order.scale])
        waiting: dict[Future[_Outcome], _Order] = {pool.submit(_apart, o, threads): o for o in longest_first}
        for future in as_completed(waiting):
            order = waiting[future]
            try:
                found, outcome = future.result()
            except BrokenExecutor:  # the others that were running or waiting are told in the same way
                found, outcome = None, "its process died, killed or out of memory; try fewer jobs"
            tell.begin(order.study.name, order.part.title, order.part.seconds[order.scale])
            tell.end(outcome, time.perf_counter() - begun)
            yield order.part, found, outcome
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _apart(order: _Order, threads: int) -> _Outcome:
    """A part in a process of its own."""
    torch.set_num_threads(threads)
    with suppress(KeyboardInterrupt):  # Ctrl-C goes to the whole group; the parent tells of it
        return _fulfil(order, lambda done, total: None)
    return None, "interrupted"


def _fulfil(order: _Order, progress: Callable[[int, int], None]) -> _Outcome:
    """The claims of a part, read back or made now and kept; None and the reason where it broke."""
    keeper = Keeper(order.folder, order.study, order.part, order.scale, order.seed, order.device, order.dtype)
    if order.fresh:
        shutil.rmtree(keeper.working, ignore_errors=True)
    elif (kept := keeper.load()) is not None:
        return kept, "done before"
    try:
        found = _claims(
            order.part, order.scale, Context(order.seed, order.device, order.dtype, keeper.working, progress)
        )
        keeper.store(found)
    except DataError as error:  # data that are not at hand are no fault of the part
        return None, f"{NO_DATA}{error}"
    except EdgewiseError as error:
        return None, str(error)
    except Exception as error:  # a slip in one part must not take the others with it; it is told
        return None, f"internal error ({type(error).__name__}: {error})"
    return found, "done"


def _claims(part: Part, scale: Scale, context: Context) -> tuple[Claim, ...]:
    """The claims of a part, each with where it comes from."""
    begun = time.perf_counter()
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


def _device(name: torch.device | str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA raises the latter
        raise DomainError(f"device {str(name)!r} given, which is not at hand here; try device='cpu'") from error
    return device


def _share(tell: Watcher) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        tell.advance(min(1.0, done / total) if total > 0 else 0.0)

    return progress


class _Nobody:
    def begin(self, subject: str, part: str, weight: float) -> None: ...

    def advance(self, fraction: float) -> None: ...

    def end(self, outcome: str, seconds: float) -> None: ...
