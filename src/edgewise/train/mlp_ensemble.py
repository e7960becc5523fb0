"""M plain networks and the data they learn, as a problem for the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from edgewise.data.dataset import Split
from edgewise.errors import DomainError
from edgewise.train.checkpoints import digest
from edgewise.train.compilation import compiled
from edgewise.train.ensemble import Elementwise, Member, Parameters, Shape, initialise, preactivations, rates
from edgewise.train.gradients import BackPropagation
from edgewise.train.losses import Loss, member_losses
from edgewise.train.member_activation import MemberActivation, of_members
from edgewise.train.order import Order
from edgewise.train.problem import Problem, Slope


class MLPEnsemble(Problem):
    """M plain networks of one shape, each passing through the data in its own seed's order, in batches of `batch`.

    The parameters are trained in place. loss: "cross_entropy", "mse" or a callable of the outputs [member, example,
    output] and the targets [member, example, ...] that gives [member].
    """

    def __init__(
        self, activation: Elementwise, parameters: Parameters, members: Sequence[Member], data: Split, *, batch: int,
        loss: Loss = "cross_entropy",
    ) -> None:  # fmt: skip
        if not 1 <= batch <= len(data):
            raise DomainError(f"batch={batch} given, expected 1 <= batch <= {len(data)}, the number of examples")
        like = parameters.first
        if len(like) != len(members):
            raise DomainError(
                f"parameters of {len(like)} networks given for {len(members)} members, expected as many of each; "
                "try MLPEnsemble.drawn(...)"
            )
        self.activation, self.loss = of_members(activation, members), loss
        self._layers = tuple(t.detach().requires_grad_(True) for t in parameters.layers())
        self._inputs = data.inputs.to(device=like.device, dtype=like.dtype)
        targets = data.labels.to(like.device)
        self._targets = targets.to(like.dtype) if targets.is_floating_point() else targets
        seeds = [m.seed if m.order_seed is None else m.order_seed for m in members]
        self._order = Order(seeds, len(data), batch, like.device)
        self._scales = input_scales(members, like)
        self._forward = _forward
        self._back = BackPropagation(self.activation, self._layers, loss)
        self.members = len(members)

    @classmethod
    def drawn(
        cls, activation: Elementwise, shape: Shape, members: Sequence[Member], data: Split, *, batch: int,
        loss: Loss = "cross_entropy", dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu",
    ) -> MLPEnsemble:  # fmt: skip
        """Networks with every member's own random weights."""
        return cls(
            activation, initialise(shape, members, dtype=dtype, device=device), members, data, batch=batch, loss=loss
        )

    def tensors(self) -> tuple[Tensor, ...]:
        """All weights, input to output, then all biases; see `Parameters.layers`."""
        return self._layers

    def losses(self, step: int) -> Tensor:
        """Of the batch of that step, [member]."""
        return self._forward(self.activation, self._layers, *self.batch(step), self.loss)

    def losses_and_gradients(self, step: int) -> Slope:
        """`losses`, detached, and their gradients, which the next call overwrites."""
        if self._forward is not _forward:
            return super().losses_and_gradients(step)
        back = self._back
        if self._scales is None:
            return back(self._inputs, self._targets, rows=self._order.rows(step)), back.gradients
        return back(*self.batch(step)), back.gradients

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The inputs [member, example, feature] and targets [member, example, ...] of a step."""
        rows = self._order.rows(step)
        inputs = self._inputs[rows]
        return inputs if self._scales is None else inputs * self._scales, self._targets[rows]

    def select(self, members: Tensor) -> MLPEnsemble:
        """A copy with these members alone, by index."""
        chosen = type(self).__new__(type(self))
        chosen.__dict__.update(self.__dict__)
        chosen._layers = tuple(t.detach()[members].requires_grad_(True) for t in self._layers)
        chosen._order = self._order.select(members)
        chosen._scales = None if self._scales is None else self._scales[members]
        if isinstance(self.activation, MemberActivation):
            chosen.activation = self.activation.select(members)
        chosen._back = BackPropagation(chosen.activation, chosen._layers, self.loss, room=self._back.gradients)
        chosen.members = len(members)
        return chosen

    def preactivations(self, probe: Tensor) -> tuple[Tensor, ...]:
        """z of every layer, [member, example, unit], the output last, for a probe [example, feature] fed to all.

        Every member multiplies it by its own input scale, as it does with the data.
        """
        like = self._layers[0]
        layers = [t.detach() for t in self._layers]
        inputs = probe.to(device=like.device, dtype=like.dtype)
        return preactivations(self.activation, layers, inputs if self._scales is None else inputs * self._scales)

    def compile_(self) -> None:
        """Forward and backward become compiled programs, in place of the gradients by hand."""
        self._forward = compiled(_forward, self._layers[0].device)

    def settings(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        return {
            "activation": getattr(self.activation, "spec", None) or _name(self.activation),
            "loss": self.loss if isinstance(self.loss, str) else _name(self.loss),
            "data": digest((self._inputs, self._targets)),
            "input scales": None if self._scales is None else self._scales.flatten().tolist(),
            **self._order.settings(),
        }


def input_scales(members: Sequence[Member], like: Tensor) -> Tensor | None:
    """What each member multiplies its inputs by, [member, 1, 1]; None where that is 1 for all."""
    if all(m.input_scale == 1.0 for m in members):
        return None
    return torch.tensor([m.input_scale for m in members], dtype=like.dtype, device=like.device)[:, None, None]


def _name(function: object) -> str:
    """A callable's name, without the address that its repr may hold."""
    return str(getattr(function, "__name__", type(function).__name__))


def _forward(activation: Elementwise, layers: Sequence[Tensor], inputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    return member_losses(loss, preactivations(activation, layers, inputs)[-1], targets)


def layer_rates(shape: Shape, members: Sequence[Member], parameters: Parameters) -> tuple[Tensor, ...]:
    """Every member's learning rate for each of its layers, as `minimise` takes them."""
    return rates(shape, members, parameters).layers()
