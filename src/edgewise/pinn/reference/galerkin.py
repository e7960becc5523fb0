"""Steady equations on [-1, 1]^2 with zero boundary values: Legendre-Galerkin, symmetric and well conditioned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.pinn.reference.reference import Reference

Source = Callable[[Tensor], Tensor]
"""Points [point, 2] -> the right-hand side [point]."""


@dataclass(frozen=True)
class Basis:
    """Polynomials on [-1, 1] that satisfy the conditions at both ends, as sums of Legendre polynomials [function, L_k].

    `stiff` says what is the identity: the inner products of their first (1) or second (2) derivatives.
    """

    coefficients: Tensor
    stiff: int

    def at(self, x: Tensor, order: int = 0) -> Tensor:
        """Derivatives of all functions; [point, function]."""
        return _legendre(x, self.coefficients.shape[1], order) @ self.coefficients.T


def dirichlet(functions: int) -> Basis:
    """u(-1) = u(1) = 0: (L_k - L_{k+2}) / sqrt(4 k + 6), of orthonormal first derivatives (Shen 1994)."""
    table = torch.zeros(functions, functions + 2, dtype=torch.float64)
    for k in range(functions):
        scale = 1.0 / math.sqrt(4.0 * k + 6.0)
        table[k, k], table[k, k + 2] = scale, -scale
    return Basis(table, stiff=1)


def clamped(functions: int) -> Basis:
    """u = u' = 0 at both ends, of orthonormal second derivatives (Shen 1994)."""
    table = torch.zeros(functions, functions + 4, dtype=torch.float64)
    for k in range(functions):
        scale = 1.0 / math.sqrt(2.0 * (2.0 * k + 3.0) ** 2 * (2.0 * k + 5.0))
        table[k, k] = scale
        table[k, k + 2] = -scale * 2.0 * (2.0 * k + 5.0) / (2.0 * k + 7.0)
        table[k, k + 4] = scale * (2.0 * k + 3.0) / (2.0 * k + 7.0)
    return Basis(table, stiff=2)


def poisson(source: Source, functions: int) -> Tensor:
    """The coefficients [function, function] of u with -(u_xx + u_yy) = source and u = 0 on the edge.

    With M the mass matrix, U M + M U = F: diagonal in the eigenvectors of M (Shen 1994).
    """
    basis = dirichlet(functions)
    x, w = _gauss(2 * functions)
    mass = _inner(basis, x, w, 0)
    values, vectors = torch.linalg.eigh(mass)
    load = vectors.T @ _load(basis, source, x, w) @ vectors
    solution: Tensor = vectors @ (load / (values[:, None] + values[None, :])) @ vectors.T
    return solution


def biharmonic(source: Source, functions: int) -> Tensor:
    """The coefficients [function, function] of u with u_xxxx + 2 u_xxyy + u_yyyy = source, clamped at the edge.

    With M and C the inner products of values and of first derivatives, U M + 2 C U C + M U = F: one symmetric positive
    definite system (Shen 1994).
    """
    basis = clamped(functions)
    x, w = _gauss(2 * functions)
    mass, slope = _inner(basis, x, w, 0), _inner(basis, x, w, 1)
    one = torch.eye(functions, dtype=torch.float64)
    system = torch.kron(one, mass) + 2.0 * torch.kron(slope, slope) + torch.kron(mass, one)
    load = _load(basis, source, x, w).reshape(-1, 1)
    return torch.cholesky_solve(load, torch.linalg.cholesky(system)).reshape(functions, functions)


def square_reference(
    solve: Callable[[Source, int], Tensor], basis: Callable[[int], Basis], source: Source, functions: int
) -> Reference:
    """The solution with `functions` functions a coordinate, its error against three quarters as many."""
    fewer = functions * 3 // 4
    axis = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64)
    fine, coarse = ((basis(n), solve(source, n)) for n in (functions, fewer))

    def at(points: Tensor) -> Tensor:
        functions_of, coefficients = fine
        return ((functions_of.at(points[:, 0]) @ coefficients) * functions_of.at(points[:, 1])).sum(-1)

    values, crude = (b.at(axis) @ c @ b.at(axis).T for b, c in (fine, coarse))
    measured = float((values - crude).abs().max() / values.abs().max())
    return Reference(
        grid=(axis, axis.clone()),
        values=values,
        error_estimate=max(measured, 1e-14),
        method=f"Legendre-Galerkin with {functions} x {functions} polynomials",
        reason=f"{fewer} x {fewer} polynomials change no value by more than {measured:.1e} of the largest",
        at=at,
    )


def _legendre(x: Tensor, count: int, order: int) -> Tensor:
    """Derivatives of the first Legendre polynomials; [point, polynomial]."""
    found = [torch.ones_like(x), x]
    for k in range(1, count - 1):
        found.append(((2 * k + 1) * x * found[k] - k * found[k - 1]) / (k + 1))
    for _ in range(order):  # L'_{k+1} = L'_{k-1} + (2 k + 1) L_k
        slopes = [torch.zeros_like(x), found[0]]
        for k in range(1, count - 1):
            slopes.append(slopes[k - 1] + (2 * k + 1) * found[k])
        found = slopes
    return torch.stack(found, dim=-1)


def _gauss(count: int) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points and weights."""
    x, w = np.polynomial.legendre.leggauss(count)
    return torch.from_numpy(x), torch.from_numpy(w)


def _inner(basis: Basis, x: Tensor, w: Tensor, order: int) -> Tensor:
    """Inner products of the derivatives of that order; [function, function]."""
    values = basis.at(x, order)
    found = values.T @ (w[:, None] * values)
    return (found + found.T) / 2.0


def _load(basis: Basis, source: Source, x: Tensor, w: Tensor) -> Tensor:
    """Inner products of the source with products of two functions; [function, function]."""
    weighted = w[:, None] * basis.at(x)
    return weighted.T @ source(torch.cartesian_prod(x, x)).reshape(len(x), len(x)) @ weighted
