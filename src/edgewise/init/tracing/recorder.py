"""The front end that watches a model while it runs on a batch: a function mode, and hooks on its modules."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from edgewise.errors import ModelError
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.models import accepted, call_arguments, floating_tensors, unwrapping
from edgewise.init.tracing import functions
from edgewise.init.tracing.modules import Layer, leaves
from edgewise.init.tracing.reader import Operand, Reader, Signal, Step, Weights
from edgewise.init.tracing.symbolic import plain_attention

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
        self._known: dict[str, Layer] = leaves(model)
        self._observe = observe
        self.reader = Reader(model, self._closed if observe is not None else None)
        self._signals: Any = WeakTensorKeyDictionary()
        self._path: list[str] = []
        self.inside = 0  # leaf modules being run
        self._steps: list[Step] = []
        self.muted = False

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the model; its calls go to the reader."""
        for name, value in self._named(args, kwargs):
            for tensor in _all_tensors(value):
                if tensor not in self._signals:
                    self._set(tensor, self.reader.input(name, tensor if tensor.is_floating_point() else None))
        with ExitStack() as stack:
            for name, module in self._model.named_modules():
                stack.enter_context(self._hooked(name, module))
            stack.enter_context(_Mode(self))
            try:
                output = self._model(*args, **kwargs)
            except ModelError:
                raise
            except Exception as error:
                where = f" in {self._path[-1] or type(self._model).__name__}" if self._path else ""
                said = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
                raise ModelError(
                    f"the model cannot be run on this batch: it stopped{where} with {said}; "
                    "give a batch as its forward takes it: a tensor, a tuple of arguments or a mapping of keywords"
                ) from error
        floating = floating_tensors(output)
        self.reader.output([self._operand(tensor) for tensor in floating])
        return output

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
        """The arguments with the names they have in forward."""
        try:
            bound = inspect.signature(self._model.forward).bind(*args, **kwargs)
        except TypeError as error:
            raise ModelError(f"the model does not take this batch: {error}") from None
        found: list[tuple[str, Any]] = []
        for name, value in bound.arguments.items():
            keyword = bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            found += list(value.items()) if keyword else [(name, value)]
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
        if found is None:
            return tensor
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
            with self.quiet():
                self._observe(node, tensors[0])

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

    def done(self, step: Step, output: Any) -> None:
        """Gives the result of a step to the tensors that came out of it."""
        tensors = _all_tensors(output)
        result = step.result
        floating = [t for t in tensors if t.is_floating_point() or (isinstance(result, Signal) and result.mask)]
        if floating or step.node is None:
            self.reader.finish(step, floating or None)
        elif step.node.kind == "reshape" and step.node.inputs:
            result, floating = Signal(step.node.inputs[0]), tensors  # token numbers in another shape
        if isinstance(result, Signal | Weights):
            for tensor in floating:
                self._set(tensor, result)


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
