"""Periodic evolution equations on x in [-1, 1], t in [0, 1]: Fourier series in space, ETDRK4 in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.pinn.reference.etdrk4 import integrate
from edgewise.pinn.reference.gridded import Gridded
from edgewise.pinn.reference.reference import Reference

_PADDING = 4  # grid points for local interpolation, over those of the Fourier series


@dataclass(frozen=True)
class Evolution:
    """u_t = linear(k) u + rest(u, t), smooth and of period 2 in x.

    linear: wave numbers k = pi n [mode] -> its symbol. rest: (k, spectrum, x, t) -> spectrum, x the grid points.
    initial: x -> u. added: (x, t) -> what is known in closed form and left out of the Fourier series; None is nothing.
    """

    linear: Callable[[Tensor], Tensor]
    rest: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    initial: Callable[[Tensor], Tensor]
    added: Callable[[Tensor, Tensor], Tensor] | None = None


def solve_periodic(equation: Evolution, *, points: int, steps: int, times: int = 200, spaces: int = 256) -> Reference:
    """The solution from `points` grid points and `steps` steps, its error against half as many of both.

    The reference has times + 1 by spaces + 1 values. The difference is the error of the coarser one, so that the error
    of what is returned is smaller: by 16 where time steps make it. That of reading between stored values is measured
    from every second one of them, and larger than the actual one too.
    """
    fine, coarse = (_run(equation, points // d, steps // d, times) for d in (1, 2))
    x = torch.linspace(-1.0, 1.0, spaces + 1, dtype=torch.float64)
    t = torch.linspace(0.0, 1.0, times + 1, dtype=torch.float64)
    table, crude = _closed(fine, _PADDING * points), _closed(coarse, _PADDING * points)
    extra = equation.added

    def at(p: Tensor) -> Tensor:
        found = read(p)
        return found if extra is None else found + extra(p[:, 0], p[:, 1])

    read = Gridded(table, (-1.0, 0.0), (1.0, 1.0))
    sparse = Gridded(table[::2, ::2], (-1.0, 0.0), (1.0, 1.0))
    some = torch.cartesian_prod(x[1::3], t[1::2])
    grid_values = table[:: table.shape[0] // spaces]
    if extra is not None:
        grid_values = grid_values + extra(*torch.meshgrid(x, t, indexing="ij"))
    scale = grid_values.abs().max()
    solving = float((table - crude).abs().max() / scale)
    reading = float((sparse(some) - read(some)).abs().max() / scale)
    return Reference(
        grid=(x, t),
        values=grid_values,
        error_estimate=solving + reading,
        method=f"Fourier series on {points} points, ETDRK4 with {steps} steps",
        reason=f"half the points and steps change no value by more than {solving:.1e} of the largest, half the "
        f"values to interpolate between by {reading:.1e}",
        at=at,
    )


def _run(equation: Evolution, points: int, steps: int, times: int) -> Tensor:
    """The spectra of u at the stored times, per point; [time, mode]."""
    x = -1.0 + 2.0 / points * torch.arange(points, dtype=torch.float64)
    k = math.pi * torch.arange(points // 2 + 1, dtype=torch.float64)
    start = torch.fft.rfft(equation.initial(x), norm="forward")
    return integrate(
        equation.linear(k), lambda v, t: equation.rest(k, v, x, t), start, duration=1.0, steps=steps, keep=times
    )


def _closed(spectra: Tensor, points: int) -> Tensor:
    """Values on `points` + 1 grid points from -1 to 1, ends included; [point, time]."""
    values = torch.fft.irfft(spectra, n=points, norm="forward")
    return torch.cat([values, values[:, :1]], dim=1).T.contiguous()


def dealiased(k: Tensor) -> Tensor:
    """1 for the lower two thirds of the wave numbers, 0 above: a product of two keeps clear of them (Orszag 1971)."""
    return (k < 2.0 / 3.0 * k[-1]).to(torch.float64)
