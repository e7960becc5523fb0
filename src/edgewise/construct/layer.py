"""One hidden layer while it is being built: gadgets put units in, and get sums of their outputs back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from torch import Tensor

from edgewise.construct import gadgets
from edgewise.construct.gadgets import Gadget
from edgewise.construct.unit import Unit


@dataclass(frozen=True)
class Affine:
    """An affine function of the outputs of a layer's units (or of the network's inputs): index to weight, and bias."""

    weights: dict[int, float] = field(default_factory=dict)
    bias: float = 0.0


def combination(terms: Iterable[tuple[float, Affine]], constant: float = 0.0) -> Affine:
    """constant + sum of factor * function."""
    weights: dict[int, float] = {}
    bias = constant
    for factor, function in terms:
        bias += factor * function.bias
        for index, weight in function.weights.items():
            weights[index] = weights.get(index, 0.0) + factor * weight
    return Affine(weights, bias)


class Layer:
    """Units over the signals of the layer below; equal units are made once."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._preactivations: list[Affine] = []
        self._made: dict[tuple[frozenset[tuple[int, float]], float], int] = {}

    def identity(self, value: Affine) -> Affine:
        """A value handed on, for |value| <= 1 on the box."""
        return self.product((value,))

    def product(self, values: Sequence[Affine]) -> Affine:
        """The product of at most q values, each at most 1 in size on the box."""
        return self._apply(gadgets.product(self.unit.taylor, len(values)), values, (0,))[0]

    def powers(self, v: Affine, degree: int) -> list[Affine]:
        """v, v**2, ..., v**degree."""
        made = self._apply(gadgets.powers(self.unit.taylor, degree), (v,), range(1, degree + 1))
        return [made[k] for k in range(1, degree + 1)]

    def powers_times(self, v: Affine, t: Affine, exponents: Iterable[int]) -> dict[int, Affine]:
        """v**j * t for the exponents j < q."""
        wanted = tuple(exponents)
        if wanted == (0,):
            return {0: self.identity(t)}
        if wanted == (1,):
            return {1: self.product((v, t))}
        return self._apply(gadgets.powers_times(self.unit.taylor), (v, t), wanted)

    def linear_part(self, signals: int) -> tuple[Tensor, Tensor]:
        """Weight [units, signals] and bias [units] of the layer's preactivations, float64."""
        return dense(self._preactivations, signals)

    def __len__(self) -> int:
        return len(self._preactivations)

    def _apply(self, gadget: Gadget, values: Sequence[Affine], targets: Iterable[int]) -> dict[int, Affine]:
        units = [self._units(combination(zip(argument, values, strict=True))) for argument in gadget.arguments]
        found = {}
        for target in targets:
            parts = [
                (weight * self.unit.gain, value)
                for weight, value in zip(gadget.weights[target], units, strict=True)
                if weight
            ]
            found[target] = combination(parts, gadget.constants[target])
        return found

    def _units(self, y: Affine) -> Affine:
        """The unit at y, and its mirror image where the activation needs one, as a function of this layer's outputs."""
        if not any(y.weights.values()):
            return Affine(bias=float(self.unit.at(Fraction(y.bias))) / self.unit.gain)
        slope, offset = self.unit.slope, self.unit.offset
        weights = {index: slope * w for index, w in y.weights.items() if w}
        bias = slope * y.bias + offset
        first = self._one(weights, bias)
        if not self.unit.mirrored:
            return Affine({first: 1.0})
        second = self._one({index: -w for index, w in weights.items()}, -bias)
        return Affine({first: 1.0, second: self.unit.mirror_sign})

    def _one(self, weights: dict[int, float], bias: float) -> int:
        key = (frozenset(weights.items()), bias)
        if key not in self._made:
            self._made[key] = len(self._preactivations)
            self._preactivations.append(Affine(weights, bias))
        return self._made[key]


def dense(functions: Sequence[Affine], signals: int) -> tuple[Tensor, Tensor]:
    """Weight [functions, signals] and bias [functions], float64."""
    weight = torch.zeros(len(functions), signals, dtype=torch.float64)
    for row, function in enumerate(functions):
        if function.weights:
            at = torch.tensor(list(function.weights), dtype=torch.long)
            weight[row, at] = torch.tensor(list(function.weights.values()), dtype=torch.float64)
    return weight, torch.tensor([function.bias for function in functions], dtype=torch.float64)
