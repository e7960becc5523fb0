"""sigma~(x) = gamma (sigma(alpha x + beta) + delta): its derivatives by the chain rule, and its facts."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from edgewise.activations import Activation, Definition, Facts, Parameter
from edgewise.activations.differentiable import closed_form
from edgewise.activations.elementary import Value
from edgewise.activations.latex import tex
from edgewise.activations.pieces import Piece, Pieces, Term

SOURCE = "Martens et al., arXiv 2110.01765; Zhang et al., arXiv 2203.08120"
OPERATING_POINT = (1.0, 1.0, 0.0)
"""(K, C_W, C_b) that a tailored activation is made for."""


def transformed(
    base: Activation,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    delta: float,
    name: str,
    remake: partial[Any],
) -> Definition:
    """The family of sigma~ with these four numbers as its parameters, alpha > 0."""
    orders = len(base.definition.derivatives)
    backward, surrogate = base.definition.backward, base.definition.surrogate
    values = {"alpha": alpha, "beta": beta, "gamma": gamma, "delta": delta}
    docs = {"alpha": "scale of the input", "beta": "shift of the input", "gamma": "scale", "delta": "shift"}
    return Definition(
        name=name,
        derivatives=tuple(_form(base, order) for order in range(max(orders, 3))),
        facts=partial(_facts, base),
        source=SOURCE,
        parameters=tuple(
            Parameter(key, value, low=0.0 if key == "alpha" else -math.inf, open_low=key == "alpha", doc=docs[key])
            for key, value in values.items()
        ),
        backward=None if backward is None else partial(_backward, base, backward),
        surrogate=None if surrogate is None else partial(_surrogate, base, surrogate),
        summary=f"{base.spec}, shifted and scaled so that a deep network of it starts at K = 1 and stays there.",
        remake=remake,
        opaque=base.definition.opaque,
    )


def _form(base: Activation, order: int) -> Callable[..., Tensor]:
    def form(x: Tensor, alpha: Value, beta: Value, gamma: Value, delta: Value) -> Tensor:
        inner = closed_form(base, alpha * x + beta, order)
        return gamma * (inner + delta) if order == 0 else (gamma * alpha**order) * inner

    return form


def _backward(
    base: Activation, backward: Callable[..., Tensor], grad: Tensor, x: Tensor, *,
    alpha: float, beta: float, gamma: float, delta: float,
) -> Tensor:  # fmt: skip
    return backward((gamma * alpha) * grad, alpha * x + beta, **base.parameters)


def _surrogate(
    base: Activation, surrogate: Callable[..., Tensor], x: Tensor, *,
    alpha: float, beta: float, gamma: float, delta: float,
) -> Tensor:  # fmt: skip
    return (gamma * alpha) * surrogate(alpha * x + beta, **base.parameters)


def _facts(base: Activation, alpha: float, beta: float, gamma: float, delta: float) -> Facts:
    centred = beta == 0.0
    low, high = (gamma * (limit + delta) for limit in base.limits)
    pure = centred and delta == 0.0
    return Facts(
        formula=_formula(base, alpha, beta, gamma, delta),
        limits=(low, high),
        kinks=tuple((k - beta) / alpha for k in base.kinks),
        parity=base.parity if centred and (base.parity == "even" or delta == 0.0) else None,
        homogeneity=base.homogeneity if pure else None,
        smoothness=base.smoothness,
        pieces=None if base.pieces is None else _pieces(base.pieces, alpha, beta, gamma, delta),
        operating_point=OPERATING_POINT,
    )


def _formula(base: Activation, alpha: float, beta: float, gamma: float, delta: float) -> str:
    argument = "x" if alpha == 1.0 else rf"{tex(alpha)}\,x"
    if beta:
        argument += f"{'+' if beta > 0 else '-'}{tex(abs(beta))}"
    inner = rf"\mathrm{{{base.name.replace('_', ' ')}}}({argument})"
    if delta:
        inner = rf"\left({inner}{'+' if delta > 0 else '-'}{tex(abs(delta))}\right)"
    return rf"{tex(gamma)}\,{inner}"


def _pieces(pieces: Pieces, alpha: float, beta: float, gamma: float, delta: float) -> Pieces:
    """Each c z**n exp(i w z) at alpha z + beta, multiplied out."""

    def moved(piece: Piece) -> Piece:
        found: dict[tuple[int, float], complex] = {(0, 0.0): complex(gamma * delta)}
        for t in piece.terms:
            phase = complex(math.cos(t.frequency * beta), math.sin(t.frequency * beta))
            for k in range(t.power + 1):
                key = k, t.frequency * alpha
                share = math.comb(t.power, k) * alpha**k * beta ** (t.power - k)
                found[key] = found.get(key, 0.0) + gamma * t.amplitude * phase * share
        terms = tuple(Term(c, n, w) for (n, w), c in found.items() if c != 0)
        return Piece((piece.low - beta) / alpha, (piece.high - beta) / alpha, terms)

    return tuple(moved(p) for p in pieces)
