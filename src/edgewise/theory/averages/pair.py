"""One entry for averages over two correlated preactivations, and for the gap they leave at small 1 - rho.

Strategies, cheapest first: closed forms (piecewise polynomials, trigonometric polynomials), Hermite series,
two-dimensional
panels; a pair goes on to the next one while its error estimate is above the goal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from edgewise.activations.definition import Activation
from edgewise.errors import AverageOverflowError
from edgewise.theory.averages.average import Average, average
from edgewise.theory.averages.conditional import conditional_pair, missed
from edgewise.theory.averages.correlation import Correlation, from_one_minus
from edgewise.theory.averages.differences import squared_difference
from edgewise.theory.averages.jumps import is_discontinuous
from edgewise.theory.averages.mehler import TERMS, coefficients, mehler_gap, mehler_pair
from edgewise.theory.averages.quadrants import polynomial_pair
from edgewise.theory.averages.resolution import legendre
from edgewise.theory.averages.waves import wave_pair

Real = npt.NDArray[np.float64]
_GOAL = 1e-11
_GAP_GOAL = 1e-10
_PANEL_ERROR = 2.0**-44
_OCTAVES = 20


def pair_average(
    activation: Activation, k1: Real, k2: Real, correlation: Correlation, orders: tuple[int, int] = (0, 0)
) -> Average:
    """``<sigma^(i)(z1) sigma^(j)(z2)>`` for variances K > 0 and their correlation, all of shape [pair]."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = _scaled_pair(activation, k1, k2, correlation, orders)
    if not bool(torch.isfinite(found.value).all()):
        raise AverageOverflowError(
            f"a pair average of {activation.spec} at K={float(np.maximum(k1, k2).max()):g} is beyond the largest "
            "float64; try a smaller K"
        )
    return found


def _scaled_pair(
    activation: Activation, k1: Real, k2: Real, correlation: Correlation, orders: tuple[int, int]
) -> Average:
    degree = activation.homogeneity
    if degree is not None:
        scale = k1 ** (0.5 * (degree - orders[0])) * k2 ** (0.5 * (degree - orders[1]))
        one = np.ones_like(k1)
        return _pair(activation, one, one, correlation, orders) * torch.from_numpy(scale)
    return _pair(activation, k1, k2, correlation, orders)


def _pair(activation: Activation, k1: Real, k2: Real, correlation: Correlation, orders: tuple[int, int]) -> Average:
    both = _norm(activation, np.concatenate([k1, k2]), orders[0]) if orders[0] == orders[1] else None
    squares = [
        _norm(activation, k, order) if both is None else (both[0][part], both[1][part])
        for k, order, part in ((k1, orders[0], slice(len(k1))), (k2, orders[1], slice(len(k1), None)))
    ]
    magnitude = np.sqrt(squares[0][0]) * np.sqrt(squares[1][0])
    unresolved = magnitude * (squares[0][1] + squares[1][1])  # what the one-dimensional panels say about sigma
    closed = _closed_pair(activation, k1, k2, correlation, orders)
    value, error = closed if closed is not None else (np.zeros_like(k1), np.full_like(k1, np.inf))
    value, error = value.copy(), error.copy()

    def poor() -> npt.NDArray[np.bool_]:
        return ~(error <= _GOAL * magnitude) & (magnitude > 0)

    p = poor()
    if p.any():
        found = _series_pair(activation, k1[p], k2[p], correlation[p], orders, squares[0][0][p], squares[1][0][p])
        _keep_better(value, error, p, *found)
    p = poor()
    if p.any():
        cases = np.stack([k1[p], k2[p], correlation.r[p], correlation.one_minus[p], correlation.one_plus[p]], 1)
        unique, back = np.unique(cases, axis=0, return_inverse=True)
        panels = np.array([_panel_pair(activation, case, orders) for case in unique])[back.reshape(-1)]
        _keep_better(value, error, p, panels[:, 0], unresolved[p] + magnitude[p] * panels[:, 1])
    return Average(torch.from_numpy(value), torch.from_numpy(error), torch.from_numpy(magnitude))


def _panel_pair(activation: Activation, case: Real, orders: tuple[int, int]) -> tuple[float, float]:
    """(value, error relative to the magnitude) for one (K11, K22, rho, 1 - rho, 1 + rho)."""
    k1, k2, r, one_minus, one_plus = (float(v) for v in case)
    lost = max(missed(activation, orders[0], k1), missed(activation, orders[1], k2))
    return conditional_pair(activation, k1, k2, r, one_minus, one_plus, orders), _PANEL_ERROR + lost


def _norm(activation: Activation, kernel: Real, order: int) -> tuple[Real, Real]:
    """``<sigma^(order)**2>`` and its relative error, computed once for every distinct K."""
    unique, back = np.unique(kernel, return_inverse=True)
    found = average(activation, torch.from_numpy(unique), (order, order))
    value = found.value.numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(value > 0, found.error.numpy() / value, 0.0)
    return value[back.reshape(-1)], relative[back.reshape(-1)]


def _keep_better(value: Real, error: Real, where: npt.NDArray[np.bool_], new: Real, new_error: Real) -> None:
    better = new_error < error[where]
    value[where] = np.where(better, new, value[where])
    error[where] = np.where(better, new_error, error[where])


def _closed_pair(
    activation: Activation, k1: Real, k2: Real, correlation: Correlation, orders: tuple[int, int]
) -> tuple[Real, Real] | None:
    if activation.pieces is None:
        return None
    found = polynomial_pair(activation.pieces, k1, k2, correlation, orders)
    return wave_pair(activation.pieces, k1, k2, correlation, orders) if found is None else found


def _rows(activation: Activation, kernel: Real, order: int) -> Real:
    """Hermite coefficients for every K, shape [K, TERMS]; nan where there are none."""
    unique, back = np.unique(kernel, return_inverse=True)
    rows = [coefficients(activation, float(k), order) for k in unique]
    table = np.stack([np.full(TERMS, np.nan) if row is None else row for row in rows])
    return table[back.reshape(-1)]


def _series_pair(
    activation: Activation,
    k1: Real,
    k2: Real,
    correlation: Correlation,
    orders: tuple[int, int],
    norm1: Real,
    norm2: Real,
) -> tuple[Real, Real]:
    left, right = _rows(activation, k1, orders[0]), _rows(activation, k2, orders[1])
    value, error = mehler_pair(left, right, correlation.r, norm1, norm2)
    return value, np.where(np.isnan(value), np.inf, error)


def gap_average(activation: Activation, kernel: Real, one_minus: Real) -> Average:
    """``<sigma**2>_K - <sigma sigma>_rho`` for K > 0 and 1 - rho in [0, 2] of shape [pair]."""
    degree = activation.homogeneity
    if degree is not None:
        return _gap(activation, np.ones_like(kernel), one_minus) * torch.from_numpy(kernel**degree)
    return _gap(activation, kernel, one_minus)


def _gap(activation: Activation, kernel: Real, one_minus: Real) -> Average:
    value, error = np.zeros_like(kernel), np.full_like(kernel, np.inf)
    error[one_minus == 0] = 0.0
    # at rho = -1 the gap of an even function vanishes for good, so beyond rho = 0 its scale is g, not the gap itself
    scale = np.where(one_minus > 1, _norm(activation, kernel, 0)[0], 0.0)
    strategies: list[Callable[[Activation, Real, Real], tuple[Real, Real] | None]] = [_panel_gap]
    if not is_discontinuous(activation):
        strategies = [_closed_gap, _series_gap, _panel_gap]
    for strategy in strategies:
        poor = ~(error <= _GAP_GOAL * np.maximum(np.abs(value), scale))
        if not poor.any():
            break
        found = strategy(activation, kernel[poor], one_minus[poor])
        if found is not None:
            _keep_better(value, error, poor, *found)
    magnitude = np.maximum(np.abs(value), scale)
    return Average(torch.from_numpy(value), torch.from_numpy(error), torch.from_numpy(magnitude))


def _closed_gap(activation: Activation, kernel: Real, one_minus: Real) -> tuple[Real, Real] | None:
    """``K int <sigma' sigma'> d rho`` from rho to 1 (Price's theorem), in the angle acos(rho), graded to both ends."""
    if activation.pieces is None:
        return None
    angle = 2 * np.arcsin(np.sqrt(0.5 * one_minus))
    nodes, weights = (v.numpy() for v in legendre())
    fractions = np.concatenate([[0.0], 2.0 ** np.arange(-_OCTAVES, 0), 1 - 2.0 ** np.arange(-2, -_OCTAVES, -1), [1.0]])
    low, high = fractions[:-1], fractions[1:]
    at = (0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * nodes).reshape(-1)
    weight = (0.5 * (high - low)[:, None] * weights).reshape(-1)
    theta = angle[:, None] * at
    t = 2 * np.sin(0.5 * theta) ** 2
    shape = theta.shape
    k = np.broadcast_to(kernel[:, None], shape).reshape(-1)
    found = _closed_pair(activation, k, k, from_one_minus(t.reshape(-1)), (1, 1))
    if found is None:
        return None
    measure = kernel[:, None] * angle[:, None] * np.sin(theta) * weight
    value, error = ((f.reshape(shape) * measure).sum(1) for f in found)
    return value, error + 2.0**-46 * np.abs(value)


def _series_gap(activation: Activation, kernel: Real, one_minus: Real) -> tuple[Real, Real]:
    norm, _ = _norm(activation, kernel, 1)
    value, error = mehler_gap(_rows(activation, kernel, 1), kernel, one_minus, norm)
    return value, np.where(np.isnan(value), np.inf, error)


def _panel_gap(activation: Activation, kernel: Real, one_minus: Real) -> tuple[Real, Real]:
    cases, back = np.unique(np.stack([kernel, one_minus], 1), axis=0, return_inverse=True)
    found = np.array([squared_difference(activation, float(k), float(d)) for k, d in cases])[back.reshape(-1)]
    _, unresolved = _norm(activation, kernel, 0 if is_discontinuous(activation) else 1)
    return found[:, 0], found[:, 1] + unresolved * np.abs(found[:, 0])
