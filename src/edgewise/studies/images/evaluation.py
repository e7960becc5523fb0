"""How well a network tells images apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewise.data import Images
from edgewise.measure.denormals import flushed_denormals
from edgewise.measure.jsonable import jsonable
from edgewise.studies.images.views import Views


@dataclass(frozen=True)
class Score:
    """accuracy: share of right answers; an output that is not finite is a wrong one. loss: mean cross-entropy, nan
    where an output is not finite. n: images."""

    accuracy: float
    loss: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a loss that is not finite becomes None."""
        plain: dict[str, Any] = jsonable(vars(self))
        return plain


@dataclass(frozen=True)
class Curve:
    """Scores of a set of `n` images after each of the run's epochs that were looked at; nan after a divergence."""

    accuracy: tuple[float, ...]
    loss: tuple[float, ...]
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; what is not finite becomes None."""
        plain: dict[str, Any] = jsonable(vars(self))
        return plain

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Curve:
        """The curve of `to_dict`."""
        return Curve(numbers(plain["accuracy"]), numbers(plain["loss"]), int(plain["n"]))


def number(value: float | None) -> float:
    """A number as JSON holds it: None stands for one that is not finite."""
    return float("nan") if value is None else float(value)


def numbers(values: Any) -> tuple[float, ...]:
    """`number` of each."""
    return tuple(number(value) for value in values)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: Images,
    *,
    batch: int = 500,
    autocast: torch.dtype | None = None,
    channels_last: bool = False,
    views: Views | None = None,
) -> Score:
    """Accuracy and loss over all images, in evaluation mode; the model's modes are left as they were.

    views: None for every image as it is.
    """
    device = next(model.parameters()).device
    modes = {module: module.training for module in model.modules()}
    total = torch.zeros(2, dtype=torch.float64, device=device)
    try:
        model.eval()
        with flushed_denormals(), torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
            for inputs, labels in images.batches(batch, device=device, channels_last=channels_last):
                outputs = model(inputs).float() if views is None else views.outputs(model, inputs)
                total += sums(outputs, labels)
    finally:
        for module, mode in modes.items():
            module.training = mode
    right, loss = total.tolist()
    return Score(right / len(images), loss / len(images), len(images))


def sums(outputs: Tensor, labels: Tensor) -> Tensor:
    """(right answers, sum of cross-entropies) of outputs [..., example, class], each [...]; together [..., 2]."""
    labels = labels.expand(outputs.shape[:-1])
    usable = torch.isfinite(outputs).all(-1)
    right = ((outputs.argmax(-1) == labels) & usable).sum(-1)
    flat = functional.cross_entropy(outputs.flatten(0, -2), labels.flatten(), reduction="none").view(labels.shape)
    loss = torch.where(usable, flat, torch.nan).double().sum(-1)
    return torch.stack([right.double(), loss], dim=-1)
