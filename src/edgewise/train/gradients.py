"""The gradients of an ensemble, back-propagated by hand: an autograd graph would cost as much again as the products.

On a processor members are taken a few at a time, so that what the layers hand to one another stays in its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.activations.kernels import choice
from edgewise.train.ensemble import Elementwise
from edgewise.train.losses import Loss, losses_and_slopes
from edgewise.train.member_activation import MemberActivation

Pullback = Callable[[Tensor], Tensor]
"""From a slope with respect to sigma(z) to the slope with respect to z; it may overwrite what it is given."""
Unit = Callable[[Tensor, Tensor], tuple[Tensor, Pullback]]
"""``unit(z, room)``: sigma(z), in `room` where that can be, and its pullback."""

_CACHE = 2**19
"""Bytes that a layer hands to the next, for each core: a quarter of its second-level cache, which also holds weights,
gradients and slopes. More members at once spare calls, fewer spare cache misses; half or twice as many cost little."""


def loss_and_gradients(
    activation: Elementwise,
    layers: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = "cross_entropy",
    *,
    rows: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Each member's loss [member], and its gradient with respect to `layers`; see `BackPropagation`."""
    back = BackPropagation(activation, layers, loss)
    return back(inputs, targets, rows=rows), back.gradients


class BackPropagation:
    """The losses and gradients of an ensemble, batch after batch, in memory that is kept from one to the next.

    layers: as from `Parameters.layers`, which may be changed in place between batches. gradients: of the last batch, in
    the order and shapes of the layers; the next one overwrites them. room: gradients of an ensemble that is no longer
    needed, of at least as many members, to be used again.
    """

    def __init__(
        self, activation: Elementwise, layers: Sequence[Tensor], loss: Loss = "cross_entropy", *,
        room: Sequence[Tensor] | None = None,
    ) -> None:  # fmt: skip
        self._layers = [t.detach() for t in layers]
        self._activation, self._loss, self._members = activation, loss, len(layers[0])
        self.gradients = (
            tuple(torch.empty_like(t) for t in self._layers)
            if room is None
            else tuple(t[: self._members] for t in room)
        )
        self._base = activation.base if isinstance(activation, MemberActivation) else activation
        self._unit = _unit(self._base, self._layers[0])
        self._room: _Room | None = None

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Each member's loss, [member]; writes `gradients`.

        inputs: [member, example, feature], or [example, feature] fed to all. targets: as for `member_losses`. rows:
        int64 [member, example], each member's own batch of inputs [row, feature] and targets [row, ...].

        A member whose numbers are not finite has a gradient that is not finite, and changes no other member's.
        Raises DomainError for an unknown loss.
        """
        examples = inputs.shape[-2] if rows is None else rows.shape[1]
        few = self._members_at_a_time(examples)
        if self._room is None or not self._room.fits(few, examples):
            self._room = _Room(self._layers, self.gradients, few, examples)
        losses = []
        for part in self._room.parts:
            x, y = inputs, targets
            if rows is not None:
                x, y = (_picked(t, rows[part.members]) for t in (inputs, targets))
            elif few < self._members:
                x = inputs if inputs.dim() == 2 else inputs[part.members]
                y = targets if targets.dim() == (1 if self._loss == "cross_entropy" else 2) else targets[part.members]
            losses.append(self._back_propagate(part, x, y))
        return torch.cat(losses)

    def _members_at_a_time(self, examples: int) -> int:
        """So many that what their layers hand to one another stays in the cache."""
        # a function of the caller's might tell members apart
        if not isinstance(self._base, Activation) or callable(self._loss) or self._layers[0].device.type != "cpu":
            return self._members
        widest = max(weight.shape[2] for weight in self._layers[: len(self._layers) // 2])
        bytes_each = examples * widest * self._layers[0].element_size()
        most = max(1, torch.get_num_threads() * _CACHE // bytes_each)
        return -(-self._members // -(-self._members // most))  # parts of nearly one size

    def _back_propagate(self, part: _Part, inputs: Tensor, targets: Tensor) -> Tensor:
        """Writes the gradients of these members and returns their losses."""
        weights, biases, unit = part.weights, part.biases, self._unit
        if isinstance(self._activation, MemberActivation):
            unit = _with_constants(self._activation, part.members, unit)
        values, pullbacks = [inputs.expand(len(weights[0]), *inputs.shape[-2:])], []
        for weight, bias, z, space in zip(weights[:-1], biases[:-1], part.preactivations, part.values, strict=True):
            torch.bmm(values[-1], weight, out=z)
            value, pullback = unit(z.add_(bias), space)  # on a processor faster than baddbmm
            values.append(value)
            pullbacks.append(pullback)
        # the few outputs of many examples are laid out example by example: the softmax then works on whole vectors
        outputs = torch.baddbmm(biases[-1].mT, weights[-1].mT, values[-1].mT).mT
        losses, slope = losses_and_slopes(self._loss, outputs, targets)
        for i in reversed(range(len(weights))):
            torch.bmm(values[i].mT, slope, out=part.weight_slopes[i])
            torch.sum(slope, 1, keepdim=True, out=part.bias_slopes[i])
            if i:
                slope = pullbacks[i - 1](torch.bmm(slope, weights[i].mT, out=part.slopes[i - 1]))
        return losses


@dataclass(frozen=True)
class _Part:
    """Some of the members: their layers, their gradients, and room for what the layers hand to one another.

    members: which. weights, biases, weight_slopes, bias_slopes: views, one a layer; preactivations, values, slopes:
    [member, example, unit], one a hidden layer.
    """

    members: slice
    weights: Sequence[Tensor]
    biases: Sequence[Tensor]
    weight_slopes: Sequence[Tensor]
    bias_slopes: Sequence[Tensor]
    preactivations: Sequence[Tensor]
    values: Sequence[Tensor]
    slopes: Sequence[Tensor]


class _Room:
    """The members in parts of `few`, which follow one another in the same memory.

    It is kept, because the pages of new memory cost as much as the products that fill them.
    """

    def __init__(self, layers: Sequence[Tensor], gradients: Sequence[Tensor], few: int, examples: int) -> None:
        self._made_for = few, examples
        depth = len(layers) // 2
        like, units = layers[0], [weight.shape[2] for weight in layers[: depth - 1]]
        preactivations, values = ([like.new_empty(few, examples, n) for n in units] for _ in range(2))
        turns = [like.new_empty(few * examples * max(units, default=0)) for _ in range(2)]
        slopes = [turns[i % 2][: few * examples * n].view(few, examples, n) for i, n in enumerate(units)]
        self.parts = []
        for start in range(0, len(like), few):
            members = slice(start, min(start + few, len(like)))
            of_part = [[t[members] for t in ts] for ts in (layers, gradients)]
            room = ([t[: members.stop - start] for t in ts] for ts in (preactivations, values, slopes))
            self.parts.append(_Part(members, *(half for ts in of_part for half in (ts[:depth], ts[depth:])), *room))

    def fits(self, few: int, examples: int) -> bool:
        """Whether it was made for these numbers."""
        return self._made_for == (few, examples)


def _picked(data: Tensor, rows: Tensor) -> Tensor:
    """data[rows], five times as fast."""
    return data.index_select(0, rows.flatten()).reshape(*rows.shape, *data.shape[1:])


def _unit(activation: Elementwise, like: Tensor) -> Unit:
    """The activation on tensors of that dtype and device."""
    if not isinstance(activation, Activation):
        return lambda z, room: _by_autograd(activation, z)
    definition, parameters = activation.definition, activation.parameters
    value = choice.kernel(activation, "value", like.dtype, like.device.type)
    of_value = definition.backward_of_value
    role: choice.Role = "gradient" if of_value is None else "gradient_of_value"
    gradient = choice.kernel(activation, role, like.dtype, like.device.type)

    def pullback(z: Tensor, made: Tensor, slope: Tensor) -> Tensor:
        if gradient is not None:
            return gradient(z if of_value is None else made, slope, slope)
        if of_value is not None:
            return of_value(slope, made, **parameters)
        if definition.backward is not None:
            return definition.backward(slope, z, **parameters)
        if definition.surrogate is not None:
            return slope.mul_(definition.surrogate(z, **parameters))
        return slope.mul_(closed_form(activation, z, 1))

    def unit(z: Tensor, room: Tensor) -> tuple[Tensor, Pullback]:
        made = closed_form(activation, z, 0) if value is None else value(z, None, room)
        return made, lambda slope: pullback(z, made, slope)

    return unit


def _with_constants(activation: MemberActivation, some: slice, base: Unit) -> Unit:
    """gamma (sigma(alpha z + beta) + delta) of some of the members, by the chain rule."""

    def unit(z: Tensor, room: Tensor) -> tuple[Tensor, Pullback]:
        alpha, beta, gamma, delta = (c[some] for c in activation.columns(z))
        value, pullback = base(z.mul_(alpha).add_(beta), room)
        return gamma * (value + delta), lambda slope: pullback(slope.mul_(gamma)).mul_(alpha)

    return unit


def _by_autograd(activation: Elementwise, z: Tensor) -> tuple[Tensor, Pullback]:
    with torch.enable_grad():
        leaf = z.detach().requires_grad_(True)
        value = activation(leaf)
    return value.detach(), lambda slope: torch.autograd.grad(value, leaf, slope)[0]
