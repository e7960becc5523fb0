"""Burgers' equation solved exactly by the Cole-Hopf transformation: two integrals, by the trapezoidal rule."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.pinn.reference.reference import Reference

_LOG_ERROR = -42.0  # exp(-42) = 6e-19: below the rounding of the sums
_NUMBERS_AT_ONCE = 2**21  # points times nodes that are held in memory together


def cole_hopf(x: Tensor, t: Tensor, viscosity: float) -> Tensor:
    """u(x, t) of u_t + u u_x = viscosity u_xx, u(x, 0) = -sin(pi x), u = 0 at x = -1 and 1; t >= 0.

    u = -<sin(pi y)> / <1>, averages over y = x + sqrt(4 viscosity t) s with the weight
    exp(-s^2 - cos(pi y) / (2 pi viscosity)) (Cole 1951; Hopf 1950; Basdevant et al. 1986). The exponent's
    largest value is taken out of both sums, so nothing overflows at any viscosity. Error: about 1e-14, rounding.
    """
    return quadrature(x, t, viscosity, nodes(viscosity, float(t.max()) if t.numel() else 0.0).to(x))


def nodes(viscosity: float, latest: float, refinement: int = 1) -> Tensor:
    """Equally spaced s at which both sums are exact to rounding for 0 <= t <= latest.

    With a = 1 / (2 pi viscosity), the part beyond |s| = X is at most exp(2 a - X^2) of the whole. On the line
    Im s = b the weight grows by at most exp(b^2 + a (cosh(pi w b) - 1)), w = sqrt(4 viscosity latest), so spacing h
    errs by at most twice that times exp(-2 pi b / h) (Trefethen & Weideman 2014, theorem 5.1).
    """
    a, w = 1.0 / (2.0 * math.pi * viscosity), math.sqrt(4.0 * viscosity * latest)
    reach = math.sqrt(2.0 * a - _LOG_ERROR)
    spacing = max(
        2.0 * math.pi * b / (b * b + a * (math.cosh(math.pi * w * b) - 1.0) - _LOG_ERROR)
        for b in (0.05 * i for i in range(1, 140))
        if math.pi * w * b < 300.0
    )
    count = math.ceil(refinement**2 * reach / spacing)
    return torch.linspace(-refinement * reach, refinement * reach, 2 * count + 1, dtype=torch.float64)


def quadrature(x: Tensor, t: Tensor, viscosity: float, s: Tensor) -> Tensor:
    """The two sums over the nodes s, for tensors x and t of one shape; differentiable where t > 0."""
    if x.numel() * len(s) > _NUMBERS_AT_ONCE and x.numel() > 1:
        size = max(1, _NUMBERS_AT_ONCE // len(s))
        parts = zip(torch.split(x.flatten(), size), torch.split(t.flatten(), size), strict=True)
        return torch.cat([quadrature(a, b, viscosity, s) for a, b in parts]).reshape(x.shape)
    y = math.pi * (x[..., None] + torch.sqrt(4.0 * viscosity * t)[..., None] * s)
    exponent = -s * s - torch.cos(y) / (2.0 * math.pi * viscosity)
    weight = torch.softmax(exponent, dim=-1)
    return -(weight * torch.sin(y)).sum(-1)


def burgers_reference(viscosity: float, grid: tuple[Tensor, Tensor]) -> Reference:
    """The solution on a grid of x and t, its error measured against twice the nodes on twice the range."""
    x, t = torch.meshgrid(*grid, indexing="ij")
    latest = float(t.max())
    s = nodes(viscosity, latest)
    values = quadrature(x, t, viscosity, s)
    some = slice(None, None, max(1, x.numel() // 5000))
    finer = quadrature(x.flatten()[some], t.flatten()[some], viscosity, nodes(viscosity, latest, refinement=2))
    measured = float((finer - values.flatten()[some]).abs().max() / values.abs().max())
    rounding = 2.0**-53 / (math.pi * viscosity)  # of the exponents, which reach 2 a

    return Reference(
        grid=grid,
        values=values,
        error_estimate=max(measured, rounding),
        method=f"Cole-Hopf transformation, its two integrals by the trapezoidal rule with {len(s)} nodes",
        reason=f"twice the nodes on twice the range change no value by more than {measured:.1e} of the largest; "
        f"rounding of the exponents {rounding:.1e}",
        at=lambda points: quadrature(points[:, 0], points[:, 1], viscosity, s),
    )
