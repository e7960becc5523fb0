"""The parts of a series through a network: in plain operations of torch, and by hand with its gradients.

By hand, points are taken through all layers a tile at a time, small enough for the tile to stay in a core's cache; what
is kept for the gradients is one tensor a layer where sigma' follows from sigma (tanh, sigmoid), else two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.pinn.algebra import Algebra
from edgewise.pinn.by_hand import Block, Scratch, blocks, unit
from edgewise.pinn.composition import composed

TILE = 48_000
"""Numbers of one part of a layer that go through the network together, on one core; measured."""


def propagated(sigma: Activation, algebra: Algebra, layers: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """The parts of the outputs, each [member, example, output], for x [member, example, coordinate]; differentiable."""
    if _by_hand(sigma, layers, x):
        _memory_is_kept()
        outputs: tuple[Tensor, ...] = _Propagation.apply(sigma, algebra, x, *layers)  # type: ignore[no-untyped-call]
        return outputs
    return in_plain_torch(sigma, algebra, layers, x)


def _by_hand(sigma: Activation, layers: Sequence[Tensor], x: Tensor) -> bool:
    """Whether the hand-written pass may run: not where a compiler or a transform wants to see every operation."""
    transformed = getattr(torch._C, "_are_functorch_transforms_active", bool)
    return (
        not torch.compiler.is_compiling()
        and sigma.definition.surrogate is None
        and x.dtype in (torch.float32, torch.float64)
        and all(t.dtype == x.dtype for t in layers)
        and not transformed()
        and torch.autograd.forward_ad._current_level < 0
    )


@cache
def _memory_is_kept() -> None:
    """Has the C library keep freed memory of this size for the next step, where it can.

    glibc hands blocks back to the system above a threshold that starts at 128 kB and rises to the largest block that
    was ever freed, 32 MB at most; having every page mapped anew in every step takes as long as the arithmetic.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def in_plain_torch(sigma: Activation, algebra: Algebra, layers: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """`propagated` in operations that torch differentiates and compiles."""
    depth = len(layers) // 2
    weights, biases = layers[:depth], layers[depth:]
    seeds = x.new_tensor(algebra.seeds[1:]).view(1, algebra.parts - 1, -1)
    slopes = torch.matmul(seeds, weights[0])[:, :, None].expand(-1, -1, x.shape[1], -1)
    parts = [torch.baddbmm(biases[0], x, weights[0]), *slopes.unbind(1)]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        y = torch.stack(composed(sigma, parts, algebra), 1)
        members, count, examples, units = y.shape
        z = torch.bmm(y.view(members, count * examples, units), weight).view(members, count, examples, -1)
        value, *rest = z.unbind(1)
        parts = [value + bias, *rest]
    return tuple(parts)


@dataclass(frozen=True)
class _Tile:
    """Members and examples that go through the network together; where it is one member, without a member axis."""

    members: slice
    examples: slice
    alone: bool

    def of(self, tensor: Tensor) -> Tensor:
        """Its part of a tensor [member, example, ...]."""
        return tensor[self.members.start, self.examples] if self.alone else tensor[self.members, self.examples]

    def layer(self, tensor: Tensor) -> Tensor:
        """Its members' part of a tensor [member, ...]."""
        return tensor[self.members.start] if self.alone else tensor[self.members]


def _tiles(members: int, examples: int, width: int, device: torch.device) -> list[_Tile]:
    room = members * examples * width
    if device.type == "cpu":
        threads = torch.get_num_threads()
        room = (
            TILE if threads == 1 else 4 * TILE * threads
        )  # torch shares an operation among threads from 2**15 numbers
    n = max(1, min(examples, room // width))
    n = -(-examples // -(-examples // n)) if examples else 1
    m = max(1, min(members, room // (n * width)))
    return [
        _Tile(slice(a, min(a + m, members)), slice(b, min(b + n, examples)), min(a + m, members) - a == 1)
        for a in range(0, members, m)
        for b in range(0, max(examples, 1), n)
    ]


class _Propagation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sigma: Activation, algebra: Algebra, x: Tensor, *layers: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.sigma, ctx.algebra = sigma, algebra
        depth = len(layers) // 2
        width = max(w.shape[-1] for w in layers[:depth])
        ctx.tiles = _tiles(x.shape[0], x.shape[1], width, x.device)
        work = _Work(sigma, algebra, x, layers)
        outputs = tuple(x.new_empty(*x.shape[:2], layers[depth - 1].shape[-1]) for _ in range(algebra.parts))
        keep = any(ctx.needs_input_grad)
        ctx.kept = [work.forward(tile, x, outputs, keep) for tile in ctx.tiles]
        ctx.save_for_backward(x, *layers)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, *layers = ctx.saved_tensors
        if all(g is None for g in gradients):
            return (None,) * (3 + len(layers))
        if torch.is_grad_enabled():
            return None, None, *_differentiable(ctx, gradients, x, layers)
        work = _Work(ctx.sigma, ctx.algebra, x, layers)
        found = [torch.empty_like(t, memory_format=torch.contiguous_format) for t in layers]
        along_x = torch.empty_like(x, memory_format=torch.contiguous_format) if ctx.needs_input_grad[2] else None
        for tile, kept in zip(ctx.tiles, ctx.kept, strict=True):
            work.backward(tile, x, kept, gradients, found, along_x)
        return None, None, along_x, *found


def _differentiable(
    ctx: Any, gradients: Sequence[Tensor | None], x: Tensor, layers: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients as something that can be differentiated again: by autograd through the plain pass."""
    with torch.enable_grad():
        outputs = in_plain_torch(ctx.sigma, ctx.algebra, layers, x)
    needed = ctx.needs_input_grad[2:]
    leaves = [t for t, asked in zip((x, *layers), needed, strict=True) if asked]
    pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
    found = iter(
        torch.autograd.grad([o for o, _ in pairs], leaves, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return [next(found) if asked else None for asked in needed]


class _Work:
    """What goes through a network by hand."""

    def __init__(self, sigma: Activation, algebra: Algebra, x: Tensor, layers: Sequence[Tensor]) -> None:
        self.layers = layers
        self.depth = len(layers) // 2
        self._views: dict[int, list[Tensor]] = {}
        self.parts = algebra.parts
        self.unit = unit(sigma, algebra, x)
        self.scratch = Scratch(x)
        self.seeds = x.new_tensor(algebra.seeds[1:]) if algebra.parts > 1 else None

    def _layers(self, tile: _Tile) -> list[Tensor]:
        """The layers of its members."""
        views = self._views.get(tile.members.start)
        if views is None:
            views = self._views[tile.members.start] = [tile.layer(t) for t in self.layers]
        return views

    def _room(self, x: Tensor, shape: tuple[int, ...]) -> list[Block]:
        """New memory for what is kept of every hidden layer."""
        widths = [w.shape[-1] for w in self.layers[: self.depth - 1]]
        if len(set(widths)) == 1:
            return blocks(x.new_empty(len(widths), *shape, widths[0]))
        return [Block.of(x.new_empty(*shape, width)) for width in widths]

    def forward(
        self, tile: _Tile, x: Tensor, outputs: Sequence[Tensor], keep: bool
    ) -> list[tuple[Block, Block | None]]:
        """One tile: writes its outputs; returns what its gradients need, a pair a layer."""
        points = tile.of(x)
        layers, depth = self._layers(tile), self.depth
        shape = (*points.shape[:-2], self.parts, points.shape[-2])
        multiply = torch.mm if tile.alone else torch.bmm
        kept: list[tuple[Block, Block | None]] = []
        y: Block | None = None
        room = self._room(x, shape) if keep else None
        for layer in range(depth):
            weight, bias = layers[layer], layers[depth + layer]
            z = self.scratch.block("z", (*shape, weight.shape[-1]))
            if y is not None:
                multiply(y.rows, weight, out=z.rows)
                z.value.add_(bias)
            else:
                z.value.copy_((torch.addmm if tile.alone else torch.baddbmm)(bias, points, weight))
                if self.seeds is not None:
                    z.rest.copy_(torch.matmul(self.seeds, weight).unsqueeze(-2))
            if layer < depth - 1:
                y = self.scratch.block(f"y{layer % 2}", z.shape) if room is None else room[layer]
                kept.append((y, self.unit.forward(z, y, self.scratch, keep=keep)))
        for output, part in zip(outputs, z.parts, strict=True):
            tile.of(output).copy_(part)
        return kept if keep else []

    def backward(
        self,
        tile: _Tile,
        x: Tensor,
        kept: Sequence[tuple[Block, Block | None]],
        gradients: Sequence[Tensor | None],
        found: Sequence[Tensor],
        along_x: Tensor | None,
    ) -> None:
        """One tile: adds to the gradients of the layers found so far, and writes its part of that of x."""
        points = tile.of(x)
        layers, depth, first = self._layers(tile), self.depth, tile.examples.start == 0
        multiply, accumulate = (torch.mm, torch.addmm) if tile.alone else (torch.bmm, torch.baddbmm)
        given = next(g for g in gradients if g is not None)
        blank = torch.zeros_like(tile.of(given)) if any(g is None for g in gradients) else given
        gradient = Block.of(torch.stack([blank if g is None else tile.of(g) for g in gradients], -3))
        beta = 0.0 if first else 1.0
        for layer in range(depth - 1, 0, -1):
            y, slopes = kept[layer - 1]
            into, into_bias = tile.layer(found[layer]), tile.layer(found[depth + layer])
            if first:
                torch.sum(gradient.value, -2, keepdim=True, out=into_bias)
            else:
                into_bias += gradient.value.sum(-2, keepdim=True)
            accumulate(into, y.rows.mT, gradient.rows, beta=beta, out=into)
            inner = self.scratch.block("inner", y.shape)
            multiply(gradient.rows, layers[layer].mT, out=inner.rows)
            gradient = self.scratch.block("z", y.shape)
            self.unit.backward(inner, y, slopes, gradient, self.scratch)
        into = tile.layer(found[0])
        sums = gradient.full.sum(-2)
        _gather(tile.layer(found[depth]), sums[..., :1, :], first)
        accumulate(into, points.mT, gradient.value, beta=beta, out=into)
        if self.seeds is not None:
            into += torch.matmul(self.seeds.mT, sums[..., 1:, :])
        if along_x is not None:
            tile.of(along_x).copy_(torch.matmul(gradient.value, layers[0].mT))


def _gather(into: Tensor, value: Tensor, first: bool) -> None:
    if first:
        into.copy_(value)
    else:
        into += value
