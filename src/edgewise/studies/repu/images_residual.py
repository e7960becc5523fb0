"""MRePU inside a ResNet: the residual networks of the paper's image experiments, by activation and initialisation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, Check, Claim
from edgewise.studies.images.evaluation import evaluate
from edgewise.studies.images.networks import Init, image_network
from edgewise.studies.repu.images import CONTENDERS, MREPU, REPU, WARMUP, percent, shown
from edgewise.studies.study import Context, Part
from edgewise.studies.subset import subset
from edgewise.train import Adam, Network, WarmupCosine, minimise
from edgewise.train.training import LOSS_BOUND

INITS: tuple[tuple[Init, str], ...] = (("critical", "ew.init.critical_"), ("paper", "as ResNet's authors"))


@dataclass(frozen=True)
class Settings:
    """trains: the share of right answers from which a network counts as trained; close: MRePU may be so much worse."""

    depths: tuple[int, ...]
    width: int
    seeds: int
    steps: int
    trains: float
    close: float = 0.05
    batch: int = 32
    learning_rate: float = 3e-3
    examples: int = 4000
    test: int = 1000
    data: str = "cifar10"


def run(settings: Settings, context: Context) -> Claim:
    """Trains ResNets of every activation from both initialisations."""
    s = settings
    images, _ = subset(s.data, train=s.examples, test=s.test)
    here = images.to(context.device)
    sample, _ = next(iter(here.train.batches(64, torch.Generator().manual_seed(context.seed))))
    plan = [(depth, name, init) for depth in s.depths for name in CONTENDERS for init, _ in INITS]
    total, done, cells = sum(depth for depth, _, _ in plan) * s.seeds * s.steps, 0, []
    for depth, name, init in plan:
        accuracy, lost, why = [], 0, ""
        for i in range(s.seeds):
            seed = context.seed + i

            def batches(number: int, seed: int = seed) -> Iterator[tuple[Tensor, Tensor]]:
                order = torch.Generator().manual_seed((seed << 24) + number)
                return here.train.batches(s.batch, order, drop_last=True)

            def tick(step: int, before: int = done, depth: int = depth) -> None:
                context.progress(before + step * depth, total)

            model = image_network(
                f"resnet20(depth={depth},width={s.width})", name, shape=images.shape, classes=images.classes, init=init,
                seed=seed, sample=sample.cpu(),
            ).to(context.device)  # fmt: skip
            found = minimise(
                Network(model, batches), steps=s.steps, optimiser=Adam(), learning_rate=s.learning_rate,
                schedule=WarmupCosine(max(1, round(WARMUP * s.steps))), loss_bound=LOSS_BOUND, on_step=tick,
            )  # fmt: skip
            diverged = bool(found.diverged[0])
            accuracy.append(1.0 / images.classes if diverged else evaluate(model, here.test).accuracy)
            lost, why = lost + diverged, found.why[0] or why
            done += depth * s.steps
        cells.append(
            {"activation": name, "depth": depth, "init": init, "accuracy": accuracy, "diverged": lost, "why": why}
        )
    return _claim(s, cells, images.to_dict(), images.remarks)


PART = Part(
    key="images-resnet",
    title="Images: MRePU inside a ResNet",
    run=run,
    settings={
        "smoke": Settings((8,), 4, 2, 10, trains=0.15, examples=1000, test=500),
        "full": Settings((8, 14), 8, 4, 80, trains=0.2),
    },
    seconds={"smoke": 6.0, "full": 130.0},
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
            "optimiser": "Adam, warm-up 10 %, cosine to 0, cross-entropy, one rate for all",
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
            *remarks,
        ),
    )  # fmt: skip


def _lost(cell: dict[str, Any]) -> str:
    return f" ({cell['diverged']} diverged)" if cell["diverged"] else ""


def _points(found: evidence.Interval) -> evidence.Interval:
    return evidence.Interval(
        100.0 * found.estimate, 100.0 * found.low, 100.0 * found.high, found.level, found.n, found.method
    )
