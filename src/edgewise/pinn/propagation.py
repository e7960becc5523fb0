"""The parts of a series through a network: in plain operations of torch, and by hand with its gradients.

By hand, points are taken through all layers a tile at a time, small enough for the tile to stay in a core's cache; what
is kept for the gradients is one tensor a layer where sigma' follows from sigma (tanh, sigmoid), else two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.pinn.algebra import Algebra
from edgewise.pinn.composition import ByHand, composed

TILE = 24_000
"""Numbers of one part of a layer that go through the network together, on one core; measured."""


def propagated(sigma: Activation, algebra: Algebra, layers: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """The parts of the outputs, each [member, example, output], for x [member, example, coordinate]; differentiable."""
    if _by_hand(sigma, layers, x):
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
    """Members and examples that go through the network together."""

    members: slice
    examples: slice


def _tiles(members: int, examples: int, width: int, device: torch.device) -> Iterator[_Tile]:
    room = members * examples * width
    if device.type == "cpu":
        threads = torch.get_num_threads()
        room = (
            TILE if threads == 1 else 4 * TILE * threads
        )  # torch shares an operation among threads from 2**15 numbers
    n = max(1, min(examples, room // width))
    count = -(-examples // n)
    n = -(-examples // count)
    m = max(1, min(members, room // (n * width)))
    for a in range(0, members, m):
        for b in range(0, examples, n):
            yield _Tile(slice(a, min(a + m, members)), slice(b, min(b + n, examples)))


@dataclass(frozen=True)
class _Network:
    """Weights [member, fan-in, unit] and biases [member, 1, unit] of all layers."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @classmethod
    def of(cls, layers: Sequence[Tensor]) -> _Network:
        depth = len(layers) // 2
        return cls(tuple(layers[:depth]), tuple(layers[depth:]))

    def only(self, members: slice) -> _Network:
        return _Network(tuple(w[members] for w in self.weights), tuple(b[members] for b in self.biases))

    @cached_property
    def width(self) -> int:
        return max(max(w.shape[1:]) for w in self.weights)


class _Propagation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sigma: Activation, algebra: Algebra, x: Tensor, *layers: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        network = _Network.of(layers)
        members, examples = x.shape[:2]
        keep = any(ctx.needs_input_grad)
        outputs = x.new_empty(algebra.parts, members, examples, network.weights[-1].shape[-1])
        ctx.tiles = list(_tiles(members, examples, network.width, x.device))
        kept: list[Tensor | None] = []
        by_hand = ByHand(sigma, algebra)
        for tile in ctx.tiles:
            kept += _forward(
                by_hand,
                network.only(tile.members),
                x[tile.members, tile.examples],
                outputs[:, tile.members, tile.examples],
                keep,
            )
        ctx.sigma, ctx.algebra = sigma, algebra
        ctx.layers = len(layers)
        ctx.save_for_backward(x, *layers, *kept)
        return tuple(outputs.unbind(0))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, *saved = ctx.saved_tensors
        layers, kept = saved[: ctx.layers], saved[ctx.layers :]
        if torch.is_grad_enabled():
            return None, None, *_differentiable(ctx, gradients, x, layers)
        network = _Network.of(layers)
        given = next(g for g in gradients if g is not None)
        wanted = ctx.needs_input_grad[2]
        found = _Gradients(
            _Network.of([torch.empty_like(t, memory_format=torch.contiguous_format) for t in layers]),
            torch.empty_like(x, memory_format=torch.contiguous_format) if wanted else None,
        )
        by_hand = ByHand(ctx.sigma, ctx.algebra)
        count = len(kept) // len(ctx.tiles)
        for i, tile in enumerate(ctx.tiles):
            output = given.new_zeros(ctx.algebra.parts, *given[tile.members, tile.examples].shape)
            for k, g in enumerate(gradients):
                if g is not None:
                    output[k] = g[tile.members, tile.examples]
            _backward(
                by_hand,
                network.only(tile.members),
                x[tile.members, tile.examples],
                kept[i * count : (i + 1) * count],
                output.transpose(0, 1).contiguous(),
                found,
                tile,
            )
        return None, None, found.x, *found.network.weights, *found.network.biases


def _differentiable(
    ctx: Any, gradients: Sequence[Tensor | None], x: Tensor, layers: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradients as something that can be differentiated again: by autograd through the plain pass."""
    with torch.enable_grad():
        outputs = in_plain_torch(ctx.sigma, ctx.algebra, layers, x)
    leaves = [t for t, needed in zip((x, *layers), ctx.needs_input_grad[2:], strict=True) if needed]
    pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
    found = iter(
        torch.autograd.grad([o for o, _ in pairs], leaves, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return [next(found) if needed else None for needed in ctx.needs_input_grad[2:]]


def _forward(by_hand: ByHand, network: _Network, x: Tensor, outputs: Tensor, keep: bool) -> list[Tensor | None]:
    """One tile: writes `outputs` [part, member, example, output]; returns what its gradients need, two a layer."""
    members, n, _ = x.shape
    parts = by_hand.algebra.parts
    kept: list[Tensor | None] = []
    y: Tensor | None = None
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        units = weight.shape[-1]
        z = x.new_empty(members, parts, n, units)
        if y is None:
            _into(z[:, 0], x, weight)
            if parts > 1:
                z[:, 1:] = (x.new_tensor(by_hand.algebra.seeds[1:]) @ weight)[:, :, None]
        else:
            _into(z.view(members, parts * n, units), y.view(members, parts * n, -1), weight)
        z[:, 0].add_(bias)
        if layer == len(network.weights) - 1:
            outputs.copy_(z.transpose(0, 1))
            break
        y = torch.empty_like(z)
        slopes = by_hand.forward(z, y, keep=keep)
        if keep:
            kept += [y, slopes]
    return kept


def _backward(
    by_hand: ByHand,
    network: _Network,
    x: Tensor,
    kept: Sequence[Tensor | None],
    gradient: Tensor,
    found: _Gradients,
    tile: _Tile,
) -> None:
    """One tile: adds to the gradients found so far, from that of its outputs [member, part, example, output]."""
    members, parts, n, _ = gradient.shape
    first = tile.examples.start == 0
    for layer in reversed(range(len(network.weights))):
        weight = network.weights[layer]
        into, into_bias = found.network.weights[layer][tile.members], found.network.biases[layer][tile.members]
        rows = gradient.view(members, parts * n, -1)
        if layer == 0:
            sums = gradient.sum(2)
            _store(into_bias, sums[:, :1], first)
            _store(into, torch.bmm(x.transpose(1, 2), gradient[:, 0]), first)
            if parts > 1:
                into += x.new_tensor(by_hand.algebra.seeds[1:]).T @ sums[:, 1:]
            if found.x is not None:
                _into(found.x[tile.members, tile.examples], gradient[:, 0], weight.transpose(1, 2))
            return
        y, slopes = kept[2 * layer - 2], kept[2 * layer - 1]
        assert y is not None
        _store(into_bias, gradient[:, 0].sum(1, keepdim=True), first)
        _add_product(into, y.view(members, parts * n, -1).transpose(1, 2), rows, first)
        inner = torch.empty_like(y)
        _into(inner.view(members, parts * n, -1), rows, weight.transpose(1, 2))
        gradient = torch.empty_like(inner)
        by_hand.backward(inner, y, slopes, gradient)


@dataclass(frozen=True)
class _Gradients:
    """Of all layers and, where it is wanted, of x."""

    network: _Network
    x: Tensor | None


def _store(into: Tensor, value: Tensor, first: bool) -> None:
    if first:
        into.copy_(value)
    else:
        into += value


def _add_product(into: Tensor, a: Tensor, b: Tensor, first: bool) -> None:
    beta = 0.0 if first else 1.0
    if into.shape[0] == 1:
        torch.addmm(into[0], a[0], b[0], beta=beta, out=into[0])
    else:
        torch.baddbmm(into, a, b, beta=beta, out=into)


def _into(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out = a @ b for every member; torch is faster where there is one."""
    if out.shape[0] == 1 and out.is_contiguous():
        torch.mm(a[0], b[0], out=out[0])
    elif out.is_contiguous():
        torch.bmm(a, b, out=out)
    else:
        out.copy_(torch.bmm(a, b))
