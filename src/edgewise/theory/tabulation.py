"""A function of K as a table over all 600 decades of a float64, built where it is asked for.

What is tabulated must be analytic in log K in a strip of half-width near pi/2 (every Gaussian average is: it is
analytic in its variance wherever Re K > 0, whatever kinks the activation has). One octave [2**e, 2**(e+1)] is then
known to rounding from a few Chebyshev nodes in log K, the error falling by a factor of 9 with each; from there each
octave is cut into 32 cells with a quintic each, and a float64 carries its own cell number in its leading mantissa
bits, so that looking up costs no logarithm and no search. Far out, 16 octaves share their nodes where the function
has become a power law.

Where the measured error of an octave is too large (next to a K where an average diverges) every K of it is evaluated
directly; one in which a value is infinite is infinite throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import AverageError

SMALLEST = 2.0**-1022
"""The smallest kernel a table knows (the smallest normal float64); flows call what is below it vanished."""
LARGEST = 2.0**1023 * (2 - 2**-52)

_NODES = 14
_CELL_BITS = 5
_CELLS = 2**_CELL_BITS
_DEGREE = 5
_SHIFT = 52 - _CELL_BITS
_FRACTION = (1 << _SHIFT) - 1
_ONE = 1023 << 52
_TOLERANCE = 1e-11
_AHEAD = 8
_FIRST, _LAST = -1022, 1023
_NEAR = 48
_BLOCK = 16
_POWER_LAW = 1e-13

Answer = tuple[Tensor, Tensor]
"""Values and their estimated absolute errors."""
Function = Callable[[Tensor], Answer]


@dataclass(frozen=True)
class _Grids:
    """Nodes of one octave (K/2**e) and of one block of octaves, and linear maps from the values at such nodes.

    cells: to coefficients, (cell, degree, node); mismatch: to the error of the quintics at check points; tail: to the
    last Chebyshev coefficients; wide: from a block to the nodes of each of its octaves, (octave, node, wide node).
    """

    nodes: Tensor
    wide_nodes: Tensor
    cells: Tensor
    mismatch: Tensor
    tail: Tensor
    wide: Tensor


@lru_cache(maxsize=1)
def _grids() -> _Grids:
    cheb = np.polynomial.chebyshev
    x = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    to_series = np.linalg.inv(cheb.chebvander(x, _NODES - 1))
    t = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    starts = np.arange(_CELLS)[:, None] / _CELLS
    to_monomials = np.linalg.inv(np.vander(t, _DEGREE + 1, increasing=True))

    def sample(points: np.ndarray) -> np.ndarray:  # the series of an octave at these local points of every cell
        mantissa = starts + (points + 1) / (2 * _CELLS)
        return cheb.chebvander(2 * np.log2(1.0 + mantissa) - 1, _NODES - 1)

    cells = np.einsum("dp,cpn->cdn", to_monomials, sample(t)) @ to_series
    checks = np.array([-1.0, 0.13, 1.0])
    back = np.vander(checks, _DEGREE + 1, increasing=True)
    mismatch = sample(checks) @ to_series - np.einsum("pd,cdn->cpn", back, cells)
    octaves = np.arange(_BLOCK)[:, None] + 0.5 * (1.0 + x)
    wide = cheb.chebvander(2 * octaves / _BLOCK - 1, _NODES - 1) @ to_series
    arrays = (2.0 ** (0.5 * (1.0 + x)), 2.0 ** (0.5 * _BLOCK * (1.0 + x)), cells, mismatch.reshape(-1, _NODES))
    return _Grids(*(torch.from_numpy(v) for v in (*arrays, to_series[-3:], wide)))


class Table:
    """One positive-argument function y(K), tabulated octave by octave as it is asked for.

    `error` maps each octave built so far to its largest error: of the averages as estimated, of interpolation as
    measured.
    """

    def __init__(self, function: Function, *, logarithmic: bool = False) -> None:
        """logarithmic: y is a logarithm, so that its absolute error matters and not its relative one."""
        self._function = function
        self._logarithmic = logarithmic
        self._octaves: dict[int, bool] = {}
        self._table = (0, torch.empty(0, _DEGREE + 1, dtype=torch.float64))
        self._cells: dict[int, tuple[float, ...] | None] = {}
        self.error: dict[int, float] = {}

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
            found[direct] = self._function(missing[direct])[0]
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
            return float(self._function(torch.tensor([k], dtype=torch.float64))[0])
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
        asked = set(octaves) - self._octaves.keys()
        if not asked:
            return
        around = {e + step for e in asked for step in range(-_AHEAD, _AHEAD + 1) if _FIRST <= e + step <= _LAST}
        far = self._far(sorted({e // _BLOCK for e in around - self._octaves.keys() if not -_NEAR <= e < _NEAR}))
        near = sorted(around - self._octaves.keys() - set(far))
        if near:
            try:  # flows move on: their next octaves cost little more in the same call, unless something is wrong there
                self._add(near, *self._function(_scales(near) * _grids().nodes))
            except AverageError:
                near = sorted(asked - set(far))
                self._add(near, *self._function(_scales(near) * _grids().nodes))

    def _far(self, blocks: list[int]) -> list[int]:
        """Adds the octaves of those blocks on which one series in log K will do, as far out where y is a power law."""
        if not blocks:
            return []
        grids = _grids()
        k = _scales([b * _BLOCK for b in blocks]) * grids.wide_nodes
        values, errors = self._function(k.clamp(SMALLEST, LARGEST))
        tail = (values @ grids.tail.T).abs().sum(1)
        scale = 1.0 + values.abs().amax(1) if self._logarithmic else values.abs().amin(1)
        good = values.isfinite().all(1) & (tail <= _POWER_LAW * scale)
        octaves = [b * _BLOCK + i for b, ok in zip(blocks, good.tolist(), strict=True) if ok for i in range(_BLOCK)]
        inside = torch.einsum("ijn,bn->bij", grids.wide, values[good]).reshape(-1, _NODES)
        spread = (errors.amax(1) + tail)[good].repeat_interleave(_BLOCK)[:, None].expand(-1, _NODES)
        if octaves:
            self._add(octaves, inside, spread)
        return octaves

    def _add(self, new: list[int], values: Tensor, errors: Tensor) -> None:
        """values, errors: at the Chebyshev nodes of each new octave, shape (octaves, nodes)."""
        grids = _grids()
        infinite = values.isposinf().any(1)
        usable = values.isfinite().all(1)
        values = torch.where(usable[:, None], values, 0.0)
        error = torch.maximum((values @ grids.tail.T).abs().sum(1), (values @ grids.mismatch.T).abs().amax(1))
        usable &= error <= torch.maximum(_TOLERANCE * (1.0 + values.abs().amax(1)), errors.amax(1))
        cells = torch.einsum("cdn,en->ecd", grids.cells, values)
        cells[~usable] = math.nan
        cells[infinite] = torch.tensor([math.inf, *[0.0] * _DEGREE], dtype=torch.float64)
        base, table = self._table
        known = range(base, base + table.shape[0] // _CELLS)
        low, high = min([*new, *known[:1]]), max([*new, *known[-1:]])
        grown = torch.full(((high - low + 1), _CELLS, _DEGREE + 1), math.nan, dtype=torch.float64)
        if known:
            grown[base - low : base - low + len(known)] = table.reshape(-1, _CELLS, _DEGREE + 1)
        grown[torch.tensor(new) - low] = cells
        self._table = (low, grown.reshape(-1, _DEGREE + 1))
        self._octaves.update(zip(new, (usable | infinite).tolist(), strict=True))
        self.error.update(zip(new, (error + errors.amax(1)).tolist(), strict=True))


def _scales(octaves: list[int]) -> Tensor:
    return torch.tensor([[math.ldexp(1.0, e)] for e in octaves], dtype=torch.float64)
