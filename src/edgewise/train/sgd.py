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

    nesterov: ``rate (gradient + momentum v)`` instead. weight_decay: times the parameters, added to the gradient; one
    of all tensors, or one for each. Raises DomainError for numbers out of range, and for weight decays that are not as
    many as the tensors. Source of nesterov's form: Sutskever et al., ICML 2013.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float | tuple[float, ...] = 0.0

    slots = 1
    """Numbers kept for each parameter: v."""

    def __post_init__(self) -> None:
        decays = self.weight_decay if isinstance(self.weight_decay, tuple) else (self.weight_decay,)
        if not (0.0 <= self.momentum < 1.0 and all(decay >= 0.0 for decay in decays)):
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
        everyone = alive.device.type == "cpu" and bool(alive.all())  # asking makes an accelerator wait
        for p, g, v, rate, decay in zip(layers, gradients, kept[0], rates, self._decays(len(layers)), strict=True):
            if decay:
                g = g.add(p, alpha=decay)
            v.mul_(self.momentum).add_(g)
            update = g.add(v, alpha=self.momentum) if self.nesterov else v
            if not everyone:  # by choice, since 0 * nan is nan
                keep = alive.reshape(-1, *[1] * (v.dim() - 1))
                v.copy_(torch.where(keep, v, 0.0))
                update = torch.where(keep, update, 0.0)
            p.addcmul_(update, rate, value=-scale)

    def _decays(self, tensors: int) -> tuple[float, ...]:
        """That of every tensor."""
        if not isinstance(self.weight_decay, tuple):
            return (self.weight_decay,) * tensors
        if len(self.weight_decay) != tensors:
            raise DomainError(
                f"{len(self.weight_decay)} weight decays given for {tensors} tensors, expected one in all or one each"
            )
        return self.weight_decay
