"""Correlation coefficients that stay accurate at +-1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Correlations r with 1 - r and 1 + r to full relative accuracy, shape [pair]."""

    r: Real
    one_minus: Real
    one_plus: Real

    def flipped(self) -> Correlation:
        """-r."""
        return Correlation(-self.r, self.one_plus, self.one_minus)

    def __getitem__(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Correlation:
        return Correlation(self.r[index], self.one_minus[index], self.one_plus[index])


def from_one_minus(one_minus: Real) -> Correlation:
    """The correlation 1 - one_minus."""
    return Correlation(1.0 - one_minus, one_minus, 2.0 - one_minus)


def from_covariance(k11: Real, k12: Real, k22: Real) -> Correlation:
    """The correlation K12 / sqrt(K11 K22), clipped to [-1, 1]."""
    r = np.clip(k12 / np.sqrt(k11) / np.sqrt(k22), -1.0, 1.0)
    return Correlation(r, 1.0 - r, 1.0 + r)
