"""How much a comparison does unless told otherwise: the whole set on an accelerator, minutes' worth on a CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewise.data import Augment, ImageSet
from edgewise.studies.images.networks import parsed


@dataclass(frozen=True)
class Amount:
    """train, test: images, None for all there are. epochs, batch: of every run; learning_rates: all are tried."""

    train: int | None
    test: int | None
    epochs: int
    batch: int
    learning_rates: tuple[float, ...]

    def within(self, whole: ImageSet) -> Amount:
        """The same, of a set that may hold fewer images: then all of them, but for those that are set aside."""
        enough = self.train is not None and self.train < 0.8 * len(whole.train)
        fewer = self.test is not None and self.test < len(whole.test)
        return replace(self, train=self.train if enough else None, test=self.test if fewer else None)


_ON_A_CPU = {
    "mlp": Amount(10_000, None, 5, 100, (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01)),
    "cnn": Amount(1_000, 1_000, 5, 50, (0.001,)),
    "other": Amount(1_000, 1_000, 5, 50, (0.001,)),
}
_ON_AN_ACCELERATOR = {
    "mlp": Amount(None, None, 20, 100, (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01)),
    "cnn": Amount(None, None, 15, 128, (0.001,)),
    "other": Amount(None, None, 15, 128, (0.001,)),
}
_OF_SGD = 10.0
"""Its rates are so many times Adam's here; the best ones of activations differ a hundredfold under it."""


def usual_amount(model: str, whole: ImageSet, device_type: str, optimiser: str = "adam") -> Amount:
    """What is done unless told otherwise; never more images than there are.

    On a CPU: what three activations and five seeds take minutes for; such accuracies are far below what the networks
    reach on the whole set.
    """
    base = model.partition("(")[0].strip().lower()
    parsed(model)
    table = _ON_A_CPU if device_type == "cpu" else _ON_AN_ACCELERATOR
    amount = table.get(base, table["other"])
    factor = _OF_SGD if optimiser == "sgd" else 1.0
    return replace(amount, learning_rates=tuple(rate * factor for rate in amount.learning_rates)).within(whole)


def usual_augmentation(model: str, whole: ImageSet, *, wanted: bool | None = None) -> Augment | None:
    """Flips and crops where they are wanted; None: for colour photographs and networks with convolutions.

    Grey images, digits mostly, are cropped and never flipped.
    """
    channels, height, _ = whole.shape
    if wanted is False or (wanted is None and (parsed(model)[0].flat or channels == 1)):
        return None
    return Augment(flip=channels > 1, crop=max(1, height // 8))
