"""The kernels that theory gives a model with the weights it has, from the mean square of its input on (PDLT ch. 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from edgewise.errors import EdgewiseError
from edgewise.init.graph import ModelGraph, Node
from edgewise.measure.layer_weights import LayerWeights
from edgewise.measure.moments import Moments
from edgewise.theory.interpolant import LARGEST, SMALLEST, kernel_functions
from edgewise.theory.kernels import mean as gaussian_mean

_UNPREDICTED = {
    "pool": "pooling depends on how alike neighbours are",
    "multiply": "a product depends on how its factors go together",
    "attention": "attention depends on how alike the tokens are",
    "weights": "attention weights are no Gaussian",
    "embedding": "an embedding is looked up",
    "unknown": "it is an operation that the theory does not know",
}


@dataclass(frozen=True)
class Predicted:
    """second: the mean square of a node's tensor. mean: its mean, asked for only where it counts. measured: why the
    measured value stands here instead; since: the node from whose measured value the prediction starts."""

    second: float
    mean: Callable[[], float]
    since: str
    measured: str = ""


def predicted(
    graph: ModelGraph,
    moments: Mapping[str, Moments],
    weights: Mapping[str, LayerWeights],
    modules: Mapping[str, nn.Module],
) -> dict[str, Predicted]:
    """The prediction for every node that was measured; where theory says nothing it goes on from the measured value."""
    found: dict[str, Predicted] = {}
    for node in graph.nodes:
        try:
            made = _predict(node, graph, found, moments, weights, modules)
        except EdgewiseError as error:  # an average that diverges or overflows has no prediction
            made = str(error)
        if isinstance(made, str):
            held = moments.get(node.name)
            if held is None:
                continue
            made = Predicted(held.kernel, _constant(held.mean), node.name, made)
        found[node.name] = made
    return found


def _constant(value: float) -> Callable[[], float]:
    return lambda: value


def _predict(
    node: Node,
    graph: ModelGraph,
    found: Mapping[str, Predicted],
    moments: Mapping[str, Moments],
    weights: Mapping[str, LayerWeights],
    modules: Mapping[str, nn.Module],
) -> Predicted | str:
    """The prediction, or why there is none."""
    if node.kind == "input":
        return "it is the input"
    if node.kind == "embedding":
        return _UNPREDICTED["embedding"]
    sources = [found[name] for name in node.inputs if name in found]
    if not sources or (len(sources) < len(node.inputs) and node.kind != "reshape"):
        return "what feeds it was not measured"
    x = sources[0]
    if not all(math.isfinite(s.second) for s in sources):
        return Predicted(math.inf, _constant(math.nan), x.since)
    match node.kind:
        case "linear":
            w = weights.get(node.name)
            if w is None:
                return "its weights could not be read"
            drift = w.drift * x.mean() ** 2 if w.drift else 0.0
            return Predicted(w.c_b + w.c_w * x.second + drift, _constant(0.0), x.since)
        case "activation":
            return _activation(node, graph, x)
        case "norm":
            return _norm(node, x, modules)
        case "add":
            means = [s.mean for s in sources]
            return Predicted(
                sum(s.second for s in sources) + _common(node, graph, sources), lambda: sum(m() for m in means), x.since
            )
        case "scale" if node.factor is not None:
            factor = node.factor
            return Predicted(factor**2 * x.second, lambda: factor * x.mean(), x.since)
        case "concatenate":
            sizes = [moments[name].size for name in node.inputs if name in moments]
            if len(sizes) < len(sources):
                return "the sizes of its parts are not known"
            shares = [size / sum(sizes) for size in sizes]
            second = sum(share * s.second for share, s in zip(shares, sources, strict=True))
            return Predicted(second, lambda: sum(a * s.mean() for a, s in zip(shares, sources, strict=True)), x.since)
        case "dropout":
            module = modules.get(node.module or "")
            if module is None:
                return "how much it drops is not known"
            rate = float(getattr(module, "p", 0.0)) if module.training else 0.0
            return Predicted(x.second / (1.0 - rate), x.mean, x.since) if rate < 1.0 else "it drops everything"
        case "reshape" | "output":
            return x
        case _:
            return _UNPREDICTED.get(node.kind, "the theory does not know it")


def _activation(node: Node, graph: ModelGraph, x: Predicted) -> Predicted | str:
    feeding = looked_through(graph, node.inputs[0])
    if node.activation is None or not _gaussian(graph, feeding):
        return f"{feeding.name} is no sum of many terms, so that averages over a Gaussian do not hold"
    a, k = node.activation, x.second
    if k == 0.0:
        import torch

        at_zero = float(a(torch.zeros((), dtype=torch.float64)))
        return Predicted(at_zero**2, _constant(at_zero), x.since)
    if not SMALLEST <= k <= LARGEST:
        return f"K = {k:.3g} lies outside what is tabulated"
    return Predicted(kernel_functions(a).kernel_at(k), lambda: float(gaussian_mean(a, k)), x.since)


def _common(node: Node, graph: ModelGraph, sources: Sequence[Predicted]) -> float:
    """2 sum of <x_i> <x_j> over pairs of independent terms; only outputs of activations have means that count."""
    kinds = [looked_through(graph, name).kind for name in node.inputs]
    means = [s.mean() for s, kind in zip(sources, kinds, strict=True) if kind == "activation"]
    return sum(means) ** 2 - sum(m * m for m in means) if len(means) > 1 else 0.0


def _gaussian(graph: ModelGraph, node: Node) -> bool:
    """Whether a node gives sums of many terms of mean 0; a sum with the output of an activation has one that is not."""
    if node.kind == "add":
        return all(_gaussian(graph, looked_through(graph, name)) for name in node.inputs)
    return node.kind in ("linear", "norm", "embedding")


def _norm(node: Node, x: Predicted, modules: Mapping[str, nn.Module]) -> Predicted | str:
    module = modules.get(node.module or "")
    if module is None:
        return "its parameters could not be read"
    gain, shift = getattr(module, "weight", None), getattr(module, "bias", None)
    gamma = float(gain.detach().float().square().mean()) if isinstance(gain, Tensor) else 1.0
    beta = float(shift.detach().float().square().mean()) if isinstance(shift, Tensor) else 0.0
    offset = float(shift.detach().float().mean()) if isinstance(shift, Tensor) else 0.0
    epsilon = getattr(module, "eps", None) or getattr(module, "variance_epsilon", None) or 0.0
    variance = getattr(module, "running_var", None)
    if isinstance(variance, Tensor) and not module.training:
        centre = module.running_mean
        scale = (variance.detach().float() + epsilon).reciprocal()
        level = float(centre.detach().float().square().mean()) if isinstance(centre, Tensor) else 0.0
        return Predicted(gamma * float(scale.mean()) * max(0.0, x.second - level) + beta, _constant(offset), x.since)
    return Predicted(gamma * x.second / (x.second + epsilon) + beta, _constant(offset), x.since)


def looked_through(graph: ModelGraph, name: str) -> Node:
    """The node that made the numbers at `name`: back through what only reorders, selects or drops them."""
    node = graph[name]
    while node.kind in ("reshape", "dropout") and node.inputs:
        node = graph[node.inputs[0]]
    return node
