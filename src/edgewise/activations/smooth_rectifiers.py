"""Smoothed rectifiers: softplus and its relatives, the exponential linear units, SmeLU."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise.activations.definition import Definition, Facts, Parameter
from edgewise.activations.elementary import (
    Value,
    constant,
    distance,
    finite,
    keep_nan,
    logistic,
    logistic_curvature,
    logistic_slope,
    root,
    slope_times,
    softplus,
    step,
)
from edgewise.activations.latex import tex, times
from edgewise.activations.pieces import Piece, polynomial
from edgewise.activations.registry import register

_RECTIFIES = (0.0, math.inf)

# --- softplus and logsigmoid

SOFTPLUS = register(
    Definition(
        name="softplus",
        derivatives=(
            lambda x, beta: softplus(beta * x) / beta,
            lambda x, beta: logistic(beta * x),
            lambda x, beta: beta * logistic_slope(beta * x),
            lambda x, beta: beta**2 * logistic_curvature(beta * x),
        ),
        backward=lambda grad, x, beta: torch.ops.aten.softplus_backward(grad, x, beta, 40.0),
        parameters=(Parameter("beta", 1.0, low=0.0, open_low=True, doc="sharpness; infinity is ReLU"),),
        facts=lambda beta: Facts(
            formula=r"\ln(1+e^x)" if beta == 1 else rf"\ln(1+e^{{{tex(beta)}\,x}})/{tex(beta)}",
            limits=_RECTIFIES,
        ),
        source="Dugas, Bengio, Bélisle, Nadeau & Garcia, NeurIPS 2000",
        summary="ReLU smoothed by a logistic density.",
    )
)

LOGSIGMOID = register(
    Definition(
        name="logsigmoid",
        derivatives=(
            lambda x: -softplus(-x),
            lambda x: logistic(-x),
            lambda x: -logistic_slope(x),
            lambda x: -logistic_curvature(x),
        ),
        facts=lambda: Facts(formula=r"-\ln(1+e^{-x})", limits=(-math.inf, 0.0)),
        source="classical; torch.nn.LogSigmoid",
        summary="Logarithm of the sigmoid: softplus turned by half a turn.",
    )
)

# --- squareplus: half the sum of |x| and sqrt(x**2 + b); for x < 0 through its reciprocal, which does not cancel


def _half_sum(x: Tensor, b: Value) -> Tensor:
    return 0.5 * distance(x) + 0.5 * root(x, b)


def _squareplus(x: Tensor, b: Value) -> Tensor:
    half = _half_sum(x, b)
    return torch.where(x >= 0, half, 0.25 * b / half)


def _squareplus_first(x: Tensor, b: float) -> Tensor:
    t = finite(x)
    half, r = _half_sum(t, b), root(t, b)
    return torch.where(t > 0, half / r, 0.25 * b / half / r)


def _squareplus_second(x: Tensor, b: float) -> Tensor:
    r = root(x, b)
    return 0.5 * b / r / r / r


SQUAREPLUS = register(
    Definition(
        name="squareplus",
        derivatives=(_squareplus, _squareplus_first, _squareplus_second),
        parameters=(Parameter("b", 4.0, low=0.0, open_low=True, doc="size of the rounded region; 0 is ReLU"),),
        facts=lambda b: Facts(formula=rf"\frac{{1}}{{2}}\left(x+\sqrt{{x^2+{tex(b)}}}\right)", limits=_RECTIFIES),
        source="Barron, arXiv 2112.11687",
        summary="A softplus made of a square root alone.",
    )
)


def _bent_identity(x: Tensor) -> Tensor:
    t = finite(x)
    return x * (1 + 0.5 * t / (root(t, 1.0) + 1))


def _bent_identity_first(x: Tensor) -> Tensor:
    t = finite(x)
    return 0.5 * t / root(t, 1.0) + 1


def _bent_identity_second(x: Tensor) -> Tensor:
    r = root(x, 1.0)
    return 0.5 / r / r / r


BENT_IDENTITY = register(
    Definition(
        name="bent_identity",
        derivatives=(_bent_identity, _bent_identity_first, _bent_identity_second),
        facts=lambda: Facts(formula=r"\frac{1}{2}\left(\sqrt{x^2+1}-1\right)+x", limits=(-math.inf, math.inf)),
        source="classical; a list of it: Dubey, Singh & Chaudhuri, arXiv 2109.14545",
        summary="A line that bends smoothly from slope 1/2 to slope 3/2.",
    )
)

# --- exponential linear units


def _elu(x: Tensor, alpha: Value) -> Tensor:
    if isinstance(alpha, float | int):
        return F.elu(x, alpha)
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp_max(0.0)))


def _elu_first(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x > 0, 1.0, alpha * torch.exp(x.clamp_max(0.0)))


def _elu_second(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x > 0, 0.0, alpha * torch.exp(x.clamp_max(0.0)))


ELU = register(
    Definition(
        name="elu",
        derivatives=(_elu, _elu_first, _elu_second, _elu_second, _elu_second),
        backward=lambda grad, x, alpha: torch.ops.aten.elu_backward(grad, alpha, 1.0, 1.0, False, x),
        parameters=(Parameter("alpha", 1.0, low=0.0, open_low=True, doc="saturates at -alpha"),),
        facts=lambda alpha: Facts(
            formula=rf"\max(x,0) + {times(alpha)}(e^{{\min(x,0)}}-1)",
            limits=(-alpha, math.inf),
            kinks=(0.0,),
            smoothness=1 if alpha == 1 else 0,
        ),
        source="Clevert, Unterthiner & Hochreiter, arXiv 1511.07289",
        summary="ReLU with an exponential tail that saturates at -alpha.",
    )
)


def _celu(x: Tensor, alpha: Value) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1((x / alpha).clamp_max(0.0)))


def _celu_order(order: int) -> Callable[..., Tensor]:
    def form(x: Tensor, alpha: float) -> Tensor:
        tail = torch.exp((x / alpha).clamp_max(0.0)) / alpha ** (order - 1)
        return torch.where(x > 0, 1.0 if order == 1 else 0.0, tail)

    return form


CELU = register(
    Definition(
        name="celu",
        derivatives=(_celu, *(_celu_order(k) for k in range(1, 5))),
        parameters=(Parameter("alpha", 1.0, low=0.0, open_low=True, doc="saturates at -alpha"),),
        facts=lambda alpha: Facts(
            formula=(
                r"\max(x,0) + e^{\min(x,0)}-1"
                if alpha == 1
                else rf"\max(x,0) + {times(alpha)}(e^{{\min(x,0)/{tex(alpha)}}}-1)"
            ),
            limits=(-alpha, math.inf),
            kinks=(0.0,),
            smoothness=1,
        ),
        source="Barron, arXiv 1704.07483",
        summary="ELU whose slope is continuous at every alpha.",
    )
)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946

SELU = register(
    Definition(
        name="selu",
        derivatives=(
            lambda x: _SELU_SCALE * _elu(x, _SELU_ALPHA),
            lambda x: _SELU_SCALE * _elu_first(x, _SELU_ALPHA),
            lambda x: _SELU_SCALE * _elu_second(x, _SELU_ALPHA),
        ),
        facts=lambda: Facts(
            formula=r"\lambda\left(\max(x,0) + \alpha\,(e^{\min(x,0)}-1)\right)",
            limits=(-_SELU_SCALE * _SELU_ALPHA, math.inf),
            kinks=(0.0,),
            smoothness=0,
        ),
        source="Klambauer, Unterthiner, Mayr & Hochreiter, arXiv 1706.02515",
        summary="ELU scaled so that mean 0 and variance 1 are a fixed point.",
    )
)

# --- smelu and gsmelu: straight lines joined by a parabola


def _ramp(u: Tensor, width: Value) -> Tensor:
    """0 for u <= 0, u**2 / (2 width) up to u = width, and frozen there."""
    inside = torch.where(u > 0, u, 0.0)
    inside = torch.where(inside < width, inside, width)
    return keep_nan(u, 0.5 * inside * (inside / width))


def _smelu(x: Tensor, beta: Value) -> Tensor:
    return torch.where(x >= beta, x, _ramp(x + beta, 2 * beta))


SMELU = register(
    Definition(
        name="smelu",
        derivatives=(
            _smelu,
            lambda x, beta: ((x + beta) * (0.5 / beta)).clamp(0.0, 1.0),
            lambda x, beta: step(x, (x > -beta) & (x < beta), 0.5 / beta),
            lambda x, beta: constant(x, 0.0),
        ),
        parameters=(Parameter("beta", 1.0, low=0.0, open_low=True, doc="half-width of the parabola"),),
        facts=lambda beta: Facts(
            formula=rf"\max(x+{tex(beta)},0)^2/{tex(4 * beta)}\ \text{{for}}\ x<{tex(beta)},\quad x\ \text{{beyond}}",
            limits=_RECTIFIES,
            kinks=(-beta, beta),
            smoothness=1,
            pieces=(
                polynomial([], high=-beta),
                polynomial([0.25 * beta, 0.5, 0.25 / beta], low=-beta, high=beta),
                polynomial([0.0, 1.0], low=beta),
            ),
        ),
        source="Shamir, Lin & Coviello, arXiv 2010.09931; Shamir & Lin, arXiv 2202.06499",
        summary="ReLU smoothed by a box: two lines joined by a parabola.",
    )
)


def _gsmelu(x: Tensor, alpha: Value, beta: Value, g_minus: Value, g_plus: Value, t: Value) -> Tensor:
    width, bend = alpha + beta, g_plus - g_minus
    left = t + slope_times(g_minus, x + alpha) + bend * _ramp(x + alpha, width)
    right = t + 0.5 * width * (g_plus + g_minus) + slope_times(g_plus, x - beta) + bend * _ramp(beta - x, width)
    return torch.where(x > 0.5 * (beta - alpha), right, left)  # each half from its own line, where zeros do not cancel


def _gsmelu_first(x: Tensor, alpha: float, beta: float, g_minus: float, g_plus: float, t: float) -> Tensor:
    share = ((x + alpha) / (alpha + beta)).clamp(0.0, 1.0)
    return g_minus * (1 - share) + g_plus * share


def _gsmelu_second(x: Tensor, alpha: float, beta: float, g_minus: float, g_plus: float, t: float) -> Tensor:
    return step(x, (x > -alpha) & (x < beta), (g_plus - g_minus) / (alpha + beta))


def _gsmelu_pieces(alpha: float, beta: float, g_minus: float, g_plus: float, t: float) -> tuple[Piece, ...]:
    width = alpha + beta
    square = 0.5 * (g_plus - g_minus) / width
    slope = (alpha * g_plus + beta * g_minus) / width
    level = t + (alpha**2 * (g_plus + g_minus) + 2 * alpha * beta * g_minus) / (2 * width)
    right = t + 0.5 * width * (g_plus + g_minus) - g_plus * beta
    return (
        polynomial([t + g_minus * alpha, g_minus], high=-alpha),
        polynomial([level, slope, square], low=-alpha, high=beta),
        polynomial([right, g_plus], low=beta),
    )


def _gsmelu_facts(alpha: float, beta: float, g_minus: float, g_plus: float, t: float) -> Facts:
    pieces = _gsmelu_pieces(alpha, beta, g_minus, g_plus, t)
    left = t if g_minus == 0 else -math.copysign(math.inf, g_minus)
    right = t + 0.5 * (alpha + beta) * g_minus if g_plus == 0 else math.copysign(math.inf, g_plus)
    bends = g_plus != g_minus
    return Facts(
        formula=(
            rf"\text{{slope}}\ {tex(g_minus)}\ \text{{below}}\ {tex(-alpha)},"
            rf"\ {tex(g_plus)}\ \text{{above}}\ {tex(beta)},"
            rf"\ \text{{parabola between}},\ \sigma({tex(-alpha)})={tex(t)}"
        ),
        limits=(left, right),
        kinks=(-alpha, beta) if bends else (),
        smoothness=1 if bends else math.inf,
        pieces=pieces,
    )


GSMELU = register(
    Definition(
        name="gsmelu",
        derivatives=(_gsmelu, _gsmelu_first, _gsmelu_second, lambda x, **parameters: constant(x, 0.0)),
        parameters=(
            Parameter("alpha", 0.1, low=0.0, open_low=True, doc="the parabola starts at -alpha"),
            Parameter("beta", 0.1, low=0.0, open_low=True, doc="the parabola ends at beta"),
            Parameter("g_minus", 0.01, doc="slope of the left line"),
            Parameter("g_plus", 1.0, doc="slope of the right line"),
            Parameter(
                "t",
                -0.001,
                derived=lambda alpha, beta, g_minus, g_plus: -g_minus * alpha,
                doc="value at -alpha; unless given, such that the left line passes through the origin",
            ),
        ),
        facts=_gsmelu_facts,
        source="Shamir, Lin & Coviello, arXiv 2010.09931, eq. (11)",
        summary="Two lines of any slopes joined by a parabola.",
    )
)
