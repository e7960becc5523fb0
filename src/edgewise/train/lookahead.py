"""Weights that are averaged on the way: an optimiser that steps back to the average every few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.train.live import Optimiser


@dataclass(frozen=True)
class Lookahead:
    """An optimiser whose parameters go back, after every `every` steps, to slow ones that follow them.

    ``slow = keep slow + (1 - keep) parameters;  parameters = slow``, with keep = `most` (step / steps)**`power`; after
    the last of `steps` steps the parameters are the slow ones. power=0 keeps the same share all the time; with a power
    above 0 the average grows longer as the run ends. Statistics of norms are no parameters, and are not averaged.

    Raises DomainError for numbers out of range. Source: Zhang et al., arXiv 1907.08610, algorithm 1, with
    alpha = 1 - keep; the rising share is that of K. Jordan, arXiv 2404.00498.
    """

    inner: Optimiser
    steps: int
    every: int = 5
    most: float = 0.5
    power: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.every < 1 or not 0.0 <= self.most <= 1.0 or self.power < 0.0:
            raise DomainError(
                f"steps={self.steps!r}, every={self.every!r}, most={self.most!r}, power={self.power!r} given, expected "
                "steps and every >= 1, 0 <= most <= 1 and power >= 0; try Lookahead(SGD(0.9), steps=1000)"
            )

    @property
    def slots(self) -> int:
        """Those of the optimiser, and the slow parameter."""
        return self.inner.slots + 1

    @torch.no_grad()
    def step_(
        self,
        layers: Sequence[Tensor],
        gradients: Sequence[Tensor],
        kept: Sequence[Sequence[Tensor]],
        rates: Sequence[Tensor],
        alive: Tensor,
        *,
        step: int,
        scale: float,
    ) -> None:
        """Step number `step`, from 1, in place; members that are not `alive` stay where they are."""
        slow = kept[-1]
        if step == 1:
            for mean, p in zip(slow, layers, strict=True):
                mean.copy_(p)
        self.inner.step_(layers, gradients, kept[:-1], rates, alive, step=step, scale=scale)
        back = step % self.every == 0
        if not back and step != self.steps:
            return
        share = 1.0 - self.most * (step / self.steps) ** self.power
        for mean, p in zip(slow, layers, strict=True):
            if back:
                mean.lerp_(p, share)
            p.copy_(torch.where(alive.reshape(-1, *[1] * (p.dim() - 1)), mean, p))
