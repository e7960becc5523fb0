"""Units that oscillate: sin, cos, sinc, gcu, snake."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from edgewise.activations.definition import Definition, Facts, Parameter
from edgewise.activations.elementary import Value, cos_pi, finite, horner, sin_pi
from edgewise.activations.latex import tex
from edgewise.activations.pieces import BandLimited, Piece, Term, cosine, sine
from edgewise.activations.registry import register

_NO_LIMIT = (math.nan, math.nan)
_OMEGA = (Parameter("omega", 1.0, low=0.0, open_low=True, doc="angular frequency"),)


def _wave(order: int) -> Callable[..., Tensor]:
    """The order-th derivative of sin(omega x)."""
    function = torch.sin if order % 2 == 0 else torch.cos
    sign = -1.0 if order % 4 in (2, 3) else 1.0

    def form(x: Tensor, omega: Value) -> Tensor:
        return function(omega * x) * (sign * omega**order) if order else torch.sin(omega * x)

    return form


def _entire(*terms: Term) -> tuple[Piece, ...]:
    return (Piece(-math.inf, math.inf, terms),)


SIN = register(
    Definition(
        name="sin",
        derivatives=tuple(_wave(k) for k in range(5)),
        parameters=_OMEGA,
        facts=lambda omega: Facts(
            formula=r"\sin x" if omega == 1 else rf"\sin({tex(omega)}\,x)",
            limits=_NO_LIMIT,
            parity="odd",
            pieces=_entire(*sine(omega)),
        ),
        source="Sitzmann et al., SIREN, arXiv 2006.09661",
        summary="Sine; critical at K* = 0, its susceptibilities vanish as exp(-2K).",
    )
)


def _cosine_wave(order: int) -> Callable[..., Tensor]:
    shifted = _wave(order + 1)

    def form(x: Tensor, omega: Value) -> Tensor:
        return shifted(x, omega) / omega if order else torch.cos(omega * x)

    return form


COS = register(
    Definition(
        name="cos",
        derivatives=tuple(_cosine_wave(k) for k in range(5)),
        parameters=_OMEGA,
        facts=lambda omega: Facts(
            formula=r"\cos x" if omega == 1 else rf"\cos({tex(omega)}\,x)",
            limits=_NO_LIMIT,
            parity="even",
            pieces=_entire(*cosine(omega)),
        ),
        source="Rahimi & Recht, NeurIPS 2007 (random Fourier features)",
        summary="Cosine; even, so no critical point at the origin.",
    )
)

# --- sinc: sin(pi x)/(pi x). Within 1/4 of 0 the Taylor series, which nothing cancels in; outside it the recursion
# x s' = cos(pi x) - s,  x s'' = -pi**2 x s - 2 s'.

_NEAR = 0.25
_SERIES = [(-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(11)]
_SERIES_FIRST = [2 * k * c for k, c in enumerate(_SERIES)][1:]  # of s'(x)/x, in x**2
_SERIES_SECOND = [(2 * k + 1) * c for k, c in enumerate(_SERIES_FIRST)]  # of s''(x), in x**2


def _outside(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whether x is near 0, x where it is and 0 elsewhere, x where it is not and 1 elsewhere."""
    near = (x > -_NEAR) & (x < _NEAR)
    return near, torch.where(near, x, 0.0), torch.where(near, 1.0, x)


def sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x)."""
    near, inner, outer = _outside(x)
    return torch.where(near, horner(inner * inner, _SERIES), sin_pi(finite(outer)) / (math.pi * outer))


def sinc_first(x: Tensor) -> Tensor:
    """The first derivative of sinc."""
    near, inner, outer = _outside(x)
    away = (cos_pi(finite(outer)) - sin_pi(finite(outer)) / (math.pi * outer)) / outer
    return torch.where(near, inner * horner(inner * inner, _SERIES_FIRST), away)


def sinc_second(x: Tensor) -> Tensor:
    """The second derivative of sinc."""
    near, inner, outer = _outside(x)
    value = sin_pi(finite(outer)) / (math.pi * outer)
    away = -(math.pi**2) * value - 2 * (cos_pi(finite(outer)) - value) / outer / outer
    return torch.where(near, horner(inner * inner, _SERIES_SECOND), away)


SINC = register(
    Definition(
        name="sinc",
        derivatives=(sinc, sinc_first, sinc_second),
        facts=lambda: Facts(
            formula=r"\frac{\sin \pi x}{\pi x}", limits=(0.0, 0.0), parity="even", bandlimited=BandLimited(math.pi)
        ),
        source="Ramachandran, Zoph & Le, arXiv 1710.05941 (a unary of the search, normalised as in its figure 3)",
        summary="Normalised sinc.",
    )
)

GCU = register(
    Definition(
        name="gcu",
        derivatives=(
            lambda x: x * torch.cos(x),
            lambda x: torch.cos(x) - x * torch.sin(x),
            lambda x: -2 * torch.sin(x) - x * torch.cos(x),
            lambda x: -3 * torch.cos(x) + x * torch.sin(x),
            lambda x: 4 * torch.sin(x) + x * torch.cos(x),
        ),
        facts=lambda: Facts(formula=r"x\cos x", limits=_NO_LIMIT, parity="odd", pieces=_entire(*cosine(1.0, power=1))),
        source="Noel, Muthiah-Nakarajan, Trivedi & Kumar, arXiv 2108.12943",
        summary="Growing cosine unit: a single neuron of it solves XOR.",
    )
)


def _snake_first(x: Tensor, a: float) -> Tensor:
    return 2 * torch.sin(a * x + math.pi / 4).square()  # 1 + sin(2 a x) without the cancellation at its double zeros


SNAKE = register(
    Definition(
        name="snake",
        derivatives=(
            lambda x, a: x + torch.sin(finite(a * x)).square() / a,
            _snake_first,
            lambda x, a: 2 * a * torch.cos(2 * a * x),
            lambda x, a: -4 * a * a * torch.sin(2 * a * x),
        ),
        parameters=(Parameter("a", 1.0, low=0.0, open_low=True, doc="half the angular frequency of the ripple"),),
        facts=lambda a: Facts(
            formula=r"x + \sin^2 x" if a == 1 else rf"x + \sin^2({tex(a)}\,x)/{tex(a)}",
            limits=(-math.inf, math.inf),
            pieces=_entire(Term(0.5 / a), Term(1.0, 1), *cosine(2 * a, -0.5 / a)),
        ),
        source="Ziyin, Hartwig & Ueda, arXiv 2006.08195",
        summary="The identity with a ripple, made to learn periodic functions.",
    )
)
