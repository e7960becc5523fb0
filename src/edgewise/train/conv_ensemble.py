"""M small convolutional networks and the images they learn, as a problem for the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from edgewise.data.dataset import Split
from edgewise.errors import DomainError
from edgewise.train.checkpoints import digest
from edgewise.train.convolutional import ConvParameters, ConvShape, forward_conv, initialise_conv, preactivations_conv
from edgewise.train.ensemble import Elementwise, Member
from edgewise.train.losses import Loss, member_losses
from edgewise.train.member_activation import MemberActivation, of_members
from edgewise.train.mlp_ensemble import input_scales
from edgewise.train.order import Order
from edgewise.train.problem import Problem, Slope

_CACHE = 2**24
"""Bytes of preactivations at a time for each core; twice or half as many cost a few percent."""


class ConvEnsemble(Problem):
    """M convolutional networks of one shape, each passing through the images in its own order, in batches of `batch`.

    The parameters are trained in place. data: inputs [example, feature], an image's numbers channel by channel and row
    by row, or [example, channel, row, column]. loss: as of `member_losses`.
    Raises DomainError where an image is not of the shape's channels and size, or the batch is larger than the data.
    """

    def __init__(
        self, activation: Elementwise, shape: ConvShape, parameters: ConvParameters, members: Sequence[Member],
        data: Split, *, batch: int, loss: Loss = "cross_entropy",
    ) -> None:  # fmt: skip
        image = (shape.channels, shape.size, shape.size)
        if data.inputs[0].numel() != shape.channels * shape.size**2:
            raise DomainError(
                f"inputs of {data.inputs[0].numel()} numbers given, expected {shape.channels} x {shape.size} x "
                f"{shape.size} an image"
            )
        if not 1 <= batch <= len(data):
            raise DomainError(f"batch={batch} given, expected 1 <= batch <= {len(data)}, the number of examples")
        like = parameters.weights[0]
        self.activation, self.shape, self.loss = of_members(activation, members), shape, loss
        self._layers = tuple(t.detach().requires_grad_(True) for t in parameters.layers())
        self._images = data.inputs.reshape(-1, *image).to(device=like.device, dtype=like.dtype)
        targets = data.labels.to(like.device)
        self._targets = targets.to(like.dtype) if targets.is_floating_point() else targets
        seeds = [m.seed if m.order_seed is None else m.order_seed for m in members]
        self._order = Order(seeds, len(data), batch, like.device)
        self._scales = input_scales(members, like)
        self._batch, self.members = batch, len(members)

    @classmethod
    def drawn(
        cls, activation: Elementwise, shape: ConvShape, members: Sequence[Member], data: Split, *, batch: int,
        loss: Loss = "cross_entropy", dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu",
    ) -> ConvEnsemble:  # fmt: skip
        """Networks with every member's own random weights."""
        start = initialise_conv(shape, members, dtype=dtype, device=device)
        return cls(activation, shape, start, members, data, batch=batch, loss=loss)

    def tensors(self) -> tuple[Tensor, ...]:
        """All weights, input to output, then all biases."""
        return self._layers

    def losses(self, step: int) -> Tensor:
        """Of the batch of that step, [member]."""
        return self._losses(step, self._layers, slice(None))

    def losses_and_gradients(self, step: int) -> Slope:
        """`losses`, detached, and their gradients, worked out for as many members at a time as suits the machine."""
        few = self._members_at_a_time()
        losses, gradients = [], []
        for start in range(0, self.members, few):
            some = slice(start, start + few)
            leaves = [t.detach()[some].requires_grad_(True) for t in self._layers]
            losses.append(self._losses(step, leaves, some))
            gradients.append(torch.autograd.grad(losses[-1].sum(), leaves))
        return torch.cat(losses).detach(), tuple(torch.cat(parts) for parts in zip(*gradients, strict=True))

    def _members_at_a_time(self) -> int:
        """All, or so many that their layers fit the cache; all where activation or loss may tell them apart."""
        like = self._layers[0]
        if like.device.type != "cpu" or isinstance(self.activation, MemberActivation) or callable(self.loss):
            return self.members
        pixels = sum(size**2 for size in self.shape.sizes[1:])
        bytes_each = self._batch * self.shape.width * pixels * like.element_size()
        return max(1, torch.get_num_threads() * _CACHE // bytes_each)

    def _losses(self, step: int, layers: Sequence[Tensor], some: slice) -> Tensor:
        rows = self._order.rows(step)[some]
        images = self._images.index_select(0, rows.flatten()).reshape(*rows.shape, *self._images.shape[1:])
        if self._scales is not None:
            images = images * self._scales[some, ..., None, None]
        return member_losses(self.loss, forward_conv(self.activation, self.shape, layers, images), self._targets[rows])

    def select(self, members: Tensor) -> ConvEnsemble:
        """A copy with these members alone, by index."""
        chosen = type(self).__new__(type(self))
        chosen.__dict__.update(self.__dict__)
        chosen._layers = tuple(t.detach()[members].requires_grad_(True) for t in self._layers)
        chosen._order = self._order.select(members)
        chosen._scales = None if self._scales is None else self._scales[members]
        if isinstance(self.activation, MemberActivation):
            chosen.activation = self.activation.select(members)
        chosen.members = len(members)
        return chosen

    def preactivations(self, probe: Tensor) -> tuple[Tensor, ...]:
        """z of every layer, [member, example, channel, row, column], the output last, for images fed to all."""
        like = self._layers[0]
        images = probe.reshape(-1, self.shape.channels, self.shape.size, self.shape.size)
        images = images.to(device=like.device, dtype=like.dtype)
        if self._scales is not None:
            images = images * self._scales[..., None, None]
        return preactivations_conv(self.activation, self.shape, [t.detach() for t in self._layers], images)

    def settings(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        return {
            "activation": str(getattr(self.activation, "spec", getattr(self.activation, "__name__", "callable"))),
            "loss": self.loss if isinstance(self.loss, str) else str(getattr(self.loss, "__name__", "callable")),
            "shape": str(self.shape),
            "data": digest((self._images, self._targets)),
            "input scales": None if self._scales is None else self._scales.flatten().tolist(),
            **self._order.settings(),
        }


def conv_layer_rates(shape: ConvShape, members: Sequence[Member]) -> tuple[Tensor, ...]:
    """Every member's learning rate for each of its layers, [member] a tensor, as `minimise` takes them.

    Raises DomainError where a member states a wrong number of layer rates.
    """
    table = []
    for of_member in ("weight_rates", "bias_rates"):
        rows = []
        for m in members:
            given = getattr(m, of_member) or (1.0,) * (shape.depth + 1)
            if len(given) != shape.depth + 1:
                raise DomainError(
                    f"{len(given)} {of_member} given for {shape.depth} hidden layers, expected {shape.depth + 1}: "
                    "one per hidden layer and one for the output"
                )
            rows.append([m.learning_rate * factor for factor in given])
        table += list(torch.tensor(rows, dtype=torch.float64).unbind(1))
    return tuple(table)
