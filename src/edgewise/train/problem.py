"""What the training loop minimises: a loss for each of M networks, of tensors with a member axis."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from edgewise.errors import TrainingError

Slope = tuple[Tensor, tuple[Tensor, ...]]
"""Losses [member] and the gradients of their sum, each [member, ...]."""


class Problem(Protocol):
    """The losses of `members` networks at once; a single network is a problem with one member.

    Subclass it and write the first four; the rest have defaults. No member's loss may depend on another member: then
    the gradient of the sum holds each member's own, and a member whose numbers are not finite harms nobody.
    """

    members: int

    def tensors(self) -> tuple[Tensor, ...]:
        """What is trained, each [member, ...]; the same tensors at every call."""
        ...

    def losses(self, step: int) -> Tensor:
        """The loss of each member, [member], differentiable; `step`, from 1, says which batch it is to be of.

        The same step gives the same batch, so that a resumed run sees what the interrupted one would have seen.
        """
        ...

    def select(self, members: Tensor) -> Problem:
        """A copy with these members alone, by index: the ones that still learn."""
        ...

    def losses_and_gradients(self, step: int) -> Slope:
        """`losses`, detached, and their gradients, shaped like `tensors`; they may be overwritten by the next call."""
        losses = self.losses(step)
        gradients = torch.autograd.grad(losses.sum(), self.tensors(), allow_unused=True, materialize_grads=True)
        return losses.detach(), gradients

    def state(self) -> dict[str, Any]:
        """What else changes as it trains (statistics of a norm, its place in the data): tensors and JSON values."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Puts back what `state` said."""
        return

    def settings(self) -> dict[str, Any]:
        """What it is, as JSON values: a checkpoint is only resumed by a problem of the same settings."""
        return {}

    def compile_(self) -> None:
        """Makes `losses` a compiled program. Raises TrainingError where a problem offers no such thing."""
        raise TrainingError(f"{type(self).__name__} cannot be compiled; try compile=False")


@runtime_checkable
class Layered(Protocol):
    """A problem whose networks have layers that can be looked into."""

    def preactivations(self, probe: Tensor) -> tuple[Tensor, ...]:
        """The preactivations of every layer, the output last, each [member, example, ...], for a probe of examples."""
        ...
