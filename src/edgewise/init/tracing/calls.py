"""What passes between the front ends and the reader: the tensors of a model as signals, and the outcome of a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from edgewise.init.graph import Node
from edgewise.init.tracing.expressions import Operation, X


@dataclass(eq=False)
class Signal:
    """What is known of one tensor of the model: an expression of the output of node `root`.

    piece: which of them, where the node gives several tensors (chunk). parameters: those the expression reads. before:
    what the output of an activation was made of, so that x * sigmoid(x) is seen as one activation where the sigmoid is
    a node already. several: a tuple of tensors. last: the function called last, for the name of the node. mask: truth
    values.
    """

    root: str
    expression: Operation = X
    piece: int | None = None
    parameters: tuple[str, ...] = ()
    before: Signal | None = None
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


def operands_in(arguments: object) -> list[Operand]:
    """The tensors of the model among nested arguments, in order."""
    return [item for item in walk(arguments) if isinstance(item, Operand)]


def signals_in(arguments: object) -> list[tuple[Operand, Signal]]:
    """Those of them that depend on the model's input, with what is known of them."""
    return [(item, item.signal) for item in operands_in(arguments) if isinstance(item.signal, Signal)]


def parameters_in(operands: Sequence[Operand]) -> tuple[str, ...]:
    """The parameters that these operands are made of, each once."""
    return tuple(dict.fromkeys(p for o in operands if isinstance(o.signal, Weights) for p in o.signal.parameters))


def said(name: str, where: str) -> str:
    """What was called, and in which module's code, for people."""
    name = name.removeprefix("get_")
    return f"{name} in {where}" if where else name
