"""Programs as one elementwise CUDA kernel, compiled by torch's own run-time compiler (``torch.cuda.jiterator``).

torch reads every element once and writes it once, in vectors, whatever the strides; halves are computed in float32. The
kernels of a process are kept by torch on disk between processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from edgewise.activations.kernels.program import COMPARISONS, FUNCTIONS, Operand, Program, Slot

_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "and": "&&", "or": "||",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip
_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "round": "rint", "pow": "pow", **{f: f for f in FUNCTIONS}}


class NotCompilable(Exception):
    """This torch has no run-time compiler for CUDA."""


@dataclass(frozen=True)
class Kernel:
    """A compiled program on CUDA tensors."""

    function: Callable[..., Tensor]

    def __call__(self, x: Tensor, grad: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """A new tensor, whatever `out` is."""
        return self.function(x) if grad is None else self.function(x, grad)


def compiled(program: Program) -> Kernel:
    """The program as a kernel; it is compiled at its first call. Raises NotCompilable."""
    try:
        from torch.cuda.jiterator import _create_jit_fn
    except ImportError as error:
        raise NotCompilable(str(error)) from None
    return Kernel(_create_jit_fn(source(program)))


def source(program: Program, name: str = "edgewise") -> str:
    """The program as a C++ function template of one element."""
    names = ["x", "g"][: program.inputs]
    head = ", ".join(f"T {n}" for n in names)
    lines: list[str] = []
    for step in program.steps:
        given = [_text(o, names) for o in step.operands]
        kind = "bool" if step.operation in (*COMPARISONS, "and", "or", "not") else "T"
        lines.append(f"  {kind} v{len(lines)} = {_expression(step.operation, given)};")
        names.append(f"v{len(lines) - 1}")
    return "\n".join(
        [f"template <typename T> T {name}({head}) {{", *lines, f"  return {_text(program.result, names)};", "}"]
    )


def _text(operand: Operand, names: list[str]) -> str:
    if isinstance(operand, Slot):
        return names[operand.index]
    if operand != operand or abs(operand) == float("inf"):
        return "T(0.0) / T(0.0)" if operand != operand else f"T({'-' if operand < 0 else ''}1.0) / T(0.0)"
    return f"T({operand!r})"


def _expression(operation: str, given: list[str]) -> str:
    if operation in _SIGNS:
        return f"({given[0]}) {_SIGNS[operation]} ({given[1]})"
    match operation:
        case "neg":
            return f"-({given[0]})"
        case "not":
            return f"!({given[0]})"
        case "number":
            return f"{given[0]} ? T(1.0) : T(0.0)"
        case "select":
            return f"{given[0]} ? ({given[1]}) : ({given[2]})"
        case _:
            return f"{_CALLS[operation]}({', '.join(given)})"
