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
Unit = Callable[[Tensor], tuple[Tensor, Pullback]]
"""sigma(z) and its pullback."""

_CACHE = 2**23
"""Bytes for each core: a few times its second-level cache. More members at once spare calls, fewer spare cache misses;
twice or half as many cost a few percent."""


@torch.no_grad()
def loss_and_gradients(
    activation: Elementwise,
    layers: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = "cross_entropy",
    *,
    rows: Tensor | None = None,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Each member's loss [member], and its gradient with respect to `layers`, in their order and shapes.

    layers: as from `Parameters.layers`. inputs: [member, example, feature], or [example, feature] fed to all.
    targets: as for `member_losses`. rows: int64 [member, example], each member's own batch of inputs [row, feature] and
    targets [row, ...] shared by all. out: where the gradients are written, instead of into new tensors.

    A member whose numbers are not finite has a gradient that is not finite, and changes no other member's.
    Raises DomainError for an unknown loss.
    """
    gradients = tuple(torch.empty_like(t) for t in layers) if out is None else tuple(out)
    members, examples = len(layers[0]), inputs.shape[-2] if rows is None else rows.shape[1]
    base = activation.base if isinstance(activation, MemberActivation) else activation
    unit, few = _unit(base, layers[0]), members
    # a function of the caller's might tell members apart
    if isinstance(base, Activation) and not callable(loss) and layers[0].device.type == "cpu":
        few = _members_at_a_time(layers, examples)
    losses = []
    for start in range(0, members, few):
        some = slice(start, start + few)
        x, y = inputs, targets
        if rows is not None:
            x, y = (_picked(t, rows[some]) for t in (inputs, targets))
        elif few < members:
            x = inputs if inputs.dim() == 2 else inputs[some]
            y = targets if targets.dim() == (1 if loss == "cross_entropy" else 2) else targets[some]
        sigma = _with_constants(activation, some, unit) if isinstance(activation, MemberActivation) else unit
        part, into = ([t[some] for t in ts] for ts in (layers, gradients))
        losses.append(_back_propagate(sigma, part, x, y, loss, into))
    return torch.cat(losses), gradients


def _members_at_a_time(layers: Sequence[Tensor], examples: int) -> int:
    """So many that their parameters, gradients and what their layers hand to one another stay in the cache."""
    shapes = [weight.shape for weight in layers[: len(layers) // 2]]
    numbers = 2 * sum((inputs + examples) * units for _, inputs, units in shapes)
    members = shapes[0][0]
    most = max(1, torch.get_num_threads() * _CACHE // (numbers * layers[0].element_size()))
    return -(-members // -(-members // most))  # parts of nearly one size


def _picked(data: Tensor, rows: Tensor) -> Tensor:
    """data[rows], five times as fast."""
    return data.index_select(0, rows.flatten()).reshape(*rows.shape, *data.shape[1:])


def _back_propagate(
    unit: Unit,
    layers: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    gradients: Sequence[Tensor],
) -> Tensor:
    """Writes the gradients of these members and returns their losses."""
    depth = len(layers) // 2
    weights, biases = layers[:depth], layers[depth:]
    values, pullbacks = [inputs.expand(len(weights[0]), *inputs.shape[-2:])], []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        value, pullback = unit(torch.bmm(values[-1], weight).add_(bias))  # on a processor faster than baddbmm
        values.append(value)
        pullbacks.append(pullback)
    # the few outputs of many examples are laid out example by example: the softmax then works on whole vectors
    outputs = torch.baddbmm(biases[-1].mT, weights[-1].mT, values[-1].mT).mT
    losses, slope = losses_and_slopes(loss, outputs, targets)
    for i in reversed(range(depth)):
        torch.bmm(values[i].mT, slope, out=gradients[i])
        torch.sum(slope, 1, keepdim=True, out=gradients[depth + i])
        if i:
            slope = pullbacks[i - 1](torch.bmm(slope, weights[i].mT))
    return losses


def _unit(activation: Elementwise, like: Tensor) -> Unit:
    """The activation on tensors of that dtype and device."""
    if not isinstance(activation, Activation):
        return lambda z: _by_autograd(activation, z)
    definition, parameters = activation.definition, activation.parameters
    value = choice.kernel(activation, "value", like.dtype, like.device.type)
    gradient = choice.kernel(activation, "gradient", like.dtype, like.device.type)

    def pullback(z: Tensor, slope: Tensor) -> Tensor:
        if gradient is not None:
            return gradient(z, slope)
        if definition.backward is not None:
            return definition.backward(slope, z, **parameters)
        if definition.surrogate is not None:
            return slope.mul_(definition.surrogate(z, **parameters))
        return slope.mul_(closed_form(activation, z, 1))

    def unit(z: Tensor) -> tuple[Tensor, Pullback]:
        return closed_form(activation, z, 0) if value is None else value(z), lambda slope: pullback(z, slope)

    return unit


def _with_constants(activation: MemberActivation, some: slice, base: Unit) -> Unit:
    """gamma (sigma(alpha z + beta) + delta) of some of the members, by the chain rule."""

    def unit(z: Tensor) -> tuple[Tensor, Pullback]:
        alpha, beta, gamma, delta = (c[some] for c in activation.columns(z))
        value, pullback = base(alpha * z + beta)
        return gamma * (value + delta), lambda slope: pullback(slope.mul_(gamma)).mul_(alpha)

    return unit


def _by_autograd(activation: Elementwise, z: Tensor) -> tuple[Tensor, Pullback]:
    with torch.enable_grad():
        leaf = z.detach().requires_grad_(True)
        value = activation(leaf)
    return value.detach(), lambda slope: torch.autograd.grad(value, leaf, slope)[0]
