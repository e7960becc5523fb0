"""An activation applied to a series and back-propagated by hand, in place.

d sigma(z) = sigma'(z) dz: the gradient of the parts of z is the transposed product of the series sigma'(z) with the
gradient of the parts of sigma(z). Where sigma' = a + b sigma + c sigma**2 (tanh, sigmoid) that series follows from
sigma(z), and nothing else has to be kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.activations.registry import is_registered
from edgewise.pinn.algebra import Algebra
from edgewise.pinn.composition import powers
from edgewise.pinn.series import taylor


class Block:
    """The parts of a series [member, part, example, unit], or without a member axis, and the views of it in use."""

    __slots__ = ("full", "one_part", "parts", "rest", "rows", "shape", "value")

    def __init__(self, full: Tensor, parts: Sequence[Tensor], rest: Tensor, rows: Tensor) -> None:
        self.full, self.parts, self.rest, self.rows = full, parts, rest, rows
        self.value = parts[0]
        self.shape: tuple[int, ...] = tuple(full.shape)
        self.one_part = (*self.shape[:-3], 1, *self.shape[-2:])

    @classmethod
    def of(cls, full: Tensor) -> Block:
        return cls(full, full.unbind(-3), full.narrow(-3, 1, full.shape[-3] - 1), full.flatten(-3, -2))


def blocks(full: Tensor) -> list[Block]:
    """The blocks of a tensor [layer, ...]: views are taken of all layers at once, which is as quick as of one."""
    parts = zip(*(part.unbind(0) for part in full.unbind(-3)), strict=True)
    rest, rows = full.narrow(-3, 1, full.shape[-3] - 1).unbind(0), full.flatten(-3, -2).unbind(0)
    return [Block(*views) for views in zip(full.unbind(0), parts, rest, rows, strict=True)]


class Unit(Protocol):
    """An activation on series."""

    def forward(self, z: Block, y: Block, scratch: Scratch, *, keep: bool) -> Block | None:
        """Writes sigma(z) into y; returns what `backward` needs besides y, if it is to keep something."""

    def backward(self, gradient: Block, y: Block, slopes: Block | None, out: Block, scratch: Scratch) -> None:
        """Writes the gradient of the parts of z into `out`, from that of the parts of sigma(z)."""


class Scratch:
    """Memory that is used again for every layer and tile, so that it stays in the cache; by purpose and shape."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._flat: dict[str, Tensor] = {}
        self._blocks: dict[tuple[str, tuple[int, ...]], Block] = {}

    def block(self, purpose: str, shape: tuple[int, ...]) -> Block:
        found = self._blocks.get((purpose, shape))
        if found is None:
            numbers = math.prod(shape)
            flat = self._flat.get(purpose)
            if flat is None or flat.numel() < numbers:
                flat = self._flat[purpose] = self._like.new_empty(numbers)
            found = self._blocks[purpose, shape] = Block.of(flat[:numbers].view(shape))
        return found


def unit(sigma: Activation, algebra: Algebra, like: Tensor) -> Unit:
    """The activation on series of this algebra in the precision of `like`, the cheapest there is."""
    if sigma.name in ("tanh", "sigmoid") and is_registered(sigma.definition):
        return Saturating(sigma, algebra, like)
    return General(sigma, algebra)


def _transposed(p: Block, gradient: Block, out: Block, algebra: Algebra, scale: float) -> None:
    """Adds scale * (the transposed product of p without its value with the gradient) to out."""
    value, p_parts, g_parts, out_parts = out.value, p.parts, gradient.parts, out.parts
    for k in range(1, algebra.parts):
        value.addcmul_(p_parts[k], g_parts[k], value=scale)
        for i, j, c in algebra.products[k]:
            out_parts[j].addcmul_(p_parts[i], g_parts[k], value=c * scale)


class General:
    """Any activation, from its Taylor coefficients; sigma'(z) is kept for the gradients, all but its value halved."""

    def __init__(self, sigma: Activation, algebra: Algebra) -> None:
        self.sigma, self.algebra = sigma, algebra

    def forward(self, z: Block, y: Block, scratch: Scratch, *, keep: bool) -> Block | None:
        order = self.algebra.order
        series = taylor(self.sigma, z.value, order + keep)
        value = series[0]
        assert value is not None
        y.value.copy_(value)
        bends = any(s is not None for s in series[2:])
        slopes = _kept(z, bends) if keep else None
        if slopes is not None:
            _scaled(series[1], None, slopes.value)
        if order == 0:
            return slopes
        _scaled(series[1], z.rest, y.rest)
        if slopes is not None and bends:
            _scaled(series[2], z.rest, slopes.rest)
        if not bends:
            return slopes
        for m, power in powers(z.parts, self.algebra):
            factor = series[m]
            further = series[m + 1] if slopes is not None else None
            for k, p in power.items():
                if factor is not None:
                    y.parts[k].addcmul_(factor, p)
                if further is not None and slopes is not None:
                    slopes.parts[k].addcmul_(further, p, value=0.5 * (m + 1))
        return slopes

    def backward(self, gradient: Block, y: Block, slopes: Block | None, out: Block, scratch: Scratch) -> None:
        assert slopes is not None
        torch.mul(gradient.full, slopes.value.unsqueeze(-3), out=out.full)
        if len(slopes.parts) > 1:
            _transposed(slopes, gradient, out, self.algebra, 2.0)


def _kept(z: Block, bends: bool) -> Block:
    """Room for sigma'(z): its value alone where sigma is piecewise linear."""
    return Block.of(torch.empty_like(z.full if bends else z.full.narrow(-3, 0, 1)))


def _scaled(factor: Tensor | None, parts: Tensor | None, out: Tensor) -> None:
    """out = factor * parts; a missing factor is 0, missing parts are 1."""
    if factor is None:
        out.zero_()
    elif parts is None:
        out.copy_(factor)
    else:
        torch.mul(parts, factor.unsqueeze(-3), out=out)


class Saturating:
    """tanh (sigma' = 1 - sigma**2) and sigmoid (sigma' = sigma - sigma**2); sigma(z) is all that is kept."""

    def __init__(self, sigma: Activation, algebra: Algebra, like: Tensor) -> None:
        self.sigma, self.algebra, self.order = sigma, algebra, algebra.order
        self.odd = sigma.name == "tanh"
        self.one = like.new_ones(())
        self.squares = [
            (k, i, j, c if i == j else 2 * c)
            for k, row in reversed(list(enumerate(algebra.products)))
            for i, j, c in row
            if i <= j
        ]

    def forward(self, z: Block, y: Block, scratch: Scratch, *, keep: bool) -> Block | None:
        value = y.value
        (torch.tanh if self.odd else torch.sigmoid)(z.value, out=value)
        if self.order == 0:
            return None
        shape = y.one_part
        slope = scratch.block("slope", shape)
        torch.addcmul(self.one if self.odd else value, value, value, value=-1.0, out=slope.value)
        if self.order > 2:
            self._higher(z, y)
            return None
        torch.mul(z.rest, slope.full, out=y.rest)
        if self.order < 2:
            return None
        product = scratch.block("product", shape).value
        bend = value if self.odd else torch.sub(value, 0.5, out=slope.value)
        for k, i, j, c in self.squares:  # sigma''/2 = -sigma' bend, and sigma' z_i stands in part i of y
            torch.mul(z.parts[j], y.parts[i], out=product)
            y.parts[k].addcmul_(product, bend, value=-c)
        return None

    def _higher(self, z: Block, y: Block) -> None:
        series = taylor(self.sigma, z.value, self.order)
        _scaled(series[1], z.rest, y.rest)
        for m, power in powers(z.parts, self.algebra):
            factor = series[m]
            assert factor is not None
            for k, p in power.items():
                y.parts[k].addcmul_(factor, p)

    def backward(self, gradient: Block, y: Block, slopes: Block | None, out: Block, scratch: Scratch) -> None:
        value = y.value
        first = scratch.block("slope", y.one_part)
        slope = first.value
        torch.addcmul(self.one if self.odd else value, value, value, value=-1.0, out=slope)
        torch.mul(gradient.full, first.full, out=out.full)
        if self.order == 0:
            return
        p = scratch.block("series", y.shape)  # half of sigma'(z), the sign turned
        bend = value if self.odd else torch.sub(value, 0.5, out=slope)
        torch.mul(y.rest, bend.unsqueeze(-3), out=p.rest)
        for k, i, j, c in self.squares:
            p.parts[k].addcmul_(y.parts[i], y.parts[j], value=0.5 * c)
        _transposed(p, gradient, out, self.algebra, -2.0)
