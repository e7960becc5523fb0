"""What each parameter contributes to a model's neural tangent kernel: its squared gradient, measured or predicted.

The contribution of a weight of fan-in n is n S B, of a bias B: S the mean square of what enters the layer, B the
squared slope from its output to the model's, summed over units. B is carried from the output back: times C_W through a
linear layer, times <sigma'**2> at its kernel through an activation (their product is chi_perp), divided by the variance
through a norm. All for one output, the mean over outputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edgewise.errors import ModelError
from edgewise.init import apply
from edgewise.init.acceptance import call_arguments, first_tensor
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.layers import Layer, layers
from edgewise.init.plan import Inputs
from edgewise.init.propagation import propagate
from edgewise.init.roles import is_activation
from edgewise.init.signals import Signal
from edgewise.init.trace import trace, unchanged
from edgewise.theory import chi_perp

DIRECTIONS = 4
"""Random output directions; each gives every sample a sign of its own, so that samples do not mix on average."""

_PASSED = {"add", "dropout", "reshape", "output"}


def measured(model: nn.Module, batch: object) -> dict[str, float]:
    """E |d(r . f)/d theta|**2 per output over random signs r, of every trained parameter; 0 where unused.

    That is the mean over samples and outputs of squared gradients, by first name. Gradients, buffers and random state
    stay as they are. Raises ModelError where the model cannot be run on the batch or gives nothing to differentiate.
    """
    trained = {name: p for name, (p, _) in apply.parameters(model).items() if p.requires_grad}
    arguments, named = call_arguments(batch)
    found = dict.fromkeys(trained, 0.0)
    with unchanged(model), torch.enable_grad():
        try:
            output = first_tensor(model(*arguments, **named))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"the model cannot be run on this batch: {line[:200]}") from error
        if not output.requires_grad:
            raise ModelError("the model's output depends on no trained parameter; expected one at least")
        generator = torch.Generator().manual_seed(0)
        for _ in range(DIRECTIONS):
            signs = torch.randint(0, 2, output.shape, generator=generator).mul(2).sub(1).to(output)
            gradients = torch.autograd.grad(output, list(trained.values()), signs, retain_graph=True, allow_unused=True)
            for name, gradient in zip(trained, gradients, strict=True):
                if gradient is not None:
                    found[name] += float(gradient.double().pow(2).sum()) / (DIRECTIONS * output.numel())
    return found


def predicted(model: nn.Module, mean_square: float) -> dict[str, float]:
    """The same from theory on the graph, for infinitely wide layers with the weights' present variances.

    Raises TraceError where torch.fx cannot follow the model, ModelError at a call through which nothing is derived.
    """
    graph = trace(model)
    everything = dict.fromkeys(apply.parameters(model), "kept")
    signals = propagate(model, graph, inputs=Inputs(mean_square), untouched=everything).signals
    return _Backward(model, graph, signals).contributions()


class _Backward:
    """One walk from the output back; B of every node, and with it what the node's parameters contribute."""

    def __init__(self, model: nn.Module, graph: ModelGraph, signals: object) -> None:
        self.model, self.graph = model, graph
        self.signals: dict[str, Signal] = dict(signals)  # type: ignore[call-overload]
        self.modules = dict(model.named_modules())
        self.tensors = dict(model.named_parameters(remove_duplicate=False))
        self.names = apply.first_names(model)
        self.layers: dict[str, Layer] = {layer.parameter: layer for layer in layers(model, graph)}
        self.slope = dict.fromkeys((node.name for node in graph.nodes), 0.0)
        self.found: dict[str, float] = {}

    def contributions(self) -> dict[str, float]:
        for node in self.graph.of_kind("output"):
            self.slope[node.name] = 1.0
        for node in reversed(self.graph.nodes):
            slope = self.slope[node.name]
            if slope == 0.0 or node.kind == "input":
                continue
            factor = self._factor(node, slope)
            for source in node.inputs:
                self.slope[source] += slope * factor
        return self.found

    def _factor(self, node: Node, slope: float) -> float:
        """What B is multiplied by on the way through a node; adds up what its parameters contribute."""
        x = self.signals[node.inputs[0]] if node.inputs else None
        if node.kind == "linear" and x is not None and len(node.inputs) == 1:
            return self._linear(node, slope, x)
        if node.kind == "norm" and x is not None:
            return self._norm(node, slope, x)
        if is_activation(node) and x is not None and node.activation is not None:
            if node.parameters:
                return self._refused(node, "its parameters are learned")
            return float(chi_perp(node.activation, max(x.second, 1e-300)))
        if node.kind == "scale" and node.factor is not None:
            return node.factor**2
        if node.kind == "embedding":
            self._add(node.parameters, slope)
            return 0.0
        if node.kind in _PASSED or node.kind == "activation":
            self._add(node.parameters, slope)
            return 1.0
        return self._refused(node, "nothing is derived for it")

    def _linear(self, node: Node, slope: float, x: Signal) -> float:
        c_w = self._c_w(node)
        takers = self.graph.feeds(node.name)
        centred = bool(takers) and all(_is_batch_norm(taker) for taker in takers)
        size = x.second - x.mean**2 if centred else x.second  # gradients then sum to 0 over the batch
        for parameter in node.parameters:
            name = self.names[parameter]
            if name in self.layers:
                fan = self.layers[name].weight.fan_in
                self.found[name] = self.found.get(name, 0.0) + fan * size * slope
            else:
                self._add((parameter,), 0.0 if centred else slope)
        return c_w

    def _norm(self, node: Node, slope: float, x: Signal) -> float:
        """Behind a norm its input has unit variance: its weight contributes B, as its bias does.

        Half of that for the ReLU networks with batch normalisation, where the next norm sees to it that a shift common
        to the batch has no effect: not counted here.
        """
        module = self.modules.get(node.module or "")
        weight = getattr(module, "weight", None)
        square = float(weight.detach().double().pow(2).mean()) if isinstance(weight, Tensor) else 1.0
        self._add(node.parameters, slope)
        source = self.graph[node.inputs[0]]
        if _is_batch_norm(node):
            if source.kind != "linear" or len(source.inputs) != 1:
                return self._refused(node, "only directly behind a linear layer is its variance known")
            fed = self.signals[source.inputs[0]]
            variance = self._c_w(source) * (fed.second - fed.mean**2)  # a bias, and what samples share, drop out
        else:
            variance = x.second - (x.mean**2 if "RMS" not in node.detail else 0.0)
        if not (variance > 0.0 and math.isfinite(variance)):
            return self._refused(node, "what enters it has no variance")
        return square / variance

    def _c_w(self, node: Node) -> float:
        """fan-in x mean square of a linear layer's weight, as it is."""
        for parameter in node.parameters:
            layer = self.layers.get(self.names[parameter])
            if layer is not None:
                return layer.weight.fan_in * float(self.tensors[parameter].detach().double().pow(2).mean())
        return self._refused(node, "its weight is computed")

    def _add(self, parameters: tuple[str, ...], slope: float) -> None:
        for parameter in parameters:
            name = self.names.get(parameter, parameter)
            self.found[name] = self.found.get(name, 0.0) + slope

    def _refused(self, node: Node, why: str) -> float:
        raise ModelError(
            f"learning rates cannot be predicted through {node.detail or node.kind} ({node.name}): {why}; "
            "try sample=a batch, on which they are measured"
        )


def _is_batch_norm(node: Node) -> bool:
    return "batch" in node.detail.lower()
