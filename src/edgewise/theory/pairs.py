"""Averages over two inputs: <sigma sigma>, <sigma' sigma'> and the gap at small 1 - rho (PDLT chapters 4 and 8).

They take floats, arrays or tensors that broadcast and return float64 tensors of the common shape; ``with_error=True``
gives ``(value, error)`` with an estimate of the absolute error. A covariance is valid when K11, K22 > 0 and
``K12**2 <= K11 K22``.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DivergentAverageError, DomainError
from edgewise.theory import domain
from edgewise.theory.averages.average import Average
from edgewise.theory.averages.correlation import from_covariance
from edgewise.theory.averages.jumps import is_discontinuous
from edgewise.theory.averages.pair import gap_average, pair_average
from edgewise.theory.kernels import Kernel, answer, as_kernel

_TOLERANCE = 1e-12
_LARGEST_ONE_MINUS = 2.0


@overload
def kernel_pair(
    a: Activation | object, K11: Kernel, K12: Kernel, K22: Kernel, *, with_error: Literal[False] = ...
) -> Tensor: ...
@overload
def kernel_pair(
    a: Activation | object, K11: Kernel, K12: Kernel, K22: Kernel, *, with_error: Literal[True]
) -> tuple[Tensor, Tensor]: ...
def kernel_pair(
    a: Activation | object, K11: Kernel, K12: Kernel, K22: Kernel, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """<sigma(z1) sigma(z2)> for a centred Gaussian pair of this covariance; float64, common shape.

    Raises DomainError unless K11, K22 > 0 and ``K12**2 <= K11 K22``; AverageError where there is no finite value.
    """
    sigma = activation(a)
    return answer("kernel_pair", sigma, _pair(sigma, K11, K12, K22, (0, 0)), with_error)


@overload
def derivative_pair(
    a: Activation | object, K11: Kernel, K12: Kernel, K22: Kernel, *, with_error: Literal[False] = ...
) -> Tensor: ...
@overload
def derivative_pair(
    a: Activation | object, K11: Kernel, K12: Kernel, K22: Kernel, *, with_error: Literal[True]
) -> tuple[Tensor, Tensor]: ...
def derivative_pair(
    a: Activation | object, K11: Kernel, K12: Kernel, K22: Kernel, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """<sigma'(z1) sigma'(z2)> for a centred Gaussian pair of this covariance; float64, common shape.

    What the NTK recursion needs; equal to d<sigma sigma>/dK12 (Price's theorem).
    Raises DomainError unless K11, K22 > 0 and ``K12**2 <= K11 K22``; DivergentAverageError where sigma jumps, since
    sigma' then has delta functions.
    """
    sigma = activation(a)
    if is_discontinuous(sigma):
        raise DivergentAverageError(
            f"<sigma' sigma'> of {sigma.spec} is not a function: sigma jumps; try kernel_pair or kernel_gap"
        )
    return answer("derivative_pair", sigma, _pair(sigma, K11, K12, K22, (1, 1)), with_error)


@overload
def kernel_gap(
    a: Activation | object, K: Kernel, one_minus_rho: Kernel, *, with_error: Literal[False] = ...
) -> Tensor: ...
@overload
def kernel_gap(
    a: Activation | object, K: Kernel, one_minus_rho: Kernel, *, with_error: Literal[True]
) -> tuple[Tensor, Tensor]: ...
def kernel_gap(
    a: Activation | object, K: Kernel, one_minus_rho: Kernel, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """g(K) - <sigma(z1) sigma(z2)> for two preactivations of variance K and correlation 1 - one_minus_rho, in [0, 2].

    Accurate relative to the gap itself however small 1 - rho is, where g minus kernel_pair would cancel; float64,
    common shape. Raises DomainError for K that are not > 0 or one_minus_rho outside [0, 2].
    """
    sigma, k = activation(a), as_kernel(K)
    d = domain.numbers("one_minus_rho", one_minus_rho, "1e-6")
    bad = ~((d >= 0) & (d <= _LARGEST_ONE_MINUS))
    if bool(bad.any()):
        given = d[bad].reshape(-1)[0].item()
        raise DomainError(f"one_minus_rho={given:g} given, expected numbers in [0, 2]; try one_minus_rho=1e-6")
    k, d = domain.broadcast(k, d)
    found = gap_average(sigma, k.reshape(-1).numpy(), d.reshape(-1).numpy())
    return answer("kernel_gap", sigma, _shaped(found, k.shape), with_error)


def _pair(a: Activation, k11: Kernel, k12: Kernel, k22: Kernel, orders: tuple[int, int]) -> Average:
    first, second, cross = as_kernel(k11), as_kernel(k22), domain.numbers("K12", k12, "0.5")
    first, cross, second = domain.broadcast(first, cross, second)
    limit = first.sqrt() * second.sqrt()
    bad = ~(cross.abs() <= limit * (1 + _TOLERANCE))
    if bool(bad.any()):
        given = [t[bad].reshape(-1)[0].item() for t in (first, cross, second)]
        raise DomainError(
            f"covariance K11={given[0]:g}, K12={given[1]:g}, K22={given[2]:g} given, expected |K12| <= sqrt(K11 K22); "
            "try K12 = rho sqrt(K11 K22) with |rho| <= 1"
        )
    k1, k12_, k2 = (t.reshape(-1).numpy() for t in (first, cross, second))
    found = pair_average(a, k1, k2, from_covariance(k1, k12_, k2), orders)
    return _shaped(found, first.shape)


def _shaped(found: Average, shape: torch.Size) -> Average:
    return Average(found.value.reshape(shape), found.error.reshape(shape), found.magnitude.reshape(shape))
