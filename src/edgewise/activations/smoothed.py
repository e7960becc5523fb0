"""RESCU: rectifiers smoothed by a kernel, sigma(x) = integral of relu(x - t) k(t) dt (Shamir, Lin & Coviello).

The slope is then the distribution function of the kernel and the curvature the kernel itself. SmeLU is the box,
softplus the logistic kernel; triangle, Epanechnikov and Gaussian kernels are registered here, and any other density or
any rising slope function makes one through `rescu` and `rescu_from_slope`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from edgewise.activations.antiderivatives import Antiderivatives, Function, checked_interval
from edgewise.activations.definition import Activation, Definition, Facts, Parameter
from edgewise.activations.elementary import (
    DECAYED,
    Value,
    constant,
    distance,
    keep_nan,
)
from edgewise.activations.forward_mode import along_x
from edgewise.activations.latex import tex
from edgewise.activations.normal import normal_cdf, normal_density, normal_overhang, normal_overhang_single
from edgewise.activations.pieces import polynomial
from edgewise.activations.registry import register, registered
from edgewise.errors import SpecError

_SOURCE = "Shamir, Lin & Coviello, arXiv 2010.09931 (RESCU: a ReLU smoothed by a kernel)"
_HALF_WIDTH = (Parameter("beta", 1.0, low=0.0, open_low=True, doc="half-width of the kernel"),)

# --- triangle: k(u) = 1 - |u|


def _triangle(x: Tensor, beta: Value) -> Tensor:
    u = (x / beta).clamp(-1.0, 1.0)
    rise = torch.where(u > 0, u + (1 - u) ** 3 / 6, (1 + u) ** 3 / 6)
    return torch.where(x >= beta, x, beta * rise)


def _triangle_first(x: Tensor, beta: float) -> Tensor:
    u = (x / beta).clamp(-1.0, 1.0)
    return torch.where(u > 0, 1 - 0.5 * (1 - u).square(), 0.5 * (1 + u).square())


def _triangle_second(x: Tensor, beta: float) -> Tensor:
    return (1 - (x / beta).clamp(-1.0, 1.0).abs()) / beta


TRIANGLE = register(
    Definition(
        name="rescu_triangle",
        derivatives=(_triangle, _triangle_first, _triangle_second),
        parameters=_HALF_WIDTH,
        facts=lambda beta: Facts(
            formula=rf"\max(\cdot,0) * k,\quad k(t) = \max(1-|t|/{tex(beta)},\,0)/{tex(beta)}",
            limits=(0.0, math.inf),
            kinks=(-beta, 0.0, beta),
            smoothness=2,
            pieces=(
                polynomial([], high=-beta),
                polynomial([beta / 6, 0.5, 0.5 / beta, 1 / (6 * beta**2)], low=-beta, high=0.0),
                polynomial([beta / 6, 0.5, 0.5 / beta, -1 / (6 * beta**2)], low=0.0, high=beta),
                polynomial([0.0, 1.0], low=beta),
            ),
        ),
        source=_SOURCE,
        summary="ReLU smoothed by a triangle: a cubic spline with a continuous curvature.",
    )
)

# --- Epanechnikov: k(u) = 3/4 (1 - u**2)


def _epanechnikov(x: Tensor, beta: Value) -> Tensor:
    u = (x / beta).clamp(-1.0, 1.0)
    return torch.where(x >= beta, x, beta * (1 + u) ** 3 * (3 - u) / 16)


def _epanechnikov_first(x: Tensor, beta: float) -> Tensor:
    u = (x / beta).clamp(-1.0, 1.0)
    return (1 + u).square() * (2 - u) / 4


def _epanechnikov_second(x: Tensor, beta: float) -> Tensor:
    u = (x / beta).clamp(-1.0, 1.0)
    return (1 + u) * (1 - u) * (0.75 / beta)


EPANECHNIKOV = register(
    Definition(
        name="rescu_epanechnikov",
        derivatives=(_epanechnikov, _epanechnikov_first, _epanechnikov_second),
        parameters=_HALF_WIDTH,
        facts=lambda beta: Facts(
            formula=rf"\max(\cdot,0) * k,\quad k(t) = \frac{{3}}{{4}}\max(1-(t/{tex(beta)})^2,\,0)/{tex(beta)}",
            limits=(0.0, math.inf),
            kinks=(-beta, beta),
            smoothness=2,
            pieces=(
                polynomial([], high=-beta),
                polynomial([3 * beta / 16, 0.5, 0.375 / beta, 0.0, -1 / (16 * beta**3)], low=-beta, high=beta),
                polynomial([0.0, 1.0], low=beta),
            ),
        ),
        source=_SOURCE,
        summary="ReLU smoothed by a parabola: a quartic joins the two lines.",
    )
)

# --- Gaussian of standard deviation beta: x Phi(x/beta) + beta phi(x/beta)


def _gaussian(x: Tensor, beta: Value) -> Tensor:
    w = distance(x / beta)
    single = x.dtype == torch.float32 and not isinstance(beta, Tensor)
    return torch.where(x >= 0, x, 0.0) + beta * (normal_overhang_single(w) if single else normal_overhang(w))


GAUSSIAN_KERNEL = register(
    Definition(
        name="rescu_gaussian",
        derivatives=(
            _gaussian,
            lambda x, beta: normal_cdf(x / beta),
            lambda x, beta: normal_density(x / beta) / beta,
            lambda x, beta: _gaussian_third((x / beta).clamp(-DECAYED, DECAYED), beta),
        ),
        parameters=(Parameter("beta", 1.0, low=0.0, open_low=True, doc="standard deviation of the kernel"),),
        facts=lambda beta: Facts(
            formula=rf"x\,\Phi(x/{tex(beta)}) + {tex(beta)}\,\varphi(x/{tex(beta)})"
            if beta != 1
            else r"x\,\Phi(x) + \varphi(x)",
            limits=(0.0, math.inf),
        ),
        source=_SOURCE,
        summary="ReLU smoothed by a normal density: the mean of relu(x + beta z).",
    )
)


def _gaussian_third(u: Tensor, beta: float) -> Tensor:
    return -u * normal_density(u) / beta**2


# --- constructors

Kernel = Literal["box", "triangle", "epanechnikov", "gaussian", "logistic"]
_NAMED: dict[str, tuple[str, Callable[[float], float]]] = {
    "box": ("smelu", lambda beta: beta),
    "triangle": ("rescu_triangle", lambda beta: beta),
    "epanechnikov": ("rescu_epanechnikov", lambda beta: beta),
    "gaussian": ("rescu_gaussian", lambda beta: beta),
    "logistic": ("softplus", lambda beta: 1 / beta),
}


def rescu(
    kernel: Kernel | str | Function,
    *,
    beta: float | None = None,
    support: tuple[float, float] | None = None,
    kinks: Sequence[float] = (),
    smoothness: float | None = None,
    name: str = "rescu",
) -> Activation:
    """ReLU smoothed by a kernel: sigma(x) = integral of relu(x - t) k(t) dt, sigma' its distribution function.

    kernel: "box" (SmeLU), "triangle", "epanechnikov", "gaussian", "logistic" (softplus), or a density: a function of a
        tensor, elementwise, nonnegative, with integral 1.
    beta: size of a named kernel, default 1: half-width of the first three, standard deviation of the Gaussian, scale of
        the logistic (softplus with beta = 1/scale).
    support, kinks: for a density: the interval outside which it is 0 (finite; default (-1, 1)), and the points inside
        where it is not smooth.
    smoothness: k of C^k where you know it; default 1 where the density jumps, else 2.
    Raises SpecError for an unknown kernel and for a density that is negative or whose integral is not 1.
    Source: Shamir, Lin & Coviello, arXiv 2010.09931.
    """
    if isinstance(kernel, str):
        if kernel not in _NAMED:
            raise SpecError(f"no kernel named {kernel!r}; expected one of {', '.join(_NAMED)}, or a density")
        if support is not None or kinks or smoothness is not None:
            raise SpecError(f"kernel {kernel!r} brings its own support; give beta= instead, or a density")
        family, sized = _NAMED[kernel]
        size = 1.0 if beta is None else beta
        if not isinstance(size, int | float) or not 0 < size < math.inf:
            raise SpecError(f"rescu: beta={size!r} given, expected a finite number > 0; try beta=1.0")
        return registered(family, beta=sized(float(size)))
    if beta is not None:
        raise SpecError("rescu: beta= sizes a named kernel; scale the density itself instead")
    low, high = checked_interval(name, support or (-1.0, 1.0))
    integrals = Antiderivatives(kernel, low, high, kinks)
    total, at_high = integrals.total
    density = _inside(kernel, low, high)
    grid = torch.linspace(low, high, 1025, dtype=torch.float64)
    if not bool((density(grid) >= 0).all()):
        raise SpecError(f"{name}: the density is negative somewhere in ({low:g}, {high:g}); expected k(t) >= 0")
    if not abs(total - 1) < 1e-9:
        raise SpecError(
            f"{name}: the density integrates to {total:.9g} over ({low:g}, {high:g}), expected 1; rescale it"
        )

    def value(x: Tensor) -> Tensor:
        return torch.where(x > high, x + (at_high - high), integrals.second(x))

    edges = (low, *sorted(k for k in kinks if low < k < high), high)
    return Activation(
        Definition(
            name=name,
            derivatives=(value, integrals.first, density),
            facts=lambda: Facts(
                formula=r"\int \max(x-t, 0)\,k(t)\,dt",
                limits=(0.0, math.inf),
                kinks=edges,
                smoothness=_smoothness(density, edges) if smoothness is None else smoothness,
            ),
            source=_SOURCE,
            summary="ReLU smoothed by a given kernel.",
            opaque=True,
            remake=partial(rescu, kernel, support=(low, high), kinks=kinks, smoothness=smoothness, name=name),
        )
    )


def rescu_from_slope(
    slope: Function,
    *,
    support: tuple[float, float] = (-1.0, 1.0),
    kinks: Sequence[float] = (),
    smoothness: float | None = None,
    name: str = "rescu",
) -> Activation:
    """The function whose slope rises as given: from slope(low) on the left of `support` to slope(high) on its right.

    slope: a function of a tensor, elementwise, differentiable by torch, nowhere falling on `support`; beyond it the
        slope is held at its end values, and the left line passes through the origin.
    kinks: points inside where the slope is not smooth. smoothness: k of C^k where you know it; default 1.
    Raises SpecError for a slope that falls. Source: Shamir, Lin & Coviello, arXiv 2010.09931.
    """
    low, high = checked_interval(name, support)
    grid = torch.linspace(low, high, 1025, dtype=torch.float64)
    heights = slope(grid)
    left, right = float(heights[0]), float(heights[-1])
    if not bool((heights.diff() >= -1e-12 * heights.abs().max()).all()):
        raise SpecError(f"{name}: the slope falls somewhere in ({low:g}, {high:g}); expected one that rises")
    integrals = Antiderivatives(lambda t: slope(t) - left, low, high, kinks)
    rise, _ = integrals.total
    level = left * high + rise

    def value(x: Tensor) -> Tensor:
        inside = x.clamp(low, high)
        middle = left * inside + integrals.first(x)
        outside = torch.where(x < low, _line(left, x), level + _line(right, x - high))
        return torch.where((x < low) | (x > high), outside, middle)

    def curvature(x: Tensor) -> Tensor:
        t = x.clamp(low, high)
        return keep_nan(x, torch.where((x > low) & (x < high), along_x(slope, t), 0.0))

    edges = (low, *sorted(k for k in kinks if low < k < high), high)
    return Activation(
        Definition(
            name=name,
            derivatives=(value, lambda x: slope(x.clamp(low, high)), curvature),
            facts=lambda: Facts(
                formula=r"\int^x s(t)\,dt",
                limits=(_at_infinity(-left), level if right == 0 else _at_infinity(right)),
                kinks=edges,
                smoothness=1 if smoothness is None else smoothness,
            ),
            source=_SOURCE,
            summary="Built from a slope that rises from one constant to another.",
            opaque=True,
            remake=partial(rescu_from_slope, slope, support=(low, high), kinks=kinks, smoothness=smoothness, name=name),
        )
    )


def _line(slope: float, x: Tensor) -> Tensor:
    return slope * x if slope else constant(x, 0.0)


def _at_infinity(slope: float) -> float:
    return math.copysign(math.inf, slope) if slope else 0.0


def _inside(kernel: Function, low: float, high: float) -> Function:
    """The density, 0 outside its support."""

    def density(x: Tensor) -> Tensor:
        return keep_nan(x, torch.where((x > low) & (x < high), kernel(x.clamp(low, high)), 0.0))

    return density


def _smoothness(density: Function, edges: Sequence[float]) -> int:
    """1 where the density jumps at one of the edges, else 2."""
    low, high = edges[0], edges[-1]
    step = 1e-9 * (high - low)
    points = torch.tensor(edges, dtype=torch.float64)
    jumps = (density(points + step) - density(points - step)).abs().max()
    size = density(torch.linspace(low, high, 1025, dtype=torch.float64)).max()
    return 1 if bool(jumps > 1e-6 * size) else 2
