"""The nodes of a model as they come to be: their names, what takes what, and when an expression becomes a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn

from edgewise.init.graph import Kind, ModelGraph, Node
from edgewise.init.tracing.calls import Operand, Signal, Step, Weights, operands_in, parameters_in, said, signals_in
from edgewise.init.tracing.expressions import X, as_formula
from edgewise.init.tracing.recognition import expression_activation

Closed = Callable[[Node, Any], None]

_LONG = 60  # letters of a formula shown as what a node is


class Ledger:
    """The nodes of `model` so far; closed(node, value) hears of every node when its value is there."""

    def __init__(self, model: nn.Module, closed: Closed | None = None) -> None:
        self.nodes: list[Node] = []
        self._by_name: dict[str, Node] = {}
        self._notes: list[tuple[str, str | None]] = []  # and the node that each is about
        self._closed = closed
        self._taken = {name for name, _ in model.named_modules()}
        self._calls: dict[str, int] = {}
        self._parameters = {id(parameter): name for name, parameter in model.named_parameters()}
        self._weighted: set[str] = set()

    def parameter(self, tensor: Tensor) -> Weights | None:
        """The parameter that a tensor is, or None."""
        name = self._parameters.get(id(tensor))
        return None if name is None else Weights((name,), tensor.detach())

    def parameters_of(self, module: nn.Module) -> tuple[str, ...]:
        """The names of a module's parameters in the model, each once."""
        known = self._parameters
        return tuple(dict.fromkeys(known[id(p)] for p in module.parameters() if id(p) in known))

    # -- nodes --------------------------------------------------------------------------------------------------------

    def emit(self, kind: Kind, name: str, operands: object, where: str = "") -> Step:
        """The step of a call of a function that is a node taking these operands."""
        inputs, parameters = self.take(operands), parameters_in(operands_in(operands))
        node = Node(self.numbered(name), kind, inputs, None, parameters, detail=said(name, where))
        return Step(Signal(node.name), node)

    def unknown(self, name: str, operands: object, where: str = "", reason: str = "") -> Step:
        """The step of a call that is not understood."""
        step = self.emit("unknown", name, operands, where)
        step.note = f"{said(name, where)} is not understood{': ' + reason if reason else ''}"
        return step

    def add(self, node: Node, value: Any = None) -> None:
        """The next node, with the tensor that it gives where there is one."""
        passes_on = node.kind in ("dropout", "reshape", "scale") and any(map(self.weighs, node.inputs))
        if node.kind == "weights" or passes_on:
            self._weighted.add(node.name)
        self.nodes.append(node)
        self._by_name[node.name] = node
        if self._closed is not None and value is not None:
            self._closed(node, value)

    def finish(self, step: Step, value: Any = None) -> None:
        """The call has happened and returned `value`."""
        if step.note:
            self._notes.append((step.note, step.node.name if step.node is not None else None))
        if step.node is not None:
            self.add(step.node, value)

    def weighs(self, name: str) -> bool:
        """Whether a node gives attention weights."""
        return name in self._weighted

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    # -- taking tensors -----------------------------------------------------------------------------------------------

    def take(self, arguments: object) -> tuple[str, ...]:
        """The names of the nodes whose tensors these arguments are, in order; expressions become nodes."""
        found = (self.close(operand, signal) for operand, signal in signals_in(arguments))
        return tuple(name for name in found if name is not None)

    def close(self, operand: Operand, signal: Signal) -> str | None:
        """The node whose output an operand is, made now if it is still an expression; None for truth values."""
        if signal.mask:
            return None
        if signal.expression is X:
            return signal.root
        found = expression_activation(signal.expression)
        if found.kind == "mask":
            signal.mask = True
            return None
        if found.kind != "identity":
            last, _, where = signal.last.partition(" in ")
            formula = as_formula(signal.expression)
            detail = said(formula if formula is not None and len(formula) <= _LONG else last, where)
            node = Node(
                self.numbered(last),
                found.kind,
                (signal.root,),
                None,
                signal.parameters,
                found.activation,
                found.factor,
                detail,
            )
            self.add(node, operand.tensor)
            if found.kind == "unknown":
                self._notes.append((f"{node.name} ({detail}) is not understood: {found.reason}", node.name))
            if found.kind == "activation":
                signal.before = replace(signal)
            signal.root, signal.piece = node.name, None
        signal.expression, signal.parameters = X, ()
        return signal.root

    # -- names --------------------------------------------------------------------------------------------------------

    def unique(self, name: str) -> str:
        """The name, made longer where a module or node has it."""
        while name in self._taken:
            name = f"{name} (tensor)"
        self._taken.add(name)
        return name

    def numbered(self, name: str) -> str:
        """The name of the next call of a function."""
        name = name.removeprefix("get_")
        return self.unique(f"{name}_{self.count(f' {name}')}")

    def count(self, name: str) -> int:
        """How many calls of that name there were, this one included."""
        self._calls[name] = self._calls.get(name, 0) + 1
        return self._calls[name]

    # -- the graph ----------------------------------------------------------------------------------------------------

    def graph(self, source: Literal["torch.fx", "recorded"], notes: Sequence[str] = ()) -> ModelGraph:
        """The nodes so far, without calls of functions that nothing takes the result of."""
        taken: set[str] = set()
        kept = []
        for node in reversed(self.nodes):
            if node.name in taken or node.module is not None or node.kind in ("input", "output"):
                kept.append(node)
                taken |= set(node.inputs)
        names = {node.name for node in kept}
        notes = (*notes, *(note for note, about in self._notes if about is None or about in names))
        return ModelGraph(tuple(reversed(kept)), source, tuple(dict.fromkeys(notes)))
