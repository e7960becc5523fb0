"""Correlation coefficients that stay accurate at +-1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
_ROUNDING = 2.0**-51


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
    """The correlation K12 / sqrt(K11 K22); what is within rounding error of +-1 is +-1.

    A covariance of two equal inputs must not look like one of nearly equal ones: <sigma' sigma'> moves by sqrt(1 -
    rho).
    """
    with np.errstate(over="ignore"):
        product = k11 * k22
    safe = (product > 1e-280) & (product < 1e280)
    scale = np.where(safe, np.sqrt(np.where(safe, product, 1.0)), np.sqrt(k11) * np.sqrt(k22))
    one_minus, one_plus = (scale - k12) / scale, (scale + k12) / scale
    one_minus = np.where(one_minus <= _ROUNDING, 0.0, np.where(one_plus <= _ROUNDING, 2.0, one_minus))
    one_plus = np.where(one_plus <= _ROUNDING, 0.0, np.where(one_minus == 0.0, 2.0, one_plus))
    return Correlation(np.where(one_minus < one_plus, 1.0 - one_minus, one_plus - 1.0), one_minus, one_plus)
