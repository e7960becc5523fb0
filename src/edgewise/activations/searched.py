"""What the search for activation functions found beside swish (Ramachandran, Zoph & Le, arXiv 1710.05941)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.definition import Definition, Facts
from edgewise.activations.elementary import (
    finite,
    keep_nan,
    logistic,
    logistic_curvature,
    logistic_slope,
    root,
    sech_squared,
)
from edgewise.activations.oscillating import sinc, sinc_first, sinc_second
from edgewise.activations.pieces import BandLimited, Piece, Term, cosine, polynomial, sine
from edgewise.activations.registry import register

_SOURCE = "Ramachandran, Zoph & Le, arXiv 1710.05941, tables 1 and 2"

_CROSSING = 0.659046068407406704
"""Where x = sigmoid(x)."""


MAX_SIGMOID = register(
    Definition(
        name="max_sigmoid",
        derivatives=(
            lambda x: torch.where(x > _CROSSING, x, logistic(x)),
            lambda x: torch.where(x > _CROSSING, 1.0, logistic_slope(x)),
            lambda x: torch.where(x > _CROSSING, 0.0, logistic_curvature(x)),
        ),
        facts=lambda: Facts(
            formula=r"\max(x, \mathrm{sigmoid}(x))", limits=(0.0, math.inf), kinks=(_CROSSING,), smoothness=0
        ),
        source=_SOURCE,
        summary="Sigmoid up to where it meets the diagonal, the identity beyond.",
    )
)

COS_MINUS_X = register(
    Definition(
        name="cos_minus_x",
        derivatives=(
            lambda x: torch.cos(finite(x)) - x,
            lambda x: -2 * torch.sin(0.5 * x + math.pi / 4).square(),  # -1 - sin(x) without cancellation
            lambda x: -torch.cos(x),
            torch.sin,
        ),
        facts=lambda: Facts(
            formula=r"\cos x - x",
            limits=(math.inf, -math.inf),
            pieces=(Piece(-math.inf, math.inf, (Term(-1.0, 1), *cosine(1.0))),),
        ),
        source=_SOURCE,
        summary="A falling line with a ripple.",
    )
)

MIN_SIN = register(
    Definition(
        name="min_sin",
        derivatives=(
            lambda x: torch.where(x > 0, torch.sin(x.clamp_min(0.0)), x),
            lambda x: keep_nan(x, torch.where(x > 0, torch.cos(x.clamp_min(0.0)), 1.0)),
            lambda x: -torch.sin(x.clamp_min(0.0)),
        ),
        facts=lambda: Facts(
            formula=r"\min(x, \sin x)",
            limits=(-math.inf, math.nan),
            kinks=(0.0,),
            smoothness=2,
            pieces=(polynomial([0.0, 1.0], high=0.0), Piece(0.0, math.inf, sine(1.0))),
        ),
        source=_SOURCE,
        summary="The identity for x < 0, sine for x > 0; the third derivative jumps at the origin.",
    )
)


def _arctan_squared_second(x: Tensor) -> Tensor:
    t = finite(x)
    r = 1 / root(t, 1.0)
    return 2 * (r * r * r) * (r - 2 * (t * r) * torch.atan(t))


ARCTAN_SQUARED_MINUS_X = register(
    Definition(
        name="arctan_squared_minus_x",
        derivatives=(
            lambda x: torch.atan(x).square() - x,
            lambda x: 2 * torch.atan(x) * (1 / root(x, 1.0)).square() - 1,
            _arctan_squared_second,
        ),
        facts=lambda: Facts(formula=r"(\arctan x)^2 - x", limits=(math.inf, -math.inf)),
        source=_SOURCE,
        summary="A falling line with a dent.",
    )
)

MAX_TANH = register(
    Definition(
        name="max_tanh",
        derivatives=(
            lambda x: torch.where(x > 0, x, torch.tanh(x)),
            lambda x: torch.where(x > 0, 1.0, sech_squared(x)),
            lambda x: torch.where(x > 0, 0.0, -2 * torch.tanh(x) * sech_squared(x)),
        ),
        facts=lambda: Facts(formula=r"\max(x, \tanh x)", limits=(-1.0, math.inf), kinks=(0.0,), smoothness=2),
        source=_SOURCE,
        summary="tanh for x < 0, the identity for x > 0; the third derivative jumps at the origin.",
    )
)

SINC_PLUS_X = register(
    Definition(
        name="sinc_plus_x",
        derivatives=(lambda x: sinc(x) + x, lambda x: sinc_first(x) + 1, sinc_second),
        facts=lambda: Facts(
            formula=r"\frac{\sin \pi x}{\pi x} + x",
            limits=(-math.inf, math.inf),
            bandlimited=BandLimited(math.pi, coefficients=(0.0, 1.0)),
        ),
        source=_SOURCE,
        summary="The identity with a bump at the origin.",
    )
)


def _x_arcsinh_squared_first(x: Tensor) -> Tensor:
    t = finite(x)
    arcsinh = torch.asinh(x)
    return arcsinh * (arcsinh + 2 * (t / root(t, 1.0)))


def _x_arcsinh_squared_second(x: Tensor) -> Tensor:
    t = finite(x)
    q = t / root(t, 1.0)
    return 2 * (torch.asinh(t) * (2 - q * q) + q) / root(x, 1.0)


X_ARCSINH_SQUARED = register(
    Definition(
        name="x_arcsinh_squared",
        derivatives=(
            lambda x: x * torch.asinh(x).square(),
            _x_arcsinh_squared_first,
            _x_arcsinh_squared_second,
        ),
        facts=lambda: Facts(formula=r"x\,(\mathrm{arsinh}\, x)^2", limits=(-math.inf, math.inf), parity="odd"),
        source=_SOURCE,
        summary="Grows a little faster than linear; cubic at the origin.",
    )
)
