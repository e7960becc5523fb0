"""Adam for all members of an ensemble at once, each at its own learning rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.errors import DomainError


@dataclass(frozen=True)
class Adam:
    """Adaptive moments, bias-corrected, with torch.optim.Adam's defaults and its order of operations.

    ``m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g**2;``
    ``parameters -= rate weight_decay parameters + rate / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)``.

    Raises DomainError for numbers out of range. Source: Kingma & Ba, arXiv 1412.6980, algorithm 1; with weight decay
    Loshchilov & Hutter, arXiv 1711.05101, algorithm 2 (AdamW).
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    slots = 2
    """Numbers kept for each parameter: m and v."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.beta1 < 1.0 and 0.0 <= self.beta2 < 1.0 and self.eps >= 0.0 and self.weight_decay >= 0.0):
            raise DomainError(
                f"beta1={self.beta1!r}, beta2={self.beta2!r}, eps={self.eps!r}, weight_decay={self.weight_decay!r} "
                "given, expected 0 <= beta < 1, eps >= 0 and weight_decay >= 0; try Adam()"
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
        """Step number `step`, from 1, in place; members that are not `alive` stay where they are.

        layers, gradients: [member, ...]; kept: m and v of each; rates: [member, 1, ...]; scale: multiplies every rate.
        torch's fused kernel reads and writes every number once, a quarter of the time of separate operations. It takes
        one rate a call: neighbouring members of one rate are handed over together, with all other tensors of that rate.
        """
        members_rates = torch.stack([rate.flatten() for rate in rates])
        table = torch.where(alive, members_rates, torch.nan).tolist()
        by_rate: dict[float, list[tuple[Tensor, ...]]] = defaultdict(list)
        copies: list[tuple[Tensor, Tensor]] = []
        for of_members, *tensors in zip(table, layers, gradients, *kept, strict=True):
            if (
                len(set(of_members)) == 1
                and tensors[0].numel() % _LANES == 0
                and all(t.is_contiguous() for t in tensors)
            ):
                by_rate[of_members[0]].append(tuple(tensors))
                continue
            dense = [_whole_vectors(t) for t in tensors]
            copies += [(t, d) for t, d in zip(tensors, dense, strict=True) if t.data_ptr() != d.data_ptr()]
            runs = [(rate, len(list(same))) for rate, same in groupby(of_members)]
            lengths = [length for _, length in runs]
            parts = zip(*(torch.split(d, lengths) for d in dense), strict=True)
            for (rate, _), part in zip(runs, parts, strict=True):
                by_rate[rate].append(part)
        done = torch.tensor(float(step), device=alive.device)
        update = torch._fused_adamw_ if self.weight_decay else torch._fused_adam_
        for rate, group in by_rate.items():
            if rate == rate:  # nan: not alive
                p, g, m, v = (list(tensors) for tensors in zip(*group, strict=True))
                update(
                    p, g, m, v, [], [done] * len(p), lr=rate * scale, beta1=self.beta1, beta2=self.beta2,
                    weight_decay=self.weight_decay, eps=self.eps, amsgrad=False, maximize=False,
                )  # fmt: skip
        for tensor, copy in copies:
            tensor.copy_(copy[:, : tensor[0].numel()].reshape(tensor.shape))


_LANES = 16
"""Numbers in the widest vector register: of float32; fewer of float64."""


def _whole_vectors(t: Tensor) -> Tensor:
    """t [member, ...] as [member, number]: the numbers of each member contiguous, and whole vector registers of them.

    The kernel ends in single numbers, which it rounds otherwise: a member's last ones must not depend on its company.
    """
    flat = t.reshape(len(t), -1)
    return functional.pad(flat, (0, -flat.shape[1] % _LANES)) if flat.shape[1] % _LANES else flat
