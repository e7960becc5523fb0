"""Rectified power units and their repair: repu, relu2, mrepu, monomial."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from edgewise.activations.definition import Definition, Facts, Parameter
from edgewise.activations.elementary import Value, constant, step
from edgewise.activations.latex import tex
from edgewise.activations.pieces import Pieces, polynomial
from edgewise.activations.registry import register

_ORDERS = 5


def positive_part_power(u: Tensor, exponent: Value) -> Tensor:
    """``relu(u)**exponent`` with the value 0 and no nan gradient for u <= 0, at any exponent, 0 and below included."""
    if isinstance(exponent, float | int):
        if exponent == 0:
            return step(u, u > 0)
        if exponent > 0 and exponent == int(exponent):
            return torch.relu(u) if exponent == 1 else torch.relu(u) ** exponent
    inside = u > 0
    return torch.where(inside, torch.where(inside, u, 1.0) ** exponent, torch.where(torch.isnan(u), u, 0.0))


def _falling(p: float, k: int) -> float:
    """p (p-1) ... (p-k+1)."""
    return math.prod([p - j for j in range(k)])  # a list, which torch.compile can trace


def _repu(order: int) -> Callable[..., Tensor]:
    def form(x: Tensor, p: Value) -> Tensor:
        if order == 0:
            return positive_part_power(x, p)
        assert isinstance(p, float | int)
        factor = _falling(p, order)
        return factor * positive_part_power(x, p - order) if factor else constant(x, 0.0)

    return form


def _repu_facts(p: float) -> Facts:
    n = int(p)
    return Facts(
        formula=rf"\max(x, 0)^{{{tex(p)}}}",
        limits=(0.0, math.inf),
        kinks=(0.0,),
        homogeneity=float(p),
        smoothness=math.ceil(p) - 1,
        pieces=(polynomial([], high=0.0), polynomial([0.0] * n + [1.0], low=0.0)) if p == n else None,
    )


REPU = register(
    Definition(
        name="repu",
        derivatives=tuple(_repu(k) for k in range(_ORDERS)),
        parameters=(Parameter("p", 2.0, low=1.0, doc="power of the rectifier; 1 is ReLU"),),
        facts=_repu_facts,
        source="Li, Tang & Yu, arXiv 1903.05858; Kim & Kang, arXiv 2408.02697",
        summary="Rectified power unit: smooth to order p - 1, but without a critical point for p > 1.",
    )
)

RELU2 = register(
    Definition(
        name="relu2",
        derivatives=(
            lambda x: torch.relu(x).square(),
            lambda x: 2 * torch.relu(x),
            lambda x: step(x, x > 0, 2.0),
            lambda x: constant(x, 0.0),
        ),
        facts=lambda: _repu_facts(2.0),
        source="So et al., Primer, arXiv 2109.08668",
        summary="Squared ReLU, the feed-forward unit of several language models; repu at p = 2.",
    )
)


def _mrepu(order: int) -> Callable[..., Tensor]:
    """d^k [x u**p] = p (p-1) ... (p-k+2) * ((p+1) x + k shift) * u**(p-k), u = x + shift."""

    def value(x: Tensor, p: Value, shift: Value) -> Tensor:
        gate = positive_part_power(x + shift, p)
        if isinstance(shift, float | int):
            return x.clamp_min(-shift) * gate
        return torch.where(gate == 0, 0.0, x) * gate

    def form(x: Tensor, p: float, shift: float) -> Tensor:
        factor = _falling(p, order - 1)
        if not factor:
            return constant(x, 0.0)
        u = x + shift
        if order > p:  # u**(p-k) falls: divide by u first, so that neither u -> 0 nor u -> inf meets its inverse
            ratio = (p + 1) - (p + 1 - order) * shift / torch.where(u > 0, u, 1.0)
            return factor * ratio * positive_part_power(u, p - order + 1)
        line = factor * (p + 1) * x.clamp_min(-shift) + factor * order * shift
        return line * positive_part_power(u, p - order)

    return form if order else value


def _mrepu_pieces(p: float, shift: float) -> Pieces | None:
    if p != int(p):
        return None
    n = int(p)
    expanded = [0.0] + [math.comb(n, k) * shift ** (n - k) for k in range(n + 1)]
    return polynomial([], high=-shift), polynomial(expanded, low=-shift)


MREPU = register(
    Definition(
        name="mrepu",
        derivatives=tuple(_mrepu(k) for k in range(_ORDERS)),
        parameters=(
            Parameter("p", 2.0, low=1.0, doc="power of the rectified factor"),
            Parameter("shift", 1.0, low=0.0, open_low=True, doc="distance of the kink from the origin"),
        ),
        facts=lambda p, shift: Facts(
            formula=rf"x\,\max(x+{tex(shift)},\,0)^{{{tex(p)}}}",
            limits=(0.0, math.inf),
            kinks=(-shift,),
            smoothness=math.ceil(p) - 1,
            pieces=_mrepu_pieces(p, shift),
        ),
        source="Kim & Kang, arXiv 2408.02697",
        summary="RePU repaired: it crosses the origin with slope shift**p, so a critical point exists at K* = 0.",
    )
)


def _monomial(order: int) -> Callable[..., Tensor]:
    def form(x: Tensor, p: float) -> Tensor:
        factor = _falling(p, order)
        return factor * x ** int(p - order) if factor and p > order else constant(x, factor)

    return form


def _monomial_facts(p: float) -> Facts:
    even = p % 2 == 0
    return Facts(
        formula=rf"x^{{{tex(p)}}}",
        limits=(math.inf if even else -math.inf, math.inf),
        parity="even" if even else "odd",
        homogeneity=p,
        pieces=(polynomial([0.0] * int(p) + [1.0]),),
    )


MONOMIAL = register(
    Definition(
        name="monomial",
        derivatives=tuple(_monomial(k) for k in range(_ORDERS)),
        parameters=(Parameter("p", 2.0, low=1.0, integer=True, learnable=False, doc="integer power"),),
        facts=_monomial_facts,
        source="PDLT (Roberts, Yaida & Hanin, arXiv 2106.10165), section 5.3.4",
        summary="A pure power of x.",
    )
)
