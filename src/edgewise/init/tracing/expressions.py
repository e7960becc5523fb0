"""Elementwise functions of one tensor of a model as expressions: grown call by call, evaluated, written as formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation

MAX_SIZE = 200
"""Operations in one expression; beyond it a new one is begun, since what is shared in an expression is written out."""


@dataclass(frozen=True)
class Operation:
    """One elementwise operation on x, on other operations and on numbers.

    name: "x", "apply" (of `activation`), or one of `OPERATIONS`. A number that is not known is nan.
    """

    name: str
    args: tuple[Operation | float, ...] = ()
    activation: Activation | None = None
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        size = 1 + sum(arg.size for arg in self.args if isinstance(arg, Operation))
        object.__setattr__(self, "size", size)

    def __call__(self, x: Tensor) -> Tensor:
        """The value at x, in x's precision."""
        if self.name == "x":
            return x
        args = [arg(x) if isinstance(arg, Operation) else arg for arg in self.args]
        if self.activation is not None:
            return self.activation(args[0])  # type: ignore[arg-type]
        first = next(arg for arg in args if isinstance(arg, Tensor))
        dtype = x.dtype
        tensors = [
            torch.as_tensor(arg, dtype=dtype if not isinstance(arg, Tensor) else None, device=first.device)
            for arg in args
        ]
        return OPERATIONS[self.name](*tensors)


X = Operation("x")


def clamped(u: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(u, low), high)


_TORCH = """
    abs acos acosh add asin asinh atan atan2 atanh ceil copysign cos cosh div eq erf erfc exp exp2 expm1 floor ge gt
    heaviside hypot le log log10 log1p log2 logaddexp logical_and logical_not logical_or lt maximum minimum mul ne neg
    pow reciprocal relu round rsqrt sigmoid sign sin sinc sinh sqrt square sub tan tanh trunc where
"""
OPERATIONS: dict[str, Callable[..., Tensor]] = {name: getattr(torch, name) for name in _TORCH.split()}
TRUTH = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "logical_and", "logical_or", "logical_not"})
OPERATIONS["clamp"] = clamped
"""The elementwise functions of torch that an expression is made of, by torch's names."""

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}
_IN_FORMULAS = """
    abs exp expm1 log log1p sqrt erf erfc sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh relu sigmoid
"""
_NAMED = frozenset(_IN_FORMULAS.split())


def as_formula(expression: Operation | float) -> str | None:
    """The expression as a formula that `ew.activation` reads, or None where it has no such form."""
    if not isinstance(expression, Operation):
        return f"({expression!r})" if expression < 0 else repr(expression)
    if expression.name == "x":
        return "x"
    args = [as_formula(arg) for arg in expression.args]
    if any(arg is None for arg in args):
        return None
    return _written(expression, [arg for arg in args if arg is not None])


def _written(expression: Operation, args: list[str]) -> str | None:
    name = expression.name
    if expression.activation is not None:
        known = expression.activation
        # inside a formula a name stands for the activation at its defaults
        plain = known.definition.made_from is None and known == known.definition.bind()
        return f"{known.name}({args[0]})" if plain else None
    if name in _INFIX:
        return f"({args[0]} {_INFIX[name]} {args[1]})"
    if name in _NAMED:
        return f"{name}({args[0]})"
    written: dict[str, Callable[[], str]] = {
        "neg": lambda: f"(-{args[0]})",
        "square": lambda: f"({args[0]})**2",
        "reciprocal": lambda: f"(1/{args[0]})",
        "rsqrt": lambda: f"(1/sqrt({args[0]}))",
        "maximum": lambda: f"max({args[0]}, {args[1]})",
        "minimum": lambda: f"min({args[0]}, {args[1]})",
        "clamp": lambda: f"min(max({args[0]}, {args[1]}), {args[2]})",
    }
    return written[name]() if name in written else None


def operation(name: str, args: list[Any]) -> Operation | None:
    """`name` of these expressions and numbers, or None where the expression would become too large."""
    given = tuple(arg if isinstance(arg, Operation) else float(arg) for arg in args)
    if name in ("add", "mul") and isinstance(given[0], Operation) != isinstance(given[1], Operation):
        # one order for 2*x and x*2: they are the same call to torch, and not to torch.fx
        given = tuple(sorted(given, key=lambda arg: isinstance(arg, Operation), reverse=name == "add"))
    made = Operation(name, given)
    return made if made.size <= MAX_SIZE else None


def applied(activation: Activation, inner: Operation) -> Operation | None:
    """An activation of an expression, or None where that would become too large."""
    return Operation("apply", (inner,), activation) if inner.size < MAX_SIZE else None
