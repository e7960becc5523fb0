"""The neural tangent kernel against closed forms, the arc-cosine kernels, and a wide network's gradients."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from edgewise.activations import activation
from edgewise.errors import DomainError
from edgewise.theory import correlation_flow, input_kernel, kernel_flow, kernel_matrix, ntk


def test_relu_grows_linearly() -> None:
    found = ntk("relu", 12, c_w=2.0, k0=0.6, lambda_w=3.0, lambda_b=0.5)
    expected = (0.5 + 3.0 * 0.5 * 0.6) * torch.arange(1, 13, dtype=torch.float64)
    torch.testing.assert_close(found.theta, expected, rtol=1e-13, atol=0)


def test_a_skip_adds_its_square() -> None:
    gamma = 0.6
    found = ntk("relu", 3, c_w=2 * (1 - gamma**2), lambda_w=1.0, lambda_b=0.0, input_square=0.5, skip=gamma)
    torch.testing.assert_close(found.theta, torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64))


def test_the_gradients_of_a_wide_network() -> None:
    """lambda_b sum (dz/db)**2 + lambda_W/n sum (dz/dW)**2 of one output, over random networks."""
    a, width, depth, members = activation("gelu"), 256, 4, 40
    c_w, c_b, rate_w, rate_b = 1.8, 0.1, 0.7, 1.3
    generator = torch.Generator().manual_seed(5)
    x = torch.ones(20, dtype=torch.float64)
    measured = []
    for _ in range(members):
        sizes = [20, *[width] * (depth - 1), 1]
        weights = [
            (torch.randn(n, m, generator=generator, dtype=torch.float64) * (c_w / m) ** 0.5).requires_grad_()
            for m, n in pairwise(sizes)
        ]
        biases = [
            (torch.randn(n, generator=generator, dtype=torch.float64) * c_b**0.5).requires_grad_() for n in sizes[1:]
        ]
        z = weights[0] @ x + biases[0]
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            z = weight @ a(z) + bias
        slopes = torch.autograd.grad(z.sum(), [*weights, *biases])
        squares = [float((s**2).sum()) for s in slopes]
        measured.append(
            sum(rate_w * s / m for s, m in zip(squares[:depth], sizes, strict=False)) + rate_b * sum(squares[depth:])
        )
    found = torch.tensor(measured)
    theta = float(ntk(a, depth, c_w=c_w, c_b=c_b, k0=c_b + c_w, lambda_w=rate_w, lambda_b=rate_b).theta[-1])
    # four standard errors and the O(1/n) shift of the mean
    tolerance = 4 * float(found.std()) / math.sqrt(members) + theta * depth / width
    assert float(found.mean()) == pytest.approx(theta, abs=tolerance)


def test_matrices_of_relu_are_arc_cosine_kernels() -> None:
    x = torch.randn(6, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start = input_kernel(x, c_w=2.0, c_b=0.1)
    found = kernel_matrix("relu", start, 5, c_w=2.0, c_b=0.1, lambda_w=0.4, lambda_b=0.9)
    k, theta = start, 0.9 + 0.4 * (start - 0.1) / 2.0
    for _ in range(4):
        scale = (k.diagonal()[:, None] * k.diagonal()).sqrt()
        angle = torch.acos((k / scale).clamp(-1, 1))
        moved = scale / (2 * math.pi) * (torch.sin(angle) + (math.pi - angle) * torch.cos(angle))
        theta = 0.9 + 0.4 * moved + 2.0 * (math.pi - angle) / (2 * math.pi) * theta
        k = 0.1 + 2.0 * moved
    torch.testing.assert_close(found.nngp, k, rtol=1e-7, atol=0)  # acos near 1 costs half the digits on the diagonal
    torch.testing.assert_close(found.ntk, theta, rtol=1e-6, atol=0)


@pytest.mark.parametrize("spec", ["mrepu(p=1)", "gelu"])
def test_matrices_hold_the_flows_of_their_entries(spec: str) -> None:
    start = torch.tensor([[0.4, 0.1], [0.1, 0.4]], dtype=torch.float64)
    found = kernel_matrix(spec, start, 4, c_w=1.1, c_b=0.05, skip=0.3)
    single = kernel_flow(spec, 4, c_w=1.1, c_b=0.05, k0=0.4, skip=0.3).kernel[-1]
    pair = correlation_flow(spec, 4, c_w=1.1, c_b=0.05, k0=0.4, rho0=0.25, skip=0.3).covariance[-1]
    torch.testing.assert_close(found.nngp, torch.stack([single, pair, pair, single]).reshape(2, 2), rtol=1e-10, atol=0)
    theta = ntk(spec, 4, c_w=1.1, c_b=0.05, k0=0.4, skip=0.3).theta[-1]
    assert float(found.ntk[0, 0]) == pytest.approx(float(theta), rel=1e-12)
    assert 0 < float(found.ntk[0, 1]) < float(theta)


def test_only_covariances_are_taken() -> None:
    with pytest.raises(DomainError, match="no covariance"):
        kernel_matrix("relu", torch.tensor([[1.0, 2.0], [2.0, 1.0]]), 3, c_w=2.0)
    with pytest.raises(DomainError, match="expected \\(inputs, inputs\\)"):
        kernel_matrix("relu", torch.ones(3), 3, c_w=2.0)
    with pytest.raises(DomainError, match="finite matrix"):
        input_kernel(torch.tensor([[math.nan]]), c_w=1.0)
    with pytest.raises(DomainError, match="lambda_w"):
        ntk("relu", 3, c_w=2.0, lambda_w=-1.0)
