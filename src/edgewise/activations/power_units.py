"""Rectified power units and their repair: repu, relu2, mrepu, monomial."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.activation import Definition, Facts, Parameter
from edgewise.activations.pieces import Piece, polynomial
from edgewise.activations.registry import register


def _positive_part_power(u: Tensor, exponent: float | Tensor) -> Tensor:
    """``relu(u)**exponent`` with the value 0 (and no nan gradient) for u <= 0, also at exponents <= 0."""
    inside = u > 0
    return torch.where(inside, torch.where(inside, u, 1.0) ** exponent, torch.where(torch.isnan(u), u, 0.0))


def _mrepu(x: Tensor, p: float | Tensor, shift: float | Tensor) -> Tensor:
    return x * _positive_part_power(x + shift, p)


def _mrepu_first(x: Tensor, p: float, shift: float) -> Tensor:
    u = x + shift
    return ((p + 1) * x + shift) * _positive_part_power(u, p - 1)


def _mrepu_second(x: Tensor, p: float, shift: float) -> Tensor:
    u = x + shift
    return p * ((p + 1) * x + 2 * shift) * _positive_part_power(u, p - 2)


def _mrepu_pieces(p: float, shift: float) -> tuple[Piece, ...] | None:
    if p != int(p):
        return None
    n = int(p)
    expanded = [0.0] + [math.comb(n, k) * shift ** (n - k) for k in range(n + 1)]
    return polynomial([], high=-shift), polynomial(expanded, low=-shift)


MREPU = register(
    Definition(
        name="mrepu",
        derivatives=(_mrepu, _mrepu_first, _mrepu_second),
        parameters=(
            Parameter("p", 2.0, low=1.0, doc="power of the rectified factor"),
            Parameter("shift", 1.0, low=0.0, open_low=True, doc="distance of the kink from the origin"),
        ),
        facts=lambda p, shift: Facts(
            formula=rf"x\,\max(x+{shift:g},\,0)^{{{p:g}}}",
            limits=(0.0, math.inf),
            kinks=(-shift,),
            smoothness=math.ceil(p) - 1,
            pieces=_mrepu_pieces(p, shift),
        ),
        source="Kim & Kang, arXiv 2408.02697",
        summary="RePU repaired: it passes through the origin with slope shift**p, so a critical point exists at K* = 0.",
    )
)
