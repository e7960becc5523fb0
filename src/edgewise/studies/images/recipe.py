"""Training FastCNN as its author does: every setting in one place, for a GPU and, smaller, for a CPU.

The mark is airbench94 (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv 2404.00498). What differs:
10 epochs and not 9.9, since networks are looked at between epochs; a thousand training images are set aside; float32
weights under bfloat16 autocast and not float16 ones; statistics of norms are not averaged with the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from edgewise.data import Augment, ImageSet
from edgewise.errors import DomainError, SpecError
from edgewise.models import FastCNN
from edgewise.nn import Elementwise
from edgewise.studies.images.networks import Init
from edgewise.studies.images.scale import Amount
from edgewise.studies.images.views import views_like
from edgewise.train import SGD, Lookahead, OneCycle, Until

RecipeName = Literal["fast"]
_EXAMPLES = 1024
"""Images that learning rate and weight decay are stated for, whatever the batch."""


@dataclass(frozen=True)
class Recipe:
    """A way to train image networks, in which activation and initialisation can be exchanged.

    scale: "" for the whole of it, or how much of it this is, in words. train, validation, test: images, None for all
    there are. learning_rate, weight_decay: what a step of 1024 images takes, on the sum of their losses; both are
    independent of batch and momentum, and the decay of the rate, where gradients change slowly. norm_factor: the rate
    of the shifts of norms is so many times as large. label_smoothing: see `train.CrossEntropy`. first_epochs: so long
    the biases of a first layer that whitens are trained. rise, start, end: of the rate, a triangle. average_every,
    average_most, average_power: of `train.Lookahead`. crop: pixels. seeds: as many as are usual.

    Raises DomainError for numbers out of range.
    """

    name: RecipeName
    scale: str = ""
    model: str = "fastcnn"
    init: Init = "paper"
    train: int | None = None
    validation: int | None = 1000
    test: int | None = None
    seeds: int = 50
    epochs: int = 10
    batch: int = 1024
    learning_rate: float = 11.5
    momentum: float = 0.85
    weight_decay: float = 0.0153
    norm_factor: float = 64.0
    label_smoothing: float = 0.2
    first_epochs: int = 3
    rise: float = 0.23
    start: float = 0.2
    end: float = 0.07
    average_every: int = 5
    average_most: float = 0.95**5
    average_power: float = 3.0
    crop: int = 2

    def __post_init__(self) -> None:
        if self.weight_decay < 0.0 or not self.norm_factor > 0.0 or self.first_epochs < 0 or self.crop < 0:
            raise DomainError(
                f"weight_decay={self.weight_decay!r}, norm_factor={self.norm_factor!r}, first_epochs="
                f"{self.first_epochs!r}, crop={self.crop!r} given, expected numbers >= 0, and norm_factor > 0"
            )

    def amount(self, whole: ImageSet) -> Amount:
        """How much is done unless told otherwise; never more images than there are."""
        return Amount(self.train, self.test, self.epochs, self.batch, (self.learning_rate,)).within(whole)

    def validation_of(self, whole: ImageSet) -> int | None:
        """How many images are set aside; None for the usual share, of a set too small to spare more."""
        return self.validation if self.validation is not None and self.validation < 0.1 * len(whole.train) else None

    def augmentation(self, whole: ImageSet) -> Augment:
        """Of colour photographs alternating flips and crops; grey images, digits mostly, are never flipped."""
        return Augment(flip="alternate" if whole.shape[0] > 1 else False, crop=self.crop)

    def options(
        self,
        model: nn.Module,
        *,
        learning_rate: float,
        batch: int,
        per_epoch: int,
        epochs: int,
        augment: Augment | None,
    ) -> dict[str, Any]:
        """What `train_images` has to be given for `model`, beside what is the same for every network.

        batch: images in a step; per_epoch: steps.
        """
        steps = per_epoch * epochs
        # a constant gradient moves a parameter by (1 + 1 / (1 - momentum)) times its rate in the long run
        share = batch / (_EXAMPLES * (1.0 + 1.0 / (1.0 - self.momentum)))
        base, decay = learning_rate * share, self.weight_decay * share
        shifts = _ids(m.bias for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        first = _ids(m.whitening.bias for m in model.modules() if isinstance(m, FastCNN))
        learned = _ids(p for m in model.modules() if isinstance(m, Elementwise) for p in m.parameters())
        triangle = OneCycle(self.rise, self.start, self.end, arms="linear")
        early = Until(per_epoch * self.first_epochs, triangle)
        trained = [p for p in model.parameters() if p.requires_grad]
        rates = [base * self.norm_factor if id(p) in shifts else base for p in trained]
        # what is learned of an activation does not decay: 0 is another activation
        decays = tuple(
            0.0 if id(p) in learned else decay / rate for p, rate in zip(trained, rates, strict=True)
        )  # fmt: skip
        rule = SGD(self.momentum, nesterov=True, weight_decay=decays)
        return {
            "optimiser": Lookahead(rule, steps, self.average_every, self.average_most, self.average_power),
            "learning_rate": rates,
            "schedule": [early if id(p) in first else triangle for p in trained],
            "label_smoothing": self.label_smoothing,
            "views": views_like(augment),
        }


def recipe(name: str, device_type: str) -> Recipe:
    """A recipe by its name, for a kind of device: all of it, or on a CPU a small scale.

    Raises SpecError for another name.
    """
    if name not in _WHOLE:
        raise SpecError(f"unknown recipe {name!r}, expected {', '.join(_WHOLE)}; try recipe('fast', 'cuda')")
    return _SMALL[name] if device_type == "cpu" else _WHOLE[name]


_WHOLE: dict[str, Recipe] = {"fast": Recipe("fast")}
_SMALL: dict[str, Recipe] = {
    "fast": replace(
        _WHOLE["fast"], scale="on a small scale for a CPU", model="fastcnn(width=8)",
        train=2000, validation=500, test=2000, seeds=5, epochs=10, batch=64,
    )
}  # fmt: skip


def _ids(parameters: Any) -> set[int]:
    return {id(p) for p in parameters if p is not None}
