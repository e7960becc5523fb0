"""The ReLU family: piecewise linear units with a corner at the origin."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise.activations.definition import Definition, Facts, Parameter
from edgewise.activations.elementary import Value, always, constant, keep_nan, slope_times, step
from edgewise.activations.latex import times
from edgewise.activations.pieces import polynomial
from edgewise.activations.registry import register


def _zero(x: Tensor) -> Tensor:
    return constant(x, 0.0)


def _relu_slope(x: Tensor) -> Tensor:
    return step(x, x > 0)


IDENTITY = register(
    Definition(
        name="identity",
        derivatives=(torch.clone, lambda x: constant(x, 1.0), _zero),
        native=True,
        facts=lambda: Facts(
            formula="x",
            limits=(-math.inf, math.inf),
            parity="odd",
            homogeneity=1.0,
            pieces=(polynomial([0.0, 1.0]),),
        ),
        source="classical; deep linear networks: Saxe, McClelland & Ganguli, arXiv 1312.6120",
        summary="No activation: the deep linear network, the simplest scale-invariant case.",
    )
)


def _relu_backward(grad: Tensor, x: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(grad, x, 0.0)  # type: ignore[no-any-return]


RELU = register(
    Definition(
        name="relu",
        derivatives=(torch.relu, _relu_slope, _zero),
        backward=_relu_backward,
        backward_of_value=_relu_backward,
        value_suffices=always,
        facts=lambda: Facts(
            formula=r"\max(x, 0)",
            limits=(0.0, math.inf),
            kinks=(0.0,),
            homogeneity=1.0,
            smoothness=0,
            pieces=(polynomial([], high=0.0), polynomial([0.0, 1.0], low=0.0)),
        ),
        source="Nair & Hinton, ICML 2010",
        summary="The rectifier: passes what is positive.",
    )
)


def _leaky(x: Tensor, a: Value) -> Tensor:
    if isinstance(a, float | int) and a != 0:
        return F.leaky_relu(x, a)
    return torch.where(x > 0, x, slope_times(a, x))


def _leaky_slope(x: Tensor, a: float) -> Tensor:
    return step(x, x > 0, 1.0, a)


def _leaky_facts(a: float) -> Facts:
    kinks = () if a == 1 else (0.0,)
    return Facts(
        formula=rf"\max(x, 0) {'-' if a < 0 else '+'} {times(abs(a))}\min(x, 0)",
        limits=(0.0 if a == 0 else -math.copysign(math.inf, a), math.inf),
        kinks=kinks,
        parity={1.0: "odd", -1.0: "even"}.get(a),  # type: ignore[arg-type]
        homogeneity=1.0,
        smoothness=0 if kinks else math.inf,
        pieces=(polynomial([0.0, a], high=0.0), polynomial([0.0, 1.0], low=0.0)),
    )


def _leaky_backward(grad: Tensor, x: Tensor, a: float) -> Tensor:
    return torch.ops.aten.leaky_relu_backward(grad, x, a, False)  # type: ignore[no-any-return]


def _keeps_sign(dtype: torch.dtype, a: float) -> bool:
    return a >= 0


LEAKY_RELU = register(
    Definition(
        name="leaky_relu",
        derivatives=(_leaky, _leaky_slope, lambda x, a: _zero(x)),
        backward=_leaky_backward,
        backward_of_value=_leaky_backward,
        value_suffices=_keeps_sign,
        parameters=(Parameter("a", 0.01, doc="slope for x < 0"),),
        facts=_leaky_facts,
        source="Maas, Hannun & Ng, ICML 2013 workshop",
        summary="ReLU with a small fixed slope on the negative side.",
    )
)

PRELU = register(
    Definition(
        name="prelu",
        derivatives=(_leaky, _leaky_slope, lambda x, a: _zero(x)),
        backward=_leaky_backward,
        backward_of_value=_leaky_backward,
        value_suffices=_keeps_sign,
        parameters=(Parameter("a", 0.25, trainable=True, doc="learned slope for x < 0"),),
        facts=_leaky_facts,
        source="He, Zhang, Ren & Sun, arXiv 1502.01852, eq. (1)",
        summary="ReLU whose slope on the negative side is learned, one a layer or one a channel.",
    )
)


def _relu6_backward(grad: Tensor, x: Tensor) -> Tensor:
    return torch.ops.aten.hardtanh_backward(grad, x, 0.0, 6.0)  # type: ignore[no-any-return]


RELU6 = register(
    Definition(
        name="relu6",
        derivatives=(F.relu6, lambda x: step(x, (x > 0) & (x < 6)), _zero),
        backward=_relu6_backward,
        backward_of_value=_relu6_backward,
        value_suffices=always,
        facts=lambda: Facts(
            formula=r"\min(\max(x, 0), 6)",
            limits=(0.0, 6.0),
            kinks=(0.0, 6.0),
            smoothness=0,
            pieces=(polynomial([], high=0.0), polynomial([0.0, 1.0], low=0.0, high=6.0), polynomial([6.0], low=6.0)),
        ),
        source="Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010",
        summary="ReLU capped at 6, made for low-precision arithmetic.",
    )
)

ABS = register(
    Definition(
        name="abs",
        derivatives=(torch.abs, lambda x: keep_nan(x, torch.sign(x)), _zero),
        facts=lambda: Facts(
            formula=r"|x|",
            limits=(math.inf, math.inf),
            kinks=(0.0,),
            parity="even",
            homogeneity=1.0,
            smoothness=0,
            pieces=(polynomial([0.0, -1.0], high=0.0), polynomial([0.0, 1.0], low=0.0)),
        ),
        source="classical; as a rectifier: Jarrett et al., ICCV 2009",
        summary="Absolute value: leaky ReLU at slope -1, scale-invariant with C_W = 1.",
    )
)

HELU = register(
    Definition(
        name="helu",
        derivatives=(lambda x, alpha: torch.relu(x), lambda x, alpha: _relu_slope(x), lambda x, alpha: _zero(x)),
        parameters=(Parameter("alpha", 0.05, learnable=False, doc="back-propagation passes where x > -alpha"),),
        facts=lambda alpha: RELU.facts(),
        surrogate=lambda x, alpha: step(x, x > -alpha),
        source="Kimhi, Kashani, Mendelson & Baskin, arXiv 2411.10573",
        summary="ReLU forward; backward it passes where x > -alpha, so that units just below zero keep learning.",
    )
)
