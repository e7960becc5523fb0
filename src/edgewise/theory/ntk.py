"""The neural tangent kernel at infinite width, and kernel matrices of many inputs (PDLT chapters 8 and 9).

Theta' = lambda_b + lambda_W <sigma sigma> + (C_W <sigma' sigma'> + skip**2) Theta, with learning rates lambda_b for
biases and lambda_W/n for weights; Theta(1) = lambda_b + lambda_W x.x/n_0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError
from edgewise.theory import domain, pairs
from edgewise.theory.flow import kernel_flow
from edgewise.theory.interpolant import LARGEST, SMALLEST, kernel_functions


@dataclass(frozen=True)
class NTK:
    """The neural tangent kernel of one input at every layer; float64 tensors of shape (depth,), entry 0 = layer 1."""

    activation: Activation
    theta: Tensor
    kernel: Tensor
    chi_perp: Tensor
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        plain = {n: getattr(self, n).tolist() for n in ("theta", "kernel", "chi_perp")}
        return {"activation": self.activation.spec, **plain, "reason": self.reason}


def ntk(
    a: Activation | object,
    depth: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float = 1.0,
    lambda_w: float = 1.0,
    lambda_b: float = 1.0,
    input_square: float | None = None,
    skip: float = 0.0,
) -> NTK:
    """Theta at every layer for one input whose first-layer kernel is k0 (PDLT chapter 9).

    input_square: x.x/n_0, which weighs the first layer's own weights; (k0 - c_b)/c_w unless given, that is a first
    layer with the C_W and C_b of the others. Raises DomainError as `kernel_flow` does, or when a lambda or
    input_square is < 0.
    """
    a = activation(a)
    rate_w = domain.one_not_negative("lambda_w", lambda_w, "1.0")
    rate_b = domain.one_not_negative("lambda_b", lambda_b, "1.0")
    w, b, start = (
        domain.one_positive("c_w", c_w),
        domain.one_not_negative("c_b", c_b),
        domain.one_positive("k0", k0),
    )
    flow = kernel_flow(a, depth, c_w=w, c_b=b, k0=start, skip=skip)
    if input_square is None:
        input_square = max(0.0, (start - b) / w)
    square = domain.one_not_negative("input_square", input_square, "1.0")
    g = kernel_functions(a).kernel(flow.kernel.clamp(SMALLEST, LARGEST)).tolist()
    theta = [rate_b + rate_w * square]
    for layer in range(depth - 1):
        theta.append(rate_b + rate_w * g[layer] + float(flow.chi_perp[layer]) * theta[-1])
    reason = f"{a.spec}: Theta goes from {theta[0]:.4g} to {theta[-1]:.4g} in {depth} layers; {flow.reason}"
    return NTK(a, torch.tensor(theta, dtype=torch.float64), flow.kernel, flow.chi_perp, reason)


@dataclass(frozen=True)
class KernelMatrices:
    """The last layer's covariance of preactivations and its neural tangent kernel; float64 (inputs, inputs)."""

    activation: Activation
    depth: int
    nngp: Tensor
    ntk: Tensor


def input_kernel(x: Tensor, *, c_w: float, c_b: float = 0.0) -> Tensor:
    """K(1) = C_b + C_W x x^T/n_0 for inputs x of shape (inputs, n_0); float64 (inputs, inputs).

    Raises DomainError when x is not a finite matrix, c_w <= 0 or c_b < 0.
    """
    x = domain.numbers("x", x, "torch.randn(8, 4)")
    if x.ndim != 2 or x.numel() == 0 or not bool(torch.isfinite(x).all()):
        raise DomainError(
            f"x of shape {tuple(x.shape)} given, expected a finite matrix (inputs, features); try x[None]"
        )
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    return b + w * (x @ x.T) / x.shape[1]


def kernel_matrix(
    a: Activation | object,
    kernel: Tensor,
    depth: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    lambda_w: float = 1.0,
    lambda_b: float = 1.0,
    skip: float = 0.0,
) -> KernelMatrices:
    """The kernel and the neural tangent kernel of many inputs after `depth` layers, from the first layer's kernel
    matrix.

    kernel: K(1), symmetric, shape (inputs, inputs), positive diagonal (see `input_kernel`). The first layer's Theta is
    lambda_b + lambda_W (K(1) - c_b)/c_w. Raises DomainError when it is none of that, or as `kernel_flow` does.
    """
    a = activation(a)
    depth = domain.layers(depth)
    gamma = domain.skip_strength(skip)
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    rate_w = domain.one_not_negative("lambda_w", lambda_w, "1.0")
    rate_b = domain.one_not_negative("lambda_b", lambda_b, "1.0")
    k = _checked(kernel)
    n = k.shape[0]
    upper = torch.triu_indices(n, n, 1)
    functions = kernel_functions(a)
    diagonal, off = _merged(k.diagonal()), k[upper[0], upper[1]]
    theta_diagonal, theta_off = (rate_b + rate_w * (x - b) / w for x in (diagonal, off))
    for _ in range(depth - 1):
        first, second = diagonal[upper[0]], diagonal[upper[1]]
        moved, slopes = pairs.kernel_pair(a, first, off, second), pairs.derivative_pair(a, first, off, second)
        theta_off = rate_b + rate_w * moved + (w * slopes + gamma**2) * theta_off
        own = functions.kernel(diagonal)
        theta_diagonal = rate_b + rate_w * own + (w * functions.chi_perp(diagonal) + gamma**2) * theta_diagonal
        diagonal, off = b + w * own + gamma**2 * diagonal, b + w * moved + gamma**2 * off
    return KernelMatrices(a, depth, _symmetric(diagonal, off, upper), _symmetric(theta_diagonal, theta_off, upper))


def _checked(kernel: Tensor) -> Tensor:
    k = domain.numbers("kernel", kernel, "torch.eye(8)")
    if k.ndim != 2 or k.shape[0] != k.shape[1] or k.numel() == 0:
        raise DomainError(
            f"kernel of shape {tuple(k.shape)} given, expected (inputs, inputs); try input_kernel(x, c_w=1.0)"
        )
    scale = k.diagonal().sqrt()
    correlation = k / (scale[:, None] * scale)
    if (
        not bool((k.diagonal() > 0).all())
        or not bool((correlation.abs() <= 1 + 1e-9).all())
        or not torch.allclose(k, k.T)
    ):
        raise DomainError(
            "kernel given is no covariance, expected symmetric with |K_ij| <= sqrt(K_ii K_jj); try input_kernel(x)"
        )
    return k


def _merged(diagonal: Tensor) -> Tensor:
    """The same kernels, those equal up to rounding made equal: inputs of one norm then share their averages."""
    values, order = diagonal.sort()
    first = values[0]
    for i in range(1, values.numel()):
        if values[i] <= first * (1 + 1e-14):
            values[i] = first
        else:
            first = values[i]
    return values[order.argsort()]


def _symmetric(diagonal: Tensor, off: Tensor, upper: Tensor) -> Tensor:
    matrix = torch.diag(diagonal)
    matrix[upper[0], upper[1]] = off
    matrix[upper[1], upper[0]] = off
    return matrix
