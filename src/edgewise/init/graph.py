"""The data flow of a model as edgewise sees it: which layer feeds which, and through what.

`ModelGraph` is what tracing makes (`trace`) and what initialisation, diagnosis and swapping read. A node is one call:
of a leaf module, of a function between modules, or of a whole region of elementwise functions that together are one
activation. Parameters and constants are no nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgewise.activations import Activation

Kind = Literal[
    "input",  # a tensor the model was called with
    "linear",  # affine in its input: nn.Linear, convolutions and their transposes, bilinear maps, F.linear
    "embedding",  # a table looked up by integers
    "activation",  # an elementwise nonlinearity of one tensor, by module or by functions
    "norm",  # layer, RMS, batch, group, instance normalisation
    "attention",  # a weighted average of values; its inputs are (query, key, value, ...) or (weights, values)
    "weights",  # a softmax: attention weights, or the probabilities of classes
    "matmul",  # a matrix product of two tensors of the model: queries with keys
    "add",  # a sum of tensors of the model: a residual connection, a position embedding
    "multiply",  # a product of tensors of the model: a gate
    "scale",  # times a known number
    "concatenate",
    "pool",
    "dropout",
    "reshape",  # the same numbers in another shape or order, or some of them
    "unknown",  # anything else; told to the user, never passed over
    "output",
]


@dataclass(frozen=True)
class Node:
    """One call in a model.

    name: unique in its graph: the module's qualified name ("layers.3.fc"), with "#2" after it at its second call, or
    the function's name and a number ("add_4"). inputs: names of the nodes whose tensors it takes, in order.
    module: qualified name of the leaf module called, None for functions. parameters: qualified names of the model's
    parameters that the call reads. activation: of an activation node, what it is. factor: of a scale node, the number
    (of a tensor its root mean square), None where it is not known.
    detail: what was called, in a few words ("Linear(64 -> 128)", "torch.add", "LayerNorm"), for people.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...] = ()
    module: str | None = None
    parameters: tuple[str, ...] = ()
    activation: Activation | None = None
    factor: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class ModelGraph:
    """The calls of a model in the order they run; each takes its inputs from earlier ones.

    source: "torch.fx" (traced without running) or "recorded" (seen on one batch, so that branches which that batch did
    not take are missing). notes: what could not be read exactly, in sentences.
    """

    nodes: tuple[Node, ...]
    source: Literal["torch.fx", "recorded"]
    notes: tuple[str, ...] = ()
    _by_name: dict[str, Node] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {node.name: node for node in self.nodes})

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def of_kind(self, *kinds: Kind) -> tuple[Node, ...]:
        """The nodes of these kinds, in order."""
        return tuple(node for node in self.nodes if node.kind in kinds)

    def feeds(self, name: str) -> tuple[Node, ...]:
        """The nodes that take this one's tensor."""
        return tuple(node for node in self.nodes if name in node.inputs)
