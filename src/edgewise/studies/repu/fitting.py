"""Networks of one activation fitted to one target at several learning rates; the best rate is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.studies.evidence import Interval
from edgewise.studies.repu.targets import Learned, Target, sample
from edgewise.studies.study import Context
from edgewise.train import Adam, Initial, Member, Parameters, Shape, WarmupCosine, forward, train


@dataclass(frozen=True)
class Fitted:
    """The networks trained at the chosen rate, one a seed.

    rate: the one of lowest median error on validation points; error: relative L2 error on test points, [network], inf
    where it diverged.
    """

    sigma: Activation
    parameters: Parameters
    rate: float
    error: Tensor

    @property
    def median(self) -> int:
        """The network in the middle by its error."""
        return int(self.error.argsort()[(len(self.error) - 1) // 2])


def fit(
    sigma: Activation, initial: Initial, shape: Shape, target: Target, test: Learned, *, rates: Sequence[float],
    networks: int, steps: int, batch: int, examples: int, context: Context, on_step: Callable[[int], None],
) -> Fitted:  # fmt: skip
    """Trains `networks` networks at each rate by Adam (warm-up 5 %, cosine to 0) on the mean square error.

    Networks of the same seed start from the same random numbers and see the same batches at every rate.
    """
    learned = sample(target, examples, torch.Generator().manual_seed(context.seed + 101))
    validation = sample(target, 1024, torch.Generator().manual_seed(context.seed + 202))
    members = [Member(context.seed + i, rate, initial) for rate in rates for i in range(networks)]
    trained = train(
        sigma, shape, members, learned.split, steps=steps, batch=batch, loss="mse", optimiser=Adam(),
        schedule=WarmupCosine(warmup=steps // 20), device=context.device, dtype=context.dtype, on_step=on_step,
    )  # fmt: skip
    lost = trained.diverged

    def errors(of: Learned) -> Tensor:
        values = forward(sigma, trained.parameters, of.split.inputs.to(context.device, context.dtype))[..., 0]
        return torch.where(lost, torch.inf, relative_error(values.cpu().double(), of.value)).reshape(len(rates), -1)

    with torch.no_grad():
        chosen = int(errors(validation).median(1).values.argmin())
        error = errors(test)[chosen]
    kept = trained.parameters.select(torch.arange(chosen * networks, (chosen + 1) * networks, device=context.device))
    return Fitted(sigma, kept, rates[chosen], error)


def relative_error(values: Tensor, truth: Tensor) -> Tensor:
    """||values - truth|| / ||truth|| over all but the first axis of `values` [network, ...]; inf where not finite."""
    off = (values - truth).flatten(1).square().sum(1).sqrt() / truth.square().sum().sqrt()
    return torch.where(torch.isfinite(off), off, torch.inf)


def log_ratios(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """log10(a/b) of two errors, network by network; one that diverged is infinitely bad, two of them are a tie."""
    return [0.0 if x == y else math.log10(x) - math.log10(y) for x, y in zip(a, b, strict=True)]


def told(found: Interval) -> str:
    """An estimate and its interval in two digits each, "0.18 (0.16 to 0.21)"."""
    return f"{digits(found.estimate)} ({digits(found.low)} to {digits(found.high)})"


def digits(value: float) -> str:
    """A number as a sentence takes it: two digits, no exponent."""
    return f"{float(f'{value:.2g}'):,g}".replace("inf", "∞").replace("nan", "unknown")
