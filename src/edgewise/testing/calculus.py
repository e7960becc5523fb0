"""Derivatives against the function itself: no reference needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from edgewise.testing import points
from edgewise.testing.outcome import ConformanceError, NotApplicable, Worst
from edgewise.testing.rounding import allowed_rounding, is_automatic

if TYPE_CHECKING:
    from edgewise.activations import Activation

_MARGIN = 0.02  # finite differences stay clear of a kink; the powers next to one vary on this scale


def check_integrals(activation: Activation) -> Worst:
    """The integrals of sigma' and sigma'' over short intervals between kinks are the differences of sigma and sigma'.

    Gauss-Legendre with 24 nodes; the difference to 12 nodes is allowed as its error. Raises ConformanceError.
    """
    worst = Worst(0.0, 0.0)
    edges = torch.tensor(
        sorted({-8 + i / 4 for i in range(65)} | {k for k in activation.kinks if abs(k) < 8}), dtype=torch.float64
    )
    # Just inside: at a kink itself the derivative has one value, and its one-sided limits another.
    inside = 4 * torch.finfo(torch.float64).eps * (1 + edges.abs())
    kinked = torch.tensor([bool(any(e == k for k in activation.kinks)) for e in edges.tolist()])
    low, high = (edges + inside * kinked)[:-1], (edges - inside * kinked)[1:]
    for order in (1, 2):
        coarse, _ = _integral(activation, order, low, high, 12)
        fine, rounding = _integral(activation, order, low, high, 24)
        change = activation.derivative(high, order - 1) - activation.derivative(low, order - 1)
        ends = allowed_rounding(activation, low, order - 1) + allowed_rounding(activation, high, order - 1)
        fraction = (fine - change).abs() / (
            ends + rounding + 4 * (fine - coarse).abs() + torch.finfo(torch.float64).tiny
        )
        i = int(fraction.nan_to_num(nan=float("inf")).argmax())
        if not fraction[i] <= 1:
            raise ConformanceError(
                f"{activation.spec}: the derivative of order {order} integrates to {fine[i]:.12g} over "
                f"[{low[i]:.6g}, {high[i]:.6g}], but order {order - 1} changes by {change[i]:.12g}"
            )
        worst = max(worst, Worst(float(fraction[i]), float(low[i])), key=lambda w: w.fraction)
    return worst


def _integral(activation: Activation, order: int, low: Tensor, high: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The integrals over (low, high) by `count` nodes, and the rounding allowed to them."""
    import numpy as np

    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(count))
    half = 0.5 * (high - low)
    x = 0.5 * (high + low)[:, None] + half[:, None] * nodes
    return half * (activation.derivative(x, order) @ weights), half * (allowed_rounding(activation, x, order) @ weights)


def check_gradient(activation: Activation) -> None:
    """Back-propagation multiplies by sigma', kinks included, or by the declared surrogate. Raises ConformanceError."""
    x = torch.cat([points.core(torch.float64, activation.kinks), torch.tensor(activation.kinks, dtype=torch.float64)])
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(activation(leaf).sum(), leaf)
    expected = slope(activation, x)
    wrong = ~((gradient - expected).abs() <= allowed_rounding(activation, x, 1))
    if wrong.any():
        i = int(wrong.nonzero()[0])
        rule = "sigma'" if activation.definition.surrogate is None else "the declared surrogate"
        raise ConformanceError(
            f"{activation.spec}: back-propagation at x={x[i]:.17g} gives {gradient[i]:g}, {rule} is {expected[i]:g}"
        )


def check_gradcheck(activation: Activation) -> None:
    """torch.autograd.gradcheck away from kinks, forward mode too where the derivatives do not use it themselves.

    Raises ConformanceError, NotApplicable where a surrogate slope is declared (`check_gradient` holds it to its rule).
    """
    _refuse_surrogate(activation)
    _gradcheck(activation, torch.autograd.gradcheck, check_forward_ad=not is_automatic(activation))


def check_gradgradcheck(activation: Activation) -> None:
    """torch.autograd.gradgradcheck, away from kinks. Raises like `check_gradcheck`."""
    _refuse_surrogate(activation)
    _gradcheck(activation, torch.autograd.gradgradcheck)


def slope(activation: Activation, x: Tensor) -> Tensor:
    """What back-propagation multiplies by: sigma', or the declared surrogate."""
    surrogate = activation.definition.surrogate
    return activation.derivative(x, 1) if surrogate is None else surrogate(x, **activation.parameters)


def _refuse_surrogate(activation: Activation) -> None:
    if activation.definition.surrogate is not None:
        raise NotApplicable("a surrogate slope is declared, which is not the derivative by design")


def _gradcheck(activation: Activation, check: Callable[..., bool], **options: object) -> None:
    x = points.smooth(activation.kinks, margin=_MARGIN, count=16, reach=4.0).requires_grad_()
    try:
        check(activation, (x,), raise_exception=True, **options)
    except GradcheckError as error:
        raise ConformanceError(f"{activation.spec}: {' '.join(str(error).split())[:400]}") from None
