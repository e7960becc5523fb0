"""Learning-rate schedules: the share of the full rate that a step takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from edgewise.errors import DomainError


class Schedule(Protocol):
    """Frozen settings with one method."""

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at `step`, from 1, of `steps`."""
        ...


@dataclass(frozen=True)
class Constant:
    """The full rate at every step."""

    def factor(self, step: int, steps: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class WarmupCosine:
    """Rises linearly over `warmup` steps (the k-th takes k / (warmup + 1)), then falls along half a cosine.

    to: the share it would reach one step after the last; decay: False stays at the full rate after the warm-up.
    Source of the cosine: Loshchilov & Hutter, arXiv 1608.03983, equation 5, without restarts.
    """

    warmup: int = 0
    to: float = 0.0
    decay: bool = True

    def __post_init__(self) -> None:
        if self.warmup < 0 or not 0.0 <= self.to <= 1.0:
            raise DomainError(
                f"warmup={self.warmup!r}, to={self.to!r} given, expected warmup >= 0 and 0 <= to <= 1; "
                "try WarmupCosine(warmup=100)"
            )

    def factor(self, step: int, steps: int) -> float:
        """The share of the full rate at `step`, from 1, of `steps`."""
        if step <= self.warmup:
            return step / (self.warmup + 1)
        if not self.decay:
            return 1.0
        share = 0.5 * (1.0 + math.cos(math.pi * (step - 1 - self.warmup) / (steps - self.warmup)))
        return share if self.to == 0.0 else self.to + (1.0 - self.to) * share


@dataclass(frozen=True)
class Step:
    """Multiplied by `drop` once each of the `milestones`, shares of all steps, lies behind."""

    milestones: tuple[float, ...] = (0.5, 0.75)
    drop: float = 0.1

    def __post_init__(self) -> None:
        if not all(0.0 <= m <= 1.0 for m in self.milestones) or not self.drop > 0.0:
            raise DomainError(
                f"milestones={self.milestones!r}, drop={self.drop!r} given, expected shares of the run in [0, 1] and "
                "drop > 0; try Step((0.5, 0.75), 0.1)"
            )

    def factor(self, step: int, steps: int) -> float:
        """The share of the full rate at `step`, from 1, of `steps`."""
        return self.drop ** sum(step - 1 >= milestone * steps for milestone in self.milestones)


@dataclass(frozen=True)
class Linear:
    """Rises linearly over `warmup` steps, then falls linearly to the share `to`, reached one step after the last."""

    warmup: int = 0
    to: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup < 0 or not 0.0 <= self.to <= 1.0:
            raise DomainError(
                f"warmup={self.warmup!r}, to={self.to!r} given, expected warmup >= 0 and 0 <= to <= 1; "
                "try Linear(warmup=100)"
            )

    def factor(self, step: int, steps: int) -> float:
        """The share of the full rate at `step`, from 1, of `steps`."""
        if step <= self.warmup:
            return step / (self.warmup + 1)
        return 1.0 + (self.to - 1.0) * (step - 1 - self.warmup) / (steps - self.warmup)


@dataclass(frozen=True)
class OneCycle:
    """From `start` up to 1 over the share `rise` of the steps, then down to `end`.

    arms: both along half a cosine, or straight ("linear"), which makes a triangle. Source: Smith & Topin, arXiv
    1708.07120; arms as in torch.optim.lr_scheduler.OneCycleLR, whose values these are with div_factor = 1/start,
    final_div_factor = start/end and anneal_strategy "cos" or "linear".
    """

    rise: float = 0.3
    start: float = 0.04
    end: float = 4e-6
    arms: Literal["cosine", "linear"] = "cosine"

    def __post_init__(self) -> None:
        if not (0.0 < self.rise < 1.0 and 0.0 <= self.start <= 1.0 and 0.0 <= self.end <= 1.0):
            raise DomainError(
                f"rise={self.rise!r}, start={self.start!r}, end={self.end!r} given, expected 0 < rise < 1 and shares "
                "in [0, 1]; try OneCycle()"
            )
        if self.arms not in ("cosine", "linear"):
            raise DomainError(f"arms={self.arms!r} given, expected 'cosine' or 'linear'; try arms='linear'")

    def factor(self, step: int, steps: int) -> float:
        """The share of the full rate at `step`, from 1, of `steps`."""
        at, top, last = step - 1, self.rise * steps - 1.0, steps - 1
        along = _cosine if self.arms == "cosine" else _straight
        if at <= top:
            return along(self.start, 1.0, at / top if top > 0.0 else 1.0)
        return along(1.0, self.end, (at - top) / (last - top))


@dataclass(frozen=True)
class Until:
    """As `before` for the first `last` steps, then 0: what is trained at that rate stays where it has come to."""

    last: int
    before: Schedule

    def __post_init__(self) -> None:
        if self.last < 0:
            raise DomainError(f"last={self.last!r} given, expected a number of steps >= 0; try Until(100, Constant())")

    def factor(self, step: int, steps: int) -> float:
        """The share of the full rate at `step`, from 1, of `steps`."""
        return self.before.factor(step, steps) if step <= self.last else 0.0


def _cosine(begin: float, end: float, share: float) -> float:
    return end + 0.5 * (begin - end) * (1.0 + math.cos(math.pi * share))


def _straight(begin: float, end: float, share: float) -> float:
    return begin + (end - begin) * share
