"""Derivatives of a function that only torch knows: by forward mode, else by backward mode, else by local polynomials.

Whatever torch says is compared with the function's own values first: a custom backward may be a surrogate, or wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from edgewise.activations.forward_mode import along_x

Function = Callable[[Tensor], Tensor]
Mode = Literal["forward", "backward"]

HIGHEST = 3
"""The order up to which torch's derivatives are tried."""
_NODES = 12
_HALF_WIDTH = 0.2


@dataclass(frozen=True)
class Differentiated:
    """A function with its derivatives: by torch up to `exact_order`, local polynomials beyond.

    kinks: the polynomials stay on one side of each; where torch has no value at one (sqrt(x**2) at 0), the
        mean of both sides is taken.
    """

    sigma: Function
    mode: Mode
    exact_order: int
    kinks: tuple[float, ...] = ()
    surrogate: Function | None = None
    note: str = ""

    def __call__(self, x: Tensor, order: int = 0) -> Tensor:
        if order <= self.exact_order or self.exact_order == HIGHEST:
            result = by_torch(self.sigma, x, order, self.mode)
            return self._mended(x, result, order) if order and self.kinks else result
        base = partial_order(self.sigma, self.exact_order, self.mode)
        return local_derivative(base, x, order - self.exact_order, self.kinks)

    def through(self, x: Tensor, order: int) -> list[Tensor]:
        return [self(x, k) for k in range(order + 1)]

    def knowing(self, kinks: tuple[float, ...]) -> Differentiated:
        return replace(self, kinks=kinks)

    def _mended(self, x: Tensor, result: Tensor, order: int) -> Tensor:
        for kink, mean in zip(self.kinks, _means(self, order), strict=True):
            if mean is not None:
                result = torch.where(x == kink, mean, result)
        return result


@lru_cache(maxsize=512)
def _means(derivative: Differentiated, order: int) -> tuple[float | None, ...]:
    """At each kink where torch gives nan: the mean of the derivative's two sides; None elsewhere."""
    with torch.no_grad():
        at = torch.tensor(derivative.kinks, dtype=torch.float64)
        there = by_torch(derivative.sigma, at, order, derivative.mode)
        step = 1e-9 * at.abs().clamp(min=1.0)
        left = by_torch(derivative.sigma, at - step, order, derivative.mode)
        right = by_torch(derivative.sigma, at + step, order, derivative.mode)
    mean = 0.5 * (left + right)
    lost = torch.isnan(there) & torch.isfinite(mean)
    return tuple(float(m) if bool(n) else None for m, n in zip(mean, lost, strict=True))


def differentiated(sigma: Function) -> Differentiated:
    """The function with the best derivatives that torch has for it."""
    best = Differentiated(sigma, "forward", 0)
    for mode in ("forward", "backward"):
        order = _exact_order(sigma, mode)
        if order > best.exact_order:
            best = Differentiated(sigma, mode, order)
        if order == HIGHEST:
            return best
    slope = _surrogate_slope(sigma) if best.exact_order == 0 else None
    if slope is not None:
        note = "its gradient in torch is not its derivative and serves training alone; else local polynomials (1e-9) do"
    else:
        note = (
            f"torch gives derivatives to order {best.exact_order} only; higher ones come from local polynomials (1e-8)"
        )
    return replace(best, surrogate=slope, note=note)


def _probes() -> Tensor:
    return torch.linspace(-4.1, 4.3, 61, dtype=torch.float64) + 0.00123


def _exact_order(sigma: Function, mode: Mode) -> int:
    """The highest order <= HIGHEST up to which torch's derivatives are those of the function's values."""
    x = _probes()
    for order in range(1, HIGHEST + 1):
        try:
            said = by_torch(sigma, x, order, mode)
            lower = partial_order(sigma, order - 1, mode)
            truths = [local_derivative(lower, x, 1, (), half_width=h) for h in (2e-2, 2e-3, 2e-4)]
        except Exception:  # whatever a user's function raises under differentiation: it has no such derivative
            return order - 1
        tolerance = 1e-4 * said.abs() + 1e-7 * (1 + float(said.abs().nan_to_num().median()))
        wrong = torch.stack([(said - truth).abs() > tolerance for truth in truths]).all(0)
        if float((wrong | torch.isnan(said)).double().mean()) > 0.25:
            return order - 1
    return HIGHEST


def _surrogate_slope(sigma: Function) -> Function | None:
    """What back-propagation multiplies by, where that exists and is not the derivative."""
    try:
        slope = by_torch(sigma, _probes(), 1, "backward")
    except Exception:
        return None
    return partial_order(sigma, 1, "backward") if bool(torch.isfinite(slope).all()) else None


def partial_order(sigma: Function, order: int, mode: Mode) -> Function:
    return lambda x: by_torch(sigma, x, order, mode)


def by_torch(sigma: Function, x: Tensor, order: int, mode: Mode) -> Tensor:
    """sigma^(order)(x) by automatic differentiation, detached in backward mode."""
    if order == 0 or x.numel() == 0:
        return sigma(x)
    if mode == "forward":
        return along_x(lambda t: by_torch(sigma, t, order - 1, mode), x)
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        value = sigma(at)
        for left in reversed(range(order)):
            (value,) = torch.autograd.grad(value.sum(), at, create_graph=left > 0)
    return value.detach()


@lru_cache(maxsize=16)
def _chebyshev(order: int) -> tuple[Tensor, Tensor]:
    """Nodes on [-1, 1], and the matrix from values there to Chebyshev coefficients of the derivative of that order."""
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    to_coefficients = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, _NODES - 1))
    return torch.from_numpy(nodes), torch.from_numpy(np.polynomial.chebyshev.chebder(to_coefficients, order))


def local_derivative(
    f: Function, x: Tensor, order: int, kinks: tuple[float, ...], *, half_width: float = _HALF_WIDTH
) -> Tensor:
    """f^(order)(x) from the polynomial through 12 points around x that lie on one side of every kink."""
    nodes, matrix = (t.to(x) for t in _chebyshev(order))
    half = torch.full_like(x, half_width)
    centre = x
    if kinks:
        edges = torch.tensor([-torch.inf, *kinks, torch.inf], dtype=x.dtype, device=x.device)
        index = torch.searchsorted(edges[1:-1].contiguous(), x.contiguous())
        low, high = edges[index], edges[index + 1]
        half = torch.minimum(half, 0.5 * (high - low))
        centre = torch.maximum(torch.minimum(x, high - half), low + half)
    values = f(centre[..., None] + half[..., None] * nodes)
    coefficients = values @ matrix.mT
    place = ((x - centre) / half).clamp(-1, 1)
    angle = torch.arccos(place)
    basis = torch.stack([torch.cos(k * angle) for k in range(coefficients.shape[-1])], dim=-1)
    return (coefficients * basis).sum(-1) / half**order
