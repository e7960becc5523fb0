"""Will it train? Plain deep networks on handwritten digits, from PyTorch's, He's and the recommended initialisation.

Every scheme gets the same seeds, batches and learning rates; the rate is chosen on validation images, the accuracy
reported is that on test images. All networks of one depth are one ensemble.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.data import DataSet, digits
from edgewise.errors import DomainError, EdgewiseError
from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import Provenance, provenance
from edgewise.studies.schemes import Scheme, he, pytorch, recommended
from edgewise.train import Member, Shape, Training, accuracy, train

DEPTHS = (5, 20, 50)
LEARNING_RATES = (0.03, 0.1, 0.3, 1.0)
"""In units of 1 / (number of weight layers): SGD's rate falls with depth like that (PDLT chapter 9, equivalence
principle), so one grid serves all depths."""
MOMENTUM = 0.9
WARMUP = 0.1
"""Share of the steps in which the learning rate rises; after it the rate falls to 0 along half a cosine."""


@dataclass(frozen=True)
class Run:
    """One scheme at one depth and learning rate: a network per seed.

    relative_rate: the learning rate in units of 1/(depth + 1); learning_rate: SGD's own, times the layer rates.
    accuracy, validation_accuracy, train_accuracy: per seed; a run that diverged counts as a guess, 1/classes.
    loss: mean training loss of every epoch, per seed; nan once diverged. diverged_at: per seed, the step (from 1) at
    which it diverged, 0 for none. chosen: whether this is the scheme's best learning rate at this depth, by mean
    validation accuracy.
    """

    depth: int
    scheme: Scheme
    relative_rate: float
    learning_rate: float
    accuracy: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    train_accuracy: tuple[float, ...]
    loss: tuple[tuple[float, ...], ...]
    diverged_at: tuple[int, ...]
    chosen: bool

    @property
    def diverged(self) -> tuple[bool, ...]:
        return tuple(step > 0 for step in self.diverged_at)

    @property
    def mean(self) -> float:
        """Mean test accuracy over seeds."""
        return math.fsum(self.accuracy) / len(self.accuracy)

    @property
    def spread(self) -> float:
        """Standard deviation of the test accuracy over seeds, 0 for a single seed."""
        squares = math.fsum((value - self.mean) ** 2 for value in self.accuracy)
        return math.sqrt(squares / (len(self.accuracy) - 1)) if len(self.accuracy) > 1 else 0.0

    @property
    def reason(self) -> str:
        """The outcome in a sentence."""
        lost = [step for step in self.diverged_at if step > 0]
        told = (
            f"{self.depth} layers, {self.scheme.name}: {100 * self.mean:.1f} ± {100 * self.spread:.1f} % test accuracy"
        )
        if not lost:
            return told
        steps = f"step {lost[0]}" if len(set(lost)) == 1 else f"steps {min(lost)} to {max(lost)}"
        return f"{told}, {len(lost)} of {len(self.diverged_at)} diverged at {steps}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a loss that is not finite becomes None (`diverged_at` says when that began)."""
        plain: dict[str, Any] = jsonable(
            {
                "depth": self.depth,
                "scheme": self.scheme.name,
                "c_w": self.scheme.c_w,
                "c_b": self.scheme.c_b,
                "k0": self.scheme.k0,
                "principle": self.scheme.principle,
                "initialisation": self.scheme.to_dict(),
                "relative_rate": self.relative_rate,
                "learning_rate": self.learning_rate,
                "accuracy": self.accuracy,
                "validation_accuracy": self.validation_accuracy,
                "train_accuracy": self.train_accuracy,
                "mean": self.mean,
                "spread": self.spread,
                "loss": self.loss,
                "diverged": self.diverged,
                "diverged_at": self.diverged_at,
                "chosen": self.chosen,
                "reason": self.reason,
            }
        )
        return plain


@dataclass(frozen=True)
class Trainability:
    """What training plain networks of several depths from several initialisations showed.

    runs: every depth, scheme and learning rate; missing: a sentence for each scheme that could not be tried.
    """

    activation: str
    depths: tuple[int, ...]
    width: int
    seeds: int
    epochs: int
    batch: int
    learning_rates: tuple[float, ...]
    data: dict[str, Any]
    runs: tuple[Run, ...]
    missing: tuple[str, ...]
    provenance: Provenance

    @property
    def chosen(self) -> tuple[Run, ...]:
        """One run for each depth and scheme: at its best learning rate."""
        return tuple(run for run in self.runs if run.chosen)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1.0 / int(self.data["classes"])

    @property
    def method(self) -> str:
        """What was done, in words."""
        return (
            f"plain fully connected networks of width {self.width}, {self.seeds} seeds each, on {self.data['train']} "
            f"images of the {self.data['name']} ({self.data['normalisation']}); {self.epochs} epochs of SGD with "
            f"momentum {MOMENTUM}, batch {self.batch}, warm-up and cosine decay; learning rate the best of "
            f"{len(self.learning_rates)} ({', '.join(f'{rate:g}' for rate in self.learning_rates)} over the number of "
            f"weight layers) by mean accuracy on {self.data['validation']} validation images; accuracy on "
            f"{self.data['test']} test images; a run that diverged counts as a guess"
        )

    @property
    def reason(self) -> str:
        """The outcome at the largest depth in a sentence."""
        deepest = max(self.depths)
        return "; ".join([*(run.reason for run in self.chosen if run.depth == deepest), *self.missing])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "activation": self.activation,
            "depths": list(self.depths),
            "width": self.width,
            "seeds": self.seeds,
            "epochs": self.epochs,
            "batch": self.batch,
            "momentum": MOMENTUM,
            "learning_rates": list(self.learning_rates),
            "data": self.data,
            "chance": self.chance,
            "method": self.method,
            "reason": self.reason,
            "missing": list(self.missing),
            "runs": [run.to_dict() for run in self.runs],
            "provenance": self.provenance.to_dict(),
        }


def trainability(
    a: Activation | object,
    *,
    depths: Sequence[int] = DEPTHS,
    width: int = 64,
    seeds: int = 4,
    learning_rates: Sequence[float] = LEARNING_RATES,
    epochs: int = 15,
    batch: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
    on_depth: Callable[[Trainability], None] | None = None,
) -> Trainability:
    """Trains networks of `depths` hidden layers from three initialisations and compares their accuracy on the digits.

    seeds: networks for each setting, with seeds seed, seed + 1, ...; the split of the data takes `seed` too.
    learning_rates: tried with every scheme, in units of 1/(depth + 1). on_progress: called with (work done, in all);
    on_depth: called with everything so far as soon as a depth is finished, so that an interruption loses little.

    Raises SpecError for an unknown activation, DomainError for numbers out of range, DataError without the digits.
    """
    sigma = activation(a)
    started = time.perf_counter()
    _check(depths, seeds, learning_rates, epochs)
    data = digits(seed=seed)
    steps = epochs * (len(data.train) // batch)
    total, done = steps * sum(depths), 0
    runs: list[Run] = []
    missing: list[str] = []

    def result(finished: int) -> Trainability:
        seconds = time.perf_counter() - started
        return Trainability(
            activation=sigma.spec,
            depths=tuple(depths[:finished]),
            width=width,
            seeds=seeds,
            epochs=epochs,
            batch=batch,
            learning_rates=tuple(learning_rates),
            data=data.to_dict(),
            runs=tuple(runs),
            missing=tuple(missing),
            provenance=provenance(seed=seed, device=torch.device(device), dtype=torch.float32, seconds=seconds),
        )

    for finished, depth in enumerate(depths, start=1):
        shape = Shape(data.features, width, depth, data.classes)
        schemes, without = _schemes(sigma, shape)
        missing.extend(without)
        plan = [(scheme, rate) for scheme in schemes for rate in learning_rates]
        members = [_member(scheme, rate, depth, seed + i) for scheme, rate in plan for i in range(seeds)]

        def tick(step: int, before: int = done, depth: int = depth) -> None:
            if on_progress is not None:
                on_progress(before + step * depth, total)

        trained = train(
            sigma, shape, members, data.train, steps=steps, batch=batch, momentum=MOMENTUM, warmup=int(WARMUP * steps),
            decay=True, device=device, on_step=tick,
        )  # fmt: skip
        runs.extend(_runs(sigma, depth, plan, seeds, trained, data, epochs))
        done += steps * depth
        if on_depth is not None:
            on_depth(result(finished))
    return result(len(depths))


def _check(depths: Sequence[int], seeds: int, learning_rates: Sequence[float], epochs: int) -> None:
    if not depths or any(isinstance(d, bool) or not isinstance(d, int) or d < 1 for d in depths):
        raise DomainError(f"depths={list(depths)!r} given, expected integers >= 1; try depths=(5, 20, 50)")
    if seeds < 1 or epochs < 1:
        raise DomainError(f"seeds={seeds!r}, epochs={epochs!r} given, expected integers >= 1; try seeds=4, epochs=15")
    if not learning_rates or not all(math.isfinite(rate) and rate > 0.0 for rate in learning_rates):
        raise DomainError(
            f"learning_rates={list(learning_rates)!r} given, expected numbers > 0; try (0.03, 0.1, 0.3, 1.0)"
        )


def _schemes(a: Activation, shape: Shape) -> tuple[list[Scheme], list[str]]:
    """The schemes to compare, and why the recommended one is not among them where it is not."""
    usual = [pytorch(shape), he()]
    try:
        return [*usual, recommended(a, shape)], []
    except EdgewiseError as error:
        return usual, [f"{shape.depth} layers: no recommended initialisation ({error})"]


def _member(scheme: Scheme, rate: float, depth: int, seed: int) -> Member:
    return Member(seed, rate / (depth + 1), scheme.initial, scheme.weight_rates, scheme.bias_rates)


def _runs(
    a: Activation, depth: int, plan: Sequence[tuple[Scheme, float]], seeds: int, trained: Training, data: DataSet,
    epochs: int,
) -> list[Run]:  # fmt: skip
    """The runs of one depth, members in the order of `plan` and then of the seeds."""

    def scored(split: str) -> list[tuple[float, ...]]:
        right, _ = accuracy(a, trained.parameters, getattr(data, split))
        return _by_setting(torch.where(trained.diverged, 1.0 / data.classes, right.double()), seeds)

    tested, validated, learned = scored("test"), scored("validation"), scored("train")
    curves = trained.loss.reshape(epochs, -1, trained.loss.shape[1]).mean(1).T  # [member, epoch]
    final = _by_setting(torch.nan_to_num(curves[:, -1], nan=math.inf), seeds)
    diverged_at = _by_setting(trained.diverged_at, seeds)

    def quality(i: int) -> tuple[float, float]:
        return math.fsum(validated[i]), -math.fsum(final[i])  # equal accuracies: the smaller training loss

    names = {scheme.name for scheme, _ in plan}
    best = {name: max((i for i, (scheme, _) in enumerate(plan) if scheme.name == name), key=quality) for name in names}
    return [
        Run(
            depth=depth,
            scheme=scheme,
            relative_rate=rate,
            learning_rate=rate / (depth + 1),
            accuracy=tested[i],
            validation_accuracy=validated[i],
            train_accuracy=learned[i],
            loss=tuple(tuple(curve) for curve in curves[i * seeds : (i + 1) * seeds].tolist()),
            diverged_at=tuple(int(step) for step in diverged_at[i]),
            chosen=best[scheme.name] == i,
        )
        for i, (scheme, rate) in enumerate(plan)
    ]


def _by_setting(values: Tensor, seeds: int) -> list[tuple[float, ...]]:
    return [tuple(row) for row in values.reshape(-1, seeds).tolist()]
