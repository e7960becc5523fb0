"""How many random networks of a given depth and width carry a signal through, forward and backward.

The kernel of one input is a Markov chain: given K, the next layer's is a mean over `width` units of sigma~(z)**2, z
normal of variance K. So a thousand networks are followed with two numbers each, drawn with the mean g(K) and the
variance (<sigma~**4> - g**2)/width of that mean (log-normal, which leaves out higher cumulants); the squared gradient
likewise, with chi_perp(K) and <sigma~'**4>, its direction taken as independent of the weights' forward use. A network
survives where both stay within what width alone does to a linear network, three standard deviations and a factor of
SLACK.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.tailor.moments import moments
from edgewise.tailor.subnetworks import Stack

MEMBERS = 1000
SLACK = 1000.0
DEVIATIONS = 3.0
STRAINED, FAR = 8.0, 512.0
"""Training makes weights larger: networks must survive from STRAINED times the kernel they are made for, too; those
that survive from FAR times have no cliff at all, which decides between equals."""
_STEPS = 200
_DECADES = 8
_PER_DECADE = 4


Transform = tuple[float, float, float, float]
"""alpha, beta, gamma, delta."""


@dataclass(frozen=True)
class Survival:
    """Shares of random networks, in [0, 1], and the spread of their last kernel.

    forward, backward: whose kernel, whose squared gradient stays in bounds from K = 1; strained, far: whose kernel and
    gradient do from K = STRAINED and from K = FAR. spread: standard deviation of log K in the last layer (half the
    distance between the quantiles of one deviation), inf where too few are left; linear_spread: a linear network's.
    """

    forward: float
    backward: float
    strained: float
    far: float
    spread: float
    linear_spread: float

    @property
    def share(self) -> float:
        """Of the networks, those that pass: the smallest of the first three."""
        return min(self.forward, self.backward, self.strained)


def survival(
    a: Activation, candidates: Sequence[Transform], stack: Stack, *, width: int, seed: int = 0
) -> list[Survival]:
    """For each candidate, of networks of this stack and width; the layers of one branch are taken to see one kernel."""
    if not candidates:
        return []
    count, steps = len(candidates), min(stack.blocks, _STEPS)
    table = _Table.of(a, torch.tensor(candidates, dtype=torch.float64).repeat(3, 1), stack, stack.blocks / steps, width)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, steps, MEMBERS, generator=generator, dtype=torch.float64)
    start = torch.tensor([0.0, math.log(STRAINED), math.log(FAR)], dtype=torch.float64).repeat_interleave(count)
    kernels, gradients = _followed(table, start, noise)
    spread = math.sqrt(stack.blocks * math.log1p(float(_variance(torch.tensor(2.0), stack)) / width))
    forward, backward = (_inside(flow - s[:, None], spread) for flow, s in ((kernels, start), (gradients, start * 0.0)))
    last = torch.nan_to_num(kernels[-1, :count], nan=math.inf)
    low, high = (last.quantile(q, dim=1).tolist() for q in (0.158655, 0.841345))
    return [
        Survival(
            forward=float(forward[i].double().mean()),
            backward=float(backward[i].double().mean()),
            strained=float((forward & backward)[count + i].double().mean()),
            far=float((forward & backward)[2 * count + i].double().mean()),
            spread=0.5 * (high[i] - low[i]) if math.isfinite(high[i]) else math.inf,
            linear_spread=spread,
        )
        for i in range(count)
    ]


def _variance(of_layer: Tensor, stack: Stack) -> Tensor:
    """Relative variance, times width, of a kernel after a block: its branch's, and of the product with the skip."""
    return stack.share**2 * stack.layers * of_layer + 4.0 * stack.share * (1.0 - stack.share)


def _inside(log: Tensor, spread: float) -> Tensor:
    """Which members [.., member] keep a log [layer, .., member] within the bounds all along; nan is outside."""
    bound = DEVIATIONS * spread + math.log(SLACK)
    return ((log < bound) & (log > -bound - 0.5 * spread**2)).all(0)


@dataclass(frozen=True)
class _Table:
    """What one step does at each K of a grid, [candidate, kernel, quantity].

    The quantities: mean and deviation of the step of log K, then those of the squared gradient's logarithm. A step
    stands for `blocks` blocks: where there are many, K changes little in one.
    """

    log_kernel: Tensor
    steps: Tensor

    @classmethod
    def of(cls, a: Activation, candidates: Tensor, stack: Stack, blocks: float, width: int) -> _Table:
        decades = torch.linspace(-_DECADES, _DECADES, 2 * _DECADES * _PER_DECADE + 1, dtype=torch.float64)
        log_kernel = math.log(10.0) * decades
        root = (0.5 * log_kernel).exp().repeat(len(candidates))
        alpha, beta, gamma, delta = (c.repeat_interleave(len(log_kernel)) for c in candidates.T)
        m = moments(a, alpha * root, beta, offset=delta, panels=24, nodes=8)
        quantities = []
        for mean, variance in (
            (gamma**2 * m.s2 / root**2, m.s4 / m.s2**2 - 1.0),
            (gamma**2 * m.slope / root**2, 3.0 * m.d4 / m.slope**2 - 1.0),
        ):
            log_variance = torch.log1p(_variance(variance.clamp_min(0.0), stack) / width)
            log_mean = (1.0 - stack.share + stack.share * mean**stack.layers).log()
            quantities += [blocks * (log_mean - 0.5 * log_variance), (blocks * log_variance).sqrt()]
        return cls(log_kernel, torch.stack(quantities, -1).reshape(len(candidates), -1, 4))

    def at(self, log_kernel: Tensor) -> Tensor:
        """The quantities at [candidate, member], interpolated linearly; nan beyond the ends."""
        step = float(self.log_kernel[1] - self.log_kernel[0])
        place = (log_kernel - self.log_kernel[0]) / step
        last = len(self.log_kernel) - 1
        inside = (place >= 0.0) & (place <= last)
        lower = torch.where(inside, place, 0.0).long().clamp(max=last - 1)
        weight = torch.where(inside, place - lower, torch.nan)[..., None]
        rows = torch.arange(len(lower))[:, None]
        return torch.lerp(self.steps[rows, lower], self.steps[rows, lower + 1], weight)


def _followed(table: _Table, start: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """log K from the first layer on and log of the squared gradient from the last layer back, [step, candidate,
    member]."""
    log_k = start[:, None].expand(-1, MEMBERS)
    kernels, slopes = [log_k], []
    for for_kernel, for_gradient in zip(noise[0], noise[1], strict=True):
        growth, growth_spread, slope, slope_spread = table.at(log_k).unbind(-1)
        log_k = log_k + growth + growth_spread * for_kernel
        kernels.append(log_k)
        slopes.append(slope + slope_spread * for_gradient)
    return torch.stack(kernels), torch.stack(slopes[::-1]).cumsum(0)
