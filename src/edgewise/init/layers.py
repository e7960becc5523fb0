"""The layers of a model that sum over their inputs, with what feeds each; and what every other parameter is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from edgewise.activations import Activation
from edgewise.errors import TraceError
from edgewise.init import apply, fans
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.roles import is_activation
from edgewise.init.trace import trace

_PASSED = {"dropout", "reshape", "pool", "scale"}
"""Kinds of nodes behind which a layer still counts as fed by what feeds them."""
_NORM = ("Norm", "normalization")


@dataclass(frozen=True)
class Layer:
    """One weight of a layer, and the bias added to its output.

    name: of the module (or of the call, where a function uses the weight); module: None for a function. parameter,
    bias: first names in the model. fed_by, feeds: the activation before and after it, where that is known; words: what
    feeds it, for people.
    """

    name: str
    module: nn.Module | None
    weight: fans.Weight
    parameter: str
    bias: str | None
    fed_by: Activation | None = None
    feeds: Activation | None = None
    words: str = ""


def graph_of(model: nn.Module, sample: object = None) -> tuple[ModelGraph | None, tuple[str, ...]]:
    """The graph of a model, or None with a note why, for work that can do without."""
    try:
        graph = trace(model, sample)
    except TraceError as error:
        return None, (f"the order of the layers is not known: {str(error).partition('; pass')[0]}; sample= may help",)
    return graph, graph.notes


def layers(model: nn.Module, graph: ModelGraph | None) -> tuple[Layer, ...]:
    """The layers whose weights are parameters of their own, in order; a tied weight in each of its layers."""
    names = apply.first_names(model)
    by_parameter = _nodes_by_parameter(graph, names)
    found: list[Layer] = []
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        own = dict(module.named_parameters(recurse=False))
        for weight in fans.weights(module) if own else ():
            parameter = names.get(prefix + weight.name) if weight.name in own else None
            if parameter is None:
                continue
            bias = names.get(prefix + weight.bias) if weight.bias is not None else None
            node = by_parameter.get(parameter)
            before, after, words = _neighbours(graph, node, parameter)
            found.append(Layer(path, module, weight, parameter, bias, before, after, words))
    return (*found, *_of_functions(model, graph, names))


def left_alone(model: nn.Module, drawn: Mapping[str, object]) -> dict[str, str]:
    """Why each parameter that is not in `drawn` keeps its value, by first name."""
    names = apply.first_names(model)
    found = {name: "used by no layer that edgewise knows" for name in apply.parameters(model) if name not in drawn}
    for path, module in model.named_modules():
        prefix, kind = f"{path}." if path else "", type(module).__name__
        for local in dict(module.named_parameters(recurse=False)):
            name = names[prefix + local]
            if name in found:
                found[name] = _why_left(module, kind, path, local)
    return found


def kept(model: nn.Module) -> dict[str, str]:
    """Parameters that every initialisation leaves, by first name: frozen ones, and tables that embeddings look up."""
    names = apply.first_names(model)
    found = {
        name: "frozen (requires_grad=False)"
        for name, (parameter, _) in apply.parameters(model).items()
        if not parameter.requires_grad
    }
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            name = names.get(f"{path}.weight" if path else "weight")
            if name is not None:  # None: computed by a parametrisation
                found.setdefault(
                    name, "an embedding: each row is looked up, not summed, so it (and what is tied to it) is left"
                )
    return found


def untouchable(model: nn.Module) -> dict[str, str]:
    """What the classical schemes leave whatever layer uses it: `kept`, and recurrent layers."""
    names, found = apply.first_names(model), kept(model)
    for path, module in model.named_modules():
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            for local, _ in module.named_parameters(recurse=False):
                name = names[f"{path}.{local}" if path else local]
                found.setdefault(name, f"recurrent ({type(module).__name__}): its gates have a theory of their own")
    return found


def _why_left(module: nn.Module, kind: str, path: str, local: str) -> str:
    if any(word in kind for word in _NORM):
        return f"the weight or bias of a normalisation ({kind})"
    if "parametrizations" in path.split("."):
        return "a weight is computed from it (a parametrisation)"
    if local == "bias" and "weight" in dict(module.named_parameters(recurse=False)):
        return "the bias of a layer whose weight is left"
    if fans.weights(module):
        return f"{kind} computes its weight from it"
    if "ReLU" in kind or not any(True for _ in module.children()):
        return f"a parameter of {kind}, which is no linear layer"
    return f"a parameter of {kind} itself, used in a way that edgewise does not know"


def _nodes_by_parameter(graph: ModelGraph | None, names: Mapping[str, str]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node in graph.nodes if graph is not None else ():
        for parameter in node.parameters:
            found.setdefault(names.get(parameter, parameter), node)
    return found


def _neighbours(
    graph: ModelGraph | None, node: Node | None, parameter: str
) -> tuple[Activation | None, Activation | None, str]:
    if graph is None or node is None:
        return None, None, "not known"
    if node.kind == "attention" and "in_proj" not in parameter and "_proj_weight" not in parameter:
        return None, None, f"attention ({node.name})"
    source = _behind(graph, node)
    after = _ahead(graph, node) if node.kind == "linear" else None
    if source is None:
        return None, after, "several tensors"
    if source.kind == "input":
        return None, after, "the input"
    if is_activation(source) and source.activation is not None:
        return source.activation, after, f"{source.activation.spec} ({source.name})"
    return None, after, f"{source.detail or source.kind} ({source.name})"


def _behind(graph: ModelGraph, node: Node) -> Node | None:
    """The node whose tensor this one takes, apart from what only passes it on."""
    while True:
        sources = dict.fromkeys(node.inputs)
        if len(sources) != 1:
            return None
        node = graph[next(iter(sources))]
        if node.kind not in _PASSED and not (node.kind == "activation" and not is_activation(node)):
            return node


def _ahead(graph: ModelGraph, node: Node) -> Activation | None:
    """The activation that alone takes this node's tensor, apart from what only passes it on."""
    while True:
        takers = graph.feeds(node.name)
        if len(takers) != 1:
            return None
        node = takers[0]
        if is_activation(node):
            return node.activation
        if node.kind not in _PASSED:
            return None


def _of_functions(model: nn.Module, graph: ModelGraph | None, names: Mapping[str, str]) -> Iterator[Layer]:
    """Weights used by ``F.linear`` and its like."""
    tensors = dict(model.named_parameters(remove_duplicate=False))
    for node in graph.of_kind("linear") if graph is not None else ():
        if node.module is not None:
            continue
        matrices = [p for p in node.parameters if p in tensors and tensors[p].ndim >= 2]
        vectors = [p for p in node.parameters if p in tensors and tensors[p].ndim == 1]
        if len(matrices) == 1:
            before, after, words = _neighbours(graph, node, matrices[0])
            bias = names[vectors[0]] if vectors else None
            weight = fans.matrix_fan(tensors[matrices[0]])
            yield Layer(node.name, None, weight, names[matrices[0]], bias, before, after, words)
