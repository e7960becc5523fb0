"""Random networks for the kernel claims: measured with weight matrices, and their exact law for a single input.

z(1) = W x with W ~ N(0, first_c_w / n0), z(l+1) = W sigma(z(l)) with W ~ N(0, c_w / n), no biases. The empirical kernel
of a layer is (1/n) sum_i z_i**2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from edgewise.measure.denormals import flushed_denormals

Elementwise = Callable[[Tensor], Tensor]

_BYTES = 2**26
"""Networks are measured in groups whose weights stay below this."""


def empirical_kernels(
    a: Elementwise, inputs: Tensor, *, depth: int, width: int, networks: int, c_w: float, first_c_w: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """The empirical kernels of `networks` random networks on the same inputs: float64 [network, layer, sample].

    inputs: [sample, coordinate]. A kernel that has no finite float64 value is inf from that layer on.
    """
    group = max(1, _BYTES // (8 * width * width))
    sizes = [min(group, networks - start) for start in range(0, networks, group)]
    with torch.no_grad(), flushed_denormals():
        return torch.cat([_measured(a, inputs, depth, width, size, c_w, first_c_w, generator) for size in sizes])


def _measured(
    a: Elementwise, inputs: Tensor, depth: int, width: int, networks: int, c_w: float, first_c_w: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    def weights(fan_in: int, variance: float) -> Tensor:
        drawn = torch.randn(networks, width, fan_in, generator=generator, device=inputs.device)
        return drawn.double().mul_(math.sqrt(variance / fan_in))

    z = weights(inputs.shape[1], first_c_w) @ inputs.double().T
    found = [_kernel(z)]
    for _ in range(depth - 1):
        z = torch.bmm(weights(width, c_w), a(z))
        lost = ~torch.isfinite(z).all(1, keepdim=True)
        found.append(torch.where(lost.squeeze(1), torch.inf, _kernel(z)))
        z = torch.where(lost, torch.inf, z)
    return torch.stack(found, dim=1)


def _kernel(z: Tensor) -> Tensor:
    """(1/n) sum z_i**2 over the units of [network, unit, sample], without overflow of the squares' sum alone."""
    return z.square().mean(1)


def exact_kernels(
    a: Elementwise, *, depth: int, width: int, members: int, c_w: float, k0: float | Tensor, generator: torch.Generator
) -> Tensor:
    """Draws of the empirical kernel of one input, exact in law at this width: float64 [member, layer].

    Given the activations of a layer the preactivations of the next are independent N(0, F) with
    F = C_W (1/n) sum_j sigma(z_j)**2, and so on: a Markov chain in F, which needs n numbers a layer where a network
    needs n**2 weights. k0: F of the first layer, one for all or one for each member.
    """
    f = torch.as_tensor(k0, dtype=torch.float64, device=generator.device).expand(members)
    found = []
    with torch.no_grad(), flushed_denormals():
        for _ in range(depth):
            z = torch.randn(members, width, generator=generator, dtype=torch.float64, device=generator.device)
            z *= f.sqrt().unsqueeze(1)
            kernel = z.square().mean(1)
            found.append(torch.where(torch.isfinite(kernel), kernel, torch.inf))
            f = c_w * a(z).square().mean(1)
            f = torch.where(torch.isfinite(f), f, torch.inf)
    return torch.stack(found, dim=1)
