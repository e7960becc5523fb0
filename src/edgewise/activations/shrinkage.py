"""Shrinkage operators: softshrink, hardshrink, tanhshrink."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations.definition import Definition, Facts, Parameter
from edgewise.activations.elementary import Value, always, constant, sech_squared, step
from edgewise.activations.latex import tex
from edgewise.activations.pieces import polynomial
from edgewise.activations.registry import register

_LAMBDA = (Parameter("lam", 0.5, low=0.0, open_low=True, doc="threshold lambda"),)


def _softshrink(x: Tensor, lam: Value) -> Tensor:
    if isinstance(lam, Tensor):
        return torch.relu(x - lam) - torch.relu(-x - lam)
    return x - x.clamp(-lam, lam)


def _outside(x: Tensor, lam: float) -> Tensor:
    return step(x, x.abs() > lam)


def _shrink_backward(grad: Tensor, y: Tensor, lam: float) -> Tensor:
    """What was cut away is 0, and nothing else is."""
    return torch.where(y == 0, 0.0, grad)


SOFTSHRINK = register(
    Definition(
        name="softshrink",
        derivatives=(_softshrink, _outside, lambda x, lam: constant(x, 0.0)),
        backward_of_value=_shrink_backward,
        value_suffices=lambda dtype, lam: (
            dtype in (torch.float32, torch.float64)
        ),  # x - lambda may round to 0 in halves
        parameters=_LAMBDA,
        facts=lambda lam: Facts(
            formula=rf"\mathrm{{sign}}(x)\,\max(|x|-{tex(lam)}, 0)",
            limits=(-math.inf, math.inf),
            kinks=(-lam, lam),
            parity="odd",
            smoothness=0,
            pieces=(
                polynomial([lam, 1.0], high=-lam),
                polynomial([], low=-lam, high=lam),
                polynomial([-lam, 1.0], low=lam),
            ),
        ),
        source="Donoho, IEEE Trans. Inf. Theory 41, 1995; torch.nn.Softshrink",
        summary="Soft thresholding: moves x toward 0 by lambda.",
    )
)

HARDSHRINK = register(
    Definition(
        name="hardshrink",
        derivatives=(
            lambda x, lam: torch.where((x >= -lam) & (x <= lam), 0.0, x),
            _outside,
            lambda x, lam: constant(x, 0.0),
        ),
        backward_of_value=_shrink_backward,
        value_suffices=always,
        parameters=(Parameter("lam", 0.5, low=0.0, open_low=True, learnable=False, doc="threshold lambda"),),
        facts=lambda lam: Facts(
            formula=rf"x\,[\,|x|>{tex(lam)}\,]",
            limits=(-math.inf, math.inf),
            kinks=(-lam, lam),
            parity="odd",
            smoothness=-1,
            pieces=(
                polynomial([0.0, 1.0], high=-lam),
                polynomial([], low=-lam, high=lam),
                polynomial([0.0, 1.0], low=lam),
            ),
        ),
        source="Donoho & Johnstone, Biometrika 81, 1994; torch.nn.Hardshrink",
        summary="Hard thresholding: 0 up to lambda, the identity beyond; it jumps.",
    )
)


def _tanhshrink(x: Tensor) -> Tensor:
    """x - tanh(x); within 1 of 0 from Gauss's continued fraction tanh x = x/(1+w), w = x**2/(3 + x**2/(5 + ...))."""
    near = (x > -1) & (x < 1)
    inner = torch.where(near, x, 0.0)
    square = inner * inner
    w = square / 17
    for odd in (15, 13, 11, 9, 7, 5, 3):
        w = square / (odd + w)
    return torch.where(near, inner * w / (1 + w), x - torch.tanh(x))


def _tanhshrink_third(x: Tensor) -> Tensor:
    slope = sech_squared(x)
    return slope * (6 * slope - 4)


TANHSHRINK = register(
    Definition(
        name="tanhshrink",
        derivatives=(
            _tanhshrink,
            lambda x: torch.tanh(x).square(),
            lambda x: 2 * torch.tanh(x) * sech_squared(x),
            _tanhshrink_third,
        ),
        facts=lambda: Facts(formula=r"x - \tanh x", limits=(-math.inf, math.inf), parity="odd"),
        source="torch.nn.Tanhshrink",
        summary="What tanh leaves over: cubic at the origin, linear far out.",
    )
)
