"""The front end that watches a model while it runs on a batch: a function mode, and hooks on its modules."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from edgewise.activations import Activation
from edgewise.errors import ModelError
from edgewise.init.acceptance import accepted, call_arguments, floating_tensors, unwrapping
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.tracing import functions
from edgewise.init.tracing.calls import Operand, Signal, Step, Weights
from edgewise.init.tracing.modules import Layer, leaves
from edgewise.init.tracing.reader import Reader
from edgewise.init.tracing.recognition import function_activation
from edgewise.init.tracing.symbolic import plain_attention

_DIFFERENTIABLE = "edgewise.activations.differentiable"  # whose autograd function is every Activation

Observer = Callable[[Node, Tensor], None]


@dataclass(frozen=True)
class Recording:
    """graph: what was seen. output: what the model returned."""

    graph: ModelGraph
    output: Any


def record(model: nn.Module, batch: object, *, observe: Observer | None = None) -> Recording:
    """One forward pass, in the mode and with the gradients that the caller has set, and the graph it took.

    observe: called with each node and its output tensor (the first one of several) while the model runs: before any
    later call can change it in place. All hooks are taken off again, also after an exception.
    Raises ModelError where the model cannot be run on the batch, saying where it stopped.
    """
    inner = accepted(model)
    args, kwargs = call_arguments(batch)
    recorder = _Recorder(inner, observe)
    with plain_attention(), _eager():
        output = recorder.run(args, kwargs)
    said = unwrapping(model)
    return Recording(recorder.reader.graph("recorded", (said,) if said else ()), output)


def _eager() -> AbstractContextManager[Any]:
    """Compiled parts run as they are written, where anything can have been compiled."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


class _Recorder:
    """One recording under way."""

    def __init__(self, model: nn.Module, observe: Observer | None) -> None:
        self._model = model
        with torch.random.fork_rng(devices=[]):  # what is tried out may draw
            self._known: dict[str, Layer] = leaves(model)
        self._observe = observe
        self._failed: Exception | None = None  # what the observer raised
        self.reader = Reader(model, self._closed if observe is not None else None)
        self._signals: Any = WeakTensorKeyDictionary()
        self._constants: Any = WeakTensorKeyDictionary()
        for module in model.modules():
            for tensor in [*module._buffers.values(), *_held_tensors(module)]:
                if tensor is not None:
                    self._constants[tensor] = True
        self._applied: dict[Any, Activation | None] = {}
        self._path: list[str] = []
        self.inside = 0  # leaf modules being run
        self._steps: list[Step] = []
        self.muted = False

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the model; its calls go to the reader."""
        for name, tensor in self._named(args, kwargs):
            if tensor not in self._signals:
                self._set(tensor, self.reader.input(name, tensor if tensor.is_floating_point() else None))
        with ExitStack() as stack:
            for name, module in self._model.named_modules():
                stack.enter_context(self._hooked(name, module))
            stack.enter_context(self._watching_custom_functions())
            stack.enter_context(_Mode(self))
            try:
                output = self._model(*args, **kwargs)
            except Exception as error:
                if error is self._failed or isinstance(error, ModelError):
                    raise
                where = f" in {self._path[-1] or type(self._model).__name__}" if self._path else ""
                said = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
                raise ModelError(
                    f"the model cannot be run on this batch: it stopped{where} with {said}; "
                    "give a batch as its forward takes it: a tensor, a tuple of arguments or a mapping of keywords"
                ) from error
        floating = floating_tensors(output)
        self.reader.output([self._operand(tensor) for tensor in floating])
        return output

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Tensor]]:
        """The tensors among the arguments with the names they have in forward: "x", "batch['x']", "pair[0]"."""
        try:
            bound = inspect.signature(self._model.forward).bind(*args, **kwargs)
        except TypeError as error:
            takes = ", ".join(inspect.signature(self._model.forward).parameters)
            raise ModelError(f"the model does not take this batch: {error}; its forward takes ({takes})") from None
        found: list[tuple[str, Tensor]] = []
        for name, value in bound.arguments.items():
            keyword = bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            for inner, given in value.items() if keyword else ((name, value),):
                found += _named_tensors(inner, given)
        return found

    # -- what tensors are ---------------------------------------------------------------------------------------------

    def _set(self, tensor: Tensor, signal: Signal | Weights) -> None:
        self._signals[tensor] = (signal, _version(tensor))

    def _operand(self, tensor: Tensor) -> Operand | Tensor:
        if isinstance(tensor, nn.Parameter):
            weights = self.reader.parameter(tensor)
            if weights is not None:
                return Operand(weights, tensor)
        found = self._signals.get(tensor)
        if found is None and (not tensor.is_floating_point() or tensor in self._constants or _is_parameter(tensor)):
            return tensor
        if found is None:
            step = self.reader.foreign()
            self.reader.finish(step, [tensor])
            assert isinstance(step.result, Signal)
            self._set(tensor, step.result)
            return Operand(step.result, tensor)
        signal, version = found
        if version != _version(tensor) and isinstance(signal, Signal):
            step = self.reader.overwritten(Operand(signal, tensor))
            self.reader.finish(step, tensor)
            assert isinstance(step.result, Signal)
            self._set(tensor, step.result)
            signal = step.result
        return Operand(signal, tensor)

    def given(self, value: Any) -> Any:
        """Arguments with the tensors of the model replaced by operands."""
        if isinstance(value, Tensor):
            return self._operand(value)
        if isinstance(value, tuple | list):
            return [self.given(item) for item in value] if isinstance(value, list) else tuple(map(self.given, value))
        if isinstance(value, Mapping):
            return {key: self.given(item) for key, item in value.items()}
        return value

    def _closed(self, node: Node, value: Any) -> None:
        assert self._observe is not None
        tensors = [t for t in _all_tensors(value) if t.is_floating_point()]
        if tensors:
            try:
                with self.quiet():
                    self._observe(node, tensors[0])
            except Exception as error:
                self._failed = error
                raise

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """What is called in here is none of the model's business."""
        before, self.muted = self.muted, True
        try:
            yield
        finally:
            self.muted = before

    # -- calls --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _hooked(self, name: str, module: nn.Module) -> Iterator[None]:
        layer = self._known.get(name)

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._path.append(name)
            if layer is not None:
                if not self.inside:
                    with self.quiet():
                        self._steps.append(self.reader.module(name, module, layer, self.given((args, kwargs))))
                self.inside += 1

        def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            self._path.pop()
            if layer is not None:
                self.inside -= 1
                if not self.inside:
                    with self.quiet():
                        self.done(self._steps.pop(), output)

        handles = (module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def function(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One function between leaf modules: read, then run."""
        with self.quiet():
            step = self.reader.function(
                func, self.given(args), self.given(kwargs), self._path[-1] if self._path else ""
            )
        output = func(*args, **kwargs)
        with self.quiet():
            if functions.canonical(func) == "setitem":
                self.done(step, args[0])
            else:
                self.done(step, output)
        return output

    @contextmanager
    def _watching_custom_functions(self) -> Iterator[None]:
        """Sees the calls of custom autograd functions, which no function mode is told of."""
        original = torch.autograd.Function.__dict__["apply"]
        thread = threading.get_ident()

        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            call = original.__get__(None, cls)
            ours = threading.get_ident() == thread and not self.inside and not self.muted
            if not ours or cls.__name__ == "CheckpointFunction":  # which runs a part of the model
                return call(*args, **kwargs)
            return self._custom(cls, call, args, kwargs)

        torch.autograd.Function.apply = classmethod(apply)  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            torch.autograd.Function.apply = original  # type: ignore[method-assign]

    def _custom(self, cls: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A custom autograd function: the call of an edgewise activation, another elementwise function or unknown."""
        self.inside += 1
        try:
            with self.quiet():
                known = self._applied_activation(cls, call, args, kwargs)
                where = self._path[-1] if self._path else ""
                name = cls.__name__
                if known is not None and cls.__module__ == _DIFFERENTIABLE:
                    name = known.name if known.name.isidentifier() else "activation"
                step = self.reader.applied(name, known, self.given((args, kwargs)), where)
            output = call(*args, **kwargs)
        finally:
            self.inside -= 1
        with self.quiet():
            self.done(step, output)
        return output

    def _applied_activation(
        self, cls: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Activation | None:
        tensors = _all_tensors((args, kwargs))
        if len(tensors) != 1 or not args or args[0] is not tensors[0]:
            return None
        bound = next((a for a in args if isinstance(a, Activation)), None)
        if cls.__module__ == _DIFFERENTIABLE and bound is not None and args[-1] == 0:
            return bound
        key = (cls, repr(args[1:]), repr(kwargs))
        if key not in self._applied:
            self._applied[key] = function_activation(lambda x: call(x, *args[1:], **kwargs), cls.__name__)
        return self._applied[key]

    def done(self, step: Step, output: Any) -> None:
        """Gives the result of a step to the tensors that came out of it."""
        tensors = _all_tensors(output)
        result = step.result
        floating = [t for t in tensors if t.is_floating_point() or (isinstance(result, Signal) and result.mask)]
        if floating or step.node is None or step.node.kind == "embedding":
            self.reader.finish(step, floating or None)
        elif step.node.kind == "reshape" and step.node.inputs:
            result, floating = Signal(step.node.inputs[0]), tensors  # token numbers in another shape
        if step.node is not None and step.node.kind == "embedding":
            floating = tensors  # one_hot gives integers
        for piece, tensor in enumerate(floating):
            if isinstance(result, Signal) and result.several:
                self._set(tensor, Signal(result.root, piece=piece))
            elif isinstance(result, Signal | Weights):
                self._set(tensor, result)
            else:
                self._constants[tensor] = True


class _Mode(TorchFunctionMode):
    """Sees every function of torch that the model calls."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self._recorder.inside or self._recorder.muted:
            return func(*args, **(kwargs or {}))
        return self._recorder.function(func, args, kwargs or {})


def _named_tensors(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _named_tensors(f"{name}[{index}]", item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named_tensors(f"{name}[{key!r}]", item)


def _is_parameter(tensor: Tensor) -> bool:
    return isinstance(tensor, nn.Parameter)


def _held_tensors(module: nn.Module) -> Iterator[Tensor]:
    """Tensors that a module holds as plain attributes, in lists and mappings too."""
    for name, value in module.__dict__.items():
        if name not in ("_parameters", "_buffers", "_modules"):
            yield from _all_tensors(value)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _all_tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for item in value for tensor in _all_tensors(item)]
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in _all_tensors(item)]
    return []
