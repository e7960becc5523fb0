"""Training one image network on the loop that trains everything."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewise.data import Augment, Images, ImageSet, alternating
from edgewise.errors import DomainError
from edgewise.measure.provenance import provenance
from edgewise.studies.images.evaluation import Curve, evaluate
from edgewise.studies.images.memory import kept_for_backward
from edgewise.studies.images.run import ImageRun
from edgewise.studies.images.scalars import Scalars
from edgewise.studies.images.views import Views
from edgewise.train import SGD, Checkpoints, CrossEntropy, Look, Network, Recorder, WarmupCosine, minimise
from edgewise.train.live import Optimiser, Rate
from edgewise.train.order import ORDER
from edgewise.train.run import Run
from edgewise.train.schedules import Schedule
from edgewise.train.streams import stream
from edgewise.train.training import LOSS_BOUND

TRAINING_IMAGES_LOOKED_AT = 2000
"""Of the training set, the first so many are scored after an epoch; they say enough about fitting."""

MIRROR = "mirror"
"""The purpose of the stream that says which images alternating flips mirror first."""


def train_images(
    model: nn.Module,
    image_set: ImageSet,
    *,
    epochs: int = 10,
    batch: int = 128,
    optimiser: Optimiser | None = None,
    learning_rate: float | Sequence[Rate] = 0.1,
    schedule: Schedule | Sequence[Schedule] | None = None,
    label_smoothing: float = 0.0,
    augment: Augment | None = None,
    views: Views | None = None,
    autocast: torch.dtype | None = None,
    channels_last: bool = False,
    device: torch.device | str | None = None,
    seed: int = 0,
    watch: Mapping[str, Images] | None = None,
    look_every: int = 1,
    record: Mapping[str, Recorder] | None = None,
    checkpoints: Checkpoints | None = None,
    loss_bound: float = LOSS_BOUND,
    clip: float | None = None,
    compile: bool = False,
    on_step: Callable[[int], None] | None = None,
    scalars: Scalars | None = None,
    label: str = "",
) -> ImageRun:
    """Minimises the cross-entropy of `image_set.train`, in place, and scores the network on `image_set.test`.

    Every pass goes through the training images in an order, and with an augmentation, that depend on `seed` and the
    number of the pass alone; an incomplete last batch is left out. batch: at most all images. optimiser: None for SGD
    with momentum 0.9; learning_rate: of all, or one for each of the parameters that are trained, in the model's order;
    schedule: likewise, None for a warm-up over the first twentieth of the steps, then half a cosine to 0.
    label_smoothing: see `train.CrossEntropy`. views: of a test image, whose outputs are averaged; None for the image
    alone. autocast: torch.bfloat16 where that is faster. device: where to; None for where the model is. look_every:
    epochs between looks, at which `watch` (by default the test images, "test", and the first 2000 training images,
    "train") and `record` are taken; one at the start and one at the end always. checkpoints: where to save and resume.
    on_step: called with the steps done. scalars: where loss and accuracy are written at every look. label: what to call
    the network.

    Raises DomainError for numbers out of range, CheckpointError where the folder holds another run.
    """
    _check(epochs, batch, look_every, image_set)
    home = next(model.parameters()).device if device is None else torch.device(device)
    model.to(home)
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
    here = image_set.to(home)
    size = min(batch, len(here.train))
    per_epoch = len(here.train) // size
    steps = epochs * per_epoch

    def batches(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = stream(seed, ORDER, number)
        alternate = augment is not None and augment.flip == "alternate"
        mirrored = alternating(len(here.train), stream(seed, MIRROR).initial_seed(), number) if alternate else None
        return here.train.batches(
            size, order, augment=augment, mirrored=mirrored, channels_last=channels_last, drop_last=True
        )

    loss = CrossEntropy(label_smoothing) if label_smoothing else functional.cross_entropy
    problem = Network(model, batches, loss, autocast=autocast, label=label)
    images = _watched(here) if watch is None else {name: chosen.to(home) for name, chosen in watch.items()}
    watcher = _Watcher(model, images, autocast, channels_last, home, scalars)
    looks = sorted({*range(0, epochs, look_every), epochs})
    devices = [home] if home.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)  # of whatever draws from the global generator while training
        kept = _kept(model, problem)
        if home.type == "cuda":
            torch.cuda.reset_peak_memory_stats(home)
        watcher.begin()
        run = minimise(
            problem,
            steps=steps,
            optimiser=SGD(0.9) if optimiser is None else optimiser,
            learning_rate=learning_rate,
            schedule=WarmupCosine(max(1, steps // 20)) if schedule is None else schedule,
            record={"clock": watcher, **(record or {}), "go on": watcher.go_on},
            record_every=[epoch * per_epoch for epoch in looks],
            checkpoints=checkpoints,
            loss_bound=loss_bound,
            clip=clip,
            on_step=on_step,
            compile=compile,
        )
        seconds = watcher.end(run)
    peak = torch.cuda.max_memory_allocated(home) if home.type == "cuda" else None
    test = evaluate(model, here.test, autocast=autocast, channels_last=channels_last, views=views)
    seen = [step // per_epoch for step in run.recorded_at]
    if scalars is not None:
        scalars.write({"test/accuracy": test.accuracy, "test/loss": test.loss}, steps)
        scalars.close()
    return ImageRun(
        label=label or type(model).__name__,
        seed=seed,
        learning_rate=float(learning_rate) if isinstance(learning_rate, float | int) else float("nan"),
        epochs=epochs,
        batch=size,
        steps=steps,
        images=len(here.train),
        parameters=sum(p.numel() for p in model.parameters()),
        test=test,
        epochs_seen=tuple(seen),
        curves=watcher.curves(run),
        batch_loss=_batch_loss(run),
        seconds=seconds,
        kept_bytes=kept,
        peak_bytes=peak,
        diverged_at=int(run.diverged_at[0]),
        why=run.why[0],
        provenance=provenance(seed=seed, device=home, dtype=autocast or torch.float32, seconds=run.seconds).to_dict(),
        records={name: run.records[name] for name in record or {} if name in run.records},
    )


@dataclass
class _Watcher:
    """Scores the network at every look, and counts the seconds between looks; what a look itself takes is left out."""

    model: nn.Module
    images: Mapping[str, Images]
    autocast: torch.dtype | None
    channels_last: bool
    device: torch.device
    scalars: Scalars | None
    since: float = 0.0

    def begin(self) -> None:
        """The clock runs from here."""
        self.since = self._now()

    def __call__(self, look: Look) -> Tensor:
        """[1, 1 + 2 sets]: the seconds since the last look, then accuracy and loss of every set."""
        row = [self._now() - self.since]
        for name, images in self.images.items():
            score = evaluate(self.model, images, autocast=self.autocast, channels_last=self.channels_last)
            row += [score.accuracy, score.loss]
            if self.scalars is not None:
                self.scalars.write({f"{name}/accuracy": score.accuracy, f"{name}/loss": score.loss}, look.step)
        return torch.tensor([row], dtype=torch.float64)

    def go_on(self, look: Look) -> Tensor:
        """The last recorder of a look: from here on the clock runs again."""
        self.since = self._now()
        return torch.zeros(1)

    def end(self, run: Run) -> float:
        """Seconds of training in all processes that had a part in it."""
        seconds = float(run.records["clock"][:, 0, 0].nansum())
        return seconds + (self._now() - self.since if run.diverged_at[0] else 0.0)

    def curves(self, run: Run) -> dict[str, Curve]:
        """What was seen, by set."""
        rows = run.records["clock"][:, 0, 1:]
        return {
            name: Curve(tuple(rows[:, 2 * i].tolist()), tuple(rows[:, 2 * i + 1].tolist()), len(images))
            for i, (name, images) in enumerate(self.images.items())
        }

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _watched(image_set: ImageSet) -> dict[str, Images]:
    first = torch.arange(min(TRAINING_IMAGES_LOOKED_AT, len(image_set.train)))
    return {"test": image_set.test, "train": image_set.train.select(first)}


def _kept(model: nn.Module, problem: Network) -> int:
    """What the first batch keeps for its backward pass, found on a copy: statistics of norms stay as they were."""
    trial = copy.copy(problem)
    trial.module = trial._call = copy.deepcopy(model)
    return kept_for_backward(lambda: trial.losses(1), tuple(trial.module.parameters()))


def _batch_loss(run: Run) -> tuple[float, ...]:
    """The mean of the batches' losses before each look but the first, since the look before it."""
    return tuple(float(run.losses[a:b, 0].mean()) for a, b in itertools.pairwise(run.recorded_at))


def _check(epochs: int, batch: int, look_every: int, image_set: ImageSet) -> None:
    for name, value in (("epochs", epochs), ("batch", batch), ("look_every", look_every)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DomainError(f"{name}={value!r} given, expected an integer >= 1; try {name}=1")
    if not len(image_set.train) or not len(image_set.test):
        raise DomainError(
            f"{len(image_set.train)} training and {len(image_set.test)} test images given, expected at least one each"
        )
