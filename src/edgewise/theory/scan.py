"""g, chi_parallel and chi_perp of one activation over twenty decades of K: where critical points are looked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.errors import AverageError
from edgewise.theory.averages import average

LOWEST, HIGHEST, PER_DECADE = 1e-10, 1e10, 16
_EPS = torch.finfo(torch.float64).eps
_TINY = 1e-280  # below this a susceptibility has lost its digits to underflow


@dataclass(frozen=True)
class Moments:
    """The averages at some K, C_W left out; float64, one entry a K.

    kernel: K. g: <sigma**2>. parallel: <z sigma sigma'>/K. perp: <sigma'**2>.
    noise: absolute error of ``parallel - perp``, from the estimates of the averages and rounding.
    """

    kernel: Tensor
    g: Tensor
    parallel: Tensor
    perp: Tensor
    noise: Tensor

    @property
    def excess(self) -> Tensor:
        """chi_parallel/chi_perp - 1, whose zeros are the critical kernels."""
        return (self.parallel - self.perp) / self.perp

    @property
    def excess_noise(self) -> Tensor:
        return self.noise / self.perp


@dataclass(frozen=True)
class Scan:
    """Moments on an ascending grid of K; `shortened` says why the grid is shorter than usual ("" when it is not)."""

    moments: Moments
    shortened: str


def moments(a: Activation, kernel: Tensor) -> Moments:
    """g and both susceptibilities (without C_W) at every K of a one-dimensional float64 tensor."""
    g = average(a, kernel, (0, 0))
    parallel = average(a, kernel, (0, 1), 1)
    perp = average(a, kernel, (1, 1))
    noise = (parallel.error + 4 * _EPS * parallel.magnitude) / kernel + perp.error + 4 * _EPS * perp.magnitude
    return Moments(kernel, g.value, parallel.value / kernel, perp.value, noise)


def scan(a: Activation) -> Scan:
    """The moments for K from 1e-10 to 1e10, or as much of that range as has finite averages.

    Raises DivergentAverageError or AverageOverflowError when no K of the range has.
    """
    decades = torch.log10(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64))
    count = int(decades[1] - decades[0]) * PER_DECADE + 1
    grid = torch.logspace(float(decades[0]), float(decades[1]), count, dtype=torch.float64)
    try:
        found, shortened = moments(a, grid), ""
    except AverageError as error:
        first, last = _finite_stretch(a, grid)
        found, shortened = moments(a, grid[first : last + 1]), str(error)
    usable = torch.isfinite(found.g) & torch.isfinite(found.parallel) & torch.isfinite(found.perp) & (found.g > _TINY)
    usable &= torch.isfinite(found.noise) & ((found.perp > _TINY) | (found.perp == 0) & (found.g > _TINY))
    constant = bool((found.perp == 0).all()) and bool(torch.isfinite(found.g).all())
    if not constant and not bool(usable.all()):
        found = Moments(*(getattr(found, name)[usable] for name in ("kernel", "g", "parallel", "perp", "noise")))
        shortened = shortened or "averages under- or overflow outside this range"
    if not len(found.kernel):
        raise AverageError(f"{a.spec}: no Gaussian average is finite for K between {LOWEST:g} and {HIGHEST:g}")
    if shortened:
        shortened = (
            f"Averages were had in float64 for K from {float(found.kernel[0]):.3g} to {float(found.kernel[-1]):.3g}; "
            "nothing is said beyond."
        )
    return Scan(found, shortened)


def _finite_stretch(a: Activation, grid: Tensor) -> tuple[int, int]:
    """First and last index of the stretch of the grid, around its middle, where the averages can be had."""
    finite = _Finite(a, grid)
    middle = next((i for i in (len(grid) // 2, len(grid) // 4, 3 * len(grid) // 4, 0) if finite(i)), None)
    if middle is None:
        moments(a, grid[:1])  # raises the typed error that says what is wrong
        middle = 0
    return _edge(finite, middle, 0), _edge(finite, middle, len(grid) - 1)


@dataclass(frozen=True)
class _Finite:
    a: Activation
    grid: Tensor

    def __call__(self, index: int) -> bool:
        try:
            moments(self.a, self.grid[index : index + 1])
        except AverageError:
            return False
        return True


def _edge(finite: _Finite, inside: int, end: int) -> int:
    """The index nearest to `end` that is still finite, by bisection from one that is."""
    if finite(end):
        return end
    outside = end
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if finite(middle):
            inside = middle
        else:
            outside = middle
    return inside
