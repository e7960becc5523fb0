"""Stochastic gradient descent with momentum, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.errors import DomainError


@dataclass(frozen=True)
class SGD:
    """Heavy ball, as torch.optim.SGD: ``v = momentum v + gradient; parameters -= rate v``.

    nesterov: ``rate (gradient + momentum v)`` instead. weight_decay: times the parameters, added to the gradient.
    Raises DomainError for numbers out of range. Source of nesterov's form: Sutskever et al., ICML 2013.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0

    slots = 1
    """Numbers kept for each parameter: v."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.momentum < 1.0 and self.weight_decay >= 0.0):
            raise DomainError(
                f"momentum={self.momentum!r}, weight_decay={self.weight_decay!r} given, expected 0 <= momentum < 1 and "
                "weight_decay >= 0; try SGD(0.9)"
            )

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
            if self.weight_decay:
                g = g.add(p, alpha=self.weight_decay)
            v.mul_(self.momentum).add_(g)
            update = g.add(v, alpha=self.momentum) if self.nesterov else v
            if not everyone:  # by choice, since 0 * nan is nan
                keep = alive.reshape(-1, *[1] * (v.dim() - 1))
                v.copy_(torch.where(keep, v, 0.0))
                update = torch.where(keep, update, 0.0)
            p.addcmul_(update, rate, value=-scale)
