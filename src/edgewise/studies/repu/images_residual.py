"""MRePU inside a ResNet: the residual networks of the paper's image experiments, by activation and initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from edgewise.data import Images, ImageSet
from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, Check, Claim
from edgewise.studies.images.evaluation import evaluate
from edgewise.studies.images.networks import Init, image_network
from edgewise.studies.repu.images import CONTENDERS, MREPU, REPU, WARMUP, percent, shown
from edgewise.studies.study import Context, Part
from edgewise.studies.subset import subset
from edgewise.train import Adam, Network, WarmupCosine, minimise
from edgewise.train.order import ORDER
from edgewise.train.streams import stream
from edgewise.train.training import LOSS_BOUND

PILOTS = (
    "The rates were chosen after ResNet-20 of MRePU(2) and of ReLU with the seed 0 had learnt for 80 batches of 50 "
    "at each of them, whose test accuracy was seen; those networks are not among these, but begin from the same random "
    "numbers as the first of each kind."
)
INITS: tuple[tuple[Init, str], ...] = (("critical", "ew.init.critical_"), ("paper", "as ResNet's authors"))


@dataclass(frozen=True)
class Settings:
    """rates: all tried, by Adam. trains: the share of right answers from which a network counts as trained; close:
    MRePU may be so much worse than ReLU."""

    depths: tuple[int, ...]
    width: int
    seeds: int
    steps: int
    rates: tuple[float, ...]
    trains: float
    close: float = 0.05
    batch: int = 32
    examples: int = 4000
    validation: int = 500
    test: int = 1000
    data: str = "cifar10"


@dataclass(frozen=True)
class Scored:
    """One trained network: its shares of right answers on validation and test images, a guess's where it diverged."""

    validation: float
    test: float
    diverged: bool
    why: str


def run(settings: Settings, context: Context) -> Claim:
    """Trains ResNets of every activation from both initialisations at every rate."""
    s = settings
    images, validation = subset(s.data, train=s.examples, validation=s.validation, test=s.test)
    here, held = images.to(context.device), validation.to(context.device)
    sample, _ = next(iter(here.train.batches(64, stream(context.seed, "sample"))))
    plan = [(depth, name, init) for depth in s.depths for name in CONTENDERS for init, _ in INITS]
    each = s.seeds * len(s.rates) * s.steps
    total, done, cells = sum(depth for depth, _, _ in plan) * each, 0, []
    for depth, name, init in plan:
        scored: list[list[Scored]] = []
        for rate in s.rates:
            scored.append([])
            for i in range(s.seeds):

                def tick(step: int, before: int = done, depth: int = depth) -> None:
                    context.progress(before + step * depth, total)

                model = image_network(
                    f"resnet20(depth={depth},width={s.width})", name, shape=images.shape, classes=images.classes,
                    init=init, seed=context.seed + i, sample=sample.cpu(),
                ).to(context.device)  # fmt: skip
                scored[-1].append(_trained(model, here, held, s, rate, context.seed + i, tick))
                done += depth * s.steps
        cells.append(_cell(s, depth, name, init, scored))
    return _claim(s, cells, images.to_dict(), images.remarks)


def _trained(
    model: nn.Module, images: ImageSet, held: Images, s: Settings, rate: float, seed: int, tick: Callable[[int], None]
) -> Scored:
    def batches(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        return images.train.batches(s.batch, stream(seed, ORDER, number), drop_last=True)

    found = minimise(
        Network(model, batches), steps=s.steps, optimiser=Adam(), learning_rate=rate,
        schedule=WarmupCosine(max(1, round(WARMUP * s.steps))), loss_bound=LOSS_BOUND, on_step=tick,
    )  # fmt: skip
    if found.diverged[0]:
        guess = 1.0 / images.classes
        return Scored(guess, guess, True, found.why[0])
    return Scored(evaluate(model, held).accuracy, evaluate(model, images.test).accuracy, False, "")


def _cell(s: Settings, depth: int, name: str, init: Init, scored: list[list[Scored]]) -> dict[str, Any]:
    """The networks at the rate of the best mean accuracy on validation images."""
    by_rate = [sum(one.validation for one in row) / s.seeds for row in scored]
    best = by_rate.index(max(by_rate))
    chosen = scored[best]
    return {
        "activation": name, "depth": depth, "init": init, "rate": s.rates[best],
        "accuracy": [one.test for one in chosen], "diverged": sum(one.diverged for one in chosen),
        "why": next((one.why for one in chosen if one.why), ""), "rates": list(s.rates),
        "validation_by_rate": by_rate, "diverged_by_rate": [sum(one.diverged for one in row) for row in scored],
    }  # fmt: skip


PART = Part(
    key="images-resnet",
    title="Images: MRePU inside a ResNet",
    run=run,
    settings={
        "smoke": Settings((8,), 4, 2, 10, rates=(1e-3,), trains=0.15, examples=1000, validation=200, test=500),
        "full": Settings((8, 20), 8, 4, 200, rates=(3e-4, 1e-3, 3e-3), trains=0.2),
    },
    seconds={"smoke": 6.0, "full": 2000.0},
)


def _claim(s: Settings, cells: list[dict[str, Any]], told: dict[str, Any], remarks: tuple[str, ...]) -> Claim:
    of = {(c["activation"], c["depth"], c["init"]): c for c in cells}
    deep = max(s.depths)
    mrepu, repu, relu = (of[name, deep, "critical"] for name in (MREPU, REPU, "relu"))
    against = evidence.mean([a - b for a, b in zip(mrepu["accuracy"], relu["accuracy"], strict=True)])
    better = evidence.mean([a - b for a, b in zip(mrepu["accuracy"], repu["accuracy"], strict=True)])
    started = [sum(c["diverged"] for c in cells if c["activation"] == MREPU and c["init"] == init) for init, _ in INITS]
    n = s.seeds * len(s.depths)
    rows = "; ".join(
        f"{deep} layers, {words}: "
        + ", ".join(
            f"{name} {100.0 * sum(c['accuracy']) / s.seeds:.1f} %" + _lost(c)
            for name in CONTENDERS for c in [of[name, deep, init]]
        )
        for init, words in INITS
    )  # fmt: skip
    return Claim(
        key="images-resnet",
        title="MRePU works inside a ResNet, given an initialisation that counts on it",
        says="MRePU can replace ReLU in a ResNet and trains on image data.",
        where=f"the image experiments (versions 4 and 5): {told['name']}",
        checks=(
            Check(f"MRePU(2), {deep} layers, critical initialisation: mean test accuracy at least {s.trains}",
                  evidence.mean(mrepu["accuracy"]), (s.trains, 1.0)),
            Check(f"{deep} layers: accuracy of MRePU(2) minus RePU(2), same seed, mean", better, ABOVE_ZERO),
            Check(f"{deep} layers: accuracy of MRePU(2) minus ReLU, same seed, mean: at most {s.close} worse", against,
                  (-s.close, math.inf)),
        ),
        measured=(
            f"mean test accuracy of {s.seeds} networks, {rows}; MRePU against ReLU {percent(_points(against))} points "
            f"(99 % interval); of {n} MRePU networks {started[0]} diverged from the critical initialisation and "
            f"{started[1]} from that of ResNet's authors"
        ),
        n=len(cells) * s.seeds,
        settings={
            "images": told,
            "network": f"ResNet for CIFAR, {s.width}, {2 * s.width} and {4 * s.width} channels, batch normalisation",
            "optimiser": "Adam, warm-up 10 %, cosine to 0, cross-entropy; the best rate on validation images",
        },
        numbers={"rows": cells},
        figures=("images.residual",),
        data={"data": told["name"], "guess": 0.1,
              "cells": [{**shown(c), "init": dict(INITS)[c["init"]]} for c in cells]},
        remarks=(
            "In this ResNet the second activation of a block acts on the sum of branch and shortcut, which no norm "
            "scales: a power above 1 then grows from block to block unless the initialisation keeps it small.",
            f"Networks of width {s.width}, {s.steps} batches of {s.batch}: accuracies are far from what training in "
            "full would reach.",
            PILOTS,
            *remarks,
        ),
    )  # fmt: skip


def _lost(cell: dict[str, Any]) -> str:
    return f" ({cell['diverged']} diverged)" if cell["diverged"] else ""


def _points(found: evidence.Interval) -> evidence.Interval:
    return evidence.Interval(
        100.0 * found.estimate, 100.0 * found.low, 100.0 * found.high, found.level, found.n, found.method
    )
