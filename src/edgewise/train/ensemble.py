"""M plain fully connected networks as one batched program: parameters with a member axis, layers as `baddbmm`.

Members share their shape and activation; everything else (random seed, initial variances, learning rates) may differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from edgewise.errors import DomainError

Elementwise = Callable[[Tensor], Tensor]
"""An `Activation`, or any other elementwise function that autograd can differentiate."""


@dataclass(frozen=True)
class Shape:
    """A plain network: `depth` hidden layers of `width` units with the activation after each, then a linear output."""

    inputs: int
    width: int
    depth: int
    outputs: int

    def __post_init__(self) -> None:
        for name in ("inputs", "width", "depth", "outputs"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise DomainError(f"{name}={count!r} given, expected an integer >= 1; try {name}=10")

    @property
    def parameters(self) -> int:
        """Weights and biases of one member."""
        hidden = (self.depth - 1) * self.width * (self.width + 1)
        return self.width * (self.inputs + 1) + hidden + self.outputs * (self.width + 1)


@dataclass(frozen=True)
class Initial:
    """Variances at initialisation: weights have variance c_w / fan-in, biases c_b; first and last layer have their own.

    distribution: "normal", or "uniform" with these variances.
    """

    c_w: float
    c_b: float
    first_c_w: float
    first_c_b: float
    last_c_w: float
    last_c_b: float = 0.0
    distribution: Literal["normal", "uniform"] = "normal"

    def __post_init__(self) -> None:
        for name in ("c_w", "c_b", "first_c_w", "first_c_b", "last_c_w", "last_c_b"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0.0:
                raise DomainError(f"{name}={value!r} given, expected a finite number >= 0; try {name}=1.0")


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    seed: its weights and its data order; members with the same seed draw the same numbers, scaled by their own
    variances, and see the same batches, so that settings are compared on equal terms.
    weight_rates, bias_rates: the learning rate of each layer relative to `learning_rate`, one per hidden layer and one
    for the output; None means 1 everywhere.
    input_scale: what its inputs are multiplied by. order_seed: the seed of its data order, None for `seed`.
    constants: (alpha, beta, gamma, delta), so that its activation is gamma (sigma(alpha x + beta) + delta); None for
    sigma itself, the ensemble's activation.
    """

    seed: int
    learning_rate: float
    initial: Initial
    weight_rates: tuple[float, ...] | None = None
    bias_rates: tuple[float, ...] | None = None
    input_scale: float = 1.0
    order_seed: int | None = None
    constants: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        numbers = (self.learning_rate, self.input_scale, *(self.constants or ()))
        if not all(math.isfinite(number) for number in numbers):
            raise DomainError(
                f"learning_rate={self.learning_rate!r}, input_scale={self.input_scale!r}, constants={self.constants!r} "
                "given, expected finite numbers; try learning_rate=0.01"
            )
        if self.constants is not None and len(self.constants) != 4:
            raise DomainError(
                f"{len(self.constants)} constants given, expected alpha, beta, gamma and delta; "
                "try (1.0, 0.0, 1.0, 0.0)"
            )


@dataclass(frozen=True)
class Parameters:
    """The weights and biases of all members, float tensors; or anything else of that shape (gradients, momenta, rates).

    first: [member, input, unit]; hidden: [layer, member, unit, unit], layers 2 .. depth; last: [member, unit, output];
    their biases: [member, 1, unit], [layer, member, 1, unit], [member, 1, output].
    """

    first: Tensor
    first_bias: Tensor
    hidden: Tensor
    hidden_bias: Tensor
    last: Tensor
    last_bias: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """The six tensors, in the order of the fields."""
        return self.first, self.first_bias, self.hidden, self.hidden_bias, self.last, self.last_bias

    def layers(self) -> tuple[Tensor, ...]:
        """Views of every layer, input to output: all weights [member, fan-in, unit], then all biases [member, 1, unit].

        Back-propagation to these, not to the six tensors, spares it putting the layers' gradients together.
        """
        weights = (self.first, *self.hidden.unbind(0), self.last)
        return (*weights, self.first_bias, *self.hidden_bias.unbind(0), self.last_bias)

    def members_finite(self) -> Tensor:
        """Which members hold finite numbers only, none so large that a layer's norm overflows; bool [member]."""
        return members_finite(self.layers())

    def select(self, members: Tensor) -> Parameters:
        """A copy of those members, by index."""
        first, first_bias, hidden, hidden_bias, last, last_bias = self.tensors()
        return Parameters(
            first[members], first_bias[members], hidden[:, members], hidden_bias[:, members], last[members],
            last_bias[members],
        )  # fmt: skip

    def store(self, members: Tensor, values: Parameters) -> None:
        """Writes `values` over those members, by index."""
        for axis, mine, theirs in zip((0, 0, 1, 1, 0, 0), self.tensors(), values.tensors(), strict=True):
            mine.index_copy_(axis, members, theirs)


def initialise(
    shape: Shape, members: Sequence[Member], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Parameters:
    """Random parameters of all members; each from its own seed, whatever else is in the ensemble.

    Raises DomainError for an empty ensemble.
    """
    if not members:
        raise DomainError("an ensemble of 0 members given, expected at least 1; try two seeds")
    drawn = {(m.seed, m.initial.distribution): _draw(shape, m.seed, m.initial.distribution) for m in members}
    scaled = [_scaled(shape, drawn[m.seed, m.initial.distribution], m.initial) for m in members]
    first, first_bias, hidden, hidden_bias, last, last_bias = (
        torch.stack(tensors, dim=1 if i in (2, 3) else 0).to(device=device, dtype=dtype)
        for i, tensors in enumerate(zip(*(p.tensors() for p in scaled), strict=True))
    )
    return Parameters(first, first_bias, hidden, hidden_bias, last, last_bias)


def _draw(shape: Shape, seed: int, distribution: str) -> Parameters:
    """Numbers of mean 0 and variance 1 for one member (no member axis)."""
    generator = torch.Generator().manual_seed(seed)

    def standard(*size: int) -> Tensor:
        if distribution == "uniform":
            return (torch.rand(size, generator=generator) * 2.0 - 1.0) * math.sqrt(3.0)
        return torch.randn(size, generator=generator)

    n, n0, out, between = shape.width, shape.inputs, shape.outputs, shape.depth - 1
    first, first_bias = standard(n0, n), standard(1, n)
    last, last_bias = standard(n, out), standard(1, out)
    hidden, hidden_bias = standard(between, n, n), standard(between, 1, n)
    return Parameters(first, first_bias, hidden, hidden_bias, last, last_bias)


def _scaled(shape: Shape, p: Parameters, initial: Initial) -> Parameters:
    return replace(
        p,
        first=p.first * math.sqrt(initial.first_c_w / shape.inputs),
        first_bias=p.first_bias * math.sqrt(initial.first_c_b),
        hidden=p.hidden * math.sqrt(initial.c_w / shape.width),
        hidden_bias=p.hidden_bias * math.sqrt(initial.c_b),
        last=p.last * math.sqrt(initial.last_c_w / shape.width),
        last_bias=p.last_bias * math.sqrt(initial.last_c_b),
    )


def rates(shape: Shape, members: Sequence[Member], like: Parameters) -> Parameters:
    """The learning rate of every layer of every member, shaped to multiply its parameters.

    Raises DomainError where a member states a wrong number of layer rates.
    """

    def table(factors: str) -> Tensor:
        rows = []
        for m in members:
            given = getattr(m, factors)
            if given is not None and len(given) != shape.depth + 1:
                raise DomainError(
                    f"{len(given)} {factors} given for {shape.depth} hidden layers, expected {shape.depth + 1}: "
                    "one per hidden layer and one for the output"
                )
            rows.append([m.learning_rate * factor for factor in (given or (1.0,) * (shape.depth + 1))])
        by_layer = torch.tensor(rows, dtype=like.first.dtype, device=like.first.device).T
        return by_layer[:, :, None, None]  # [layer, member, 1, 1]

    w, b = table("weight_rates"), table("bias_rates")
    return Parameters(w[0], b[0], w[1:-1], b[1:-1], w[-1], b[-1])


def members_finite(layers: Sequence[Tensor]) -> Tensor:
    """Which members hold finite numbers only in tensors [member, ...], no norm overflowing; bool [member]."""
    return torch.isfinite(torch.stack([torch.linalg.vector_norm(t, dim=(-2, -1)) for t in layers])).all(0)


def forward(activation: Elementwise, parameters: Parameters, inputs: Tensor) -> Tensor:
    """Outputs [member, example, output] for inputs [member, example, feature], or [example, feature] fed to all."""
    return forward_layers(activation, parameters.layers(), inputs)


def forward_layers(activation: Elementwise, layers: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """`forward` for the tensors of `Parameters.layers`."""
    return preactivations(activation, layers, inputs)[-1]


def preactivations(activation: Elementwise, layers: Sequence[Tensor], inputs: Tensor) -> tuple[Tensor, ...]:
    """z of every layer, [member, example, unit], the last being the outputs; differentiable.

    layers: as from `Parameters.layers`; inputs: [member, example, feature], or [example, feature] fed to all.
    """
    depth = len(layers) // 2
    weights, biases = layers[:depth], layers[depth:]
    x = inputs.expand(weights[0].shape[0], -1, -1) if inputs.dim() == 2 else inputs
    z = [torch.baddbmm(biases[0], x, weights[0])]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        z.append(torch.baddbmm(bias, activation(z[-1]), weight))
    return tuple(z)
