"""g, chi_parallel and chi_perp of one activation, tabulated for work that needs them at millions of K.

The three are analytic in K wherever Re K > 0, whatever kinks the activation has (a Gaussian average is smooth in its
variance), with their only finite singularity at K = 0. One octave [2**e, 2**(e+1)] is thus known to rounding from a few
Chebyshev nodes (convergence ratio 3 + sqrt 8); from there each octave is cut into 32 cells with a quintic each, and a
float64 carries its own cell number in its leading mantissa bits, so that looking up costs no logarithm and no search.

Tabulated are ln(g/K), K chi_parallel/(C_W g) and K chi_perp/(C_W g): the last two are pure numbers near 1 for most
activations (2p-1 and p for powers), so that relative precision holds over all 600 decades of a float64. Octaves are
built when first touched. Where the measured error of an octave is too large (an average that grows faster than any
power of K) or an average has no finite value there, every K of that octave is evaluated directly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import AverageError
from edgewise.theory import kernels

SMALLEST = 2.0**-1022
"""The smallest kernel a table knows (the smallest normal float64); flows call what is below it vanished."""
LARGEST = 2.0**1023 * (2 - 2**-52)

_NODES = 20
_CELL_BITS = 5
_CELLS = 2**_CELL_BITS
_DEGREE = 5
_SHIFT = 52 - _CELL_BITS
_FRACTION = (1 << _SHIFT) - 1
_ONE = 1023 << 52
_TOLERANCE = 1e-11

Function = Callable[[Tensor], Tensor]


def evaluate(function: Function, k: Tensor) -> Tensor:
    """`function` at every K of a tensor, inf where its average diverges or exceeds the largest float64."""
    if k.numel() == 0:
        return k.clone()
    try:
        value = function(k)
    except AverageError:
        if k.numel() == 1:
            return torch.full_like(k, math.inf)
        flat = k.reshape(-1)
        half = flat.numel() // 2
        return torch.cat([evaluate(function, flat[:half]), evaluate(function, flat[half:])]).reshape(k.shape)
    return torch.nan_to_num(value, nan=math.inf, posinf=math.inf, neginf=math.inf)


@lru_cache(maxsize=1)
def _grids() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Chebyshev nodes in (1, 2), and maps from values there: to cells, to their mismatch, to the last coefficients."""
    cheb = np.polynomial.chebyshev
    x = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    to_series = np.linalg.inv(cheb.chebvander(x, _NODES - 1))
    t = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    starts = np.arange(_CELLS)[:, None] / _CELLS
    to_monomials = np.linalg.inv(np.vander(t, _DEGREE + 1, increasing=True))

    def sample(
        points: np.ndarray,
    ) -> np.ndarray:  # from the series of an octave to values at local points of every cell
        mantissa = starts + (points + 1) / (2 * _CELLS)
        return cheb.chebvander(2 * mantissa - 1, _NODES - 1)

    cells = np.einsum("dp,cpn->cdn", to_monomials, sample(t)) @ to_series
    checks = np.array([-1.0, 0.13, 1.0])
    mismatch = sample(checks) @ to_series - np.einsum(
        "pd,cdn->cpn", np.vander(checks, _DEGREE + 1, increasing=True), cells
    )
    return (
        torch.from_numpy(1.5 + 0.5 * x),
        torch.from_numpy(cells),
        torch.from_numpy(mismatch.reshape(-1, _NODES)),
        torch.from_numpy(to_series[-3:]),
    )


class Table:
    """One positive-argument function y(K), tabulated octave by octave as it is asked for.

    `error` is the largest interpolation error measured in the octaves built so far (absolute, in y).
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._octaves: dict[int, bool] = {}
        self._table = (0, torch.empty(0, _DEGREE + 1, dtype=torch.float64))
        self._cells: dict[int, tuple[float, ...] | None] = {}
        self.error = 0.0

    def __call__(self, k: Tensor) -> Tensor:
        """y at every K, each in [SMALLEST, LARGEST]; any shape."""
        if k.numel() == 0:
            return k.clone()
        flat = k.reshape(-1).contiguous()
        value = self._lookup(flat)
        unknown = value.isnan()
        if bool(unknown.any()):
            missing = flat[unknown]
            self._build(((missing.view(torch.int64) >> 52) - 1023).tolist())
            found = self._lookup(missing)
            direct = found.isnan()
            found[direct] = self._function(missing[direct])
            value[unknown] = found
        return value.reshape(k.shape)

    def at(self, k: float) -> float:
        """y at one K, an order of magnitude faster than through a tensor."""
        mantissa, exponent = math.frexp(k)
        position = (2.0 * mantissa - 1.0) * _CELLS
        cell = int(position)
        key = (exponent - 1) * _CELLS + cell
        if key not in self._cells:
            self._cells[key] = self._one_cell(exponent - 1, cell)
        coefficients = self._cells[key]
        if coefficients is None:
            return float(self._function(torch.tensor([k], dtype=torch.float64)))
        t = 2.0 * (position - cell) - 1.0
        value = 0.0
        for c in coefficients:
            value = value * t + c
        return value

    def _one_cell(self, octave: int, cell: int) -> tuple[float, ...] | None:
        self._build([octave])
        if not self._octaves[octave]:
            return None
        base, table = self._table
        row: list[float] = table[(octave - base) * _CELLS + cell].tolist()
        return tuple(reversed(row))

    def _lookup(self, k: Tensor) -> Tensor:
        base, table = self._table
        if table.shape[0] == 0:
            return torch.full_like(k, math.nan)
        bits = k.view(torch.int64)
        rows = (bits >> _SHIFT) - (1023 + base) * _CELLS
        inside = rows.clamp(0, table.shape[0] - 1)
        coefficients = table.index_select(0, inside)
        t = ((bits & _FRACTION) | _ONE).view(torch.float64).sub_(1.0).mul_(2.0 * _CELLS).sub_(1.0)
        value = coefficients[:, _DEGREE]
        for d in range(_DEGREE - 1, -1, -1):
            value = torch.addcmul(coefficients[:, d], value, t)
        if not torch.equal(inside, rows):
            value = torch.where(inside == rows, value, math.nan)
        return value

    def _build(self, octaves: list[int]) -> None:
        new = sorted(set(octaves) - self._octaves.keys())
        if not new:
            return
        nodes, to_cells, to_mismatch, to_tail = _grids()
        scales = torch.tensor([math.ldexp(1.0, e) for e in new], dtype=torch.float64)
        values = self._function((scales[:, None] * nodes).clamp(max=LARGEST))
        usable = values.isfinite().all(1)
        values = torch.where(usable[:, None], values, 0.0)
        error = torch.maximum((values @ to_tail.T).abs().sum(1), (values @ to_mismatch.T).abs().amax(1))
        usable &= error <= _TOLERANCE * (1.0 + values.abs().amax(1))
        blocks = torch.einsum("cdn,en->ecd", to_cells, values)
        blocks[~usable] = math.nan
        base, table = self._table
        known = range(base, base + table.shape[0] // _CELLS)
        low, high = min([*new, *known[:1]]), max([*new, *known[-1:]])
        grown = torch.full(((high - low + 1), _CELLS, _DEGREE + 1), math.nan, dtype=torch.float64)
        if known:
            grown[base - low : base - low + len(known)] = table.reshape(-1, _CELLS, _DEGREE + 1)
        grown[torch.tensor(new) - low] = blocks
        self._table = (low, grown.reshape(-1, _DEGREE + 1))
        self._octaves.update(zip(new, usable.tolist(), strict=True))
        if bool(usable.any()):
            self.error = max(self.error, float(error[usable].max()))


class KernelFunctions:
    """g(K), chi_parallel(K)/C_W and chi_perp(K)/C_W of one activation, fast at many K (see the module's text).

    Arguments must be finite and > 0 (at least SMALLEST); a value that has no finite float64 comes out as inf.
    """

    def __init__(self, a: Activation) -> None:
        self.activation = a
        degree = a.homogeneity
        self._power = None
        self._perp_power = None
        if degree is not None:  # sigma(cz) = c**d sigma(z) makes g = g(1) K**d: exact, and no table
            one = torch.ones(1, dtype=torch.float64)
            scale = float(evaluate(lambda k: kernels.kernel(a, k), one))
            self._power = (scale, degree)
            if a.definition.surrogate is None:
                self._perp_power = (float(evaluate(lambda k: kernels.chi_perp(a, k), one)), degree - 1.0)
        self._log_ratio = Table(self._direct_log_ratio)
        self._parallel = Table(self._direct_parallel)
        self._perp = Table(self._direct_perp)

    def kernel(self, k: Tensor) -> Tensor:
        """g(K) = <sigma**2>; float64, shape of k."""
        if self._power is not None:
            return _power_law(k, *self._power)
        return k * torch.exp(self._log_ratio(k))

    def kernel_at(self, k: float) -> float:
        """g at one K, for long scalar flows."""
        if self._power is not None:
            scale, degree = self._power
            try:
                return scale * (k if degree == 1 else k**degree)
            except OverflowError:
                return math.inf
        exponent = self._log_ratio.at(k)
        return k * math.exp(exponent) if exponent < 709.0 else math.inf

    def chi_parallel(self, k: Tensor) -> Tensor:
        """chi_parallel(K) / C_W = g'(K); float64, shape of k."""
        if self._power is not None:
            scale, degree = self._power
            return _power_law(k, degree * scale, degree - 1.0)
        return self._parallel(k) * torch.exp(self._log_ratio(k))

    def chi_perp(self, k: Tensor) -> Tensor:
        """chi_perp(K) / C_W = <sigma'**2>; float64, shape of k."""
        if self._perp_power is not None:
            return _power_law(k, *self._perp_power)
        if self._power is not None:  # a straight-through slope: no power law, but g is one
            return self._perp(k) * _power_law(k, self._power[0], self._power[1] - 1.0)
        return self._perp(k) * torch.exp(self._log_ratio(k))

    def _direct_log_ratio(self, k: Tensor) -> Tensor:
        return torch.log(evaluate(lambda x: kernels.kernel(self.activation, x), k) / k)

    def _direct_parallel(self, k: Tensor) -> Tensor:
        return evaluate(lambda x: kernels.chi_parallel(self.activation, x), k) * torch.exp(-self._log_ratio(k))

    def _direct_perp(self, k: Tensor) -> Tensor:
        if self._power is not None:
            ratio = _power_law(k, self._power[0], self._power[1] - 1.0)
        else:
            ratio = torch.exp(self._log_ratio(k))
        return evaluate(lambda x: kernels.chi_perp(self.activation, x), k) / ratio


def _power_law(k: Tensor, scale: float, power: float) -> Tensor:
    if power == 0.0:
        return torch.full_like(k, scale)
    return scale * k if power == 1.0 else scale * k**power


@lru_cache(maxsize=32)
def kernel_functions(a: Activation) -> KernelFunctions:
    """The tabulated functions of `a`, shared by all who ask; the 32 activations used last are kept."""
    return KernelFunctions(a)
