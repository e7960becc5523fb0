"""Bounded units that saturate on both sides: tanh, sigmoid, erf, arctan, softsign and their hard forms."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise.activations.definition import Definition, Facts
from edgewise.activations.elementary import (
    DECAYED,
    always,
    constant,
    finite,
    keep_nan,
    logistic_curvature,
    logistic_slope,
    root,
    sech_squared,
    step,
)
from edgewise.activations.pieces import polynomial
from edgewise.activations.registry import register


def _tanh_third(x: Tensor) -> Tensor:
    slope = sech_squared(x)
    return slope * (4 - 6 * slope)


# tanh and sigmoid save x, where torch saves their value: in float32 1 - y**2 has lost three digits of the slope at
# |x| = 4 and all of them at 10. A caller who holds the value anyway may take torch's accuracy (`backward_of_value`).

TANH = register(
    Definition(
        name="tanh",
        derivatives=(torch.tanh, sech_squared, lambda x: -2 * torch.tanh(x) * sech_squared(x), _tanh_third),
        backward_of_value=lambda grad, y: grad * (1 - y * y),
        facts=lambda: Facts(formula=r"\tanh x", limits=(-1.0, 1.0), parity="odd"),
        source="classical; LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998",
        summary="Hyperbolic tangent.",
    )
)


def _sigmoid_third(x: Tensor) -> Tensor:
    slope = logistic_slope(x)
    return slope * (1 - 6 * slope)


SIGMOID = register(
    Definition(
        name="sigmoid",
        derivatives=(torch.sigmoid, logistic_slope, logistic_curvature, _sigmoid_third),
        backward_of_value=lambda grad, y: grad * ((1 - y) * y),
        facts=lambda: Facts(formula=r"\frac{1}{1+e^{-x}}", limits=(0.0, 1.0)),
        source="classical; Rumelhart, Hinton & Williams, Nature 323, 1986",
        summary="Logistic function.",
    )
)


def _erf_first(x: Tensor) -> Tensor:
    return torch.exp(-x * x) * (2 / math.sqrt(math.pi))


def _erf_second(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, DECAYED)
    return -2 * t * _erf_first(t)


def _erf_third(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, DECAYED)
    return (4 * t * t - 2) * _erf_first(t)


ERF = register(
    Definition(
        name="erf",
        derivatives=(torch.erf, _erf_first, _erf_second, _erf_third),
        facts=lambda: Facts(formula=r"\mathrm{erf}(x)", limits=(-1.0, 1.0), parity="odd"),
        source="Williams, Computing with infinite networks, NeurIPS 1996",
        summary="Error function; the sigmoidal unit whose kernel has a closed form.",
    )
)


def _arctan_first(x: Tensor) -> Tensor:
    return (1 / root(x, 1.0)).square()


def _arctan_second(x: Tensor) -> Tensor:
    t = finite(x)
    r = 1 / root(t, 1.0)
    return -2 * (t * r) * (r * r * r)


ARCTAN = register(
    Definition(
        name="arctan",
        derivatives=(torch.atan, _arctan_first, _arctan_second),
        facts=lambda: Facts(formula=r"\arctan x", limits=(-math.pi / 2, math.pi / 2), parity="odd"),
        source="classical; Kamruzzaman & Aziz, IJCNN 2002",
        summary="Inverse tangent: saturates slowly, as 1/x.",
    )
)


def _softsign(x: Tensor) -> Tensor:
    t = finite(x)
    return t / (1 + t.abs())


def _softsign_second(x: Tensor) -> Tensor:
    return -2 * keep_nan(x, torch.sign(x)) / (1 + x.abs()) ** 3


SOFTSIGN = register(
    Definition(
        name="softsign",
        derivatives=(_softsign, lambda x: (1 / (1 + x.abs())).square(), _softsign_second),
        facts=lambda: Facts(formula=r"\frac{x}{1+|x|}", limits=(-1.0, 1.0), kinks=(0.0,), parity="odd", smoothness=1),
        source="Bergstra, Desjardins, Lamblin & Bengio, 2009; Glorot & Bengio, AISTATS 2010",
        summary="Saturates as 1/x; its curvature jumps at the origin.",
    )
)


def _gaussian_first(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, DECAYED)
    return -2 * t * torch.exp(-t * t)


def _gaussian_second(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, DECAYED)
    return (4 * t * t - 2) * torch.exp(-t * t)


def _gaussian_third(x: Tensor) -> Tensor:
    t = x.clamp(-DECAYED, DECAYED)
    return 4 * t * (3 - 2 * t * t) * torch.exp(-t * t)


GAUSSIAN = register(
    Definition(
        name="gaussian",
        derivatives=(lambda x: torch.exp(-x * x), _gaussian_first, _gaussian_second, _gaussian_third),
        facts=lambda: Facts(formula=r"e^{-x^2}", limits=(0.0, 0.0), parity="even"),
        source="Broomhead & Lowe, Complex Systems 2, 1988; as a unit of PINNs: Ramasinghe & Lucey, arXiv 2111.15135",
        summary="A bump at the origin.",
    )
)


def _hardtanh_backward(grad: Tensor, x: Tensor) -> Tensor:
    return torch.ops.aten.hardtanh_backward(grad, x, -1.0, 1.0)  # type: ignore[no-any-return]


HARDTANH = register(
    Definition(
        name="hardtanh",
        derivatives=(F.hardtanh, lambda x: step(x, (x > -1) & (x < 1)), lambda x: constant(x, 0.0)),
        backward=_hardtanh_backward,
        backward_of_value=_hardtanh_backward,
        value_suffices=always,
        facts=lambda: Facts(
            formula=r"\min(\max(x, -1), 1)",
            limits=(-1.0, 1.0),
            kinks=(-1.0, 1.0),
            parity="odd",
            smoothness=0,
            pieces=(
                polynomial([-1.0], high=-1.0),
                polynomial([0.0, 1.0], low=-1.0, high=1.0),
                polynomial([1.0], low=1.0),
            ),
        ),
        source="Collobert, 2004; torch.nn.Hardtanh",
        summary="The identity, cut off at -1 and 1.",
    )
)

HARDSIGMOID = register(
    Definition(
        name="hardsigmoid",
        derivatives=(
            lambda x: F.relu6(x + 3) / 6,
            lambda x: step(x, (x > -3) & (x < 3), 1 / 6),
            lambda x: constant(x, 0.0),
        ),
        facts=lambda: Facts(
            formula=r"\min(\max(x+3, 0), 6)/6",
            limits=(0.0, 1.0),
            kinks=(-3.0, 3.0),
            smoothness=0,
            pieces=(
                polynomial([], high=-3.0),
                polynomial([0.5, 1 / 6], low=-3.0, high=3.0),
                polynomial([1.0], low=3.0),
            ),
        ),
        source="Courbariaux, Bengio & David, arXiv 1511.00363; slope 1/6 as in torch.nn.Hardsigmoid",
        summary="Piecewise linear sigmoid: relu6(x + 3) / 6.",
    )
)
