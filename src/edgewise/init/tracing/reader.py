"""From a model's calls, one after the other, to the nodes of its graph.

Both front ends report every call here before it happens (`module`, `function`), with each tensor of the model replaced
by an `Operand`, and get a `Step`; they give its signal to what the call returns, and hand the step to `finish`.

A run of elementwise functions is kept as an expression of the one node it started from, and becomes a node (is closed)
when something else takes its value: then it is known whether it is an activation, a scale or nothing at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.activations.registry import registered
from edgewise.init.graph import Kind, ModelGraph, Node
from edgewise.init.tracing import functions
from edgewise.init.tracing.expressions import OPERATIONS, Operation, X, as_formula, operation
from edgewise.init.tracing.modules import Layer, short
from edgewise.init.tracing.recognition import expression_activation, module_activation

Closed = Callable[[Node, Any], None]

_LONG = 60  # letters of a formula shown as what a node is


@dataclass(eq=False)
class Signal:
    """What is known of one tensor of the model: an expression of the output of node `root`.

    parameters: those the expression reads. before: of the output of an activation, what it was made of, so that
    x * sigmoid(x) is seen as one activation where the sigmoid is a node already. several: a tuple of tensors.
    """

    root: str
    expression: Operation = X
    parameters: tuple[str, ...] = ()
    before: tuple[str, Operation, tuple[str, ...]] | None = None
    several: bool = False
    last: str = ""
    mask: bool = False


@dataclass(frozen=True)
class Weights:
    """A tensor made of parameters alone. value: its present value, where one parameter is used as it is."""

    parameters: tuple[str, ...]
    value: Tensor | None = None


@dataclass(frozen=True)
class Unknown:
    """A constant whose value cannot be known without running the model."""


@dataclass(frozen=True)
class Operand:
    """A tensor of the model in the arguments of a call. tensor: itself, where the model is being run."""

    signal: Signal | Weights
    tensor: Any = None


@dataclass
class Step:
    """What a call gives: a signal or weights for its result, None for a constant; and a node, if it is one."""

    result: Signal | Weights | None = None
    node: Node | None = None
    note: str = ""


def walk(arguments: object) -> Iterator[Any]:
    """Everything in nested arguments, in order."""
    if isinstance(arguments, tuple | list):
        for item in arguments:
            yield from walk(item)
    elif isinstance(arguments, Mapping):
        for item in arguments.values():
            yield from walk(item)
    elif isinstance(arguments, slice):
        yield from walk((arguments.start, arguments.stop, arguments.step))
    else:
        yield arguments


class Reader:
    """Builds the nodes of `model`; closed(node, value) hears of every node when its value is there."""

    def __init__(self, model: nn.Module, closed: Closed | None = None) -> None:
        self.nodes: list[Node] = []
        self._notes: list[tuple[str, str | None]] = []  # and the node that each is about
        self._closed = closed
        self._taken: set[str] = {name for name, _ in model.named_modules()}
        self._calls: dict[str, int] = {}
        self._names: dict[int, str] = {}
        for name, parameter in model.named_parameters():
            self._names[id(parameter)] = name
        self._weighted: set[str] = set()  # attention weights and what passes them on

    # -- sources ------------------------------------------------------------------------------------------------------

    def parameter(self, tensor: Tensor) -> Weights | None:
        """The parameter that a tensor is, or None."""
        name = self._names.get(id(tensor))
        return None if name is None else Weights((name,), tensor.detach())

    def input(self, name: str, value: Any = None) -> Signal:
        """A tensor the model was called with."""
        node = Node(self._unique(name), "input", detail="input")
        self._add(node, value)
        return Signal(node.name)

    def output(self, values: object) -> None:
        """What the model returned."""
        self._add(Node(self._unique("output"), "output", self._take(values), detail="output"), None)

    # -- calls --------------------------------------------------------------------------------------------------------

    def module(self, name: str, module: nn.Module, layer: Layer, arguments: object) -> Step:
        """A call of a leaf module."""
        count = self._calls[name] = self._calls.get(name, 0) + 1
        called = name or type(module).__name__
        unique = called if count == 1 else f"{called}#{count}"
        parameters = tuple(dict.fromkeys(self._names[id(p)] for p in module.parameters() if id(p) in self._names))
        before = self._origin(arguments) if layer.activation is not None else None
        inputs = self._take(arguments)
        if layer.detail == "GLU":
            return self._gated(unique, name, inputs, "GLU")
        node = Node(unique, layer.kind, inputs, name, parameters, layer.activation, layer.factor, layer.detail)
        signal = Signal(unique, several=layer.several_outputs)
        if before is not None and layer.activation is not None:
            made = operation_of(layer.activation, before[1])
            signal.before = None if made is None else (before[0], made, before[2])
        note = f"{called}: {layer.note}" if layer.note and count == 1 else ""
        return Step(signal, node, note)

    def function(self, target: object, args: tuple[Any, ...], kwargs: dict[str, Any], where: str = "") -> Step:
        """A call of a function or tensor method between leaf modules; where: the module whose code makes it."""
        operands = [item for item in walk((args, kwargs)) if isinstance(item, Operand)]
        signals = [o for o in operands if isinstance(o.signal, Signal)]
        name = functions.canonical(target)
        if not signals:
            return self._of_weights(name, operands, where)
        if not functions.from_torch(target):
            return self._unknown(name, operands, where)
        if name in functions.ABOUT:
            return Step()
        if name in functions.ALIASES:
            first = args[0] if args and isinstance(args[0], Operand) else signals[0]
            return Step(first.signal) if isinstance(first.signal, Signal) else self._of_weights(name, [first], where)
        taken = signals[0].signal
        if isinstance(taken, Signal):
            if name == "getitem" and (taken.several or isinstance(args[1], str)):
                return Step(Signal(taken.root))
            if taken.several and name in ("get_values", "get_indices"):
                return Step(Signal(taken.root) if name == "get_values" else None)
        step = self._elementwise(name, args, kwargs, where)
        if step is not None:
            return step
        if name in functions.CONTRACTIONS:
            return self._contraction(name, operands, where)
        if name == "glu":
            return self._gated(self._numbered("glu"), None, self._take(args), _said("glu", where))
        if name in functions.KINDS:
            return self._listed(name, operands, where)
        return self._unknown(name, operands, where)

    def applied(self, name: str, known: Activation | None, arguments: object, where: str) -> Step:
        """A call of a custom autograd function; known: the activation that it is, if it is one."""
        operands = [item for item in walk(arguments) if isinstance(item, Operand)]
        signals = [o for o in operands if isinstance(o.signal, Signal)]
        if known is not None and len(signals) == 1:
            return Step(self._activated(known, signals[0], _said(name, where)))
        return self._unknown(name, operands, where) if operands else Step()

    def foreign(self) -> Step:
        """A tensor that comes out of code which cannot be watched."""
        step = self._emit("unknown", "foreign", (), (), "")
        step.note = (
            "a tensor comes from code that cannot be watched (TorchScript, a custom kernel, or kept from elsewhere)"
        )
        return step

    def overwritten(self, operand: Operand) -> Step:
        """A tensor that was changed in place through another view of it."""
        assert isinstance(operand.signal, Signal)
        root = operand.signal.root
        step = self._emit("unknown", "overwritten", (root,), (), "")
        step.note = (
            f"the output of {root} is changed in place through a view of it; what it then holds is not understood"
        )
        return step

    def finish(self, step: Step, value: Any = None) -> None:
        """The call has happened and returned `value`."""
        if step.note:
            self._notes.append((step.note, step.node.name if step.node is not None else None))
        if step.node is not None:
            self._add(step.node, value)

    def graph(self, source: Any, notes: Sequence[str] = ()) -> ModelGraph:
        """The nodes so far, without calls of functions that nothing takes the result of."""
        taken: set[str] = set()
        kept = []
        for node in reversed(self.nodes):
            if node.name in taken or node.module is not None or node.kind in ("input", "output"):
                kept.append(node)
                taken |= set(node.inputs)
        names = {node.name for node in kept}
        said = [note for note, about in self._notes if about is None or about in names]
        return ModelGraph(tuple(reversed(kept)), source, tuple(dict.fromkeys((*notes, *said))))

    # -- what a function is -------------------------------------------------------------------------------------------

    def _of_weights(self, name: str, operands: Sequence[Operand], where: str) -> Step:
        parameters = _parameters(operands)
        if name in functions.ABOUT:
            return Step()
        if name in ("embedding", "embedding_bag"):
            return self._emit("embedding", name, (), parameters, where)
        if not parameters:
            return Step()
        values = [o.signal.value for o in operands if isinstance(o.signal, Weights)]
        kept = values[0] if name in functions.ALIASES and len(values) == 1 else None
        return Step(Weights(parameters, kept))

    def _listed(self, name: str, operands: Sequence[Operand], where: str) -> Step:
        kind = functions.KINDS[name]
        if name in ("max", "min") and sum(isinstance(o.signal, Signal) for o in operands) > 1:
            return self._unknown(name, operands, where)
        step = self._emit(kind, name, self._take(operands), _parameters(operands), where)
        if isinstance(step.result, Signal):
            along = len(operands) == 1 and name in ("max", "min", "median", "nanmedian")  # then values and indices
            step.result.several = name in functions.SEVERAL or along
        return step

    def _contraction(self, name: str, operands: Sequence[Operand], where: str) -> Step:
        signals = [o for o in operands if isinstance(o.signal, Signal)]
        parameters = _parameters(operands)
        inputs = self._take(operands)
        if len(signals) >= 2 and not (name == "bilinear" and parameters):
            kind: Kind = "attention" if any(i in self._weighted for i in inputs) else "matmul"
            return self._emit(kind, name, inputs, parameters, where)
        if parameters:
            return self._emit("linear", name, inputs, parameters, where)
        step = self._emit("unknown", name, inputs, parameters, where)
        step.note = f"{_said(name, where)} multiplies by a matrix that is no parameter; it is not understood"
        return step

    def _unknown(self, name: str, operands: Sequence[Operand], where: str, reason: str = "") -> Step:
        step = self._emit("unknown", name, self._take(operands), _parameters(operands), where)
        step.note = f"{_said(name, where)} is not understood{': ' + reason if reason else ''}"
        return step

    def _gated(self, name: str, module: str | None, inputs: tuple[str, ...], detail: str) -> Step:
        """GLU: one half of x times the sigmoid of the other."""
        gate = Node(
            f"{name}.gate",
            "activation",
            inputs,
            module,
            activation=registered("sigmoid"),
            detail=f"sigmoid of {detail}",
        )
        self._add(gate, None)
        node = Node(name, "multiply", (*inputs, gate.name), module, detail=detail)
        return Step(Signal(name), node)

    # -- elementwise functions ----------------------------------------------------------------------------------------

    def _elementwise(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Step | None:
        """The step of an elementwise function, None where this is none."""
        if name in functions.NAMED_ACTIVATIONS:
            return self._named(name, args, kwargs, where)
        if name in ("prelu", "rrelu"):
            return self._sloped(name, args, kwargs, where)
        if name in ("add", "sub") and kwargs.get("alpha", 1) != 1:
            args, kwargs = self._multiplied(args, kwargs)
        given = _arguments(name, args, kwargs)
        if given is None:
            return None
        name, values = given
        signals = [v for v in values if isinstance(v, Operand) and isinstance(v.signal, Signal)]
        tensors = [v for v in values if isinstance(v, Tensor) and v.numel() != 1]
        weights = [v for v in values if isinstance(v, Operand) and isinstance(v.signal, Weights) and not _single(v)]
        if not tensors and not weights:
            joined = self._join(name, values, signals)
            if joined is not None:
                return Step(replace(joined, last=_said(name, where)))
        return self._mixed(name, values, signals, tensors, weights, where)

    def _named(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Step | None:
        options = {key: value for key, value in kwargs.items() if key not in ("inplace", "input", "self", "out")}
        first, *rest = args if args else (kwargs.get("input", kwargs.get("self")),)
        if not isinstance(first, Operand) or not isinstance(first.signal, Signal):
            return None
        try:
            layer = module_activation(functions.NAMED_ACTIVATIONS[name](*rest, **options))
        except (TypeError, ValueError):
            layer = None
        if layer is None:
            return self._unknown(name, [first], where)
        if layer.activation is None:
            return Step(first.signal) if layer.kind == "identity" else self._unknown(name, [first], where)
        return Step(self._activated(layer.activation, first, _said(name, where)))

    def _activated(self, known: Activation, operand: Operand, last: str) -> Signal:
        """An activation of an operand, as an expression."""
        signal = operand.signal
        assert isinstance(signal, Signal)
        made = operation_of(known, signal.expression)
        if made is None:
            self._close(operand)
            made = operation_of(known, X)
            assert made is not None
        return replace(signal, expression=made, before=None, last=last, several=False, mask=False)

    def _sloped(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Step:
        """F.prelu and F.rrelu as leaky ReLUs, at the mean of their slopes."""
        slope: Tensor | float | None
        if name == "rrelu":
            slope = (float(kwargs.get("lower", 1 / 8)) + float(kwargs.get("upper", 1 / 3))) / 2
        else:
            given = args[1] if len(args) > 1 else kwargs.get("weight")
            slope = given.signal.value if isinstance(given, Operand) and isinstance(given.signal, Weights) else None
        first = args[0] if args else kwargs.get("input")
        operands = [o for o in walk((args, kwargs)) if isinstance(o, Operand)]
        if slope is None or not isinstance(first, Operand) or not isinstance(first.signal, Signal):
            return self._unknown(name, operands, where)
        mean = short(slope) if isinstance(slope, Tensor) else slope
        node = Node(
            self._numbered(name), "activation", self._take(first), None, _parameters(operands),
            registered("prelu" if name == "prelu" else "leaky_relu", a=mean), detail=_said(name, where),
        )  # fmt: skip
        several = isinstance(slope, Tensor) and slope.numel() > 1
        note = f"{node.name}: its slopes are taken at their mean" if several or name == "rrelu" else ""
        return Step(Signal(node.name), node, note)

    def _multiplied(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of torch.add(x, y, alpha=a) as those of x + a*y."""
        options = dict(kwargs)
        alpha = options.pop("alpha")
        values = [*args, *(options.pop(key) for key in ("input", "self", "other") if key in options)]
        if len(values) == 2 and isinstance(values[1], Operand) and isinstance(values[1].signal, Signal):
            second = self._join("mul", [values[1], alpha], [values[1]])
            assert second is not None
            values[1] = Operand(replace(second, last="mul"))
        elif len(values) == 2 and isinstance(values[1], Tensor | int | float):
            values[1] = values[1] * _number(alpha)
        return tuple(values), options

    def _join(self, name: str, values: Sequence[Any], signals: Sequence[Operand]) -> Signal | None:
        """The result as an expression of the one node that all operands come from, or None."""
        expressions = self._common(signals)
        if expressions is None:
            return None
        root, taken, parameters = expressions
        arguments: list[Any] = []
        for value in values:
            if isinstance(value, Operand) and isinstance(value.signal, Signal):
                arguments.append(taken[id(value)])
            elif isinstance(value, Operand):
                assert isinstance(value.signal, Weights)
                assert value.signal.value is not None
                parameters = (*parameters, *value.signal.parameters)
                arguments.append(float(value.signal.value))
            else:
                arguments.append(_number(value))
        made = operation(name, arguments)
        if made is None:
            for operand in signals:
                self._close(operand)
            return self._join(name, values, signals) if len({s.signal.root for s in signals}) == 1 else None  # type: ignore[union-attr]
        mask = name in ("gt", "ge", "lt", "le", "eq", "ne", "logical_and", "logical_or", "logical_not")
        return Signal(root, made, tuple(dict.fromkeys(parameters)), last=name, mask=mask)

    def _common(self, signals: Sequence[Operand]) -> tuple[str, dict[int, Operation], tuple[str, ...]] | None:
        """(root, expression of each operand in it, parameters) where all operands are functions of one node."""
        choices: list[dict[str, tuple[Operation, tuple[str, ...]]]] = []
        for operand in signals:
            signal = operand.signal
            assert isinstance(signal, Signal)
            ways = {signal.root: (signal.expression, signal.parameters)}
            if signal.before is not None and signal.expression is X:
                ways.setdefault(signal.before[0], signal.before[1:])
            choices.append(ways)
        for root in choices[0]:
            if all(root in ways for ways in choices):
                taken = {id(o): ways[root][0] for o, ways in zip(signals, choices, strict=True)}
                return root, taken, tuple(p for ways in choices for p in ways[root][1])
        return None

    def _mixed(
        self,
        name: str,
        values: Sequence[Any],
        signals: Sequence[Operand],
        tensors: Sequence[Tensor],
        weights: Sequence[Operand],
        where: str,
    ) -> Step:
        """Elementwise functions of several tensors: sums, gates, masks."""
        operands = [v for v in values if isinstance(v, Operand)]
        parameters = _parameters(operands)
        if name in ("add", "sub"):
            return self._emit("add", name, self._take(operands), parameters, where)
        normalised = self._normalised(name, values, signals)
        if normalised is not None:
            return self._emit("norm", name, (normalised,), (), where)
        if name == "mul" and len(signals) > 1:
            masks = [o for o in signals if isinstance(o.signal, Signal) and o.signal.mask]
            if not masks:
                return self._emit("multiply", name, self._take(operands), parameters, where)
        numerator = bool(values) and any(values[0] is o for o in signals)
        if len(signals) == 1 and (name == "mul" or (name == "div" and numerator)):
            known = [*tensors, *(o.signal.value for o in weights if isinstance(o.signal, Weights))]
            factor = _root_mean_square(known[0]) if len(known) == 1 and known[0] is not None else None
            if factor is not None and name == "div":
                factor = 1 / factor if factor else None
            step = self._emit("scale", name, self._take(operands), parameters, where)
            assert step.node is not None
            step.node = replace(
                step.node, factor=factor, detail=f"{step.node.detail} by a tensor, at its root mean square"
            )
            return step
        if name == "where" and sum(not s.signal.mask for s in signals if isinstance(s.signal, Signal)) == 1:
            return self._emit("reshape", name, self._take(operands), parameters, where)
        return self._unknown(name, operands, where)

    def _normalised(self, name: str, values: Sequence[Any], signals: Sequence[Operand]) -> str | None:
        """The node that x * rsqrt(mean(x**2) + eps), or x / sqrt(...), divides by its root mean square; else None."""
        if len(signals) != 2 or len(values) != 2:
            return None
        for this, other in ((0, 1), (1, 0)) if name == "mul" else ((0, 1),) if name == "div" else ():
            x, size = signals[this].signal, signals[other].signal
            assert isinstance(x, Signal)
            assert isinstance(size, Signal)
            mean = self._node(size.root)
            squared = self._node(mean.inputs[0]) if mean is not None and mean.kind == "pool" and mean.inputs else None
            if squared is None or squared.activation != registered("monomial", p=2) or squared.inputs != (x.root,):
                continue
            at = torch.tensor([2.0, 8.0], dtype=torch.float64)
            expected = at.rsqrt() if name == "mul" else at.sqrt()
            if x.expression is X and torch.allclose(size.expression(at), expected, rtol=1e-3):
                return x.root
        return None

    def _node(self, name: str) -> Node | None:
        return next((node for node in reversed(self.nodes) if node.name == name), None)

    def _close(self, operand: Operand) -> str | None:
        """The node whose output the operand is, made now if it is still an expression; None for a truth value."""
        signal = operand.signal
        assert isinstance(signal, Signal)
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
            kind: Kind = found.kind
            formula = as_formula(signal.expression)
            detail = _said(formula if formula is not None and len(formula) <= _LONG else last, where)
            node = Node(
                self._numbered(last),
                kind,
                (signal.root,),
                None,
                signal.parameters,
                found.activation,
                found.factor,
                detail,
            )
            self._add(node, operand.tensor)
            if kind == "unknown":
                self._notes.append((f"{node.name} ({detail}) is not understood: {found.reason}", node.name))
            if kind == "activation":
                signal.before = (signal.root, signal.expression, signal.parameters)
            signal.root = node.name
        signal.expression, signal.parameters = X, ()
        return signal.root

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _take(self, arguments: object) -> tuple[str, ...]:
        """The names of the nodes whose tensors these arguments are, in order."""
        found = (
            self._close(item)
            for item in walk(arguments)
            if isinstance(item, Operand) and isinstance(item.signal, Signal)
        )
        return tuple(name for name in found if name is not None)

    def _origin(self, arguments: object) -> tuple[str, Operation, tuple[str, ...]] | None:
        """What the only tensor among the arguments is, before it is closed."""
        signals = [i.signal for i in walk(arguments) if isinstance(i, Operand) and isinstance(i.signal, Signal)]
        if len(signals) != 1:
            return None
        return signals[0].root, signals[0].expression, signals[0].parameters

    def _emit(self, kind: Kind, name: str, inputs: tuple[str, ...], parameters: tuple[str, ...], where: str) -> Step:
        node = Node(self._numbered(name), kind, inputs, None, parameters, detail=_said(name, where))
        return Step(Signal(node.name), node)

    def _add(self, node: Node, value: Any) -> None:
        if node.kind == "weights" or (
            node.kind in ("dropout", "reshape", "scale") and any(i in self._weighted for i in node.inputs)
        ):
            self._weighted.add(node.name)
        self.nodes.append(node)
        if self._closed is not None and value is not None:
            self._closed(node, value)

    def _unique(self, name: str) -> str:
        found = name
        while found in self._taken:
            found = f"{found} (tensor)"
        self._taken.add(found)
        return found

    def _numbered(self, name: str) -> str:
        name = name.removeprefix("get_")
        count = self._calls[f" {name}"] = self._calls.get(f" {name}", 0) + 1
        return self._unique(f"{name}_{count}")


def operation_of(activation: Activation, inner: Operation) -> Operation | None:
    """An activation of an expression, None where that becomes too large."""
    made = Operation("apply", (inner,), activation)
    return made if operation("neg", [made]) is not None else None


def _parameters(operands: Sequence[Operand]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p for o in operands if isinstance(o.signal, Weights) for p in o.signal.parameters))


def _single(operand: Operand) -> bool:
    """Whether weights are one number that is known."""
    signal = operand.signal
    return isinstance(signal, Weights) and signal.value is not None and signal.value.numel() == 1


def _said(name: str, where: str) -> str:
    return f"{name.removeprefix('get ')} in {where}" if where else name.removeprefix("get_")


def _number(value: object) -> float:
    if isinstance(value, Tensor):
        return float(value)
    if isinstance(value, bool | int | float):
        return float(value)
    return math.nan


def _root_mean_square(value: Tensor) -> float:
    """Over the finite entries."""
    numbers = value.detach().to("cpu", torch.float64)
    return float(numbers[numbers.isfinite()].square().mean().sqrt())


def _arguments(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, list[Any]] | None:
    """An elementwise function as one of `OPERATIONS` with its operands in order; None where it is none."""
    options = {key: value for key, value in kwargs.items() if key not in ("out", "inplace", "rounding_mode")}
    values = list(args)
    for key in ("input", "self"):
        if key in options:
            values.insert(0, options.pop(key))
    if kwargs.get("rounding_mode") is not None:
        return None
    if name in ("rsub", "rdiv", "rpow"):
        return name[1:], [values[1], values[0]]
    if name == "clamp":
        low = options.get("min", values[1] if len(values) > 1 else None)
        high = options.get("max", values[2] if len(values) > 2 else None)
        if low is None and high is None:
            return None
        return "clamp", [values[0], -math.inf if low is None else low, math.inf if high is None else high]
    if name in ("clamp_min", "clamp_max"):
        bound = values[1] if len(values) > 1 else next(iter(options.values()))
        return ("maximum" if name == "clamp_min" else "minimum"), [values[0], bound]
    if name in ("max", "min") and len(values) == 2 and isinstance(values[1], Operand):
        return f"{name}imum", values
    if name == "masked_fill" and len(values) == 3 and isinstance(values[1], Operand):
        return "where", [values[1], values[2], values[0]]
    if name == "where" and len(values) + len(options) != 3:
        return None
    if name not in OPERATIONS:
        return None
    options.pop("alpha", None)
    return name, [*values, *options.values()]
