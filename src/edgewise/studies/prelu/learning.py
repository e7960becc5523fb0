"""The paper's plain networks, scaled down, learning by its rule: SGD with momentum, decay of weights but not slopes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewise import init
from edgewise.data import ImageSet
from edgewise.models import PlainCNN
from edgewise.studies.images.evaluation import evaluate
from edgewise.train import SGD, Network, WarmupCosine, minimise
from edgewise.train.decay import penalty
from edgewise.train.order import ORDER
from edgewise.train.schedules import Schedule
from edgewise.train.streams import stream
from edgewise.train.training import LOSS_BOUND

Scheme = Literal["he", "xavier"]
Kind = Literal["relu", "shared", "channel-wise"]
INITIAL_SLOPE = 0.25
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4


@dataclass(frozen=True)
class Architecture:
    """Of `PlainCNN`: stages, kernel size and the paper's network that it is a small version of."""

    stages: tuple[tuple[int, int], ...]
    kernel_size: int
    paper: str

    @property
    def depth(self) -> int:
        """Layers with weights, as the paper counts them."""
        return 1 + sum(count for count, _ in self.stages) + 3


FOURTEEN = Architecture(((4, 16), (6, 32)), 2, "the 14-layer model (table 1)")
TWENTY_TWO = Architecture(
    ((4, 16), (14, 32)), 2, "the 14-layer model with eight more convolutions (the paper's 22 layers are 3x3)"
)
THIRTY = Architecture(((4, 16), (22, 32)), 2, "the 30-layer model")


@dataclass(frozen=True)
class Learned:
    """loss: cross-entropy of each step's batch, up to a divergence; slopes: of each layer's activation,
    a list of one number a channel (or one), empty where nothing is learned. extra: how many slopes there are."""

    loss: tuple[float, ...]
    accuracy: float
    diverged: bool
    slopes: dict[str, tuple[float, ...]]
    parameters: int
    extra: int


def network(architecture: Architecture, kind: Kind, scheme: Scheme, shape: tuple[int, int, int], seed: int) -> PlainCNN:
    """A network from `seed`, weights normal of variance 2/((1 + a^2) fan-in) for "he", 1/fan-in for "xavier".

    a: the slope it starts from, 0 for ReLU. The same seed gives the same numbers, scaled by their deviation alone.
    """
    with torch.random.fork_rng(devices=[]):  # the constructor draws, and what it drew is replaced
        model = PlainCNN(
            channels=shape[0], stages=architecture.stages, kernel_size=architecture.kernel_size,
            activation="relu" if kind == "relu" else "prelu", per_channel=kind == "channel-wise",
        )  # fmt: skip
    slope = 0.0 if kind == "relu" else INITIAL_SLOPE
    gain = math.sqrt(2.0 / (1.0 + slope**2)) if scheme == "he" else 1.0
    init.he_(model, gain=gain, generator=torch.Generator().manual_seed(seed))
    return model


def learn(
    model: PlainCNN, images: ImageSet, *, steps: int, batch: int, learning_rate: float, seed: int,
    device: torch.device, schedule: Schedule | None = None, on_step: Callable[[int], None] | None = None,
) -> Learned:  # fmt: skip
    """Minimises the cross-entropy and the decay of the weights by SGD with momentum 0.9, and scores the network."""
    model.to(device)
    here = images.to(device)

    def batches(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        return here.train.batches(batch, stream(seed, ORDER, number), drop_last=True)

    told: list[Tensor] = []

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        fit = functional.cross_entropy(outputs, labels)
        told.append(fit.detach())  # without the decay, which a guess has too
        return fit + penalty(model, WEIGHT_DECAY)

    run = minimise(
        Network(model, batches, loss), steps=steps, optimiser=SGD(MOMENTUM), learning_rate=learning_rate,
        schedule=schedule or WarmupCosine(steps // 20), loss_bound=LOSS_BOUND, on_step=on_step,
    )  # fmt: skip
    slopes = slopes_of(model)
    return Learned(
        loss=tuple(value if math.isfinite(value) else math.nan for value in torch.stack(told).tolist()),
        accuracy=evaluate(model, here.test).accuracy,
        diverged=bool(run.diverged[0]),
        slopes=slopes,
        parameters=sum(p.numel() for p in model.parameters()),
        extra=sum(len(of_layer) for of_layer in slopes.values()),
    )


def slopes_of(model: PlainCNN) -> dict[str, tuple[float, ...]]:
    """The learned slopes of each layer, by the layer's name; empty for an activation that learns nothing."""
    return {name: _values(a) for name, a in model.activated().items() if _values(a)}


def _values(a: nn.Module) -> tuple[float, ...]:
    return tuple(float(value) for parameter in a.parameters() for value in parameter.detach().flatten())
