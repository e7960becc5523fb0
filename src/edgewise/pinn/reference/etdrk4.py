"""Stiff equations in Fourier space: exponential time differencing with a fourth-order Runge-Kutta method."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_CIRCLE = 64  # points of the contour; 32 give rounding accuracy already (Kassam & Trefethen 2005, section 3)

Nonlinear = Callable[[Tensor, float], Tensor]
"""(spectrum, time) -> the spectrum of everything but the linear part."""


@dataclass(frozen=True)
class _Weights:
    """The coefficients of one step of length h, complex128 [mode]."""

    full: Tensor
    half: Tensor
    stage: Tensor
    first: Tensor
    middle: Tensor
    last: Tensor


def integrate(
    linear: Tensor, nonlinear: Nonlinear, initial: Tensor, *, duration: float, steps: int, keep: int
) -> Tensor:
    """The solution of v' = linear v + nonlinear(v, t) for a spectrum v, at keep + 1 equally spaced times from 0.

    linear: [mode], real or complex. initial: complex128 [mode]. steps: a multiple of `keep`. Result: [time, mode].
    Cox & Matthews 2002, equations 26-29.
    """
    h = duration / steps
    w = _weights(linear, h)
    v = initial
    found = [v]
    for step in range(steps):
        t = step * h
        at_start = nonlinear(v, t)
        decayed = w.half * v
        a = decayed + w.stage * at_start
        at_a = nonlinear(a, t + h / 2)
        b = decayed + w.stage * at_a
        at_b = nonlinear(b, t + h / 2)
        c = w.half * a + w.stage * (2.0 * at_b - at_start)
        at_c = nonlinear(c, t + h)
        v = w.full * v + w.first * at_start + w.middle * (at_a + at_b) + w.last * at_c
        if (step + 1) % (steps // keep) == 0:
            found.append(v)
    return torch.stack(found)


def _weights(linear: Tensor, h: float) -> _Weights:
    """Means over a circle about h * linear: near 0 the formulas cancel (Kassam & Trefethen 2005, eq. 2.5)."""
    z = h * linear.to(torch.complex128)
    angle = 2.0 * math.pi * (torch.arange(_CIRCLE, dtype=torch.float64) + 0.5) / _CIRCLE
    r = z[:, None] + torch.polar(torch.ones_like(angle), angle)
    e = torch.exp(r)
    return _Weights(
        full=torch.exp(z),
        half=torch.exp(z / 2),
        stage=h * ((torch.exp(r / 2) - 1.0) / r).mean(1),
        first=h * ((-4.0 - r + e * (4.0 - 3.0 * r + r**2)) / r**3).mean(1),
        middle=2.0 * h * ((2.0 + r + e * (r - 2.0)) / r**3).mean(1),
        last=h * ((-4.0 - 3.0 * r - r**2 + e * (4.0 - r)) / r**3).mean(1),
    )
