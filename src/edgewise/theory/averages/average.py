"""One entry for every Gaussian average of an activation and its derivatives: ``<z**m sigma^(i) sigma^(j) ...>_K``.

Strategies are tried in order, each returns its own error estimate, and each K keeps the best answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.activations.activation import Activation
from edgewise.activations.differentiable import closed_form


@dataclass(frozen=True)
class Average:
    """Gaussian averages at several K.

    value: float64, shape of K. error: estimated absolute error of each value.
    magnitude: ``<|integrand|>``, the scale against which the error is small when the value cancels.
    """

    value: Tensor
    error: Tensor
    magnitude: Tensor


def average(activation: Activation, kernel: Tensor, orders: tuple[int, ...] = (0, 0), z_power: int = 0) -> Average:
    """``< z**z_power * prod_i sigma^(orders[i])(z) >`` for z ~ N(0, K), kinks excluded (no delta functions).

    kernel: float64 tensor of K > 0, any shape; the results have that shape.
    """
    return _panels(activation, kernel, orders, z_power)


def _panels(activation: Activation, kernel: Tensor, orders: tuple[int, ...], z_power: int) -> Average:
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(20))
    flat = kernel.reshape(-1)
    rows = []
    for k in flat:
        root = float(k) ** 0.5
        edges = {0.0, -60.0, 60.0}
        for centre in (0.0, *activation.kinks):
            c = centre / root
            if abs(c) < 60:
                edges.add(c)
                for step in (2.0 ** np.arange(-40, 6)):
                    edges |= {e for e in (c - step, c + step) if abs(e) < 60}
        e = torch.tensor(sorted(edges), dtype=torch.float64)
        half = 0.5 * (e[1:] - e[:-1])
        x = (0.5 * (e[1:] + e[:-1]))[:, None] + half[:, None] * nodes
        z = x * root
        integrand = torch.exp(-0.5 * x * x) / (2 * torch.pi) ** 0.5 * z**z_power
        for order in orders:
            integrand = integrand * closed_form(activation, z, order)
        w = half[:, None] * weights
        rows.append(((integrand * w).sum(), (integrand.abs() * w).sum()))
    value = torch.stack([r[0] for r in rows]).reshape(kernel.shape)
    magnitude = torch.stack([r[1] for r in rows]).reshape(kernel.shape)
    return Average(value, 1e-14 * magnitude, magnitude)
