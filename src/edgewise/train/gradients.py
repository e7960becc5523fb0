"""The gradients of an ensemble, back-propagated by hand: an autograd graph would cost as much again as the products.

On a processor members are taken a few at a time, so that what the layers hand to one another stays in its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
        self._hand_over: _HandOver | None = None

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Each member's loss, [member]; writes `gradients`.

        inputs: [member, example, feature], or [example, feature] fed to all. targets: as for `member_losses`. rows:
        int64 [member, example], each member's own batch of inputs [row, feature] and targets [row, ...].

        A member whose numbers are not finite has a gradient that is not finite, and changes no other member's.
        Raises DomainError for an unknown loss.
        """
        members, examples = self._members, inputs.shape[-2] if rows is None else rows.shape[1]
        few = self._members_at_a_time(examples)
        if self._hand_over is None or not self._hand_over.fits(few, examples):
            self._hand_over = _HandOver(self._layers, few, examples)
        losses = []
        for start in range(0, members, few):
            some = slice(start, min(start + few, members))
            x, y = inputs, targets
            if rows is not None:
                x, y = (_picked(t, rows[some]) for t in (inputs, targets))
            elif few < members:
                x = inputs if inputs.dim() == 2 else inputs[some]
                y = targets if targets.dim() == (1 if self._loss == "cross_entropy" else 2) else targets[some]
            losses.append(self._back_propagate(some, x, y, self._hand_over.of(some.stop - start)))
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

    def _back_propagate(self, some: slice, inputs: Tensor, targets: Tensor, room: _HandOver) -> Tensor:
        """Writes the gradients of these members and returns their losses."""
        depth = len(self._layers) // 2
        layers, gradients = ([t[some] for t in ts] for ts in (self._layers, self.gradients))
        weights, biases = layers[:depth], layers[depth:]
        unit = self._unit
        if isinstance(self._activation, MemberActivation):
            unit = _with_constants(self._activation, some, unit)
        values, pullbacks = [inputs.expand(len(weights[0]), *inputs.shape[-2:])], []
        for weight, bias, z, space in zip(weights[:-1], biases[:-1], room.preactivations, room.values, strict=True):
            torch.bmm(values[-1], weight, out=z)
            value, pullback = unit(z.add_(bias), space)  # on a processor faster than baddbmm
            values.append(value)
            pullbacks.append(pullback)
        # the few outputs of many examples are laid out example by example: the softmax then works on whole vectors
        outputs = torch.baddbmm(biases[-1].mT, weights[-1].mT, values[-1].mT).mT
        losses, slope = losses_and_slopes(self._loss, outputs, targets)
        for i in reversed(range(depth)):
            torch.bmm(values[i].mT, slope, out=gradients[i])
            torch.sum(slope, 1, keepdim=True, out=gradients[depth + i])
            if i:
                slope = pullbacks[i - 1](torch.bmm(slope, weights[i].mT, out=room.slopes[i - 1]))
        return losses


class _HandOver:
    """Room for what the layers of some members hand to one another: z, sigma(z) and slopes, [member, example, unit].

    Kept, because the pages of new memory cost as much as the products that fill them.
    """

    def __init__(self, layers: Sequence[Tensor], members: int, examples: int) -> None:
        hidden = layers[: len(layers) // 2 - 1]
        self._held = members, examples
        self._parts: dict[int, _HandOver] = {members: self}
        self.preactivations = [w.new_empty(members, examples, w.shape[2]) for w in hidden]
        self.values = [torch.empty_like(z) for z in self.preactivations]
        widest = max((z.numel() for z in self.preactivations), default=0)
        two = [layers[0].new_empty(widest) for _ in range(2)]
        self.slopes = [two[i % 2][: z.numel()].view(z.shape) for i, z in enumerate(self.preactivations)]

    def fits(self, members: int, examples: int) -> bool:
        """Whether it was made for these numbers."""
        return self._held == (members, examples)

    def of(self, members: int) -> _HandOver:
        """The same room for fewer members."""
        if members not in self._parts:
            part = _HandOver.__new__(_HandOver)
            for name in ("preactivations", "values", "slopes"):
                setattr(part, name, [t[:members] for t in getattr(self, name)])
            self._parts[members] = part
        return self._parts[members]


def _picked(data: Tensor, rows: Tensor) -> Tensor:
    """data[rows], five times as fast."""
    return data.index_select(0, rows.flatten()).reshape(*rows.shape, *data.shape[1:])


def _unit(activation: Elementwise, like: Tensor) -> Unit:
    """The activation on tensors of that dtype and device."""
    if not isinstance(activation, Activation):
        return lambda z, room: _by_autograd(activation, z)
    definition, parameters = activation.definition, activation.parameters
    value = choice.kernel(activation, "value", like.dtype, like.device.type)
    gradient = choice.kernel(activation, "gradient", like.dtype, like.device.type)

    def pullback(z: Tensor, slope: Tensor) -> Tensor:
        if gradient is not None:
            return gradient(z, slope, slope)
        if definition.backward is not None:
            return definition.backward(slope, z, **parameters)
        if definition.surrogate is not None:
            return slope.mul_(definition.surrogate(z, **parameters))
        return slope.mul_(closed_form(activation, z, 1))

    def unit(z: Tensor, room: Tensor) -> tuple[Tensor, Pullback]:
        made = closed_form(activation, z, 0) if value is None else value(z, None, room)
        return made, lambda slope: pullback(z, slope)

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
