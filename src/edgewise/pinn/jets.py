"""Derivatives of networks with respect to their inputs: truncated Taylor series carried forward, layer by layer.

All coefficients that are needed travel together: a linear layer is one matrix product over them, an activation composes
its own Taylor series with theirs (Faà di Bruno), from the closed forms of sigma', sigma'', ....
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.activations.torch_names import same_as
from edgewise.errors import DomainError, ModelError
from edgewise.pinn.multi_index import Coefficients, Wanted, coefficients, exponents, factorial
from edgewise.pinn.nested import nested_derivatives
from edgewise.train.ensemble import Elementwise, forward_layers


def derivatives(
    activation: Elementwise | str, layers: Sequence[Tensor], x: Tensor, wanted: Sequence[Wanted]
) -> dict[Wanted, Tensor]:
    """Derivatives of networks with respect to their inputs, differentiable with respect to `layers`.

    activation: an `Activation` or a spec; any other elementwise function of torch is differentiated by autograd.
    layers: the tensors of `Parameters.layers`, or `layers_of` a model: weights [member, fan-in, unit] input to output,
        then biases [member, 1, unit].
    x: [example, coordinate], fed to all members, or [member, example, coordinate].
    wanted: for each derivative the coordinates it differentiates by, in any order; ``()`` is the value.
    Returns {wanted: [member, example, output]}.
    Raises DomainError for shapes that do not fit and for what is no derivative.
    """
    series = _checked_input(layers, x)
    indices = {w: exponents(w, x.shape[-1]) for w in wanted}
    sigma = _known(activation)
    if sigma is None:
        assert not isinstance(activation, str)
        found = nested_derivatives(lambda at: forward_layers(activation, layers, at), series, list(indices.values()))
        return {w: found[index] for w, index in indices.items()}
    needed = coefficients(indices.values(), x.shape[-1])
    jet = _propagated(sigma, layers, series, needed)
    return {w: factorial(index) * jet[:, needed.position(index)] for w, index in indices.items()}


def _known(activation: Elementwise | str) -> Activation | None:
    """The activation whose derivatives are known, if it is one."""
    if isinstance(activation, str | Activation):
        return as_activation(activation)
    return same_as(activation)


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


def _propagated(sigma: Activation, layers: Sequence[Tensor], x: Tensor, needed: Coefficients) -> Tensor:
    """The Taylor coefficients of the outputs, [member, coefficient, example, output]."""
    depth = len(layers) // 2
    jet = _seed(x, needed)
    for weight, bias in zip(layers[: depth - 1], layers[depth:-1], strict=True):
        jet = _composed(sigma, _linear(jet, weight, bias), needed)
    return _linear(jet, layers[depth - 1], layers[-1])


def _seed(x: Tensor, needed: Coefficients) -> Tensor:
    """The coefficients of the coordinates themselves."""
    blocks = [x]
    for index in needed.indices[1:]:
        slope = torch.zeros_like(x)
        if sum(index) == 1:
            slope[..., index.index(1)] = 1.0
        blocks.append(slope)
    return torch.stack(blocks, 1)


def _linear(jet: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    members, count, examples, _ = jet.shape
    product = torch.bmm(jet.reshape(members, count * examples, -1), weight).view(members, count, examples, -1)
    return torch.cat([product[:, :1] + bias[:, None], product[:, 1:]], 1)


def _composed(sigma: Activation, jet: Tensor, needed: Coefficients) -> Tensor:
    """sigma of the series: its coefficients are sums over k of sigma^(k)/k! times those of the k-th power."""
    inner = list(jet.unbind(1))
    value = inner[0]
    result = [sigma(value), *(torch.zeros_like(value) for _ in inner[1:])]
    power: list[Tensor | None] = [None, *inner[1:]]
    scale = 1.0
    for k in range(1, needed.order + 1):
        scale /= k
        slope = sigma.derivative(value, k) * scale
        result = [r if p is None else r + slope * p for r, p in zip(result, power, strict=True)]
        power = _times(power, inner, needed) if k < needed.order else power
    return torch.stack(result, 1)


def _times(power: Sequence[Tensor | None], inner: Sequence[Tensor], needed: Coefficients) -> list[Tensor | None]:
    """The next power of the series without its value."""
    result: list[Tensor | None] = []
    for index in needed.indices:
        total: Tensor | None = None
        for a, b in needed.products(index):
            factor = power[a]
            if factor is not None:
                total = factor * inner[b] if total is None else torch.addcmul(total, factor, inner[b])
        result.append(total)
    return result


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
