"""Derivatives of networks with respect to their inputs: truncated Taylor series carried forward, layer by layer.

All parts of the series that are needed travel together: a linear layer is one matrix product over them, an activation
composes its own Taylor series with theirs (Faà di Bruno). Which parts are needed is found in `algebra`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.activations.torch_names import same_as
from edgewise.errors import DomainError, ModelError
from edgewise.pinn.algebra import algebra
from edgewise.pinn.multi_index import Wanted, exponents, terms
from edgewise.pinn.nested import nested_derivatives
from edgewise.pinn.propagation import propagated
from edgewise.train.ensemble import Elementwise, forward_layers
from edgewise.train.member_activation import MemberActivation

W = TypeVar("W", bound=Wanted)


def derivatives(
    activation: Elementwise | str, layers: Sequence[Tensor], x: Tensor, wanted: Sequence[W]
) -> dict[W, Tensor]:
    """Derivatives of networks with respect to their inputs, differentiable with respect to `layers`.

    activation: an `Activation` or a spec, or the `MemberActivation` of an ensemble; any other elementwise function of
        torch is differentiated by autograd.
    layers: the tensors of `Parameters.layers`, or `layers_of` a model: weights [member, fan-in, unit] input to output,
        then biases [member, 1, unit].
    x: [example, coordinate], fed to all members, or [member, example, coordinate].
    wanted: for each derivative the coordinates it differentiates by, in any order; ``()`` is the value.
    Returns {wanted: [member, example, output]}.
    Raises DomainError for shapes that do not fit and for what is no derivative.
    """
    series = _checked_input(layers, x)
    if isinstance(activation, MemberActivation):
        layers, activation = _folded(activation, layers), activation.base
    sigma = _known(activation)
    if sigma is None:
        assert not isinstance(activation, str)
        return _by_autograd(activation, layers, series, wanted)
    carried = algebra(tuple(terms(w) for w in wanted), x.shape[-1])
    parts = propagated(sigma, carried, layers, series)
    return {w: _summed(parts, made_of) for w, made_of in zip(wanted, carried.readout, strict=True)}


def _summed(parts: Sequence[Tensor], made_of: Sequence[tuple[int, float]]) -> Tensor:
    total: Tensor | None = None
    for k, c in made_of:
        term = parts[k] if c == 1.0 else c * parts[k]
        total = term if total is None else total + term
    return torch.zeros_like(parts[0]) if total is None else total


def _by_autograd(activation: Elementwise, layers: Sequence[Tensor], x: Tensor, wanted: Sequence[W]) -> dict[W, Tensor]:
    made_of = {w: [(exponents(i, x.shape[-1]), c) for i, c in terms(w)] for w in wanted}
    needed = sorted({index for parts in made_of.values() for index, _ in parts}, key=sum)
    found = nested_derivatives(lambda at: forward_layers(activation, layers, at), x, needed)
    return {
        w: sum((c * found[index] for index, c in parts[1:]), parts[0][1] * found[parts[0][0]])
        for w, parts in made_of.items()
    }


def _known(activation: Elementwise | str) -> Activation | None:
    """The activation whose derivatives are known, if it is one."""
    if isinstance(activation, Activation):
        return activation
    return _named(activation) if isinstance(activation, str) else same_as(activation)


@lru_cache(maxsize=64)
def _named(spec: str) -> Activation:
    return as_activation(spec)


def _folded(activation: MemberActivation, layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The layers that do with the base activation what `layers` do with its shifted and scaled form."""
    alpha, beta, gamma, delta = activation.columns(layers[0])
    depth = len(layers) // 2
    weights, biases = list(layers[:depth]), list(layers[depth:])
    for i in range(1, depth):
        weights[i] = gamma * weights[i]
        biases[i] = biases[i] + delta * weights[i].sum(-2, keepdim=True)
    for i in range(depth - 1):
        weights[i], biases[i] = alpha * weights[i], alpha * biases[i] + beta
    return (*weights, *biases)


def _checked_input(layers: Sequence[Tensor], x: Tensor) -> Tensor:
    """x as [member, example, coordinate]."""
    weight = layers[0] if len(layers) else torch.empty(0)
    if len(layers) < 2 or len(layers) % 2 or weight.dim() != 3:
        raise DomainError(
            f"{len(layers)} tensors given as layers, expected weights [member, fan-in, unit] of all layers, "
            "then their biases [member, 1, unit]; try layers_of(model)"
        )
    members, coordinates, _ = weight.shape
    fits = x.dim() in (2, 3) and x.shape[-1] == coordinates and (x.dim() == 2 or x.shape[0] == members)
    if not fits:
        raise DomainError(
            f"x of shape {tuple(x.shape)} given, expected [example, {coordinates}] or [{members}, example, "
            f"{coordinates}]: a network's first layer takes {coordinates} coordinates"
        )
    return x.expand(members, -1, -1) if x.dim() == 2 else x


def layers_of(model: nn.Module) -> tuple[Tensor, ...]:
    """The weights and biases of a plain network as `derivatives` takes them, with one member; views of its parameters.

    model: linear layers one after the other, an `edgewise.models.MLP` or an ``nn.Sequential``. A missing bias is 0.
    Raises ModelError for a model without linear layers or with other layers that hold parameters.
    """
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    held = {id(p) for m in linear for p in m.parameters(recurse=False)}
    foreign = [name for name, p in model.named_parameters() if id(p) not in held]
    if not linear or foreign:
        what = f"parameters outside its linear layers ({foreign[0]})" if foreign else "no linear layer"
        raise ModelError(
            f"{type(model).__name__} has {what}; expected linear layers with one activation between, "
            "as in edgewise.models.MLP"
        )
    for before, after in pairwise(linear):
        if before.out_features != after.in_features:
            raise ModelError(
                f"{type(model).__name__} has a layer of {before.out_features} outputs before one of "
                f"{after.in_features} inputs; expected layers that follow one another, as in edgewise.models.MLP"
            )
    weights = [m.weight.T[None] for m in linear]
    biases = [(m.weight.new_zeros(m.out_features) if m.bias is None else m.bias)[None, None] for m in linear]
    return (*weights, *biases)
