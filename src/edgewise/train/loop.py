"""The one training loop: it minimises any problem; a member that diverges is frozen and named."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.measure.denormals import flushed_denormals
from edgewise.train.adam import Adam
from edgewise.train.checkpoints import Checkpoints, digest, newest
from edgewise.train.fates import BOUND, GRADIENT, LOSS, PARAMETERS, Fates
from edgewise.train.live import Live, Optimiser, Rate
from edgewise.train.problem import Problem, Slope
from edgewise.train.records import Look, Recorder, Records, norms
from edgewise.train.run import Run
from edgewise.train.schedules import Constant, Schedule
from edgewise.train.snapshot import Progress, fingerprint


def minimise(
    problem: Problem,
    *,
    steps: int,
    optimiser: Optimiser | None = None,
    learning_rate: Rate | Sequence[Rate] = 1e-3,
    schedule: Schedule | Sequence[Schedule] | None = None,
    record: Mapping[str, Recorder] | None = None,
    record_every: int | Collection[int] = 1,
    checkpoints: Checkpoints | None = None,
    loss_bound: float = math.inf,
    clip: float | None = None,
    on_step: Callable[[int], None] | None = None,
    compile: bool = False,
) -> Run:
    """Minimises each member's loss; the problem's tensors are changed in place, and members never influence another.

    optimiser: None for Adam(). learning_rate: of all, of each member, or one of these for each of `problem.tensors()`;
    schedule: what it is multiplied by, one of all or one for each tensor, None for a constant rate. record: recorders
    by name; record_every: a look each so many steps, or the very numbers of steps after which to look; always one at
    the end. checkpoints: where to save, and to resume from. loss_bound: a loss above this counts as divergence, as does
    one that is not finite. clip: the gradient of a member is scaled down to this norm. on_step: called with the steps
    done. compile: see `compile_`.

    Raises DomainError for numbers out of range, CheckpointError where the folder holds a run of other settings.
    """
    _check(steps, clip)
    started = time.perf_counter()
    rule = Adam() if optimiser is None else optimiser
    plan = _Plan(Constant() if schedule is None else schedule, len(problem.tensors()))
    if compile:
        problem.compile_()
    live = Live.whole(problem, rule, learning_rate)
    device = live.members.device
    everyone = live.members
    fates = Fates(problem.members, device)
    records = Records(record or {}, record_every, steps, problem.members)
    losses = torch.full((steps, problem.members), torch.nan, dtype=_loss_dtype(live.tensors), device=device)
    often = 1 if device.type == "cpu" else _LOOK_FOR_LOST  # asking makes an accelerator wait
    progress, settings, done = Progress(problem, fates, records, losses), {}, 0
    if checkpoints is not None:
        settings = _settings(problem, steps, rule, plan, live.rates, record, record_every, loss_bound, clip)
        settings |= {"compile": True} if compile else {}  # another program, which rounds otherwise
        saved = newest(checkpoints, settings)
        if saved is not None:
            live, done = progress.load(saved, live), saved.step

    resumed_at = done
    with flushed_denormals():
        while done < steps and len(live.members):
            step = done + 1
            loss, gradients, alive = _slope(live, step, fates, loss_bound)
            if records.wants(done):
                records.look(_look(done, live, loss, gradients), live.members, alive)
            losses[done, live.members] = torch.where(alive, loss, torch.nan)
            if clip is not None:
                gradients = _clipped(gradients, clip)
            rates, scale = plan.at(step, steps, live.rates)
            rule.step_(live.tensors, gradients, live.kept, rates, alive, step=step, scale=scale)
            if step % often == 0 and int(alive.sum()) <= _WORTH_KEEPING * len(live.members):
                live.write_back(problem)
                live = live.only(alive)
            done = step
            if checkpoints is not None and (checkpoints.due(step, steps) or not len(live.members)):
                progress.save(checkpoints, settings, step, live)
            if on_step is not None:
                on_step(step)
        live.write_back(problem)
        finite = torch.isfinite(norms(problem.tensors())).all(1)
        fates.note(everyone, steps, torch.where(finite, 0, PARAMETERS), losses[-1])
        if records.wants(steps) and len(live.members):
            records.look(_last_look(steps, live), live.members, fates.alive(live.members))
    if on_step is not None and done < steps:
        on_step(steps)
    return Run(
        losses=losses.cpu(),
        diverged_at=fates.diverged_at.cpu(),
        why=fates.words(loss_bound),
        records=records.tensors(),
        recorded_at=tuple(records.at),
        resumed_at=resumed_at,
        seconds=time.perf_counter() - started,
        stopped=f"nothing left to train after step {done}" if done < steps else "",
    )


class _Plan:
    """One schedule for all tensors, or one for each."""

    def __init__(self, given: Schedule | Sequence[Schedule], tensors: int) -> None:
        self.given = tuple(given) if isinstance(given, Sequence) else given
        if isinstance(self.given, tuple) and len(self.given) != tensors:
            raise DomainError(
                f"{len(self.given)} schedules given for {tensors} tensors, expected one in all or one each"
            )

    def at(self, step: int, steps: int, rates: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], float]:
        """The rates at `step`, and what multiplies all of them."""
        if isinstance(self.given, tuple):
            plans = zip(rates, self.given, strict=True)
            return tuple(rate * plan.factor(step, steps) for rate, plan in plans), 1.0
        return rates, self.given.factor(step, steps)


_WORTH_KEEPING = 0.75
"""Frozen members are taken out of the problem once at most this share of it still learns."""
_LOOK_FOR_LOST = 16
"""On an accelerator, after every so many steps only."""


def _slope(live: Live, step: int, fates: Fates, bound: float) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Each member's loss, the gradients of all, and which members are (still) fine."""
    loss, gradients = live.problem.losses_and_gradients(step)
    alive = fates.alive(live.members)
    straight = torch.isfinite(norms(gradients)).all(1)
    cause = torch.where(straight, 0, GRADIENT)
    cause = torch.where(torch.isfinite(loss), torch.where(loss > bound, BOUND, cause), LOSS)
    fates.note(live.members, step, cause, loss)
    return loss, gradients, alive & (cause == 0)


def _look(step: int, live: Live, loss: Tensor, gradients: tuple[Tensor, ...]) -> Look:
    return Look(step, live.problem, lambda: (loss, gradients))


def _last_look(steps: int, live: Live) -> Look:
    """After the last step no loss is known: it is worked out if someone asks, and leaves nothing behind."""

    def ask() -> Slope:
        before = live.problem.state()
        slope = live.problem.losses_and_gradients(steps + 1)
        live.problem.load_state(before)
        return slope

    return Look(steps, live.problem, ask)


def _clipped(gradients: tuple[Tensor, ...], most: float) -> tuple[Tensor, ...]:
    """Each member's gradient, scaled down to norm `most` where it is longer."""
    scale = (most / torch.linalg.vector_norm(norms(gradients), dim=1)).clamp(max=1.0)
    return tuple(g * scale.reshape(-1, *[1] * (g.dim() - 1)) for g in gradients)


def _settings(
    problem: Problem, steps: int, rule: Optimiser, plan: _Plan, rates: Sequence[Tensor],
    record: Mapping[str, Recorder] | None, record_every: int | Collection[int], loss_bound: float, clip: float | None,
) -> dict[str, Any]:  # fmt: skip
    """What must be the same for a run to be resumed, as JSON values."""
    return fingerprint(
        problem,
        steps=steps,
        optimiser=repr(rule),
        schedule=repr(plan.given),
        learning_rates=digest(rates),
        record=sorted(record or {}),
        record_every=record_every if isinstance(record_every, int) else sorted(record_every),
        loss_bound=str(loss_bound),
        clip=clip,
    )


def _loss_dtype(tensors: tuple[Tensor, ...]) -> torch.dtype:
    """Losses of half-precision networks are told in float32."""
    return tensors[0].dtype if tensors[0].dtype in (torch.float32, torch.float64) else torch.float32


def _check(steps: int, clip: float | None) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise DomainError(f"steps={steps!r} given, expected an integer >= 1; try steps=1000")
    if clip is not None and not clip > 0.0:
        raise DomainError(f"clip={clip!r} given, expected a norm > 0; try clip=1.0")
