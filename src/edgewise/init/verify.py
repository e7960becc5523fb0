"""What a batch measures in a model, layer by layer, and the correction that makes it what the theory wants.

Measured is the state in which training begins: a model in evaluation mode is put in training mode meanwhile (batch
statistics, dropout). Mode, buffers and random state come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.errors import ModelError
from edgewise.init import fans
from edgewise.init.acceptance import call_arguments
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.report import LayerCheck
from edgewise.init.signals import Signal
from edgewise.init.trace import unchanged
from edgewise.init.tracing.recorder import record

SHOWN = ("linear", "norm", "add", "attention", "output")


@contextmanager
def in_training(model: nn.Module) -> Iterator[None]:
    """Runs what is inside as training would, without gradients; modes, buffers and random state come back.

    A model in training mode keeps the modes of its parts, so that a part in evaluation mode stays so.
    """
    modes = [(module, module.training) for module in model.modules()]
    with unchanged(model), torch.no_grad():
        try:
            if not model.training:
                model.train()
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def inputs(model: nn.Module, batch: object) -> dict[str, Tensor]:
    """The tensors a batch gives to the input nodes of the model's graph, by the names of those nodes."""
    found: dict[str, Tensor] = {}

    def look(node: Node, tensor: Tensor) -> None:
        if node.kind == "input":
            found[node.name] = tensor.detach()

    with in_training(model):
        record(model, batch, observe=look)
    return found


def second_moments(model: nn.Module, batch: object) -> dict[str, float]:
    """The mean of x**2 of every node's tensor on a batch, by the node's name. Raises ModelError if it cannot run."""
    found: dict[str, float] = {}

    def look(node: Node, tensor: Tensor) -> None:
        found[node.name] = mean_square(tensor)

    with in_training(model):
        record(model, batch, observe=look)
    return found


def mean_square(tensor: Tensor) -> float:
    """The mean of x**2 in float32 or better, whatever the tensor's dtype."""
    values = tensor.detach()
    values = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    return float(values.pow(2).mean())


def checks(
    graph: ModelGraph, signals: Mapping[str, Signal], measured: Mapping[str, float], factors: Mapping[str, float]
) -> tuple[LayerCheck, ...]:
    """Measured beside predicted for layers, norms, sums and the output, where the batch reached them.

    Not for sums that only attention weights are made of: a mask's minus infinity is what they are meant to hold.
    """
    masks = _of_weights(graph)
    return tuple(
        LayerCheck(
            node.name,
            node.detail or node.kind,
            signals[node.name].second if node.name in signals else None,
            measured[node.name],
            factors.get(node.name, 1.0),
        )
        for node in graph.nodes
        if node.kind in SHOWN and node.name in measured and node.name not in masks
    )


def _of_weights(graph: ModelGraph) -> set[str]:
    """Sums whose numbers go nowhere but into a softmax."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        after = graph.feeds(node.name)
        through = node.kind in ("add", "scale", "reshape", "dropout", "unknown")
        if through and after and all(n.kind == "weights" or n.name in found for n in after):
            found.add(node.name)
    return found


def correct(model: nn.Module, graph: ModelGraph, wanted: Mapping[str, float], batch: object) -> dict[str, float]:
    """Rescales the weights of linear layers, in the order they run, until each output has its wanted second moment.

    As LSUV (Mishkin & Matas 2016, arXiv 1511.06422), with a K of its own for each layer and in one pass: the output
    s u + b is affine in the factor s of the weight, so s follows from <u**2>, <u b> and <b**2>; biases are kept. A
    layer used several times is corrected at its first call. Returns the factors by node; raises ModelError where an
    output is not finite.
    """
    factors: dict[str, float] = {}
    with in_training(model), ExitStack() as stack:
        modules = dict(model.named_modules())
        for node in graph.of_kind("linear"):
            if node.name in wanted and node.module is not None and node.name == node.module:
                module = modules[node.module]
                weights = fans.weights(module)
                if len(weights) == 1:
                    hook = _Rescale(node.name, weights[0].name, wanted[node.name], factors)
                    stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        args, kwargs = call_arguments(batch)
        model(*args, **kwargs)
    return factors


class _Rescale:
    """A forward hook that sets the scale of a layer's weight at its first call, and returns the output it then has."""

    def __init__(self, node: str, weight: str, wanted: float, factors: dict[str, float]) -> None:
        self.node, self.weight, self.wanted, self.factors = node, weight, wanted, factors

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        if self.node in self.factors or not isinstance(output, Tensor):
            return None
        weight = getattr(module, self.weight)
        held = weight.detach().clone()
        weight.zero_()
        bias = module.forward(*args, **kwargs).double()
        weight.copy_(held)
        u = output.double() - bias
        a, b, c = float(u.pow(2).mean()), float((u * bias).mean()), float(bias.pow(2).mean())
        if not math.isfinite(a + c):
            raise ModelError(f"{self.node}: its output on this batch is not finite; try smaller inputs or float32")
        room = b * b - a * (c - self.wanted)
        factor = (-b + math.sqrt(room)) / a if a > 0.0 and room > 0.0 else 0.0
        if not factor > 0.0:  # the bias alone exceeds what is wanted, or nothing comes in
            self.factors[self.node] = 1.0
            return None
        weight.mul_(factor)
        self.factors[self.node] = factor
        return module.forward(*args, **kwargs)
