"""The members that still learn: what is trained of them, what the optimiser keeps, their rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.train.problem import Problem

Rate = float | Tensor
"""A learning rate: one for all members, or one each, [member] or [member, 1, ...]."""


class Optimiser(Protocol):
    """An update rule with frozen settings; what it remembers is kept by the loop."""

    @property
    def slots(self) -> int:
        """Numbers kept for each parameter; all are 0 before the first step."""
        ...

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
        ...


class Live:
    """Members of a problem, by index: at first everyone; those that diverged are taken out once they are many."""

    def __init__(
        self, members: Tensor, problem: Problem, kept: tuple[tuple[Tensor, ...], ...], rates: tuple[Tensor, ...]
    ) -> None:
        self.members, self.problem, self.kept, self.rates = members, problem, kept, rates
        self.tensors = problem.tensors()

    @staticmethod
    def whole(problem: Problem, rule: Optimiser, learning_rate: Rate | Sequence[Rate]) -> Live:
        """Everyone, nothing kept yet."""
        tensors = problem.tensors()
        everyone = torch.arange(problem.members, device=tensors[0].device)
        kept = tuple(tuple(torch.zeros_like(t, requires_grad=False) for t in tensors) for _ in range(rule.slots))
        return Live(everyone, problem, kept, _rates(learning_rate, tensors))

    def only(self, wanted: Tensor) -> Live:
        """A copy with the members where `wanted` is true."""
        chosen = torch.nonzero(wanted).flatten()
        kept = tuple(tuple(t[chosen] for t in slot) for slot in self.kept)
        rates = tuple(rate[chosen] for rate in self.rates)
        return Live(self.members[chosen], self.problem.select(chosen) if len(chosen) else self.problem, kept, rates)

    @torch.no_grad()
    def write_back(self, whole: Problem) -> None:
        """What the members here have become, into the problem they were taken from."""
        if self.problem is not whole and len(self.members):
            for mine, theirs in zip(self.tensors, whole.tensors(), strict=True):
                theirs.index_copy_(0, self.members, mine)


def _rates(given: Rate | Sequence[Rate], tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The rate of every tensor, shaped to multiply it: [member, 1, ...]."""
    each = [given] * len(tensors) if isinstance(given, float | int | Tensor) else list(given)
    if len(each) != len(tensors):
        raise DomainError(
            f"{len(each)} learning rates given for {len(tensors)} tensors, expected one in all or one each"
        )
    shaped = []
    for rate, tensor in zip(each, tensors, strict=True):
        members = len(tensor)
        values = torch.as_tensor(rate, dtype=tensor.dtype, device=tensor.device).detach()
        if values.numel() not in (1, members):
            raise DomainError(
                f"a learning rate of shape {tuple(values.shape)} given for {members} members, expected one number or "
                "one a member"
            )
        shaped.append(values.reshape(-1).expand(members).reshape(members, *[1] * (tensor.dim() - 1)))
    return tuple(shaped)
