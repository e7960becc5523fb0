"""What came out of training one image network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from edgewise.measure.jsonable import jsonable
from edgewise.studies.images.evaluation import Curve, Score, number, numbers

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class ImageRun:
    """One network, trained; the module itself was trained in place.

    test: of the test images, at the end (of a diverged network: as it was when it was frozen). epochs_seen: after how
    many epochs the network was looked at; curves: by the name of the images looked at; batch_loss: the mean over the
    batches of the epochs since the look before, nan after a divergence. seconds: of training, without evaluation;
    kept_bytes: what one batch's forward pass keeps for the backward pass, parameters aside; peak_bytes: the most memory
    allocated on an accelerator, None on a CPU, where it cannot be told. diverged_at: the step whose loss or gradient
    was unusable, 0 for none; why: in words. records: of the recorders given, [look, 1, ...]; not in `to_dict`.
    """

    label: str
    seed: int
    learning_rate: float
    epochs: int
    batch: int
    steps: int
    images: int
    parameters: int
    test: Score
    epochs_seen: tuple[int, ...]
    curves: dict[str, Curve]
    batch_loss: tuple[float, ...]
    seconds: float
    kept_bytes: int
    peak_bytes: int | None
    diverged_at: int
    why: str
    provenance: dict[str, Any]
    records: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    @property
    def diverged(self) -> bool:
        """Whether training ended before its last step because a loss or gradient was unusable."""
        return self.diverged_at > 0

    @property
    def images_per_second(self) -> float:
        """Images learnt from, augmentation included, in a second of training."""
        done = self.diverged_at or self.steps
        return done * self.batch / self.seconds if self.seconds > 0.0 else math.nan

    @property
    def reason(self) -> str:
        """What happened, in plain words."""
        what = (
            f"{self.label}, seed {self.seed}: {100 * self.test.accuracy:.2f} % of {self.test.n:,} test images right "
            f"after {self.epochs} epochs of {self.images:,} images in {self.seconds:.0f} s"
        )
        return f"{what}; diverged {self.why}" if self.diverged else what

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes None."""
        told = {key: value for key, value in vars(self).items() if key not in ("records", "test", "curves")}
        plain: dict[str, Any] = jsonable(
            {
                **told,
                "test": self.test.to_dict(),
                "curves": {name: curve.to_dict() for name, curve in self.curves.items()},
                "reason": self.reason,
            }
        )
        return plain

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> ImageRun:
        """The run of `to_dict`, without its records."""
        told = {key: value for key, value in plain.items() if key != "reason"}
        told["test"] = Score(plain["test"]["accuracy"], number(plain["test"]["loss"]), plain["test"]["n"])
        told["curves"] = {name: Curve.from_dict(curve) for name, curve in plain["curves"].items()}
        told["epochs_seen"], told["batch_loss"] = tuple(plain["epochs_seen"]), numbers(plain["batch_loss"])
        return ImageRun(**told)

    def __rich__(self) -> RenderableType:
        from rich.panel import Panel

        return Panel(self.reason, title="image network", title_align="left", border_style="dim")
