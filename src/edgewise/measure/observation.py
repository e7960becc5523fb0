"""One forward and one backward pass with an eye on every layer; statistics are taken at once and no tensor is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.init.graph import ModelGraph, Node
from edgewise.measure.moments import (
    MOST_SAMPLES,
    Measured,
    MeasuredGradient,
    MeasuredSlopes,
    Moments,
    Pending,
    Slopes,
)

LAYERS = ("linear", "norm", "add", "attention", "embedding", "multiply", "unknown")
"""Kinds of nodes that are layers of a diagnosis; whatever feeds an activation is one too."""
_CHANNELS_FIRST = ("Conv", "BatchNorm", "GroupNorm", "InstanceNorm", "LazyConv")


@dataclass(frozen=True)
class Observed:
    """What was seen: moments of every floating-point tensor by node; of activations, the slopes at what feeds them; of
    tensors that a gradient reached, (root mean square, sum of squares)."""

    moments: dict[str, Moments]
    slopes: dict[str, Slopes]
    gradients: dict[str, tuple[float, float]]


class Observer:
    """Called with each node and its tensor (see `edgewise.init.tracing.recorder.record`).

    graph: the nodes as an earlier pass found them, so that what an activation does to a tensor is measured when the
    tensor appears, before an activation that works in place overwrites it. gradients: whether a backward pass follows;
    `sources` then holds tensors from which every layer can be reached.
    """

    def __init__(
        self,
        graph: ModelGraph,
        modules: Mapping[str, nn.Module],
        *,
        gradients: bool,
        most_samples: int = MOST_SAMPLES,
        kept: frozenset[int] = frozenset(),
    ) -> None:
        self.sources: list[Tensor] = []
        self.last: str | None = None
        self._graph = graph
        self._modules = modules
        self._gradients = gradients
        self._most = most_samples
        self._kept = kept
        self._pending = Pending()
        self._moments: dict[str, Measured] = {}
        self._slopes: dict[str, MeasuredSlopes] = {}
        self._arrived: dict[str, list[MeasuredGradient]] = {}
        self._channels: dict[str, tuple[bool, int]] = {}
        self._reached: set[str] = set()
        self._feeding: dict[str, list[Node]] = {}
        for node in graph.of_kind("activation"):
            if node.activation is not None and node.inputs:
                self._feeding.setdefault(node.inputs[0], []).append(node)

    def __call__(self, node: Node, tensor: Tensor) -> None:
        self.last = node.name
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or not tensor.numel():
            return
        with torch.no_grad(), torch._C.DisableTorchFunction():  # the recorder's function mode need not see this
            self._look(node, tensor)
        if self._gradients:
            self._follow(node, tensor)

    def observed(self) -> Observed:
        """Everything as plain numbers; the only place that waits for the device."""
        found = self._pending.settled()
        gradients = {}
        for name, several in self._arrived.items():
            settled = [each.settled(found) for each in several]
            gradients[name] = settled[-1]
        return Observed(
            {name: each.settled(found) for name, each in self._moments.items()},
            {name: each.settled(found) for name, each in self._slopes.items()},
            gradients,
        )

    def _look(self, node: Node, tensor: Tensor) -> None:
        first = self._channels_first(node, tensor)
        self._channels[node.name] = (first, tensor.ndim)
        consumers = self._feeding.get(node.name, [])
        full = node.kind in LAYERS or bool(consumers) or node.kind in ("input", "output")
        self._moments[node.name] = Measured(
            tensor, self._pending, channels_first=first, full=full, most_samples=self._most
        )
        for consumer in consumers:
            a = consumer.activation
            assert a is not None
            self._slopes[consumer.name] = MeasuredSlopes(
                a, tensor, self._pending, channels_first=first, steepest=steepest_slope(a)
            )

    def _follow(self, node: Node, tensor: Tensor) -> None:
        if any(name in self._reached for name in node.inputs) and tensor.requires_grad:
            self._reached.add(node.name)
        elif id(tensor) not in self._kept:
            # nothing upstream takes a gradient (token numbers, a frozen part under no_grad): it starts here
            if not tensor.requires_grad:
                tensor.requires_grad_()
            self.sources.append(tensor)
            self._reached.add(node.name)
        if tensor.requires_grad:
            tensor.register_hook(partial(self._gradient, node.name))  # type: ignore[no-untyped-call]

    def _gradient(self, name: str, gradient: Tensor) -> None:
        with torch.no_grad():
            self._arrived.setdefault(name, []).append(MeasuredGradient(gradient, self._pending))

    def _channels_first(self, node: Node, tensor: Tensor) -> bool:
        module = self._modules.get(node.module or "")
        called = type(module).__name__ if module is not None else ""
        if node.kind in ("linear", "norm", "embedding", "attention") and called:
            return tensor.ndim > 2 and any(word in called for word in _CHANNELS_FIRST) and called != "Conv1D"
        for name in node.inputs:
            known = self._channels.get(name)
            if known is not None and known[1] == tensor.ndim:
                return known[0]
        return tensor.ndim >= 4


@lru_cache(maxsize=64)
def steepest_slope(a: Activation) -> float:
    """sup |sigma'| on a fine grid of |z| <= 50."""
    z = torch.cat([torch.linspace(-50.0, 50.0, 5001), torch.linspace(-2.0, 2.0, 4001)]).double()
    return float(a.derivative(z).abs().nan_to_num(0.0).max())
