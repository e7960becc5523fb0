"""Statistics of one layer's tensor, taken while the model runs, so that no tensor has to be kept.

Every function leaves small tensors on the model's own device; `settled` brings them over in one go at the end. Numbers
are divided by the largest first, so that squares neither overflow nor vanish in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations import Activation

MOST_SAMPLES = 64
"""Samples whose vectors are compared with each other; more would cost time and say the same."""
MOST_NUMBERS = 1 << 22
"""... and fewer of them where a sample is so large that comparing them would take more than 32 MB."""
SATURATED_BELOW = 0.01
"""A preactivation is saturated where the slope is less than this share of the steepest: its gradient is lost there."""


@dataclass(frozen=True)
class Moments:
    """What a tensor of [samples, units, positions] holds; tensors until `settled`, plain numbers after.

    kernel: mean square. mean: mean. unit_spread, sample_spread: standard deviation of the units' (samples') own mean
    squares over their mean. one_minus_rho: 1 - the mean cosine between different samples. effective_rank: of the
    samples' directions, (sum of eigenvalues)**2 / sum of their squares of the matrix of cosines: 1 where all are
    parallel, `compared` where all are orthogonal. bad: numbers that are nan or infinite.
    """

    samples: int
    units: int
    size: int
    kernel: float
    mean: float
    bad: int
    unit_spread: float | None = None
    sample_spread: float | None = None
    one_minus_rho: float | None = None
    effective_rank: float | None = None
    compared: int = 0


@dataclass(frozen=True)
class Slopes:
    """Where an activation passes no gradient: shares of its inputs.

    static: units whose slope is exactly 0 for every sample (and position). dynamic: the share of (unit, sample) pairs
    beyond those whose slope is 0. saturated: inputs whose slope is under 1 % of the steepest, None where the activation
    is not bounded on both sides.
    """

    static: float
    dynamic: float
    saturated: float | None

    @property
    def total(self) -> float:
        """The dead-unit rate: static + dynamic."""
        return self.static + self.dynamic


class Pending:
    """Numbers on their way from the device, in the order they were asked for."""

    def __init__(self) -> None:
        self._waiting: dict[torch.device, list[Tensor]] = {}

    def add(self, *numbers: Tensor) -> list[tuple[torch.device, int]]:
        """Places at which `numbers` (scalars) will be in `settled`."""
        places = []
        for number in numbers:
            queue = self._waiting.setdefault(number.device, [])
            places.append((number.device, len(queue)))
            queue.append(number.detach().float())
        return places

    def settled(self) -> dict[tuple[torch.device, int], float]:
        """All of them as Python floats, with one transfer a device."""
        found = {}
        for device, queue in self._waiting.items():
            for i, value in enumerate(torch.stack(queue).cpu().double().tolist()):
                found[device, i] = value
        return found


def arranged(z: Tensor, channels_first: bool) -> Tensor:
    """z as [samples, units, positions]: channels are units, tokens are samples."""
    if z.ndim <= 1:
        return z.reshape(-1, 1, 1)
    if channels_first and z.ndim > 2:
        return z.flatten(2)
    return z.reshape(-1, z.shape[-1], 1)


class Measured:
    """The moments of one tensor (of several calls, the last), asked for and not yet brought over."""

    def __init__(self, z: Tensor, pending: Pending, *, channels_first: bool, full: bool, most_samples: int) -> None:
        z = arranged(z.detach(), channels_first).float()
        self.samples, self.units, self.positions = z.shape
        bad = z.numel() - torch.isfinite(z).sum()
        largest = z.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
        z = z / largest
        square = z * z
        numbers = [bad, largest, z.mean(), square.mean()]
        self.compared = 0
        self.full = full
        if full:
            units, samples = square.mean(dim=(0, 2)), square.mean(dim=(1, 2))
            numbers += [_relative_spread(units), _relative_spread(samples)]
            room = min(most_samples, max(8, MOST_NUMBERS // max(1, self.units * self.positions)))
            self.compared = min(self.samples, room)
            if self.compared > 1:
                numbers += _directions(z, self.compared)
        self._places = pending.add(*numbers)

    def settled(self, found: dict[tuple[torch.device, int], float]) -> Moments:
        """The moments as plain numbers; what is not finite gives an infinite kernel."""
        bad, largest, mean, square, *rest = (found[place] for place in self._places)
        size = self.samples * self.units * self.positions
        if bad:
            return Moments(self.samples, self.units, size, math.inf, math.nan, int(bad))
        alive = square > 0.0
        gap, rank = rest[2:] if len(rest) == 4 else (None, None)
        return Moments(
            samples=self.samples,
            units=self.units,
            size=size,
            kernel=square * largest**2 if alive else 0.0,
            mean=mean * largest,
            bad=0,
            unit_spread=rest[0] if rest and alive else None,
            sample_spread=rest[1] if rest and alive else None,
            one_minus_rho=max(0.0, gap) if gap is not None and alive else None,
            effective_rank=rank if alive else None,
            compared=self.compared,
        )


class MeasuredSlopes:
    """Where an activation's slope is 0 or small, asked for and not yet brought over."""

    def __init__(self, a: Activation, z: Tensor, pending: Pending, *, channels_first: bool, steepest: float) -> None:
        z = arranged(z.detach(), channels_first).float()
        surrogate = a.definition.surrogate
        slope = surrogate(z, **a.parameters) if surrogate is not None else a.derivative(z)
        dead = slope == 0.0
        numbers = [dead.all(dim=2).all(dim=0).float().mean(), dead.float().mean()]
        self.bounded = all(math.isfinite(limit) for limit in a.limits)
        if self.bounded:
            numbers.append((slope.abs() < SATURATED_BELOW * steepest).float().mean())
        self._places = pending.add(*numbers)

    def settled(self, found: dict[tuple[torch.device, int], float]) -> Slopes:
        static, total, *rest = (found[place] for place in self._places)
        return Slopes(static, max(0.0, total - static), rest[0] if rest else None)


class MeasuredGradient:
    """The sum of squares of the gradient that arrives at a tensor, asked for and not yet brought over."""

    def __init__(self, g: Tensor, pending: Pending) -> None:
        g = g.detach().float()
        bad = g.numel() - torch.isfinite(g).sum()
        largest = g.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
        scaled = g / largest
        self.size = g.numel()
        self._places = pending.add(bad, largest, (scaled * scaled).mean())

    def settled(self, found: dict[tuple[torch.device, int], float]) -> tuple[float, float]:
        """(root mean square, sum of squares); both infinite where a number is not finite."""
        bad, largest, square = (found[place] for place in self._places)
        if bad:
            return math.inf, math.inf
        mean_square = square * largest**2
        return math.sqrt(mean_square), mean_square * self.size


def _relative_spread(mean_squares: Tensor) -> Tensor:
    """Standard deviation over mean; 0 for a single one."""
    return mean_squares.std(correction=0) / mean_squares.mean().clamp(min=torch.finfo(torch.float32).tiny)


def _directions(z: Tensor, count: int) -> list[Tensor]:
    """1 - mean cosine between `count` samples spread over the batch, and the effective rank of their directions."""
    chosen = torch.linspace(0, z.shape[0] - 1, count).round().long().to(z.device)
    vectors = z[chosen].flatten(1)
    vectors = vectors.double() if z.device.type != "mps" else vectors
    vectors = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny)
    # the sum of the squared distances gives 1 - rho without subtracting numbers that are nearly equal
    centred = vectors - vectors.mean(0)
    gap = centred.square().sum() / (count - 1)
    cosines = vectors @ vectors.T
    return [gap, count**2 / cosines.square().sum()]
