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

_BYTES = 2**22
"""Networks are measured in groups whose weights stay below this, so that they stay in the processor's cache."""


def empirical_kernels(
    a: Elementwise, inputs: Tensor, *, depth: int, width: int, networks: int, c_w: float, first_c_w: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """The empirical kernels of `networks` random networks on the same inputs: float64 [network, layer, sample].

    inputs: [sample, coordinate]. A kernel that has no finite float64 value is inf from that layer on.
    """
    group = max(1, _BYTES // (4 * width * width))
    sizes = [min(group, networks - start) for start in range(0, networks, group)]
    with torch.no_grad(), flushed_denormals():
        return torch.cat([_measured(a, inputs, depth, width, size, c_w, first_c_w, generator) for size in sizes])


def _measured(
    a: Elementwise, inputs: Tensor, depth: int, width: int, networks: int, c_w: float, first_c_w: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    z = _weights(networks, width, inputs.shape[1], generator).double() @ inputs.double().T
    z *= math.sqrt(first_c_w / inputs.shape[1])
    found = [z.square().mean(1)]
    for _ in range(depth - 1):
        signal = a(z)
        scale = signal.abs().amax(1, keepdim=True).clamp(min=1e-300)
        z = torch.bmm(_weights(networks, width, width, generator), (signal / scale).float()).double()
        z *= scale * math.sqrt(c_w / width)
        found.append(z.square().mean(1))
    kernels = torch.stack(found, dim=1)
    return torch.where(torch.isfinite(kernels), kernels, torch.inf)


def _weights(networks: int, width: int, fan_in: int, generator: torch.Generator) -> Tensor:
    """Standard normal weights in float32: their 1e-7 is nothing beside the fluctuations, and half the memory moves."""
    return torch.randn(networks, width, fan_in, generator=generator, device=generator.device)


def exact_kernels(
    a: Elementwise, *, depth: int, width: int, members: int, c_w: float, k0: float | Tensor, generator: torch.Generator
) -> Tensor:
    """Draws of the empirical kernel of one input, exact in law at this width: float64 [member, layer].

    Given the activations of a layer the preactivations of the next are independent N(0, F) with
    F = C_W (1/n) sum_j sigma(z_j)**2, and so on: a Markov chain in F, which needs n numbers a layer where a network
    needs n**2 weights. k0: F of the first layer, one for all or one for each member.
    """
    start = torch.as_tensor(k0, dtype=torch.float64, device=generator.device).expand(members)
    group = max(1, _BYTES // (8 * width))
    with torch.no_grad(), flushed_denormals():
        return torch.cat([_chain(a, depth, width, part, c_w, generator) for part in torch.split(start, group)])


def _chain(a: Elementwise, depth: int, width: int, f: Tensor, c_w: float, generator: torch.Generator) -> Tensor:
    found = []
    for _ in range(depth):
        z = torch.randn(len(f), width, generator=generator, dtype=torch.float64, device=generator.device)
        z *= f.sqrt().unsqueeze(1)
        found.append(z.square().mean(1))
        f = c_w * a(z).square().mean(1)
        f = torch.where(torch.isfinite(f), f, torch.inf)
    kernels = torch.stack(found, dim=1)
    return torch.where(torch.isfinite(kernels), kernels, torch.inf)
