"""The one training loop: it minimises any problem; a member that diverges is frozen and named."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.measure.denormals import flushed_denormals
from edgewise.train.adam import Adam
from edgewise.train.fates import BOUND, GRADIENT, LOSS, PARAMETERS, Fates
from edgewise.train.problem import Problem, Slope
from edgewise.train.records import Look, Recorder, Records, norms
from edgewise.train.run import Run
from edgewise.train.schedules import Constant, Schedule

if TYPE_CHECKING:
    from edgewise.train.checkpoints import Checkpoints

Rate = float | Tensor
"""A learning rate: one for all members, or one each, [member] or [member, 1, ...]."""


class Optimiser(Protocol):
    """An update rule with frozen settings; what it remembers is kept by the loop."""

    slots: int
    """Numbers kept for each parameter."""

    def step_(
        self,
        layers: Sequence[Tensor],
        gradients: Sequence[Tensor],
        kept: Sequence[Sequence[Tensor]],
        rates: Sequence[Tensor],
        alive: Tensor,
        *,
        step: int,
        scale: float,
    ) -> None:
        """Step number `step`, from 1, in place; members that are not `alive` stay where they are."""
        ...


def minimise(
    problem: Problem,
    *,
    steps: int,
    optimiser: Optimiser | None = None,
    learning_rate: Rate | Sequence[Rate] = 1e-3,
    schedule: Schedule | None = None,
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
    schedule: what it is multiplied by, None for a constant rate. record: recorders by name; record_every: a look each
    so many steps, or the very numbers of steps after which to look; always one at the end. checkpoints: where to save,
    and to resume from. loss_bound: a loss above this counts as divergence, as does one that is not finite. clip: the
    gradient of a member is scaled down to this norm. on_step: called with the steps done. compile: see `compile_`.

    Raises DomainError for numbers out of range, CheckpointError where the folder holds a run of other settings.
    """
    _check(steps, record_every, clip)
    started = time.perf_counter()
    rule = Adam() if optimiser is None else optimiser
    plan = Constant() if schedule is None else schedule
    if compile:
        problem.compile_()
    live = _Live.whole(problem, rule, learning_rate)
    device = live.members.device
    fates = Fates(problem.members, device)
    records = Records(record or {}, record_every, steps, problem.members)
    losses = torch.full((steps, problem.members), torch.nan, dtype=_loss_dtype(live.tensors), device=device)
    often = 1 if device.type == "cpu" else _LOOK_FOR_LOST  # asking makes an accelerator wait

    done = 0
    with flushed_denormals():
        for step in range(done + 1, steps + 1):
            loss, gradients, alive = _slope(live, step, fates, loss_bound)
            if records.wants(step - 1):
                records.look(_look(step - 1, live, loss, gradients), live.members, alive)
            losses[step - 1, live.members] = torch.where(alive, loss, torch.nan)
            if clip is not None:
                gradients = _clipped(gradients, clip)
            rule.step_(live.tensors, gradients, live.kept, live.rates, alive, step=step, scale=plan.factor(step, steps))
            if step % often == 0 and int(alive.sum()) <= _WORTH_KEEPING * len(live.members):
                live.write_back(problem)
                live = live.only(alive)
            if on_step is not None:
                on_step(step)
            if len(live.members) == 0:
                break
        live.write_back(problem)
        finite = torch.isfinite(norms(problem.tensors())).all(1)
        everyone = torch.arange(problem.members, device=device)
        fates.note(everyone, steps, torch.where(finite, 0, PARAMETERS), losses[-1])
        if records.wants(steps) and len(live.members):
            records.look(_last_look(steps, live), live.members, fates.alive(live.members))
    if on_step is not None and step < steps:
        on_step(steps)
    return Run(
        losses=losses.cpu(),
        diverged_at=fates.diverged_at.cpu(),
        why=fates.words(loss_bound),
        records=records.tensors(),
        recorded_at=tuple(records.at),
        resumed_at=done,
        seconds=time.perf_counter() - started,
        stopped=f"nothing left to train after step {step}" if step < steps else "",
    )


_WORTH_KEEPING = 0.75
"""Frozen members are taken out of the problem once at most this share of it still learns."""
_LOOK_FOR_LOST = 16
"""On an accelerator, after every so many steps only."""


class _Live:
    """The members that are still in the problem, by index, what is trained, what the optimiser keeps, their rates."""

    def __init__(
        self, members: Tensor, problem: Problem, kept: tuple[tuple[Tensor, ...], ...], rates: tuple[Tensor, ...]
    ) -> None:
        self.members, self.problem, self.kept, self.rates = members, problem, kept, rates
        self.tensors = problem.tensors()

    @staticmethod
    def whole(problem: Problem, rule: Optimiser, learning_rate: Rate | Sequence[Rate]) -> _Live:
        """Everyone, nothing kept yet."""
        tensors = problem.tensors()
        everyone = torch.arange(problem.members, device=tensors[0].device)
        kept = tuple(tuple(torch.zeros_like(t, requires_grad=False) for t in tensors) for _ in range(rule.slots))
        return _Live(everyone, problem, kept, _rates(learning_rate, tensors))

    def only(self, wanted: Tensor) -> _Live:
        """A copy with the members where `wanted` is true."""
        chosen = torch.nonzero(wanted).flatten()
        kept = tuple(tuple(t[chosen] for t in slot) for slot in self.kept)
        rates = tuple(rate[chosen] for rate in self.rates)
        return _Live(self.members[chosen], self.problem.select(chosen) if len(chosen) else self.problem, kept, rates)

    @torch.no_grad()
    def write_back(self, whole: Problem) -> None:
        """What the members here have become, into the problem they were taken from."""
        if self.problem is not whole and len(self.members):
            for mine, theirs in zip(self.tensors, whole.tensors(), strict=True):
                theirs.index_copy_(0, self.members, mine)


def _slope(live: _Live, step: int, fates: Fates, bound: float) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Each member's loss, the gradients of all, and which members are (still) fine."""
    loss, gradients = live.problem.losses_and_gradients(step)
    alive = fates.alive(live.members)
    straight = torch.isfinite(norms(gradients)).all(1)
    cause = torch.where(straight, 0, GRADIENT)
    cause = torch.where(torch.isfinite(loss), torch.where(loss > bound, BOUND, cause), LOSS)
    fates.note(live.members, step, cause, loss)
    return loss, gradients, alive & (cause == 0)


def _look(step: int, live: _Live, loss: Tensor, gradients: tuple[Tensor, ...]) -> Look:
    return Look(step, live.problem, lambda: (loss, gradients))


def _last_look(steps: int, live: _Live) -> Look:
    """After the last step no loss is known: it is worked out if someone asks, and leaves nothing behind."""

    def ask() -> Slope:
        before = live.problem.state()
        with torch.enable_grad():
            slope = live.problem.losses_and_gradients(steps + 1)
        live.problem.load_state(before)
        return slope

    return Look(steps, live.problem, ask)


def _clipped(gradients: tuple[Tensor, ...], most: float) -> tuple[Tensor, ...]:
    """Each member's gradient, scaled down to norm `most` where it is longer."""
    scale = (most / torch.linalg.vector_norm(norms(gradients), dim=1)).clamp(max=1.0)
    return tuple(g * scale.reshape(-1, *[1] * (g.dim() - 1)) for g in gradients)


def _rates(given: Rate | Sequence[Rate], tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The rate of every tensor, shaped to multiply it: [member, 1, ...]."""
    each = [given] * len(tensors) if isinstance(given, float | int | Tensor) else list(given)
    if len(each) != len(tensors):
        raise DomainError(
            f"{len(each)} learning rates given for {len(tensors)} tensors, expected one each or one in all"
        )
    shaped = []
    for rate, tensor in zip(each, tensors, strict=True):
        members = len(tensor)
        values = torch.as_tensor(rate, dtype=tensor.dtype, device=tensor.device).detach()
        if values.numel() not in (1, members):
            raise DomainError(
                f"a learning rate of shape {tuple(values.shape)} given for {members} members, expected one number or "
                "one a member"
            )
        shaped.append(values.reshape(-1).expand(members).reshape(members, *[1] * (tensor.dim() - 1)))
    return tuple(shaped)


def _loss_dtype(tensors: tuple[Tensor, ...]) -> torch.dtype:
    """Losses of half-precision networks are told in float32."""
    return tensors[0].dtype if tensors[0].dtype in (torch.float32, torch.float64) else torch.float32


def _check(steps: int, record_every: int | Collection[int], clip: float | None) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise DomainError(f"steps={steps!r} given, expected an integer >= 1; try steps=1000")
    if isinstance(record_every, int) and record_every < 1:
        raise DomainError(f"record_every={record_every!r} given, expected an integer >= 1; try record_every=10")
    if clip is not None and not clip > 0.0:
        raise DomainError(f"clip={clip!r} given, expected a norm > 0; try clip=1.0")
