"""Training an ensemble by gradient descent; a member that diverges is frozen and named."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.data.dataset import Split
from edgewise.errors import DomainError
from edgewise.measure.denormals import flushed_denormals
from edgewise.train.adam import Adam
from edgewise.train.ensemble import (
    Elementwise,
    Member,
    Parameters,
    Shape,
    forward,
    forward_layers,
    initialise,
    members_finite,
    rates,
)
from edgewise.train.sgd import SGD

LOSS_BOUND = 1e3
"""A mean cross-entropy above this (a guess among 10 classes has 2.3) counts as divergence."""


@dataclass(frozen=True)
class Training:
    """What came out of training an ensemble.

    parameters: at the end; of a diverged member, as they were when it was frozen.
    loss: mean cross-entropy of the batch before each step, [step, member]; nan from the step of divergence on.
    diverged_at: per member, the step (from 1) whose loss or gradient was not finite or beyond LOSS_BOUND; 0 for none.
    """

    parameters: Parameters
    loss: Tensor
    diverged_at: Tensor

    @property
    def diverged(self) -> Tensor:
        """Which members diverged, bool [member]."""
        return self.diverged_at > 0


def train(
    activation: Elementwise,
    shape: Shape,
    members: Sequence[Member],
    data: Split,
    *,
    steps: int,
    batch: int,
    optimiser: SGD | Adam | None = None,
    momentum: float = 0.9,
    warmup: int = 0,
    decay: bool = False,
    start: Parameters | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[int], None] | None = None,
) -> Training:
    """Minimises each member's cross-entropy; members never influence one another.

    Every member passes through the data in its own seed's order, in batches of `batch` examples, reshuffled each time.
    optimiser: None for SGD with this momentum. warmup: steps over which the learning rate rises linearly from 0; decay:
    whether it then falls to 0 along half a cosine. start: where the networks begin, instead of at each member's
    `initial`; it is left as it is. on_step: called with the steps done.

    Raises DomainError for numbers out of range.
    """
    if batch < 1 or batch > len(data) or steps < 1 or not 0.0 <= momentum < 1.0 or not 0 <= warmup <= steps:
        raise DomainError(
            f"steps={steps}, batch={batch}, momentum={momentum}, warmup={warmup} given, expected steps >= 1, "
            f"1 <= batch <= {len(data)}, 0 <= momentum < 1, 0 <= warmup <= steps"
        )
    inputs, labels = data.inputs.to(device=device, dtype=dtype), data.labels.to(device)
    everyone = torch.arange(len(members), device=device)
    rule = SGD(momentum) if optimiser is None else optimiser
    begin = initialise(shape, members, dtype=dtype, device=device) if start is None else start
    final = begin.select(everyone)
    kept = tuple(Parameters(*(torch.zeros_like(t) for t in final.tensors())) for _ in range(rule.slots))
    state = _State(everyone, final.select(everyone), kept, rates(shape, members, final))
    order = _Order([m.seed for m in members], len(data), batch)
    diverged_at = torch.zeros(len(members), dtype=torch.int64, device=device)
    losses = torch.full((steps, len(members)), torch.nan, dtype=dtype, device=device)

    with flushed_denormals():
        for step in range(1, steps + 1):
            rows = order.next().to(device)[state.members]
            loss, gradients, alive = _slope(activation, state, inputs[rows], labels[rows], diverged_at)
            losses[step - 1, state.members] = torch.where(alive, loss, torch.nan)
            lost = state.members[~alive]
            diverged_at[lost] = torch.where(diverged_at[lost] > 0, diverged_at[lost], step)
            rule.step_(
                state.layers, gradients, [k.layers() for k in state.kept], state.rates.layers(), alive, step=step,
                scale=_schedule(step, steps, warmup, decay),
            )  # fmt: skip
            if int(alive.sum()) <= _WORTH_KEEPING * len(state.members):
                with torch.no_grad():
                    final.store(lost, state.only(~alive).parameters)
                state = state.only(alive)
            if on_step is not None:
                on_step(step)
            if len(state.members) == 0:
                break
    if on_step is not None and step < steps:
        on_step(steps)

    with torch.no_grad():
        final.store(state.members, state.parameters)
    diverged_at = torch.where(final.members_finite() | (diverged_at > 0), diverged_at, steps)
    return Training(final, losses.cpu(), diverged_at.cpu())


_WORTH_KEEPING = 0.75
"""Frozen members are taken out of the ensemble once at most this share of it still learns."""


@dataclass(frozen=True)
class _State:
    """The members that are still in the ensemble, by index; their parameters, what the optimiser keeps, their rates."""

    members: Tensor
    parameters: Parameters
    kept: tuple[Parameters, ...]
    rates: Parameters

    @cached_property
    def layers(self) -> tuple[Tensor, ...]:
        """Views of the parameters, layer by layer, each a leaf of autograd."""
        return tuple(view.detach().requires_grad_(True) for view in self.parameters.layers())

    def only(self, wanted: Tensor) -> _State:
        """A copy with the members where `wanted` is true."""
        chosen = torch.nonzero(wanted).flatten()
        kept = tuple(k.select(chosen) for k in self.kept)
        return _State(self.members[chosen], self.parameters.select(chosen), kept, self.rates.select(chosen))


def _schedule(step: int, steps: int, warmup: int, decay: bool) -> float:
    """The learning rate of a step relative to its full value."""
    if step <= warmup:
        return step / (warmup + 1)
    return 0.5 * (1.0 + math.cos(math.pi * (step - 1 - warmup) / (steps - warmup))) if decay else 1.0


def _slope(
    activation: Elementwise, state: _State, inputs: Tensor, labels: Tensor, diverged_at: Tensor
) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Each member's loss, the gradients of all, and which members are (still) fine."""
    outputs = forward_layers(activation, state.layers, inputs)
    loss = functional.cross_entropy(outputs.mT, labels, reduction="none").mean(1)
    alive = (diverged_at[state.members] == 0) & (loss <= LOSS_BOUND)  # nan compares false
    gradients = torch.autograd.grad(torch.where(alive, loss, 0.0).sum(), state.layers)
    alive &= members_finite(gradients)
    return loss.detach(), gradients, alive


class _Order:
    """Batches of row numbers [member, example]: a new permutation per seed and pass; an incomplete batch is dropped."""

    def __init__(self, seeds: Sequence[int], examples: int, batch: int) -> None:
        self._generators = {seed: torch.Generator().manual_seed(seed + 2**32) for seed in seeds}
        self._index = {seed: i for i, seed in enumerate(self._generators)}
        self._member = torch.tensor([self._index[seed] for seed in seeds])
        self._examples, self._batch, self._start = examples, batch, examples

    def next(self) -> Tensor:
        if self._start + self._batch > self._examples:
            self._rows = torch.stack([torch.randperm(self._examples, generator=g) for g in self._generators.values()])
            self._start = 0
        rows = self._rows[:, self._start : self._start + self._batch]
        self._start += self._batch
        return rows[self._member]


@torch.no_grad()
def accuracy(activation: Elementwise, parameters: Parameters, data: Split) -> tuple[Tensor, Tensor]:
    """Share of right answers and mean cross-entropy of each member, [member], on the CPU.

    An output that is not finite is a wrong answer, and its loss is nan.
    """
    p = parameters.first
    with flushed_denormals():
        outputs = forward(activation, parameters, data.inputs.to(device=p.device, dtype=p.dtype))
    labels = data.labels.to(p.device).expand(len(p), -1)
    usable = torch.isfinite(outputs).all(2)
    right = (outputs.argmax(2) == labels) & usable
    loss = functional.cross_entropy(outputs.mT, labels, reduction="none").mean(1)
    return right.float().mean(1).cpu(), torch.where(usable.all(1), loss, torch.nan).cpu()
