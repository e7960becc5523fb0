"""Training an ensemble by gradient descent; a member that diverges is frozen and named."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.data.dataset import Split
from edgewise.errors import DomainError
from edgewise.measure.denormals import flushed_denormals
from edgewise.train.checkpoints import Checkpoints
from edgewise.train.ensemble import Elementwise, Member, Parameters, Shape, forward, initialise
from edgewise.train.live import Optimiser
from edgewise.train.loop import minimise
from edgewise.train.losses import Loss
from edgewise.train.member_activation import of_members
from edgewise.train.mlp_ensemble import MLPEnsemble, input_scales, layer_rates
from edgewise.train.records import Recorder
from edgewise.train.run import Run
from edgewise.train.schedules import Schedule, WarmupCosine
from edgewise.train.sgd import SGD

LOSS_BOUND = 1e3
"""A mean cross-entropy above this (a guess among 10 classes has 2.3) counts as divergence."""


@dataclass(frozen=True)
class Training:
    """What came out of training an ensemble.

    parameters: at the end; of a diverged member, as they were when it was frozen.
    loss: of the batch before each step, [step, member]; nan from the step of divergence on.
    diverged_at: per member, the step (from 1) whose loss or gradient was not finite or beyond LOSS_BOUND; 0 for none.
    run: all that the loop tells, records among it.
    """

    parameters: Parameters
    loss: Tensor
    diverged_at: Tensor
    run: Run

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
    optimiser: Optimiser | None = None,
    momentum: float = 0.9,
    warmup: int = 0,
    decay: bool = False,
    start: Parameters | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[int], None] | None = None,
    loss: Loss = "cross_entropy",
    schedule: Schedule | None = None,
    record: Mapping[str, Recorder] | None = None,
    record_every: int | Collection[int] = 1,
    checkpoints: Checkpoints | None = None,
    clip: float | None = None,
    compile: bool = False,
) -> Training:
    """Minimises each member's loss; members never influence one another.

    Every member passes through the data in its own seed's order, in batches of `batch` examples, reshuffled each time.
    optimiser: None for SGD with this momentum. warmup: steps over which the learning rate rises linearly from 0; decay:
    whether it then falls to 0 along half a cosine. start: where the networks begin, instead of at each member's
    `initial`; it is left as it is. on_step: called with the steps done. loss: "cross_entropy" of classes, "mse" of
    values [example, output], or a callable of outputs and targets, see `MLPEnsemble`. schedule: instead of warmup and
    decay. The rest is as in `minimise`.

    Raises DomainError for numbers out of range, CheckpointError where the folder holds a run of other settings.
    """
    if batch < 1 or batch > len(data) or steps < 1 or not 0.0 <= momentum < 1.0 or not 0 <= warmup <= steps:
        raise DomainError(
            f"steps={steps}, batch={batch}, momentum={momentum}, warmup={warmup} given, expected steps >= 1, "
            f"1 <= batch <= {len(data)}, 0 <= momentum < 1, 0 <= warmup <= steps"
        )
    begin = initialise(shape, members, dtype=dtype, device=device) if start is None else start
    parameters = begin.select(torch.arange(len(begin.first), device=begin.first.device))
    run = minimise(
        MLPEnsemble(activation, parameters, members, data, batch=batch, loss=loss),
        steps=steps,
        optimiser=SGD(momentum) if optimiser is None else optimiser,
        learning_rate=layer_rates(shape, members, parameters),
        schedule=WarmupCosine(warmup, decay=decay) if schedule is None else schedule,
        record=record,
        record_every=record_every,
        checkpoints=checkpoints,
        loss_bound=LOSS_BOUND if loss == "cross_entropy" else math.inf,
        clip=clip,
        on_step=on_step,
        compile=compile,
    )
    return Training(parameters, run.losses, run.diverged_at, run)


@torch.no_grad()
def accuracy(
    activation: Elementwise, parameters: Parameters, data: Split, *, members: Sequence[Member] | None = None
) -> tuple[Tensor, Tensor]:
    """Share of right answers and mean cross-entropy of each member, [member], on the CPU.

    members: those the ensemble was trained with, needed where they have input scales or constants of their own.
    An output that is not finite is a wrong answer, and its loss is nan.
    """
    p = parameters.first
    outputs = predict(activation, parameters, data.inputs, members=members)
    labels = data.labels.to(p.device).expand(len(p), -1)
    usable = torch.isfinite(outputs).all(2)
    right = (outputs.argmax(2) == labels) & usable
    loss = functional.cross_entropy(outputs.mT, labels, reduction="none").mean(1)
    return right.float().mean(1).cpu(), torch.where(usable.all(1), loss, torch.nan).cpu()


@torch.no_grad()
def predict(
    activation: Elementwise, parameters: Parameters, inputs: Tensor, *, members: Sequence[Member] | None = None
) -> Tensor:
    """The outputs [member, example, output] of trained members for inputs [example, feature].

    members: those the ensemble was trained with, needed where they have input scales or constants of their own.
    """
    p = parameters.first
    x = inputs.to(device=p.device, dtype=p.dtype)
    if members is not None:
        scales, activation = input_scales(members, p), of_members(activation, members)
        x = x if scales is None else x * scales
    with flushed_denormals():
        return forward(activation, parameters, x)
