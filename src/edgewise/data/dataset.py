"""A labelled data set, split and normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Split:
    """inputs: float32 [example, feature]; labels: int64 [example]."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSet:
    """Three disjoint splits of a classification data set.

    train is what networks learn from, validation what settings are chosen on, test what is reported. `normalisation`
    says in words what was done to the inputs; its numbers come from the training split alone.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    normalisation: str
    seed: int

    @property
    def features(self) -> int:
        """Numbers per input."""
        return int(self.train.inputs.shape[1])

    def to_dict(self) -> dict[str, Any]:
        """What the data set is, without the data."""
        return {
            "name": self.name,
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
            "features": self.features,
            "classes": self.classes,
            "normalisation": self.normalisation,
            "seed": self.seed,
        }
