"""A graph from what a user says feeds each layer, for models that cannot be traced."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from torch import nn

from edgewise.activations import activation
from edgewise.errors import ModelError, SpecError
from edgewise.init import fans
from edgewise.init.graph import ModelGraph, Node


def graph_by_hand(model: nn.Module, fed_by: Mapping[str, str]) -> ModelGraph:
    """A chain of the named layers, in the order given.

    fed_by: from the qualified name of each layer to what feeds it: "input" (the data), "norm" (a normalisation of what
    the layer before it gives), the name of another layer (its output as it is), or an activation ("gelu", "x*tanh(x)")
    of what the layer before it gives. The last layer is the output. Raises ModelError for unknown layers or words.
    """
    if not fed_by:
        raise ModelError("fed_by={} given, expected a layer at least; try fed_by={'fc1': 'input', 'fc2': 'relu'}")
    if not isinstance(fed_by, Mapping):
        raise ModelError(f"fed_by={fed_by!r} given, expected a mapping; try fed_by={{'fc1': 'input', 'fc2': 'relu'}}")
    modules = dict(model.named_modules())
    nodes = [Node("input", "input")]
    before = "input"
    for layer, word in fed_by.items():
        module = modules.get(layer)
        if module is None or not fans.weights(module):
            known = [name for name, m in modules.items() if fans.weights(m)]
            near = difflib.get_close_matches(layer, known, 1) or known[:3]
            what = "is no linear layer or convolution" if module is not None else "is no module of this model"
            raise ModelError(f"fed_by: {layer!r} {what}; try {', '.join(near) or 'a layer with a weight'}")
        source = _source(nodes, layer, word, before)
        parameters = tuple(f"{layer}.{name}" for name, _ in module.named_parameters(recurse=False))
        nodes.append(Node(layer, "linear", (source,), layer, parameters, detail=type(module).__name__))
        before = layer
    nodes.append(Node("output", "output", (before,)))
    return ModelGraph(tuple(nodes), "recorded", ("the order of the layers was given by hand (fed_by=)",))


def _source(nodes: list[Node], layer: str, word: str, before: str) -> str:
    """The name of the node that feeds a layer, after adding it where it is an activation or a norm."""
    if word == "input":
        return "input"
    if any(node.name == word for node in nodes):
        return word
    name = f"before {layer}"
    if word == "norm":
        nodes.append(Node(name, "norm", (before,), detail="norm"))
        return name
    try:
        a = activation(word)
    except SpecError as problem:
        raise ModelError(
            f"fed_by: {layer!r} is said to be fed by {word!r}, expected 'input', 'norm', a layer named before it, "
            f"or an activation ({problem})"
        ) from None
    nodes.append(Node(name, "activation", (before,), activation=a, detail=a.spec))
    return name
