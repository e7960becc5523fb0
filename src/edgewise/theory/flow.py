"""The kernel of one input from layer to layer: K' = C_b + C_W g(K) + skip**2 K (PDLT chapter 4, appendix B)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError
from edgewise.theory import domain
from edgewise.theory.interpolant import LARGEST, SMALLEST, KernelFunctions, kernel_functions

BAND = 2.0
"""The depth horizon ends where K has left [k0/BAND, k0*BAND]."""


@dataclass(frozen=True)
class KernelFlow:
    """The kernel and its susceptibilities at every layer.

    kernel, chi_parallel, chi_perp: float64, shape (depth, *batch); entry 0 is the first layer. The susceptibility at
        entry l carries a perturbation of layer l+1 (counted from 1) to the next one; both contain C_W and skip**2.
        After a divergence kernel is inf, after vanishing it is 0.
    diverged_at, vanished_at: the first layer (from 1) whose kernel exceeds the largest float64, or falls below the
        smallest; None where that does not happen. For a batch of flows an int64 tensor, 0 where it does not happen.
    horizon: how many layers, from the first, keep K in [k0/2, 2 k0]; None (for a batch: 0) if all of them do.
    reason: all of that in a sentence.
    """

    activation: Activation
    c_w: Tensor
    c_b: Tensor
    k0: Tensor
    skip: float
    kernel: Tensor
    chi_parallel: Tensor
    chi_perp: Tensor
    diverged_at: int | Tensor | None
    vanished_at: int | Tensor | None
    horizon: int | Tensor | None
    reason: str

    @property
    def depth(self) -> int:
        return self.kernel.shape[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, ready for JSON apart from inf."""
        plain = {
            name: value.tolist() if isinstance(value := getattr(self, name), Tensor) else value
            for name in (
                "c_w",
                "c_b",
                "k0",
                "skip",
                "kernel",
                "chi_parallel",
                "chi_perp",
                "diverged_at",
                "vanished_at",
                "horizon",
            )
        }
        return {"activation": self.activation.spec, "depth": self.depth, **plain, "reason": self.reason}


def kernel_flow(
    a: Activation | object,
    depth: int,
    *,
    c_w: domain.Number,
    c_b: domain.Number = 0.0,
    k0: domain.Number = 1.0,
    skip: float = 0.0,
) -> KernelFlow:
    """The kernel, chi_parallel and chi_perp of an infinitely wide network, layer by layer (PDLT chapters 4, 5).

    depth: number of layers; entry 0 of every result is the first layer, whose kernel is k0.
    c_w, c_b, k0: floats, or tensors that broadcast against each other: one flow for each entry, all at once.
    skip: residual strength gamma in z' = b + W sigma(z) + gamma z; its square is added to both susceptibilities.
    Raises DomainError when c_w <= 0, c_b < 0, k0 <= 0, depth < 1 or |skip| > 1.
    """
    a = activation(a)
    depth = domain.layers(depth)
    gamma = domain.skip_strength(skip)
    w, b, k = domain.positive("c_w", c_w), domain.not_negative("c_b", c_b), domain.positive("k0", k0)
    w, b, k = domain.broadcast(w, b, k)
    functions = kernel_functions(a)
    if k.ndim == 0:
        kernel = torch.tensor(scalar_flow(functions, depth, float(w), float(b), float(k), gamma), dtype=torch.float64)
    else:
        kernel = torch.empty((depth, *k.shape), dtype=torch.float64)
        kernel[0] = k
        for layer in range(1, depth):
            kernel[layer] = next_kernel(functions, kernel[layer - 1], w, b, gamma)
    parallel, perp = susceptibilities(functions, kernel, w, gamma)
    diverged, vanished = _first(torch.isinf(kernel)), _first(kernel == 0.0)
    outside = (kernel > BAND * k) | (kernel < k / BAND)
    horizon = (_first(outside) - 1).clamp(min=0)
    at: tuple[int | Tensor | None, ...] = (diverged, vanished, horizon)
    if k.ndim == 0:
        at = tuple(int(x) or None for x in (diverged, vanished, horizon))
    return KernelFlow(
        activation=a,
        c_w=w,
        c_b=b,
        k0=k,
        skip=gamma,
        kernel=kernel,
        chi_parallel=parallel,
        chi_perp=perp,
        diverged_at=at[0],
        vanished_at=at[1],
        horizon=at[2],
        reason=_reason(a, kernel, diverged, vanished, horizon),
    )


def depth_horizon(
    a: Activation | object,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float = 1.0,
    skip: float = 0.0,
    max_depth: int = 10**6,
    band: float = BAND,
) -> float:
    """How many layers, from the first, keep K in [k0/band, k0*band].

    math.inf where K settles inside that band, or has not left it after `max_depth` layers.

    Raises DomainError as `kernel_flow` does, and when band <= 1.
    """
    a = activation(a)
    limit = domain.layers(max_depth, "max_depth")
    gamma = domain.skip_strength(skip)
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    k, width = domain.one_positive("k0", k0), domain.one_positive("band", band, "2.0")
    if width <= 1.0:
        raise DomainError(f"band={width:g} given, expected a number > 1; try band=2.0")
    return layers_inside(kernel_functions(a), limit, w, b, k, gamma, k / width, k * width)


def layers_inside(
    functions: KernelFunctions, limit: int, w: float, b: float, k: float, gamma: float, low: float, high: float
) -> float:
    for layer in range(limit):
        if not low <= k <= high:
            return float(layer)
        following = next_scalar(functions, k, w, b, gamma)
        if following == k:
            return math.inf
        k = following
    return math.inf


def next_scalar(functions: KernelFunctions, k: float, w: float, b: float, gamma: float) -> float:
    """One layer of one flow; 0 and inf stay what they are."""
    if k < SMALLEST or k > LARGEST:
        return k
    following = b + w * functions.kernel_at(k) + gamma * gamma * k
    return 0.0 if following < SMALLEST else following


def scalar_flow(functions: KernelFunctions, depth: int, w: float, b: float, k: float, gamma: float) -> list[float]:
    """The kernels of `depth` layers as floats, from k on; much faster than tensors of one entry."""
    flow = [k]
    for _ in range(depth - 1):
        following = next_scalar(functions, k, w, b, gamma)
        if following == k:  # a fixed point, 0 or inf: nothing changes any more
            return flow + [k] * (depth - len(flow))
        flow.append(following)
        k = following
    return flow


def next_kernel(functions: KernelFunctions, k: Tensor, w: Tensor, b: Tensor, gamma: float) -> Tensor:
    """One layer of many flows; 0 and inf stay what they are."""
    alive = (k >= SMALLEST) & torch.isfinite(k)
    if bool(alive.all()):
        following = b + w * functions.kernel(k) + gamma * gamma * k
    else:
        safe = torch.where(alive, k, 1.0)
        following = torch.where(alive, b + w * functions.kernel(safe) + gamma * gamma * safe, k)
    return torch.where(following < SMALLEST, 0.0, following)


def susceptibilities(functions: KernelFunctions, kernel: Tensor, w: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """chi_parallel = C_W g' + skip**2 and chi_perp = C_W <sigma'**2> + skip**2 at every kernel.

    A vanished kernel has the values of the smallest float64, a diverged one those of the largest (inf where there are
    none).
    """
    safe = kernel.clamp(SMALLEST, LARGEST)
    return w * functions.chi_parallel(safe) + gamma * gamma, w * functions.chi_perp(safe) + gamma * gamma


def _first(happened: Tensor) -> Tensor:
    """The first layer (from 1) at which it happened, 0 where it never did."""
    return torch.where(happened.any(0), happened.to(torch.int64).argmax(0) + 1, 0)


def _reason(a: Activation, kernel: Tensor, diverged: Tensor, vanished: Tensor, horizon: Tensor) -> str:
    depth = kernel.shape[0]
    if kernel.ndim > 1:
        counts = [int((x > 0).sum()) for x in (diverged, vanished, horizon)]
        return (
            f"{a.spec}: of {horizon.numel()} flows of {depth} layers, {counts[0]} diverge, {counts[1]} vanish, "
            f"{horizon.numel() - counts[2]} keep K in [K0/2, 2 K0] throughout"
        )
    k0, last = float(kernel[0]), float(kernel[-1])
    if diverged:
        return f"{a.spec}: diverged at layer {int(diverged)} (K has no finite float64 value), from K={k0:.4g}"
    if vanished:
        return f"{a.spec}: vanished at layer {int(vanished)} (K is below the smallest float64), from K={k0:.4g}"
    course = f"{a.spec}: K goes from {k0:.4g} to {last:.4g} in {depth} layer{'s' if depth > 1 else ''}"
    if not horizon:
        return f"{course} and never leaves [K0/2, 2 K0]"
    return f"{course} and leaves [K0/2, 2 K0] after {int(horizon)} layer{'s' if horizon > 1 else ''}"
