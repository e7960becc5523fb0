"""g, chi_parallel and chi_perp of one activation, tabulated for work that needs them at millions of K.

Tabulated are ln(g/K), K chi_parallel/(C_W g) and K chi_perp/(C_W g): the last two are pure numbers near 1 for most
activations (2p-1 and p for powers), so that relative precision holds wherever K goes. Homogeneous activations need no
table.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import AverageOverflowError, DivergentAverageError, PrecisionWarning
from edgewise.theory import kernels
from edgewise.theory.tabulation import LARGEST, SMALLEST, Answer, Function, Table

__all__ = ["LARGEST", "SMALLEST", "Answer", "KernelFunctions", "evaluate", "kernel_functions"]


def evaluate(function: Function, k: Tensor) -> Answer:
    """`function` at every K of a tensor, inf where its average diverges or exceeds the largest float64.

    Once it does so at one K it does at all larger ones, for <f**2>_K' >= sqrt(K/K') <f**2>_K where K' > K: so the
    limit is found by bisection over the sorted K.
    """
    found = _attempt(function, k)
    if found is not None:
        return found
    ordered, order = k.reshape(-1).sort()
    finite, infinite = 0, ordered.numel()
    while finite < infinite:
        middle = (finite + infinite) // 2
        if _attempt(function, ordered[middle : middle + 1]) is None:
            infinite = middle
        else:
            finite = middle + 1
    value, error = torch.full_like(ordered, math.inf), torch.zeros_like(ordered)
    below = _attempt(function, ordered[:finite])
    if below is not None:
        value[:finite], error[:finite] = below
    back = order.argsort()
    return value[back].reshape(k.shape), error[back].reshape(k.shape)


def _attempt(function: Function, k: Tensor) -> Answer | None:
    try:
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)  # the error estimates are used instead
            return function(k)
    except (DivergentAverageError, AverageOverflowError):
        return None


class KernelFunctions:
    """g(K), chi_parallel(K)/C_W and chi_perp(K)/C_W of one activation, fast at many K (see the module's text).

    Arguments must be finite and > 0 (at least SMALLEST); a value that has no finite float64 comes out as inf.
    """

    def __init__(self, a: Activation) -> None:
        self.activation = a
        degree = a.homogeneity
        self._power = None
        self._perp_power = None
        if degree is not None:  # sigma(cz) = c**d sigma(z) makes g = g(1) K**d: exact, and no table
            one = torch.ones(1, dtype=torch.float64)
            self._power = (float(kernels.kernel(a, one)), degree)
            if a.definition.surrogate is None:
                self._perp_power = (float(kernels.chi_perp(a, one)), degree - 1.0)
        self._log_ratio = Table(self._direct_log_ratio, logarithmic=True)
        self._parallel = Table(self._direct_parallel)
        self._perp = Table(self._direct_perp)

    def kernel(self, k: Tensor) -> Tensor:
        """g(K) = <sigma**2>; float64, shape of k."""
        if self._power is not None:
            return _power_law(k, *self._power)
        return k * torch.exp(self._log_ratio(k))

    def kernel_at(self, k: float) -> float:
        """g at one K, for long scalar flows."""
        if self._power is not None:
            scale, degree = self._power
            try:
                return scale * (k if degree == 1 else k**degree)
            except OverflowError:
                return math.inf
        exponent = self._log_ratio.at(k)
        return k * math.exp(exponent) if exponent < 709.0 else math.inf

    def chi_parallel(self, k: Tensor) -> Tensor:
        """chi_parallel(K) / C_W = g'(K); float64, shape of k."""
        if self._power is not None:
            scale, degree = self._power
            return _power_law(k, degree * scale, degree - 1.0)
        return self._parallel(k) * torch.exp(self._log_ratio(k))

    def chi_perp(self, k: Tensor) -> Tensor:
        """chi_perp(K) / C_W = <sigma'**2>; float64, shape of k."""
        if self._perp_power is not None:
            return _power_law(k, *self._perp_power)
        if self._power is not None:  # a straight-through slope: no power law, but g is one
            return self._perp(k) * _power_law(k, self._power[0], self._power[1] - 1.0)
        return self._perp(k) * torch.exp(self._log_ratio(k))

    def _direct_log_ratio(self, k: Tensor) -> Answer:
        value, error = evaluate(lambda x: kernels.kernel(self.activation, x, with_error=True), k)
        return torch.log(value / k), torch.nan_to_num(error / value, nan=0.0)

    def _direct_parallel(self, k: Tensor) -> Answer:
        ratio = torch.exp(self._log_ratio(k))
        value, error = evaluate(lambda x: kernels.chi_parallel(self.activation, x, with_error=True), k)
        return _over(value, ratio), _over(error, ratio)

    def _direct_perp(self, k: Tensor) -> Answer:
        ratio = (
            torch.exp(self._log_ratio(k)) if self._power is None else _power_law(k, self._power[0], self._power[1] - 1)
        )
        value, error = evaluate(lambda x: kernels.chi_perp(self.activation, x, with_error=True), k)
        return _over(value, ratio), _over(error, ratio)


def _over(chi: Tensor, ratio: Tensor) -> Tensor:
    """chi / ratio; 1 where both are infinite and 0 where both have underflowed, so that their product is again."""
    return torch.where(torch.isinf(ratio), 1.0, torch.where(ratio == 0, 0.0, chi / ratio))


def _power_law(k: Tensor, scale: float, power: float) -> Tensor:
    if power == 0.0:
        return torch.full_like(k, scale)
    return scale * k if power == 1.0 else scale * k**power


@lru_cache(maxsize=32)
def kernel_functions(a: Activation) -> KernelFunctions:
    """The tabulated functions of `a`, shared by all who ask; the 32 activations used last are kept."""
    return KernelFunctions(a)
