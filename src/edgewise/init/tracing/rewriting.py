"""Replacing calls of activation functions inside forward: a traced model in which they are modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import fx, nn

from edgewise.activations import Activation
from edgewise.errors import ModelError, TraceError
from edgewise.init.graph import Node
from edgewise.init.tracing import functions
from edgewise.init.tracing.symbolic import Interpreter, traced, untouched

_DROPOUTS: dict[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
}


@dataclass(frozen=True)
class Rewriting:
    """A call to be replaced. where: the module whose code makes it."""

    node: Node
    where: str

    @property
    def was(self) -> str:
        return self.node.activation.spec if self.node.activation is not None else self.node.detail


@dataclass(frozen=True)
class Rewritten:
    """model: the traced model. notes: how it differs from the one it was made from."""

    model: fx.GraphModule
    notes: tuple[str, ...]


def functional_activations(model: nn.Module) -> list[Rewriting]:
    """The activations that are calls of functions. Raises TraceError where torch.fx cannot follow the model."""
    _, interpreter = _read(model)
    ends = interpreter.ends
    functional = [node for node in interpreter.nodes if node.kind == "activation" and node.module is None]
    return [Rewriting(node, _where(ends[node.name])) for node in functional if node.name in ends]


def rewritten(model: nn.Module, calls: Sequence[Rewriting], make: Callable[[str], nn.Module]) -> Rewritten:
    """The model with these calls replaced by modules; parameters and other modules are shared with it."""
    graph, interpreter = _read(model)
    added: dict[str, nn.Module] = {}
    for call in calls:
        end, root = interpreter.ends[call.node.name], interpreter.ends[call.node.inputs[0]]
        _check_unwritten(end, root, call.node.name)
        name = _free(model, added, call.node.name)
        added[name] = make(call.where)
        with graph.inserting_after(end):
            new = graph.call_module(name, (root,))
        end.replace_all_uses_with(new)
        _erase(graph, end, root)
    _as_modules(model, graph, added)
    notes = _follow_mode(model, graph, added)
    with untouched(model):
        for name, module in added.items():
            model.add_module(name, module)
        try:
            made = fx.GraphModule(model, graph, type(model).__name__)
        finally:
            for name in added:
                delattr(model, name)
    made.train(model.training)
    for name, module in model.named_modules():
        if name and (twin := _submodule(made, name)) is not None:
            twin.training = module.training
    return Rewritten(made, notes)


def _read(model: nn.Module) -> tuple[fx.Graph, Interpreter]:
    try:
        return traced(model)
    except ModelError:
        raise
    except Exception as error:  # torch.fx stops with errors of every kind
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise TraceError(
            f"torch.fx cannot follow {type(model).__name__} ({first}); give its activations modules of their own"
        ) from error


def _where(node: fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack.values()), ("",))[0]) if stack else ""


def _check_unwritten(end: fx.Node, root: fx.Node, name: str) -> None:
    """Raises ModelError where a call overwrites a tensor that something else reads."""
    for node in _between(end, root):
        if node.op == "call_module" or not functions.in_place(node.target, dict(node.kwargs)):
            continue
        written = node.args[0]
        if isinstance(written, fx.Node) and any(user > node for user in written.users):
            raise ModelError(
                f"{name} writes in place into a tensor that is read elsewhere; write it without inplace first"
            )


def _between(end: fx.Node, root: fx.Node) -> list[fx.Node]:
    """The calls from the root to the end, last first."""
    found: list[fx.Node] = []
    pending = [end]
    while pending:
        node = pending.pop()
        if node is not root and node not in found and node.op in ("call_function", "call_method"):
            found.append(node)
            pending += node.all_input_nodes
    return sorted(found, reverse=True)


def _erase(graph: fx.Graph, end: fx.Node, root: fx.Node) -> None:
    """Takes out the calls that nothing needs any more."""
    for node in _between(end, root):
        if not node.users:
            graph.erase_node(node)


def _free(model: nn.Module, added: dict[str, nn.Module], name: str) -> str:
    while hasattr(model, name) or name in added:
        name = f"{name}_"
    return name


def _as_modules(model: nn.Module, graph: fx.Graph, added: dict[str, nn.Module]) -> None:
    """Calls of `Activation` objects become modules, since generated code has no name for them."""
    for node in list(graph.nodes):
        if isinstance(node.target, Activation):
            name = _free(model, added, node.name)
            added[name] = node.target.module(trainable=False)
            node.op, node.target = "call_module", name


def _follow_mode(model: nn.Module, graph: fx.Graph, added: dict[str, nn.Module]) -> tuple[str, ...]:
    """Dropout called with training=self.training becomes a module, since torch.fx keeps the mode of the moment."""
    for node in list(graph.nodes):
        kind = _DROPOUTS.get(node.target) if node.op == "call_function" else None
        if kind is None:
            continue
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs).arguments
        if bound.get("training") is not model.training:
            continue
        name = _free(model, added, node.name)
        added[name] = kind(p=bound.get("p", 0.5)).train(model.training)
        with graph.inserting_after(node):
            new = graph.call_module(name, (bound["input"],))
        node.replace_all_uses_with(new)
        graph.erase_node(node)
    return _reads_mode(model)


def _reads_mode(model: nn.Module) -> tuple[str, ...]:
    """A note where forward does other things in training than in evaluation, apart from dropout."""
    modes = [(module, module.training) for module in model.modules()]
    codes = []
    try:
        for mode in (True, False):
            model.train(mode)
            graph, _ = _read(model)
            codes.append([(n.op, str(n.target)) for n in graph.nodes])
    except TraceError:
        codes = [[], [("", "")]]
    finally:
        for module, mode in modes:
            module.training = mode
    if codes[0] == codes[1]:
        return ()
    return ("forward depends on the mode of the model; the traced model does what it does in the present one",)


def _submodule(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None
