"""Many random networks at once: empirical kernels, correlations and gradient norms, one batched program.

Preactivations are held as ``[network, unit, column]`` and a layer is one `baddbmm`. Fixed data with random weights is
one network per member and a column per sample; fixed weights with random data is one network and a column per member
and sample. The first layer is ``z(1) = sqrt(k0 / n0) W x`` with |x|**2 = n0 and W standard normal: every unit is
N(0, k0), so K(1) = k0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError
from edgewise.measure.denormals import flushed_denormals
from edgewise.measure.provenance import provenance
from edgewise.measure.simulation import Simulation

Resample = Literal["weights", "inputs"]

_BYTES_PER_CHUNK = 2**28
"""Chunks of members keep their weights and activations below this; a chunk's size depends on shapes alone."""


@dataclass(frozen=True)
class _Setup:
    a: Activation
    depth: int
    width: int
    samples: int
    c_w: float
    c_b: float
    k0: float
    skip: float
    gradients: bool
    generator: torch.Generator
    dtype: torch.dtype
    device: torch.device

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=self.dtype, device=self.device)


def simulate(
    a: Activation | object,
    depth: int,
    width: int,
    members: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float = 1.0,
    samples: int = 1,
    skip: float = 0.0,
    rho0: float | None = None,
    resample: Resample = "weights",
    gradients: bool = False,
    seed: int = 0,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Measures random fully connected networks ``z(l+1) = b + W sigma(z(l)) + skip z(l)`` at initialisation.

    depth: layers of preactivations, the first included; width: units of each; members: networks (or random inputs).
    c_w, c_b: weights ~ N(0, c_w / width), biases ~ N(0, c_b); the first layer is scaled so that K = k0 there in all.
    samples: inputs fed to each member; any two of them have correlation rho0 in the first layer (0 unless given).
    resample: "weights" (every member its own network, the same data) or "inputs" (one network, random data).
    gradients: also back-propagate a random unit vector from the last layer (by the surrogate slope if there is one).
    seed, generator: the source of randomness; a generator, where given, must live on `device` and takes precedence.
    on_progress: called with (layers done, layers in all) as it goes.

    Raises SpecError for an unknown activation and DomainError for numbers out of range.
    """
    started = time.perf_counter()
    sigma = activation(a)
    where = torch.device(device or "cpu")
    correlation0 = 0.0 if rho0 is None else rho0
    _check(depth, width, members, samples, c_w, c_b, k0, skip, correlation0, resample, dtype)
    used_seed = None if generator is not None else seed
    source = generator if generator is not None else torch.Generator(where).manual_seed(seed)
    setup = _Setup(sigma, depth, width, samples, c_w, c_b, k0, skip, gradients, source, dtype, where)

    chunks = _chunks(setup, members, resample)
    total, done = len(chunks) * depth, 0

    def tick() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    with torch.no_grad(), flushed_denormals():
        parts = [
            _measure(setup, _first_layer(setup, size, correlation0, resample), size, columns, tick)
            for size, columns in chunks
        ]
    kernel, cross, gradient = (torch.cat([part[i] for part in parts], dim=1) for i in range(3))

    pairs = tuple((i, j) for i in range(samples) for j in range(i + 1, samples))
    diverged_at = _first_layer_where(~torch.isfinite(kernel))
    vanished_at = torch.where(diverged_at > 0, 0, _first_layer_where(kernel == 0.0))
    return Simulation(
        activation=sigma.spec,
        depth=depth,
        width=width,
        members=members,
        samples=samples,
        c_w=c_w,
        c_b=c_b,
        k0=k0,
        skip=skip,
        rho0=correlation0,
        resample=resample,
        kernel=kernel,
        correlation=_correlation(kernel, cross, pairs) if pairs else None,
        pairs=pairs,
        gradient_norm=gradient if gradients else None,
        diverged_at=diverged_at,
        vanished_at=vanished_at,
        reason=_reason(members, diverged_at, vanished_at, bool(torch.isnan(kernel).any())),
        provenance=provenance(seed=used_seed, device=where, dtype=dtype, seconds=time.perf_counter() - started),
    )


def _check(
    depth: int, width: int, members: int, samples: int, c_w: float, c_b: float, k0: float, skip: float, rho0: float,
    resample: str, dtype: torch.dtype,
) -> None:  # fmt: skip
    for name, count in (("depth", depth), ("width", width), ("members", members), ("samples", samples)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise DomainError(f"{name}={count!r} given, expected an integer >= 1; try {name}=10")
    for name, number, low, open_low in (("c_w", c_w, 0.0, True), ("c_b", c_b, 0.0, False), ("k0", k0, 0.0, True)):
        if not math.isfinite(number) or number < low or (open_low and number == low):
            raise DomainError(
                f"{name}={number!r} given, expected a finite number {'>' if open_low else '>='} 0; try {name}=1.0"
            )
    if not math.isfinite(skip):
        raise DomainError(f"skip={skip!r} given, expected a finite number; try skip=0.0")
    lowest = -1.0 / (samples - 1) if samples > 1 else -1.0
    if not lowest <= rho0 <= 1.0:
        raise DomainError(
            f"rho0={rho0!r} given for {samples} samples, expected a number in [{lowest:g}, 1]; try rho0=0.5"
        )
    if samples > width:
        raise DomainError(
            f"samples={samples} given for width {width}, expected at most as many samples as units; try a larger width"
        )
    if resample not in ("weights", "inputs"):
        raise DomainError(f"resample={resample!r} given, expected 'weights' or 'inputs'; try resample='weights'")
    if dtype not in (torch.float32, torch.float64):
        raise DomainError(f"dtype={dtype} given, expected torch.float32 or torch.float64; try dtype=torch.float64")


def _chunks(setup: _Setup, members: int, resample: Resample) -> list[tuple[int, int]]:
    """(networks, members) of each chunk: as many networks as fit, or one network for all members."""
    if resample == "inputs":
        return [(1, members)]
    layers_held = setup.depth if setup.gradients else 1
    item = torch.finfo(setup.dtype).bits // 8
    per_member = item * setup.width * (layers_held * (setup.width + setup.samples) + 4 * setup.samples)
    size = max(1, min(members, _BYTES_PER_CHUNK // per_member))
    return [(min(size, members - start),) * 2 for start in range(0, members, size)]


def _first_layer(setup: _Setup, networks: int, rho0: float, resample: Resample) -> Callable[[int], Tensor]:
    """A function of the number of members that draws z(1): [network, unit, column], columns member by member."""
    gram = torch.full((setup.samples, setup.samples), rho0, dtype=torch.float64).fill_diagonal_(1.0)
    values, vectors = torch.linalg.eigh(gram)
    symmetric = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T  # a Cholesky factor would fail at rho0 = 1
    root: Tensor = symmetric.to(dtype=setup.dtype, device=setup.device) * math.sqrt(setup.k0)

    def draw(members: int) -> Tensor:
        if resample == "weights":
            return torch.matmul(setup.normal(networks, setup.width, setup.samples), root)
        weights = setup.normal(setup.width, setup.width)
        frames = torch.linalg.qr(setup.normal(members, setup.width, setup.samples)).Q
        inputs = frames @ root  # [member, input, sample], n0 = width, |x|**2 = n0 exactly
        z: Tensor = weights @ inputs.permute(1, 0, 2).reshape(setup.width, -1)
        return z.unsqueeze(0)

    return draw


def _measure(
    setup: _Setup, first: Callable[[int], Tensor], networks: int, members: int, tick: Callable[[], None]
) -> tuple[Tensor, Tensor, Tensor]:
    """Kernels, products of two samples and gradient norms of one chunk: [layer, member, sample or pair]."""
    z = first(members)
    kernels, products, held = [], [], []
    undefined = torch.zeros(networks, z.shape[2], dtype=torch.bool, device=setup.device)  # [network, column]
    overflowed = torch.zeros_like(undefined)
    for layer, weights in enumerate(_layers(setup, networks)):
        if layer > 0:
            bias = setup.normal(networks, setup.width, 1) * math.sqrt(setup.c_b) if setup.c_b > 0.0 else z.new_zeros(())
            signal = setup.a(z)
            undefined |= torch.isnan(signal).any(1)
            z_next = torch.baddbmm(bias, weights, signal)
            z = z_next.add_(z, alpha=setup.skip) if setup.skip != 0.0 else z_next
        kernel, product = _second_moments(z, setup.samples)
        overflowed |= ~torch.isfinite(kernel) & ~undefined
        dead = overflowed | undefined
        z = torch.where(dead.unsqueeze(1), 0.0, z)  # it has its verdict; nan would only slow the others down
        kernel = torch.where(undefined, torch.nan, torch.where(overflowed, torch.inf, kernel))
        kernels.append(kernel.reshape(members, setup.samples).cpu())
        products.append(product.cpu())
        if setup.gradients:
            held.append((weights, z))
        tick()
    if not setup.gradients:
        return torch.stack(kernels), torch.stack(products), torch.zeros(setup.depth, members, setup.samples)
    gradient = torch.where(dead, torch.nan, _backward(setup, held))
    return torch.stack(kernels), torch.stack(products), gradient.reshape(setup.depth, members, setup.samples).cpu()


def _layers(setup: _Setup, networks: int) -> Iterator[Tensor]:
    """The weights into layer 1 (none: an empty tensor), 2, ..., depth; [network, unit, unit], fresh for every layer.

    Drawn in float32, five times as fast: a tail cut at 5.8 standard deviations changes the variance by 1e-7.
    """
    yield torch.empty(0)
    scale = math.sqrt(setup.c_w / setup.width)
    shape = (networks, setup.width, setup.width)
    for _ in range(setup.depth - 1):
        drawn = torch.randn(shape, generator=setup.generator, dtype=torch.float32, device=setup.device)
        yield drawn.to(setup.dtype).mul_(scale)


def _second_moments(z: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """(1/n) sum_i z_i(a) z_i(b) in float64: for a = b as [network, column], for a < b as [member, pair]."""
    wide = z.to(torch.float64)
    kernel = wide.square().mean(1)
    i, j = torch.triu_indices(samples, samples, offset=1).unbind()
    by_sample = wide.reshape(*wide.shape[:2], -1, samples)  # [network, unit, member of that network, sample]
    product = (by_sample[..., i] * by_sample[..., j]).mean(1)
    return kernel, product.flatten(0, 1)


def _backward(setup: _Setup, held: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Squared gradients of u.z(L) with respect to every layer's preactivations, float64 [layer, network, column]."""
    surrogate = setup.a.definition.surrogate

    def slope(z: Tensor) -> Tensor:
        if surrogate is not None:
            return surrogate(z, **setup.a.parameters)
        return setup.a.derivative(z, 1)

    gradient = setup.normal(*held[-1][1].shape)
    gradient /= gradient.norm(dim=1, keepdim=True)
    found = [gradient.to(torch.float64).square().sum(1)]
    for (weights, _), (_, z) in zip(held[:0:-1], held[-2::-1], strict=True):
        below = slope(z) * torch.bmm(weights.mT, gradient)
        gradient = below.add_(gradient, alpha=setup.skip) if setup.skip != 0.0 else below
        found.append(gradient.to(torch.float64).square().sum(1))
    return torch.stack(found[::-1])


def _correlation(kernel: Tensor, product: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    """Cosines [layer, member, pair]; nan where a kernel is 0 or not finite."""
    i, j = (list(index) for index in zip(*pairs, strict=True))
    scale = kernel[..., i].sqrt() * kernel[..., j].sqrt()
    meaningful = torch.isfinite(scale) & (scale > 0.0)
    return torch.where(meaningful, (product / scale).clamp(-1.0, 1.0), torch.nan)


def _first_layer_where(condition: Tensor) -> Tensor:
    """Per member, the first layer (from 1) where any sample meets the condition [layer, member, sample]; 0 if none."""
    hit = condition.any(2)
    return torch.where(hit.any(0), hit.to(torch.int8).argmax(0) + 1, 0)


def _reason(members: int, diverged_at: Tensor, vanished_at: Tensor, undefined: bool) -> str:
    parts = []
    for layers, verb in ((diverged_at, "diverged"), (vanished_at, "vanished (K underflowed to 0)")):
        hit = layers[layers > 0]
        if len(hit) > 0:
            first, last = int(hit.min()), int(hit.max())
            at = f"at layer {first}" if first == last else f"at layers {first} to {last}"
            parts.append(f"{len(hit)} of {members} members {verb} {at}")
    if undefined:
        parts.append("the activation was not a number for some preactivations")
    return "; ".join(parts) if parts else f"all {members} members stayed finite"
