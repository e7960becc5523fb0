"""The front end that reads a model without running it: torch.fx."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgewise.activations import Activation
from edgewise.errors import TraceError
from edgewise.init.acceptance import call_arguments
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.tracing import functions
from edgewise.init.tracing.calls import Operand, Signal, Unknown, Weights, walk
from edgewise.init.tracing.expressions import Operation
from edgewise.init.tracing.modules import Layer, leaves
from edgewise.init.tracing.reader import Reader


class LeafTracer(fx.Tracer):
    """Stops at the modules that are one node."""

    def __init__(self, leaf_names: Mapping[str, Layer], *, follow_buffers: bool) -> None:
        super().__init__()
        self._leaf_names = leaf_names
        self.proxy_buffer_attributes = follow_buffers

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._leaf_names


def read(model: nn.Module, batch: object = None) -> ModelGraph:
    """The graph of a model by torch.fx. Raises whatever stops torch.fx: control flow that depends on values, ..."""
    known = leaves(model)
    if "" in known:
        return _single(model, known[""])
    return traced(model, batch)[1].graph()


def traced(model: nn.Module, batch: object = None) -> tuple[fx.Graph, Interpreter]:
    """The graph of torch.fx and what was read from it."""
    known = leaves(model)
    constants = defaults(model, batch)
    with untouched(model), torch.no_grad(), plain_attention(), _activations_traced():
        try:  # self.positions[: x.size(0)] needs buffers to be followed, `if self.buffer > 0` needs them not to be
            graph = LeafTracer(known, follow_buffers=True).trace(model, concrete_args=constants)
        except Exception:
            graph = LeafTracer(known, follow_buffers=False).trace(model, concrete_args=constants)
        interpreter = Interpreter(model, known, constants)
        interpreter.run(graph)
    return graph, interpreter


def elementwise_expression(module: nn.Module) -> Operation | None:
    """What a module computes, where that is an elementwise expression of its one argument; None where it is not."""
    try:
        with untouched(module), torch.no_grad(), _activations_traced():
            constants = defaults(module, None)
            graph = LeafTracer({}, follow_buffers=False).trace(module, concrete_args=constants)
            interpreter = Interpreter(module, {}, constants)
            interpreter.run(graph)
    except Exception:  # torch.fx stops with errors of every kind
        return None
    others = [node for node in interpreter.nodes if node.kind not in ("input", "output")]
    return interpreter.expression if len(others) <= 1 and interpreter.expression is not None else None


def defaults(model: nn.Module, batch: object) -> dict[str, Any]:
    """The arguments of forward that a call leaves at their defaults: all that have one, or that the batch lacks."""
    signature = inspect.signature(model.forward)
    given: set[str] = set()
    if batch is not None:
        args, kwargs = call_arguments(batch)
        given = set(signature.bind_partial(*args, **kwargs).arguments)
    return {
        name: p.default
        for name, p in signature.parameters.items()
        if p.default is not inspect.Parameter.empty and name not in given
    }


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Takes away the constants that torch.fx hangs on a model while it traces it."""
    before = set(model.__dict__) | set(model._buffers)
    try:
        yield
    finally:
        for name in [*model.__dict__, *model._buffers]:
            if name not in before and re.fullmatch(r"_(tensor_constant|torchbind_obj)\d+", name):
                delattr(model, name)


@contextmanager
def _activations_traced() -> Iterator[None]:
    """Lets torch.fx record the calls of `Activation` objects."""
    original = Activation.__call__

    def call(self: Activation, x: Any) -> Any:
        if isinstance(x, fx.Proxy):
            return x.tracer.create_proxy(
                "call_function", self, (x,), {}, name=self.name if self.name.isidentifier() else "act"
            )
        return original(self, x)

    Activation.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        Activation.__call__ = original  # type: ignore[method-assign]


@contextmanager
def plain_attention() -> Iterator[None]:
    """Keeps torch's transformer layers from running as one fused function."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _single(model: nn.Module, layer: Layer) -> ModelGraph:
    """A model that is one layer."""
    reader = Reader(model)
    names = [n for n, p in inspect.signature(model.forward).parameters.items() if p.default is inspect.Parameter.empty]
    step = reader.module("", model, layer, [Operand(reader.input(name)) for name in names])
    reader.finish(step)
    reader.output([Operand(step.result)] if isinstance(step.result, Signal) else [])
    return reader.graph("torch.fx")


class Interpreter:
    """Hands the calls of a traced graph to a `Reader`.

    ends: the call of torch.fx whose value each node is. returned: what the model returns; expression: of the last node,
    where that is a single tensor.
    """

    def __init__(self, model: nn.Module, known: Mapping[str, Layer], constants: Mapping[str, Any]) -> None:
        self._model = model
        self._constants = constants
        self._known = known
        self._reader = Reader(model, self._closed)
        self.ends: dict[str, fx.Node] = {}
        self.returned: Any = None
        self.expression: Operation | None = None
        self._values: dict[fx.Node, Signal | Weights | Tensor | Unknown | None] = {}

    @property
    def nodes(self) -> list[Node]:
        """What was read, in order."""
        return self._reader.nodes

    def graph(self) -> ModelGraph:
        """What was read."""
        return self._reader.graph("torch.fx")

    def run(self, graph: fx.Graph) -> None:
        """Reads every call in order."""
        for node in graph.nodes:
            handle: Callable[[fx.Node], Any] = getattr(self, f"_{node.op}")
            self._values[node] = handle(node)

    def _closed(self, node: Node, value: Any) -> None:
        self.ends[node.name] = value

    def _placeholder(self, node: fx.Node) -> Signal | Unknown:
        if re.sub(r"_\d+$", "", str(node.target)) in self._constants:  # torch.fx numbers the arguments it was given
            return Unknown()
        return self._reader.input(str(node.target).lstrip("*"), node)

    def _get_attr(self, node: fx.Node) -> Weights | Tensor | Unknown:
        found: Any = self._model
        for part in str(node.target).split("."):
            found = getattr(found, part)
        if not isinstance(found, Tensor):
            return Unknown()
        return self._reader.parameter(found) or found

    def _call_module(self, node: fx.Node) -> Signal | Weights | None:
        name = str(node.target)
        module = self._model.get_submodule(name)
        step = self._reader.module(name, module, self._known[name], self._given((node.args, node.kwargs)))
        self._reader.finish(step, node)
        if getattr(module, "inplace", False) and node.args and isinstance(node.args[0], fx.Node):
            self._values[node.args[0]] = step.result
        return step.result

    def _call_function(self, node: fx.Node) -> Signal | Weights | Tensor | Unknown | None:
        target: Any = node.target
        if target is getattr:
            target = f"get_{node.args[1]}"
        args, kwargs = self._given(node.args), self._given(node.kwargs)
        if node.op == "call_function" and _concrete((args, kwargs)):
            return node.target(*args, **kwargs)  # type: ignore[operator, no-any-return]
        if isinstance(target, Activation):
            name = target.name if target.name.isidentifier() else "activation"
            step = self._reader.applied(name, target, args, self._where(node))
        else:
            step = self._reader.function(target, args, kwargs, self._where(node))
        self._reader.finish(step, node)
        if functions.in_place(node.target, dict(node.kwargs)) and node.args and isinstance(node.args[0], fx.Node):
            self._values[node.args[0]] = step.result
            _check_views(node)
        return step.result if step.result is not None else Unknown()

    _call_method = _call_function

    def _output(self, node: fx.Node) -> None:
        self.returned = self._given(node.args[0])
        signal = self.returned.signal if isinstance(self.returned, Operand) else None
        self.expression = signal.expression if isinstance(signal, Signal) else None
        self._reader.output(self.returned)

    def _where(self, node: fx.Node) -> str:
        stack = node.meta.get("nn_module_stack") or {}
        last = next(reversed(stack.values()), ("", None)) if stack else ("", None)
        return str(last[0])

    def _given(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            known = self._values.get(value)
            return Operand(known, value) if isinstance(known, Signal | Weights) else known
        if isinstance(value, tuple | list):
            return (
                type(value)(self._given(item) for item in value)
                if type(value) in (tuple, list)
                else tuple(self._given(item) for item in value)
            )
        if isinstance(value, dict):
            return {key: self._given(item) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(self._given(value.start), self._given(value.stop), self._given(value.step))
        return value


def _concrete(arguments: object) -> bool:
    """Whether nested arguments are constant tensors and numbers alone, so that what comes of them is known."""
    values = list(walk(arguments))
    plain = all(value is None or isinstance(value, Tensor | int | float | str) for value in values)
    return plain and any(isinstance(value, Tensor) for value in values)


def _check_views(node: fx.Node) -> None:
    """Raises TraceError where a call changes a tensor in place that is a view of one which is read later."""
    viewed = node.args[0]
    while isinstance(viewed, fx.Node) and functions.KINDS.get(functions.canonical(viewed.target)) == "reshape":
        viewed = viewed.args[0] if viewed.args else None
        if isinstance(viewed, fx.Node) and any(user > node for user in viewed.users):
            raise TraceError(f"{node.name} changes {viewed.name} in place through a view")
