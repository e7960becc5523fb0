"""The expression tree of a formula: numbers, x, arithmetic and named functions of one or two arguments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

ARITHMETIC = frozenset({"add", "sub", "mul", "div", "pow", "neg"})

BUILTIN = frozenset(
    {"relu", "abs", "min", "max", "exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "softplus", "erf", "erfc"}
    | {"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"}
)
"""Functions of the formula language itself; every other name in a tree is a registered activation at its defaults."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: "number" (with `value`), "x", one of ARITHMETIC, one of BUILTIN, or a registered name.

    varies: whether x occurs in it.
    """

    op: str
    args: tuple[Node, ...] = ()
    value: float = 0.0
    varies: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "varies", self.op == "x" or any(arg.varies for arg in self.args))


X = Node("x")


def number(value: float) -> Node:
    return Node("number", (), float(value))


def apply(op: str, *args: Node) -> Node:
    return Node(op, args)


def is_number(node: Node, value: float | None = None) -> bool:
    """Whether the node is a constant (of this value)."""
    return node.op == "number" and (value is None or node.value == value)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, each occurrence once, children first."""
    for arg in node.args:
        yield from walk(arg)
    yield node


def mentions_x(node: Node) -> bool:
    return node.varies


def affine(node: Node) -> tuple[float, float] | None:
    """(a, b) where the node is a*x + b, else None."""
    if node.op == "number":
        return 0.0, node.value
    if node.op == "x":
        return 1.0, 0.0
    if node.op not in ARITHMETIC or node.op == "pow":
        return None
    parts = [affine(arg) for arg in node.args]
    if any(p is None for p in parts):
        return None
    (a, b), (c, d) = parts[0] or (0, 0), (parts[1] if len(parts) > 1 else None) or (0.0, 0.0)
    if node.op == "neg":
        result = -a, -b
    elif node.op == "add":
        result = a + c, b + d
    elif node.op == "sub":
        result = a - c, b - d
    elif node.op == "mul" and (a == 0 or c == 0):
        result = a * d + b * c, b * d
    elif node.op == "div" and c == 0 and d != 0:
        result = a / d, b / d
    else:
        return None
    return result if all(map(math.isfinite, result)) else None
