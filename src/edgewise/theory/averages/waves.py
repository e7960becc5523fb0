"""Pairs of trigonometric polynomials on the whole line, in closed form.

``<z1**n exp(i w z1) z2**m exp(i v z2)>`` is a Gaussian factor times a moment of z1 and z2 shifted into the complex
plane.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.activations.pieces import Pieces
from edgewise.theory.averages.correlation import Correlation
from edgewise.theory.averages.integrand import integrand

Real = npt.NDArray[np.float64]
_EPS = 2.0**-52


def wave_pair(
    pieces: Pieces, k1: Real, k2: Real, correlation: Correlation, orders: tuple[int, int]
) -> tuple[Real, Real] | None:
    """(value, error) of ``<sigma^(i)(z1) sigma^(j)(z2)>``, shape [pair]; None unless sigma is one piece everywhere."""
    whole = len(pieces) == 1 and pieces[0].low == -math.inf and pieces[0].high == math.inf
    if not whole or any(t.power < 0 for t in pieces[0].terms):
        return None
    sides = [integrand(pieces, (order,), 0) for order in orders]
    value, error = np.zeros_like(k1), np.zeros_like(k1)
    if not all(sides):
        return value, error
    root1, root2 = np.sqrt(k1), np.sqrt(k2)
    covariance = correlation.r * root1 * root2
    for p in sides[0][0].terms:
        for q in sides[1][0].terms:
            w, v = p.frequency, q.frequency
            product = w * v * root1 * root2
            exponent = -0.5 * np.where(
                product < 0,
                (w * root1 + v * root2) ** 2 - 2 * product * correlation.one_minus,
                (w * root1 - v * root2) ** 2 + 2 * product * correlation.one_plus,
            )
            decay = np.exp(exponent)
            shift1 = 1j * (w * k1 + v * covariance)
            shift2 = 1j * (w * covariance + v * k2)
            moment, size = _moment(p.power, q.power, k1, k2, covariance, shift1, shift2)
            alive = decay > 0
            value = value + np.where(alive, np.real(p.amplitude * q.amplitude * moment) * decay, 0.0)
            scale = abs(p.amplitude * q.amplitude) * size * decay * (4 - exponent)
            error = error + np.where(alive, scale * _EPS, 0.0)
    return value, error


def _moment(
    n: int, m: int, k1: Real, k2: Real, covariance: Real, shift1: npt.NDArray[Any], shift2: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], Real]:
    """``<(z1 + shift1)**n (z2 + shift2)**m>`` and the sum of its terms' sizes, by Gaussian integration by parts."""
    one = np.ones_like(k1)
    table: dict[tuple[int, int], tuple[npt.NDArray[Any], Real]] = {(0, 0): (one, one)}
    for j in range(m):
        value, size = table[0, j][0] * shift2, table[0, j][1] * np.abs(shift2)
        if j:
            value, size = value + j * k2 * table[0, j - 1][0], size + j * k2 * table[0, j - 1][1]
        table[0, j + 1] = value, size
    for i in range(n):
        for j in range(m + 1):
            value, size = table[i, j][0] * shift1, table[i, j][1] * np.abs(shift1)
            if i:
                value, size = value + i * k1 * table[i - 1, j][0], size + i * k1 * table[i - 1, j][1]
            if j:
                value = value + j * covariance * table[i, j - 1][0]
                size = size + j * np.abs(covariance) * table[i, j - 1][1]
            table[i + 1, j] = value, size
    return table[n, m]
