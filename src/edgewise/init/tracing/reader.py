"""From a model's calls, one after the other, to the nodes of its graph.

Both front ends report every call here before it happens (`module`, `function`), with each tensor of the model replaced
by an `Operand`, and get a `Step`; they give its result to what the call returns, and hand the step to `finish`.

A run of elementwise functions is kept as an expression of the one node it started from, and becomes a node (is closed)
when something else takes its value: then it is known whether it is an activation, a scale or nothing at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from edgewise.activations import Activation
from edgewise.activations.registry import registered
from edgewise.init.graph import Kind, Node
from edgewise.init.tracing import functions
from edgewise.init.tracing.calls import Operand, Signal, Step, Weights, parameters_in, said, signals_in
from edgewise.init.tracing.elementwise import Call, activated, elementwise
from edgewise.init.tracing.expressions import applied
from edgewise.init.tracing.ledger import Ledger
from edgewise.init.tracing.modules import Layer


class Reader(Ledger):
    """A ledger that understands calls."""

    def input(self, name: str, value: Any = None) -> Signal:
        """A tensor the model was called with."""
        node = Node(self.unique(name), "input", detail="input")
        self.add(node, value)
        return Signal(node.name)

    def output(self, values: object) -> None:
        """What the model returned."""
        self.add(Node(self.unique("output"), "output", self.take(values), detail="output"))

    def module(self, name: str, module: nn.Module, layer: Layer, arguments: object) -> Step:
        """A call of a leaf module."""
        count = self.count(name)
        called = name or type(module).__name__
        unique = called if count == 1 else f"{called}#{count}"
        signals = signals_in(arguments)
        signal = Signal(unique, several=layer.several_outputs)
        if layer.activation is not None and len(signals) == 1:
            given = signals[0][1]
            made = applied(layer.activation, given.expression)
            signal.before = None if made is None else replace(given, expression=made, several=False)
        inputs = self.take(arguments)
        if layer.detail == "GLU":
            return self._gated(unique, name, inputs, "GLU")
        parameters = self.parameters_of(module)
        node = Node(unique, layer.kind, inputs, name, parameters, layer.activation, layer.factor, layer.detail)
        note = f"{called}: {layer.note}" if layer.note and count == 1 else ""
        return Step(signal, node, note)

    def function(self, target: object, args: tuple[Any, ...], kwargs: dict[str, Any], where: str = "") -> Step:
        """A call of a function or tensor method between leaf modules; where: the module whose code makes it."""
        call = Call(functions.canonical(target), args, kwargs, where)
        signals = signals_in((args, kwargs))
        if not signals:
            return self._of_weights(call)
        if not functions.from_torch(target):
            return self.unknown(call.name, call.operands, where)
        if call.name in functions.ABOUT:
            return Step()
        if call.name in functions.ALIASES:
            first = args[0] if args and isinstance(args[0], Operand) else signals[0][0]
            return Step(first.signal)
        taken = signals[0][1]
        if call.name == "getitem" and (taken.several or isinstance(args[1], str)):
            piece = args[1] if taken.several and isinstance(args[1], int) else None
            return Step(Signal(taken.root, piece=piece))
        if taken.several and call.name in ("get_values", "get_indices"):
            return Step(Signal(taken.root) if call.name == "get_values" else None)
        step = elementwise(self, call)
        if step is not None:
            return step
        if call.name in functions.CONTRACTIONS:
            return self._contraction(call)
        if call.name == "glu":
            return self._gated(self.numbered("glu"), None, self.take(args), said("glu", where))
        if call.name in functions.KINDS:
            return self._listed(call)
        return self.unknown(call.name, call.operands, where)

    def applied(self, name: str, known: Activation | None, arguments: object, where: str) -> Step:
        """A call of a custom autograd function or `Activation`; known: the activation that it is, if it is one."""
        signals = signals_in(arguments)
        if known is not None and len(signals) == 1:
            return Step(activated(self, known, *signals[0], said(name, where)))
        return self.unknown(name, arguments, where) if signals else Step()

    def foreign(self) -> Step:
        """A tensor that comes out of code which cannot be watched."""
        why = (
            "a tensor comes from code that cannot be watched (TorchScript, a custom kernel) or was kept from elsewhere"
        )
        step = self.emit("unknown", "foreign", ())
        step.note = why
        return step

    def overwritten(self, operand: Operand) -> Step:
        """A tensor that was changed in place through another view of it."""
        return self.unknown("overwritten", operand, reason="a tensor is changed in place through a view of it")

    # -- what a function is -------------------------------------------------------------------------------------------

    def _of_weights(self, call: Call) -> Step:
        """A function of parameters and constants alone."""
        parameters = parameters_in(call.operands)
        if call.name in functions.ABOUT or not parameters:
            return Step()
        if call.name in ("embedding", "embedding_bag"):
            return self.emit("embedding", call.name, call.operands, call.where)
        values = [o.signal.value for o in call.operands if isinstance(o.signal, Weights)]
        kept = values[0] if call.name in functions.ALIASES and len(values) == 1 else None
        return Step(Weights(parameters, kept))

    def _listed(self, call: Call) -> Step:
        """A function whose kind its name says."""
        several = len(signals_in((call.args, call.kwargs))) > 1
        if call.name in ("max", "min") and several:
            return self.unknown(call.name, call.operands, call.where)
        step = self.emit(functions.KINDS[call.name], call.name, call.operands, call.where)
        if isinstance(step.result, Signal):
            along = len(call.args) + len(call.kwargs) > 1 and call.name in ("max", "min", "median", "nanmedian")
            step.result.several = call.name in functions.SEVERAL or along  # values and indices
        return step

    def _contraction(self, call: Call) -> Step:
        """A matrix product or convolution."""
        signals = signals_in((call.args, call.kwargs))
        parameters = parameters_in(call.operands)
        if len(signals) == 1 and not parameters:
            return self.unknown(call.name, call.operands, call.where, "it multiplies by a matrix that is no parameter")
        kind: Kind = "linear"
        if len(signals) > 1 and not (call.name == "bilinear" and parameters):
            kind = "attention" if any(self.weighs(self.take(operand)[0]) for operand, _ in signals) else "matmul"
        return self.emit(kind, call.name, call.operands, call.where)

    def _gated(self, name: str, module: str | None, inputs: tuple[str, ...], detail: str) -> Step:
        """GLU: one half of x times the sigmoid of the other."""
        sigmoid = registered("sigmoid")
        gate = Node(f"{name}.gate", "activation", inputs, module, (), sigmoid, None, f"sigmoid of {detail}")
        self.add(gate)
        node = Node(name, "multiply", (*inputs, gate.name), module, detail=detail)
        return Step(Signal(name), node)
