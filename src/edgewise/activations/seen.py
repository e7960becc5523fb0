"""Facts read off a function's values (parity, homogeneity, limits), for what declares none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edgewise.activations.definition import Parity

Function = Callable[[Tensor], Tensor]

_AGREE = 1e-12
_OFF_GRID = (1.0, 1.3862943611, 1.7320508076, 2.6651441427, 3.1622776602, 4.8104773810, 7.3890560989)


def _spread() -> Tensor:
    """Magnitudes from 1e-6 to 1e6, most of them moderate, none of them round."""
    moderate = torch.logspace(-6, math.log10(30.0), 241, dtype=torch.float64)
    return torch.cat([moderate, torch.logspace(1.6, 6, 45, dtype=torch.float64)]) * 1.0000317


def parity(sigma: Function) -> Parity | None:
    """Even or odd to 1e-12 of the values at 286 magnitudes, else None."""
    x = _spread()
    right, left = sigma(x), sigma(-x)
    seen = torch.isfinite(right) & torch.isfinite(left)
    right, left = right[seen], left[seen]
    rounding = 1e-15 * float(torch.maximum(right.abs(), left.abs())[x[seen] <= 1].max())
    size = _AGREE * (right.abs() + left.abs()) + rounding
    if bool(((right - left).abs() <= size).all()):
        return "even"
    return "odd" if bool(((right + left).abs() <= size).all()) else None


def homogeneity(sigma: Function) -> float | None:
    """d where sigma(c x) = c**d sigma(x) for all c > 0, to 1e-12; None where there is none."""
    x = _spread()
    degrees = []
    for side in (x, -x):
        value = sigma(side)
        if bool((value == 0).all()):
            continue
        if bool((value == 0).any()) or not bool(torch.isfinite(value).all()) or bool((value * value[0] < 0).any()):
            return None
        ratio = torch.log(value / value[0])[1:] / torch.log(x / x[0])[1:]
        degree = float(ratio[-1])
        degree = round(degree, 10) if abs(degree - round(degree, 10)) < 1e-11 else degree
        if bool((ratio - degree).abs().max() > 1e-11 * (1 + abs(degree))):
            return None
        degrees.append(degree)
    if not degrees or max(degrees) - min(degrees) > 1e-11:
        return None
    if degrees[0] == 0 and bool((sigma(x[:1]) != sigma(torch.zeros_like(x[:1]))).any()):
        return None  # a step, or a rise like that of tanh(1e9 x), narrower than all magnitudes looked at
    return degrees[0] + 0.0


def limits(sigma: Function) -> tuple[float, float]:
    """Values at x -> -inf and x -> +inf; nan where there is none or it cannot be told from the values."""
    return _limit(sigma, -1.0), _limit(sigma, 1.0)


def _limit(sigma: Function, side: float) -> float:
    """The limit on one side, from x = 1e3...1e8 and, free of slow tails but prone to overflow, 1e30...1e60."""
    near, far = (_settled(_tail(sigma, side, span)) for span in ((3, 8), (30, 60)))
    if near is None or far is None or near == far:
        found = far if near is None else near
        return math.nan if found is None else found
    if math.isfinite(near) and math.isfinite(far):
        return far if abs(far - near) <= 1e-4 * max(1.0, abs(far)) else math.nan
    if math.isinf(near) and math.isfinite(far):  # saturates later, or has cancelled
        return far if abs(far) > 1e8 else near
    return near if math.isfinite(near) else math.nan


def _tail(sigma: Function, side: float, decades: tuple[int, int]) -> Tensor:
    """Values at growing |x|, up to where they are lost (nan)."""
    stretch = torch.tensor(_OFF_GRID, dtype=torch.float64)
    x = (10.0 ** torch.arange(*decades, dtype=torch.float64)[:, None] * stretch).reshape(-1)
    value = sigma(side * x)
    lost = torch.isnan(value)
    return value[: int(lost.nonzero()[0])] if bool(lost.any()) else value


def _settled(value: Tensor) -> float | None:
    """The limit that a sequence shows: a constant, +-inf for steady growth, else None."""
    if len(value) < 2 * len(_OFF_GRID):
        return None
    last = float(value[-1])
    if math.isinf(last):
        tail = value[-len(_OFF_GRID) :]
        return last if bool((tail == last).all()) else None
    spread = float(value.max() - value.min())
    if spread <= 1e-9 * max(1.0, abs(last)):
        return float(f"{last:.12g}") + 0.0 if abs(last) > 1e-9 else 0.0
    step = value.diff()
    halfway = float(value[len(value) // 2])
    if abs(last) > 1.001 * abs(halfway) and (bool((step > 0).all()) or bool((step < 0).all())):
        return math.copysign(math.inf, float(step[-1]))
    converging = value[len(value) // 2 :]
    spread = float(converging.max() - converging.min())
    if spread <= 1e-6 * max(1.0, abs(last)):
        return float(f"{last:.6g}") if abs(last) > 1e-6 else 0.0
    return None


def undefined(sigma: Function, special: Sequence[float]) -> tuple[float, float] | None:
    """A point of the line where sigma has no finite value, and the value there; None where it is defined everywhere.

    special: points to look at in particular. Overflow at |x| > 20 is let through.
    """
    near = torch.linspace(-20, 20, 2561, dtype=torch.float64)
    graded = torch.logspace(-9, 9, 1200, dtype=torch.float64)
    points = torch.cat([torch.tensor([*special, 0.0], dtype=torch.float64), near, graded, -graded])
    points = points[torch.argsort(points.abs(), stable=True)]
    value = sigma(points)
    wrong = torch.isnan(value) | (torch.isinf(value) & (points.abs() <= 20))
    if bool(wrong.any()):
        index = int(wrong.nonzero()[0])
        return float(points[index]), float(value[index])
    if not special:
        return None
    at = torch.tensor(special, dtype=torch.float64)  # a pole between two floats is finite on both sides, and enormous
    step = 1e-9 * at.abs().clamp(min=1.0)
    close = torch.stack([sigma(at - step), sigma(at), sigma(at + step)]).abs().amax(0)
    around = torch.stack([sigma(at - 1e-3), sigma(at + 1e-3)]).abs().amax(0)
    poles = close > 1e4 * (1 + around)
    return (min(at[poles].tolist(), key=abs), math.inf) if bool(poles.any()) else None
