"""The kernel and its susceptibilities at one layer: g, chi_parallel, chi_perp, h (PDLT chapters 4 and 5)."""

from __future__ import annotations

import numpy.typing as npt
import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError
from edgewise.theory.averages import average

Kernel = float | Tensor | npt.ArrayLike


def as_kernel(kernel: Kernel) -> Tensor:
    """K as a float64 tensor. Raises DomainError unless every entry is finite and > 0."""
    k = torch.as_tensor(kernel, dtype=torch.float64)
    if not bool(((k > 0) & torch.isfinite(k)).all()):
        raise DomainError(f"kernel K={kernel!r} given, expected finite numbers > 0; try K=1.0")
    return k


def kernel(a: Activation | object, K: Kernel) -> Tensor:
    """g(K) = <sigma(z)**2> for z ~ N(0, K); float64, shape of K."""
    return average(activation(a), as_kernel(K), (0, 0)).value


def chi_parallel(a: Activation | object, K: Kernel, c_w: float = 1.0) -> Tensor:
    """chi_parallel(K) = C_W <z sigma sigma'> / K (PDLT eq. 4.105); float64, shape of K."""
    k = as_kernel(K)
    return c_w * average(activation(a), k, (0, 1), 1).value / k


def chi_perp(a: Activation | object, K: Kernel, c_w: float = 1.0) -> Tensor:
    """chi_perp(K) = C_W <sigma'**2> (PDLT eq. 5.18); float64, shape of K."""
    return c_w * average(activation(a), as_kernel(K), (1, 1)).value
