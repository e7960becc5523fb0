"""The gradients of an ensemble, back-propagated by hand: an autograd graph would cost as much again as the products.

Members are taken a few at a time, so that what a few layers hand to one another stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.train.ensemble import Elementwise
from edgewise.train.losses import Loss, losses_and_slopes


@torch.no_grad()
def loss_and_gradients(
    activation: Elementwise,
    layers: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = "cross_entropy",
    *,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Each member's loss [member], and its gradient with respect to `layers`, in their order and shapes.

    layers: as from `Parameters.layers`. inputs: [member, example, feature], or [example, feature] fed to all.
    targets: as for `member_losses`. out: where the gradients are written, instead of into new tensors.

    A member whose numbers are not finite has a gradient that is not finite, and changes no other member's.
    Raises DomainError for an unknown loss.
    """
    gradients = tuple(torch.empty_like(t) for t in layers) if out is None else tuple(out)
    losses = _chunk(activation, layers, inputs, targets, loss, gradients)
    return losses, gradients


def _chunk(
    activation: Elementwise,
    layers: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    gradients: Sequence[Tensor],
) -> Tensor:
    depth = len(layers) // 2
    weights, biases = layers[:depth], layers[depth:]
    x = inputs.expand(weights[0].shape[0], -1, -1) if inputs.dim() == 2 else inputs
    values, pullbacks = [x], []
    z = torch.baddbmm(biases[0], x, weights[0])
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        value, pullback = _activated(activation, z)
        values.append(value)
        pullbacks.append(pullback)
        z = torch.baddbmm(bias, value, weight)
    losses, slope = losses_and_slopes(loss, z, targets)
    for i in reversed(range(depth)):
        torch.bmm(values[i].mT, slope, out=gradients[i])
        torch.sum(slope, 1, keepdim=True, out=gradients[depth + i])
        if i:
            slope = pullbacks[i - 1](torch.bmm(slope, weights[i].mT))
    return losses


def _activated(activation: Elementwise, z: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """sigma(z), and what takes a slope with respect to it to one with respect to z (and may overwrite it)."""
    if isinstance(activation, Activation):
        definition, parameters = activation.definition, activation.parameters
        if definition.backward is not None:
            backward = definition.backward
            return closed_form(activation, z, 0), lambda slope: backward(slope, z, **parameters)
        if definition.surrogate is not None:
            surrogate = definition.surrogate
            return closed_form(activation, z, 0), lambda slope: slope.mul_(surrogate(z, **parameters))
        return closed_form(activation, z, 0), lambda slope: slope.mul_(closed_form(activation, z, 1))
    with torch.enable_grad():
        leaf = z.detach().requires_grad_(True)
        value = activation(leaf)
    return value.detach(), lambda slope: torch.autograd.grad(value, leaf, slope)[0]
