"""Functions whose derivatives of every order are known in closed form: products of one-dimensional ones, summed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Index = tuple[int, ...]
"""A partial derivative as the sorted numbers of the coordinates it is taken in: () the value, (0, 0, 1) is u_xxt."""


class Known(Protocol):
    """A function of all coordinates with its derivatives."""

    def derivative(self, x: Tensor, index: Index) -> Tensor:
        """The derivative at points [..., coordinate]; [...]."""
        ...

    def vanishes(self, index: Index) -> bool:
        """Whether the derivative is zero everywhere by its form."""
        ...


class Factor(Protocol):
    """A function of one coordinate with its derivatives."""

    def derivative(self, x: Tensor, order: int) -> Tensor: ...

    def vanishes(self, order: int) -> bool: ...


@dataclass(frozen=True)
class Polynomial:
    """sum over k of coefficients[k] x^k."""

    coefficients: tuple[float, ...]

    def derivative(self, x: Tensor, order: int) -> Tensor:
        found = torch.zeros_like(x)
        for power in range(len(self.coefficients) - 1, order - 1, -1):
            found = found * x + self.coefficients[power] * math.perm(power, order)
        return found

    def vanishes(self, order: int) -> bool:
        return not any(self.coefficients[order:])


@dataclass(frozen=True)
class Wave:
    """amplitude * sin(frequency x + phase)."""

    frequency: float
    amplitude: float = 1.0
    phase: float = 0.0

    def derivative(self, x: Tensor, order: int) -> Tensor:
        # the derivative of sin by its name, not by a phase of pi/2: exact zeros stay exact
        angle = self.frequency * x + self.phase
        wave = torch.sin(angle) if order % 2 == 0 else torch.cos(angle)
        return self.amplitude * self.frequency**order * (1.0, 1.0, -1.0, -1.0)[order % 4] * wave

    def vanishes(self, order: int) -> bool:
        return self.amplitude == 0.0


@dataclass(frozen=True)
class Exponential:
    """exp(rate x)."""

    rate: float

    def derivative(self, x: Tensor, order: int) -> Tensor:
        return self.rate**order * torch.exp(self.rate * x)

    def vanishes(self, order: int) -> bool:
        return False


@dataclass(frozen=True)
class Times:
    """The product of two functions of the same coordinate."""

    left: Factor
    right: Factor

    def derivative(self, x: Tensor, order: int) -> Tensor:
        found = torch.zeros_like(x)
        for k in range(order + 1):
            if not self.left.vanishes(k) and not self.right.vanishes(order - k):
                found = found + math.comb(order, k) * (self.left.derivative(x, k) * self.right.derivative(x, order - k))
        return found

    def vanishes(self, order: int) -> bool:
        return all(self.left.vanishes(k) or self.right.vanishes(order - k) for k in range(order + 1))


@dataclass(frozen=True)
class Separable:
    """sum over terms of the product over coordinates i of term[i](x_i); no terms at all is zero."""

    terms: tuple[tuple[Factor, ...], ...]

    def __call__(self, x: Tensor) -> Tensor:
        """The value at points [..., coordinate]; [...]."""
        return self.derivative(x, ())

    def derivative(self, x: Tensor, index: Index) -> Tensor:
        found = torch.zeros_like(x[..., 0])
        for term in self.terms:
            product = torch.ones_like(found)
            for i, factor in enumerate(term):
                product = product * factor.derivative(x[..., i], index.count(i))
            found = found + product
        return found

    def vanishes(self, index: Index) -> bool:
        return all(any(f.vanishes(index.count(i)) for i, f in enumerate(term)) for term in self.terms)


ONE = Polynomial((1.0,))
"""The constant 1."""
