"""Running a comparison: every activation on the same images and seeds, one activation after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.measure.provenance import provenance
from edgewise.studies.images.comparison import Comparison, Settings, Trial, compared
from edgewise.studies.images.ensembles import (
    ANY,
    Ensemble,
    as_ensemble,
    can_be_one_program,
    step_seconds,
    train_members,
)
from edgewise.studies.images.finished import Shelf
from edgewise.studies.images.networks import image_network, images_wanted, is_flat
from edgewise.studies.images.run import ImageRun
from edgewise.studies.images.sets import Parts
from edgewise.studies.images.training import TRAINING_IMAGES_LOOKED_AT, train_images
from edgewise.train import SGD, Adam, Member
from edgewise.train.checkpoints import digest
from edgewise.train.live import Optimiser
from edgewise.train.training import LOSS_BOUND

OPTIMISERS: dict[str, Optimiser] = {"sgd": SGD(0.9), "adam": Adam()}
_ROUNDS, _STEPS = 7, 10
"""Of timing members of one program."""


@dataclass(frozen=True)
class Now:
    """Where a comparison is: images learnt from, of all there will be; what is running."""

    done: int
    total: int
    what: str


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; `comparison` holds what was finished."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self.comparison = comparison


def compare(
    activations: Sequence[object],
    images: Parts,
    settings: Settings,
    *,
    folder: Path | None = None,
    on_progress: Callable[[Now], None] | None = None,
) -> Comparison:
    """Trains every activation with every seed and learning rate, and says which differ.

    Runs of one seed have the same order, augmentation and, up to scale, initial weights; those of one seed and rate
    follow one another, so that their times are taken under the same load. Plain networks without augmentation are
    trained as one program for each activation. folder: finished runs are kept there and not run again; the one
    under way resumes. Interrupted by Ctrl-C it raises `Interrupted`, a KeyboardInterrupt that holds what was finished.

    Raises SpecError for fewer than one or the same activation twice, DomainError for numbers out of range, and what a
    model and its initialisation raise, before anything is trained.
    """
    begun = time.perf_counter()
    job = _Work(_named(activations), images, _checked(settings), folder, on_progress)
    trials: list[Trial] = []

    def found(times: dict[str, list[float]] | None) -> Comparison:
        origin = provenance(
            seed=settings.seeds[0], device=torch.device(settings.device), dtype=job.autocast or torch.float32,
            seconds=time.perf_counter() - begun,
        )  # fmt: skip
        return compared(settings, job.data(), list(job.activations), trials, times, origin)

    try:
        job.build_one_of_each()
        trials.extend(job.trials())
        times = job.step_seconds() if job.together else None
    except KeyboardInterrupt:
        raise Interrupted(found(None)) from None
    return found(times)


class _Work:
    """The runs of a comparison, one after the other."""

    def __init__(
        self, activations: dict[str, Activation], images: Parts, settings: Settings, folder: Path | None,
        on_progress: Callable[[Now], None] | None,
    ) -> None:  # fmt: skip
        self.activations, self.images, self.settings, self._tell = activations, images, settings, on_progress
        self.autocast = None if settings.autocast is None else getattr(torch, settings.autocast)
        self.optimiser = OPTIMISERS[settings.optimiser]
        home = torch.device(settings.device)
        self.together = (
            home.type == "cpu"
            and self.autocast is None
            and settings.recipe is None
            and not settings.compile
            and all(
                can_be_one_program(settings.model, a, images.learnt, augmented=settings.augment is not None)
                for a in activations.values()
            )
        )
        size = min(settings.batch, len(images.learnt.train))
        self.per_epoch = len(images.learnt.train) // size
        self._per_run = self.per_epoch * settings.epochs * size
        self._runs = len(activations) * len(settings.seeds) * len(settings.learning_rates)
        self._done = 0
        held = digest((images.learnt.train.labels, images.learnt.train.images[:, 0, 0], images.learnt.test.labels))
        common = settings.to_dict() | {"data": self.data(), "held": held, "together": self.together}
        for varied in ("seeds", "learning_rates"):
            del common[varied]
        self._shelf = Shelf(folder, common)
        self._sample: Tensor = next(images.learnt.train.batches(images_wanted(settings.model)))[0].cpu()

    def data(self) -> dict[str, Any]:
        """What the images are, in the words of a result."""
        return self.images.learnt.to_dict() | {"validation": len(self.images.validation)}

    def build_one_of_each(self) -> None:
        """So that what cannot be built is told before anything is trained."""
        for activation in self.activations.values():
            self._network(activation, self.settings.seeds[0])

    def trials(self) -> Iterator[Trial]:
        """All of them."""
        s = self.settings
        if self.together:
            for name in self.activations:
                for run in self._program(name):
                    yield Trial(name, run)
            return
        for seed in s.seeds:
            for rate in s.learning_rates:
                for name in self.activations:
                    yield Trial(name, self._single(name, seed, rate))

    def step_seconds(self) -> dict[str, list[float]]:
        """Of programs of one learning rate."""
        s = self.settings
        data = self.images.learnt.train.flat()
        members = [Member(seed, 0.0, ANY) for seed in s.seeds]
        size = min(s.batch, len(data))

        def maker(activation: Activation) -> Callable[[], Ensemble]:
            networks = [self._network(activation, seed) for seed in s.seeds]
            return lambda: as_ensemble(networks, activation, data, self.images.learnt.shape, members, size)

        self._say("timing")
        problems = {name: maker(activation) for name, activation in self.activations.items()}
        return step_seconds(problems, self.optimiser, rounds=_ROUNDS, steps=_STEPS)

    def _program(self, name: str) -> tuple[ImageRun, ...]:
        s = self.settings
        job = {"activation": name, "seeds": list(s.seeds), "learning rates": list(s.learning_rates)}
        runs = self._shelf.load(name, job)
        members = [(seed, rate) for seed in s.seeds for rate in s.learning_rates]
        if runs is None:
            activation = self.activations[name]
            of_seed = {seed: self._network(activation, seed) for seed in s.seeds}
            size = min(s.batch, len(self.images.learnt.train)) * len(members)
            runs = train_members(
                [of_seed[seed] for seed, _ in members], activation, self.images.learnt,
                seeds=[seed for seed, _ in members], learning_rates=[rate for _, rate in members], epochs=s.epochs,
                batch=s.batch, optimiser=self.optimiser, watch=self._watch(),
                checkpoints=self._shelf.checkpoints(name, job, self.per_epoch),
                on_step=lambda step: self._say(f"{name}, {len(members)} networks at once", step * size), label=name,
            )  # fmt: skip
            self._shelf.keep(name, job, runs)
        self._done += self._per_run * len(members)
        return runs

    def _single(self, name: str, seed: int, rate: float) -> ImageRun:
        s = self.settings
        job = {"activation": name, "seed": seed, "learning rate": rate}
        label = f"{name}-{rate:g}-{seed}"
        held = self._shelf.load(label, job)
        if held is None:
            size = min(s.batch, len(self.images.learnt.train))
            what = f"{name}, seed {seed}" + (f", rate {rate:g}" if len(s.learning_rates) > 1 else "")
            network = self._network(self.activations[name], seed)
            run = train_images(
                network, self.images.learnt, epochs=s.epochs, batch=s.batch, **self._how(network, rate, size),
                augment=s.augment, autocast=self.autocast, channels_last=self._channels_last, device=s.device,
                seed=seed, watch=self._watch(), checkpoints=self._shelf.checkpoints(label, job, self.per_epoch),
                loss_bound=LOSS_BOUND, compile=s.compile, on_step=lambda step: self._say(what, step * size), label=name,
            )  # fmt: skip
            held = (replace(run, learning_rate=rate),)
            self._shelf.keep(label, job, held)
        self._done += self._per_run
        return held[0]

    def _how(self, network: nn.Module, rate: float, batch: int) -> dict[str, Any]:
        """Optimiser, rates and what belongs to them."""
        s = self.settings
        if s.recipe is None:
            return {"optimiser": self.optimiser, "learning_rate": rate}
        return s.recipe.options(
            network, learning_rate=rate, batch=batch, per_epoch=self.per_epoch, epochs=s.epochs, augment=s.augment
        )

    @property
    def _channels_last(self) -> bool:
        """Meant for convolutions in low precision on a GPU; on a CPU it takes a sixth off a ResNet-20's step."""
        return not is_flat(self.settings.model)

    def _watch(self) -> dict[str, Any]:
        train = self.images.learnt.train
        first = torch.arange(min(TRAINING_IMAGES_LOOKED_AT, len(train), len(self.images.validation)))
        return {"validation": self.images.validation, "train": train.select(first)}

    def _network(self, activation: Activation, seed: int) -> nn.Module:
        learnt = self.images.learnt
        return image_network(
            self.settings.model, activation, shape=learnt.shape, classes=learnt.classes, init=self.settings.init,
            seed=seed, sample=self._sample,
        )  # fmt: skip

    def _say(self, what: str, more: int = 0) -> None:
        if self._tell is not None:
            self._tell(Now(self._done + more, self._per_run * self._runs, what))


def _named(given: Sequence[object]) -> dict[str, Activation]:
    made = [as_activation(one) for one in given]
    names = [str(one) if isinstance(one, str) else a.spec for one, a in zip(given, made, strict=True)]
    if not names or len(set(names)) < len(names):
        raise SpecError(f"activations {', '.join(names) or 'none'} given, expected different ones; try relu gelu")
    return dict(zip(names, made, strict=True))


def _checked(s: Settings) -> Settings:
    if not s.seeds or not s.learning_rates or not all(0.0 < rate < float("inf") for rate in s.learning_rates):
        raise DomainError(
            f"seeds={s.seeds}, learning_rates={s.learning_rates} given, expected one seed and one rate > 0 at least"
        )
    if s.optimiser not in OPTIMISERS:
        raise DomainError(f"optimiser={s.optimiser!r} given, expected one of {', '.join(OPTIMISERS)}; try 'sgd'")
    if s.recipe is not None and (s.optimiser != "sgd" or is_flat(s.model)):
        raise DomainError(
            f"optimiser={s.optimiser!r}, model={s.model!r} given for the recipe {s.recipe.name}, expected 'sgd', which "
            f"it brings, and a network with convolutions; try model={s.recipe.model!r}"
        )
    return s


def usual_precision(device: str) -> str | None:
    """bfloat16 on a GPU; on CPUs without instructions for it, it takes many times as long (docs/compare.md)."""
    return "bfloat16" if device.startswith("cuda") else None


def with_device(images: Parts, device: str) -> Parts:
    """The images there, once and for all runs."""
    return replace(images, learnt=images.learnt.to(device), validation=images.validation.to(device))
