"""The law of one unit of a tensor in an infinitely wide random network: its second moment and, where asked, draws.

A linear layer with random weights makes every unit N(0, C_b + C_W <x**2>), independent of all it was computed from;
everything else in a model acts unit by unit. So a unit's law follows exactly through sums, products, norms and
activations: by the theory's averages where it is Gaussian, by draws where it is not (behind a sum of a ReLU and a
branch, say), and draws of related tensors stay related. Draws are stratified, from a fixed seed, and made when used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor

from edgewise import theory
from edgewise.activations import Activation
from edgewise.errors import AverageError

DRAWS = 2**15
"""Second moments read off draws of a law like a ReLU's are then good to about 0.3 %."""


@dataclass(frozen=True, eq=False)
class Signal:
    """One unit of a tensor.

    second, mean: <x**2> and <x>. words: what it is, for people. gaussian: N(0, second), independent from unit to unit.
    activation, kernel: of sigma(z) with z ~ N(0, kernel), at most pooled or dropped since. exact: no assumption has
    entered. roots: the random layers and inputs it depends on; signals without a common root are independent.
    width: how many units, where known. stream: the second moment with which the residual stream began that this is.
    """

    second: float
    words: str
    draw: Callable[[], Tensor]
    mean: float = 0.0
    gaussian: bool = False
    activation: Activation | None = None
    kernel: float | None = None
    exact: bool = True
    roots: frozenset[int] = frozenset()
    width: int | None = None
    stream: float | None = None
    _drawn: list[Tensor] = field(default_factory=list, init=False, repr=False)

    @property
    def values(self) -> Tensor:
        """Draws, float64 of shape (DRAWS,)."""
        if not self._drawn:
            self._drawn.append(self.draw())
        return self._drawn[0]


def gaussian(second: float, words: str, root: int, *, width: int | None = None, exact: bool = True) -> Signal:
    """What a random linear layer gives: N(0, second)."""
    std = math.sqrt(max(second, 0.0))
    return Signal(
        second, words, lambda: std * _normal(root), 0.0, True, exact=exact, roots=frozenset({root}), width=width
    )


def empirical(numbers: Tensor, words: str, root: int, *, width: int | None = None) -> Signal:
    """A unit whose law is that of these numbers: the data, an embedding table."""
    flat = numbers.detach().to("cpu", torch.float64).reshape(-1)
    second, mean = float((flat * flat).mean()), float(flat.mean())
    return Signal(second, words, lambda: _resampled(flat, root), mean, roots=frozenset({root}), width=width)


def assumed(second: float, words: str, root: int) -> Signal:
    """A tensor of which only the mean square is known or stated: drawn as a Gaussian where draws are wanted."""
    return Signal(second, words, lambda: math.sqrt(second) * _normal(root), roots=frozenset({root}), exact=False)


def through(signal: Signal, a: Activation, words: str) -> Signal:
    """sigma of a signal: g(K) where it is Gaussian; second = nan where sigma has no finite average there."""

    def draw() -> Tensor:
        return a(signal.values)

    kept = {"exact": signal.exact, "roots": signal.roots, "width": signal.width}
    if not signal.gaussian or not 0.0 < signal.second < math.inf:
        values = draw()
        return Signal(_mean_square(values), words, lambda: values, float(values.mean()), **kept)  # type: ignore[arg-type]
    try:
        second, mean = moments(a, signal.second)
    except AverageError:
        second = mean = math.nan
    return Signal(second, words, draw, mean, activation=a, kernel=signal.second, **kept)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def moments(a: Activation, kernel: float) -> tuple[float, float]:
    """g(K) and <sigma>_K: in a network at its fixed point the same for every layer."""
    return float(theory.kernel(a, kernel)), float(theory.mean(a, kernel))


def scaled(signal: Signal, factor: float) -> Signal:
    """The signal times a number."""
    square = factor * factor
    return replace(
        signal,
        second=square * signal.second,
        mean=factor * signal.mean,
        draw=lambda: factor * signal.values,
        stream=None if signal.stream is None else square * signal.stream,
    )


def dropped(signal: Signal, p: float, root: int) -> Signal:
    """Behind inverted dropout in training: each value survives with probability 1 - p and is divided by it."""
    if not 0.0 < p < 1.0:
        return signal

    def draw() -> Tensor:
        survives = torch.rand(DRAWS, generator=_generator(root), dtype=torch.float64) >= p
        return torch.where(survives, signal.values / (1.0 - p), 0.0)

    return replace(signal, second=signal.second / (1.0 - p), draw=draw, gaussian=False, roots=signal.roots | {root})


def kept_in_part(signal: Signal, ratio: float, *, exact: bool) -> Signal:
    """A signal of which an average over positions, say, leaves `ratio` of the second moment."""
    return replace(scaled(signal, math.sqrt(ratio)), exact=signal.exact and exact, gaussian=signal.gaussian)


def added(signals: Sequence[Signal], words: str) -> Signal:
    """The sum; exact where the terms are independent, read off draws where they are not."""

    def draw() -> Tensor:
        return torch.stack([s.values for s in signals]).sum(0)

    roots: frozenset[int] = frozenset().union(*(s.roots for s in signals))
    mean = sum(s.mean for s in signals)
    independent = sum(len(s.roots) for s in signals) == len(roots)
    spread = sum(s.second - s.mean * s.mean for s in signals)
    second = spread + mean * mean if independent else _mean_square(draw())
    return Signal(
        second,
        words,
        draw,
        mean,
        gaussian=independent and all(s.gaussian for s in signals),
        exact=all(s.exact for s in signals),
        roots=roots,
        width=next((s.width for s in signals if s.width), None),
    )


def multiplied(signals: Sequence[Signal], words: str) -> Signal:
    """The product of signals, as in a gate."""

    def draw() -> Tensor:
        return torch.stack([s.values for s in signals]).prod(0)

    roots: frozenset[int] = frozenset().union(*(s.roots for s in signals))
    if sum(len(s.roots) for s in signals) == len(roots):
        second, mean = math.prod(s.second for s in signals), math.prod(s.mean for s in signals)
    else:
        values = draw()
        second, mean = _mean_square(values), float(values.mean())
    exact = all(s.exact for s in signals)
    width = next((s.width for s in signals if s.width), None)
    return Signal(second, words, draw, mean, exact=exact, roots=roots, width=width)


def concatenated(signals: Sequence[Signal], words: str) -> Signal:
    """Units of several signals side by side: means weighted by their widths, all alike where one is not known."""
    widths = [s.width for s in signals]
    known = [w for w in widths if w is not None]
    sizes = known if len(known) == len(widths) else [1] * len(widths)
    total = sum(sizes)

    def mixed() -> Tensor:
        which = torch.multinomial(
            torch.tensor(sizes, dtype=torch.float64), DRAWS, replacement=True, generator=_generator(0)
        )
        return torch.stack([s.values for s in signals]).gather(0, which[None])[0]

    return Signal(
        sum(size * s.second for size, s in zip(sizes, signals, strict=True)) / total,
        words,
        mixed,
        sum(size * s.mean for size, s in zip(sizes, signals, strict=True)) / total,
        exact=all(s.exact for s in signals) and len(known) == len(widths),
        roots=frozenset().union(*(s.roots for s in signals)),
        width=total if len(known) == len(widths) else None,
    )


def normalised(signal: Signal, weight: Tensor | None, bias: Tensor | None, *, eps: float, centred: bool) -> Signal:
    """Behind a norm: unit variance (centred) or unit mean square, then times weight plus bias, unit by unit.

    <x**2> = <weight**2> K/(K + eps) + <bias**2> for a mean-free signal.
    """
    shift = signal.mean if centred else 0.0
    size = signal.second - shift * shift
    inverse = 1.0 / math.sqrt(size + eps) if size + eps > 0.0 else 0.0
    w = torch.ones(1, dtype=torch.float64) if weight is None else weight.detach().to("cpu", torch.float64).reshape(-1)
    b = torch.zeros(1, dtype=torch.float64) if bias is None else bias.detach().to("cpu", torch.float64).reshape(-1)
    plain = bool((w == w[0]).all()) and not bool(b.any())

    def draw() -> Tensor:
        unit = torch.arange(DRAWS)
        return (signal.values - shift) * inverse * w[unit % len(w)] + b[unit % len(b)]

    mean = (signal.mean - shift) * inverse
    second = size * inverse * inverse
    return replace(
        signal,
        second=_mean_square(w) * second + 2.0 * mean * _mean_product(w, b) + _mean_square(b),
        mean=mean * float(w.mean()) + float(b.mean()),
        draw=draw,
        gaussian=signal.gaussian and plain,
        activation=None,
        kernel=None,
        stream=None,
    )


def mapped_by_statistics(
    signal: Signal, variance: Tensor, mean: Tensor, weight: Tensor | None, bias: Tensor | None, *, eps: float
) -> Signal:
    """Behind batch normalisation that applies stored statistics of each unit: an affine map, no reset."""
    scale = (variance.detach().to("cpu", torch.float64) + eps).rsqrt()
    if weight is not None:
        scale = scale * weight.detach().to("cpu", torch.float64)
    shift = -scale * mean.detach().to("cpu", torch.float64)
    if bias is not None:
        shift = shift + bias.detach().to("cpu", torch.float64)
    unit = torch.arange(DRAWS)

    def draw() -> Tensor:
        return signal.values * scale[unit % len(scale)] + shift[unit % len(shift)]

    square = _mean_square(scale) * signal.second + _mean_square(shift)
    return replace(
        signal,
        second=square + 2.0 * signal.mean * float((scale * shift).mean()),
        mean=signal.mean * float(scale.mean()) + float(shift.mean()),
        draw=draw,
        gaussian=False,
        activation=None,
        kernel=None,
        stream=None,
    )


def _mean_product(w: Tensor, b: Tensor) -> float:
    return float((w * b).mean()) if len(w) == len(b) else float(w.mean() * b.mean())


def _mean_square(values: Tensor) -> float:
    return float((values * values).mean())


@lru_cache(maxsize=1)
def _quantiles() -> Tensor:
    """The midpoints of DRAWS equally likely slices of N(0, 1), scaled to variance 1."""
    middle = (torch.arange(DRAWS, dtype=torch.float64) + 0.5) / DRAWS
    points: Tensor = torch.special.ndtri(middle)
    return points / math.sqrt(_mean_square(points))


def _generator(root: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000_003 * (root + 1))


def _normal(root: int) -> Tensor:
    return _quantiles()[torch.randperm(DRAWS, generator=_generator(root))]


def _resampled(flat: Tensor, root: int) -> Tensor:
    return flat[torch.randint(len(flat), (DRAWS,), generator=_generator(root))]
