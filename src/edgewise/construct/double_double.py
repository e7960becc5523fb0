"""Numbers of twice float64's precision as unevaluated sums of two: the reference that an error is measured against.

Dekker, Numer. Math. 18 (1971) 224; relative error of an operation about 1e-31.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

_SPLITTER = 2.0**27 + 1


@dataclass(frozen=True)
class DoubleDouble:
    """high + low, float64 tensors of one shape."""

    high: Tensor
    low: Tensor

    def __add__(self, other: DoubleDouble) -> DoubleDouble:
        total, error = _two_sum(self.high, other.high)
        return _normal(total, error + (self.low + other.low))

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.high, -self.low)

    def __sub__(self, other: DoubleDouble) -> DoubleDouble:
        return self + -other

    def __mul__(self, other: DoubleDouble) -> DoubleDouble:
        product = self.high * other.high
        a, b = _split(self.high), _split(other.high)
        error = ((a[0] * b[0] - product) + a[0] * b[1] + a[1] * b[0]) + a[1] * b[1]
        return _normal(product, error + (self.high * other.low + self.low * other.high))

    def __getitem__(self, index: object) -> DoubleDouble:
        return DoubleDouble(self.high[index], self.low[index])  # type: ignore[index]

    def sum(self) -> DoubleDouble:
        """Over the last dimension, by halves."""
        value = self
        while (count := value.high.shape[-1]) > 1:
            half = count // 2
            folded = value[..., :half] + value[..., half : 2 * half]
            value = folded if count % 2 == 0 else _joined(folded, value[..., 2 * half :])
        return value[..., 0] if value.high.shape[-1] else exact(torch.zeros_like(value.high.sum(-1)))


def exact(value: Tensor) -> DoubleDouble:
    """A float64 tensor."""
    return DoubleDouble(value, torch.zeros_like(value))


def rounded(values: Iterable[Fraction]) -> DoubleDouble:
    """Rational numbers, each to 106 bits."""
    high, low = [], []
    for value in values:
        high.append(float(value))
        low.append(float(value - Fraction(high[-1])))
    return DoubleDouble(torch.tensor(high, dtype=torch.float64), torch.tensor(low, dtype=torch.float64))


def _joined(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(torch.cat([a.high, b.high], -1), torch.cat([a.low, b.low], -1))


def _two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _normal(high: Tensor, low: Tensor) -> DoubleDouble:
    total = high + low
    return DoubleDouble(total, low - (total - high))


def _split(a: Tensor) -> tuple[Tensor, Tensor]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high
