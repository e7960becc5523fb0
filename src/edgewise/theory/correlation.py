"""Two inputs from layer to layer: how their correlation moves, where it stops, and how fast (PDLT chapter 5).

Followed is 1 - rho rather than rho, without ever subtracting two numbers that are nearly equal. With the parts of the
next kernels a = (C_b, C_W g(K11), skip**2 K11) and b likewise for K22,

    sqrt(K11' K22') (1 - rho') = C_W D + skip**2 sqrt(K11 K22) (1 - rho) + [sqrt(sum a sum b) - sum sqrt(a b)],
    D = sqrt(g(K11) g(K22)) - <sigma(z1) sigma(z2)>,

where the bracket is sum_(i<j) (sqrt(a_i b_j) - sqrt(a_j b_i))**2 over a sum, and `kernel_deficit` finds D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.activations.differentiable import closed_form
from edgewise.errors import DomainError
from edgewise.theory import domain, kernels, pairs
from edgewise.theory.flow import kernel_flow
from edgewise.theory.interpolant import LARGEST, SMALLEST, kernel_functions

_CLOSE = 0.05
"""Below this 1 - rho, D comes from its integral; above it, from the difference of two kernels."""


class FixedPoint(NamedTuple):
    """A correlation that a layer maps to itself; stable where |slope| < 1, marginal where it is 1."""

    correlation: float
    one_minus_rho: float
    slope: float
    stability: str


@dataclass(frozen=True)
class CorrelationFlow:
    """Two inputs layer by layer; float64 tensors of shape (depth,), entry 0 = layer 1.

    kernel_1, kernel_2: K11 and K22; covariance: K12; correlation: rho; one_minus_rho: 1 - rho, precise where rho is
        near 1.
    fixed_points: of the correlation map at the kernel of the last layer, by increasing 1 - rho.
    correlation_length: -1/ln(slope) at the stable one, the layers in which a small distance from it falls by a factor
        of e (inf where it is marginal, None where none is stable).
    """

    activation: Activation
    kernel_1: Tensor
    kernel_2: Tensor
    covariance: Tensor
    correlation: Tensor
    one_minus_rho: Tensor
    fixed_points: tuple[FixedPoint, ...]
    correlation_length: float | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        names = ("kernel_1", "kernel_2", "covariance", "correlation", "one_minus_rho")
        return {
            "activation": self.activation.spec,
            **{n: getattr(self, n).tolist() for n in names},
            "fixed_points": [p._asdict() for p in self.fixed_points],
            "correlation_length": self.correlation_length,
            "reason": self.reason,
        }


def correlation_flow(
    a: Activation | object,
    depth: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float | Sequence[float] = 1.0,
    rho0: float | None = None,
    one_minus_rho0: float | None = None,
    skip: float = 0.0,
) -> CorrelationFlow:
    """Kernels and correlation of two inputs at infinite width in each of `depth` layers.

    k0: their first-layer kernel, or one for each. rho0 in [-1, 1]: the first-layer correlation; or one_minus_rho0 in
    [0, 2], where it is nearly 1. skip: residual strength gamma.
    Raises DomainError as `kernel_flow` does, or unless exactly one of rho0 and one_minus_rho0 is given, in its range.
    """
    a = activation(a)
    delta = _distance(rho0, one_minus_rho0)
    pair = k0 if isinstance(k0, tuple | list) else (k0, k0)
    if len(pair) != 2:
        raise DomainError(f"k0={k0!r} given, expected one kernel or two; try k0=(1.0, 2.0)")
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    flows = [kernel_flow(a, depth, c_w=w, c_b=b, k0=domain.one_positive("k0", k), skip=skip) for k in pair]
    first, second = (f.kernel for f in flows)
    gamma = flows[0].skip
    alive = int(((torch.minimum(first, second) > 0) & torch.isfinite(torch.maximum(first, second))).sum())
    deltas = [delta]
    for layer in range(alive - 1):
        step = layer_correlation(
            a, first[layer], second[layer], torch.tensor(deltas[-1], dtype=torch.float64), w, b, gamma
        )
        deltas.append(min(2.0, max(0.0, float(step))))
    one_minus_rho = torch.tensor(deltas + [math.nan] * (depth - alive), dtype=torch.float64)
    points: tuple[FixedPoint, ...] = ()
    if alive == depth:
        points = correlation_fixed_points(a, c_w=w, c_b=b, kernel=float((first[-1] * second[-1]).sqrt()), skip=gamma)
    stable = [p for p in points if p.stability != "unstable"]
    length = _length(stable[-1].slope) if stable else None
    return CorrelationFlow(
        activation=a,
        kernel_1=first,
        kernel_2=second,
        covariance=(first * second).sqrt() * (1.0 - one_minus_rho),
        correlation=1.0 - one_minus_rho,
        one_minus_rho=one_minus_rho,
        fixed_points=points,
        correlation_length=length,
        reason=_reason(a, one_minus_rho, stable, length, flows[0].reason if alive < depth else None),
    )


def layer_correlation(
    a: Activation, first: Tensor, second: Tensor, one_minus_rho: Tensor, c_w: float, c_b: float, gamma: float
) -> Tensor:
    """1 - rho after one layer, from the two kernels and 1 - rho before it; all of one shape or broadcasting."""
    functions = kernel_functions(a)
    parts = [(torch.full_like(k, c_b), c_w * functions.kernel(k), gamma**2 * k) for k in (first, second)]
    deficit = c_w * kernel_deficit(a, first, second, one_minus_rho) + gamma**2 * (first * second).sqrt() * one_minus_rho
    scale = (sum(parts[0], torch.zeros_like(first)) * sum(parts[1], torch.zeros_like(second))).sqrt()
    shared = sum(((x * y).sqrt() for x, y in zip(*parts, strict=True)), torch.zeros_like(first))
    crossed = sum(
        (
            ((parts[0][i] * parts[1][j]).sqrt() - (parts[0][j] * parts[1][i]).sqrt()) ** 2
            for i, j in ((0, 1), (0, 2), (1, 2))
        ),
        torch.zeros_like(first),
    )
    return (deficit + crossed / (scale + shared)) / scale


def kernel_deficit(a: Activation, first: Tensor, second: Tensor, one_minus_rho: Tensor) -> Tensor:
    """sqrt(g(K11) g(K22)) - <sigma(z1) sigma(z2)>, precise where it is small; float64 of the common shape.

    Equal kernels and homogeneous activations: `kernel_gap`. Otherwise the deficit at rho = 1 is an average of a square,
    (1/2) sqrt(g g) <(sigma(sqrt(K11) u)/sqrt(g) - sigma(sqrt(K22) u)/sqrt(g))**2>, and the rest, by Price's theorem,
    sqrt(K11 K22) times the integral of <sigma'(z1) sigma'(z2)> over 1 - rho.
    """
    shape = domain.broadcast(first, second, one_minus_rho)[0].shape
    first, second, delta = (t.reshape(-1) for t in domain.broadcast(first, second, one_minus_rho))
    functions = kernel_functions(a)
    level = (functions.kernel(first) * functions.kernel(second)).sqrt()
    root = (first * second).sqrt()
    deficit = torch.empty_like(level)
    near = delta <= _CLOSE
    if bool((~near).any()):
        deficit[~near] = level[~near] - pairs.kernel_pair(a, first[~near], (root * (1 - delta))[~near], second[~near])
    if bool(near.any()):
        deficit[near] = _near_deficit(a, first[near], second[near], delta[near], level[near], root[near])
    return deficit.reshape(shape)


def _near_deficit(a: Activation, first: Tensor, second: Tensor, delta: Tensor, level: Tensor, root: Tensor) -> Tensor:
    if bool((first == second).all()):
        return pairs.kernel_gap(a, first, delta)
    if a.homogeneity is not None:
        return pairs.kernel_gap(a, torch.ones_like(first), delta) * root**a.homogeneity
    return _mismatch(a, first, second, level) + root * _price_integral(a, first, second, delta)


def correlation_fixed_points(
    a: Activation | object, *, c_w: float, c_b: float = 0.0, kernel: float, skip: float = 0.0
) -> tuple[FixedPoint, ...]:
    """All correlations that a layer maps to themselves, for two inputs of this kernel; by increasing 1 - rho.

    rho = 1 is always one; its slope is chi_perp K/K', which is chi_perp where K is a fixed point itself. Searched are
    1 - rho from 1e-12 to 2. Raises DomainError as `kernel_flow` does.
    """
    from scipy.optimize import brentq

    a = activation(a)
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    k = torch.tensor(domain.one_positive("kernel", kernel), dtype=torch.float64)
    gamma = domain.skip_strength(skip)

    def moved(delta: Tensor) -> Tensor:
        return layer_correlation(a, k.expand(delta.shape), k.expand(delta.shape), delta, w, b, gamma) / delta - 1.0

    def point(delta: float) -> FixedPoint:
        rho = 1.0 - delta
        slopes = pairs.derivative_pair(a, k, k * rho, k) if delta else kernel_functions(a).chi_perp(k)
        following = b + w * kernel_functions(a).kernel(k) + gamma**2 * k
        slope = float((w * slopes + gamma**2) * k / following)
        marginal = abs(abs(slope) - 1.0) < 1e-9
        stability = "marginal" if marginal else ("stable" if abs(slope) < 1.0 else "unstable")
        return FixedPoint(rho, delta, slope, stability)

    near, far = torch.logspace(-12, -1, 34, dtype=torch.float64), torch.linspace(0.1, 1.9837, 38, dtype=torch.float64)
    grid = torch.cat([near, far[1:], torch.tensor([2.0], dtype=torch.float64)])  # 1 - rho = 1 lies inside a step
    values = moved(grid)
    crossing = (values[:-1] * values[1:] < 0) & (torch.minimum(values[:-1].abs(), values[1:].abs()) > 1e-9)
    brackets = zip(grid[:-1][crossing].log().tolist(), grid[1:][crossing].log().tolist(), strict=True)
    roots = [
        math.exp(brentq(lambda x: float(moved(k.new_tensor([math.exp(x)]))), *ends, xtol=1e-13)) for ends in brackets
    ]
    last = [2.0] if abs(float(values[-1])) < 1e-9 else []
    return tuple(point(delta) for delta in [0.0, *roots, *last])


class NearbyFlow(NamedTuple):
    """Two nearby inputs about their midpoint: K11, K22 = K0 +- K1 + K2 and K12 = K0 - K2; (depth,) each."""

    midpoint: Tensor
    parallel: Tensor
    perpendicular: Tensor


def nearby_flow(
    a: Activation | object,
    depth: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float = 1.0,
    parallel: float = 0.0,
    perpendicular: float = 0.0,
    skip: float = 0.0,
) -> NearbyFlow:
    """K_[0], K_[1] and K_[2] of two nearby inputs: K_[1]' = chi_parallel K_[1], K_[2]' = chi_perp K_[2] + h K_[1]**2.

    parallel, perpendicular: K_[1] and K_[2] in the first layer. PDLT section 5.1; h = (1/2) d chi_perp/dK. Raises
    DomainError as `kernel_flow` does.
    """
    a = activation(a)
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    flow = kernel_flow(a, depth, c_w=w, c_b=b, k0=domain.one_positive("k0", k0), skip=skip)
    bends = kernels.h(a, flow.kernel.clamp(SMALLEST, LARGEST), w).tolist()
    first, second = ([domain.one("a difference", x)] for x in (parallel, perpendicular))
    for layer in range(depth - 1):
        second.append(float(flow.chi_perp[layer]) * second[-1] + bends[layer] * first[-1] ** 2)
        first.append(float(flow.chi_parallel[layer]) * first[-1])
    return NearbyFlow(flow.kernel, *(torch.tensor(v, dtype=torch.float64) for v in (first, second)))


def _distance(rho0: float | None, one_minus_rho0: float | None) -> float:
    if (rho0 is None) == (one_minus_rho0 is None):
        raise DomainError("rho0 and one_minus_rho0: expected exactly one of them; try rho0=0.5")
    delta = domain.one("one_minus_rho0", one_minus_rho0) if rho0 is None else 1.0 - domain.one("rho0", rho0)
    if not 0.0 <= delta <= 2.0:
        raise DomainError(f"1 - rho0 = {delta!r} given, expected a number in [0, 2]; try rho0=0.5")
    return delta


def _length(slope: float) -> float:
    if slope == 0.0:
        return 0.0
    rate = -math.log(abs(slope))
    return 1.0 / rate if rate > 1e-9 else math.inf


def _mismatch(a: Activation, first: Tensor, second: Tensor, level: Tensor) -> Tensor:
    """The deficit of two inputs that differ in length only, as an average of a square, by panels between the kinks."""
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(20))
    answer = []
    for k1, k2, scale in zip(first.reshape(-1), second.reshape(-1), level.reshape(-1), strict=True):
        if k1 == k2:
            answer.append(torch.zeros_like(scale))
            continue
        roots = (math.sqrt(float(k1)), math.sqrt(float(k2)))
        edges = {float(x) for x in np.linspace(-39.0, 39.0, 157)}
        for centre in {c / r for c in (0.0, *a.kinks) for r in roots}:
            edges |= {centre + sign * step for step in [0.0, *(2.0 ** np.arange(-40, 2))] for sign in (-1.0, 1.0)}
        e = torch.tensor(sorted(x for x in edges if abs(x) <= 39.0), dtype=torch.float64)
        half = 0.5 * (e[1:] - e[:-1])
        u = (0.5 * (e[1:] + e[:-1]))[:, None] + half[:, None] * nodes
        g1, g2 = (float(x) for x in kernel_functions(a).kernel(torch.stack([k1, k2])))
        apart = closed_form(a, roots[0] * u, 0) / math.sqrt(g1) - closed_form(a, roots[1] * u, 0) / math.sqrt(g2)
        density = torch.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
        answer.append(0.5 * scale * (apart**2 * density * half[:, None] * weights).sum())
    return torch.stack(answer).reshape(first.shape)


def _price_integral(a: Activation, first: Tensor, second: Tensor, delta: Tensor) -> Tensor:
    """The integral of <sigma'(z1) sigma'(z2)> over 1 - rho up to delta, in sqrt(1 - rho): smooth even with kinks."""
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(12))
    t = 0.5 * (1.0 + nodes)
    inner = delta[..., None] * t**2
    one, two = first[..., None].expand_as(inner), second[..., None].expand_as(inner)
    slopes = pairs.derivative_pair(a, one, (one * two).sqrt() * (1.0 - inner), two)
    return delta * (slopes * t * weights).sum(-1)


def _reason(
    a: Activation, one_minus_rho: Tensor, stable: list[FixedPoint], length: float | None, lost: str | None
) -> str:
    depth = one_minus_rho.numel()
    if lost is not None:
        return f"{a.spec}: the correlation has no value once a kernel is lost; {lost}"
    moved = (
        f"{a.spec}: 1 - rho goes from {float(one_minus_rho[0]):.4g} to {float(one_minus_rho[-1]):.4g} in {depth} layers"
    )
    if not stable or length is None:
        return f"{moved}; no correlation attracts at its kernel"
    end = stable[-1]
    pace = "slower than exponentially" if math.isinf(length) else f"within a correlation length of {length:.4g} layers"
    return f"{moved}; it is drawn to rho={round(end.correlation, 9) + 0.0:.6g} {pace}"
