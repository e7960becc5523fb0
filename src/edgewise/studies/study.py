"""What a study is: parts with settings for each scale, and what a part is given to run with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from edgewise.errors import DomainError
from edgewise.studies.claim import Claim
from edgewise.train import streams

Scale = Literal["smoke", "full"]
SCALES: tuple[Scale, ...] = ("smoke", "full")


@dataclass(frozen=True)
class Context:
    """What a part is given beside its settings.

    seed: the root of all its random numbers; device, dtype: of whatever it trains or simulates; folder: its own, for
    checkpoints, emptied where the part is asked to run afresh; progress: called with (work done, in all).
    """

    seed: int
    device: torch.device
    dtype: torch.dtype
    folder: Path
    progress: Callable[[int, int], None]

    def generator(self, *stream: int) -> torch.Generator:
        """A generator on the device, seeded by `seed` and the numbers of a stream: the same for the same numbers."""
        return streams.stream(self.seed, *stream, device=self.device)


@dataclass(frozen=True)
class Part:
    """A part of a study: one or several claims from one computation.

    key: letters, digits and hyphens. run: (settings, context) -> the claims. settings: a frozen dataclass of plain
    values for each scale. seconds: expected on one core of an ordinary machine, for the progress bar.
    """

    key: str
    title: str
    run: Callable[[Any, Context], Claim | Sequence[Claim]]
    settings: Mapping[Scale, Any]
    seconds: Mapping[Scale, float]


@dataclass(frozen=True)
class Study:
    """Everything a paper is asked. paper: authors, title and number in a line; about: what the study is, a sentence."""

    name: str
    title: str
    paper: str
    about: str
    parts: tuple[Part, ...]

    def part(self, key: str) -> Part:
        """The part of this key. Raises DomainError naming the parts there are."""
        for part in self.parts:
            if part.key == key:
                return part
        known = ", ".join(part.key for part in self.parts)
        raise DomainError(f"part {key!r} of study {self.name!r} given, expected one of {known}")
