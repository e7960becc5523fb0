"""Stochastic gradient descent with momentum, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SGD:
    """Heavy ball: ``v = momentum v + gradient; parameters -= rate v``."""

    momentum: float = 0.9

    slots = 1
    """Numbers kept for each parameter: v."""

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
        """One step in place; members that are not `alive` stay where they are.

        layers, gradients: [member, ...]; kept: v of each; rates: [member, 1, ...]; scale: multiplies every rate.
        """
        everyone = bool(alive.all())
        for p, g, v, rate in zip(layers, gradients, kept[0], rates, strict=True):
            v.mul_(self.momentum).add_(g)
            if not everyone:
                keep = alive.reshape(-1, *[1] * (v.dim() - 1))
                v.copy_(torch.where(keep, v, 0.0))  # by choice, since 0 * nan is nan
            p.addcmul_(v, rate, value=-scale)
