"""Text -> tree, by a whitelist over Python's own grammar. Nothing is ever compiled, run or looked up by attribute.

Only a small set of ASCII characters gets as far as Python's parser, so look-alike letters, strings, brackets, comments
and comparisons end at the door; only five kinds of syntax node get any further. Length is capped before parsing; depth,
size, constants and exponents are capped after.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from edgewise.activations.formula.tree import BUILTIN, Node, X, apply, mentions_x, number
from edgewise.activations.registry import names
from edgewise.errors import FormulaError

MAX_LENGTH = 1000
MAX_DEPTH = 100
MAX_NODES = 500
MAX_CONSTANT = 1e100
MAX_EXPONENT = 100.0

_CONSTANTS = {"pi": math.pi, "e": math.e}
_SAME_FUNCTION = {"ln": "log", "maximum": "max", "minimum": "min"} | {
    "arc" + name: "a" + name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")
}
_ADVICE = {
    "sign": "sign jumps at 0; write a smooth stand-in such as tanh(100*x)",
    "where": "formulas have no conditions; write it with relu, abs, min and max",
    "pow": "write a power as u**2",
    "clip": "write min(max(x, low), high)",
    "clamp": "write min(max(x, low), high)",
    "lambda": "write the right-hand side alone, such as x*tanh(x)",
    "np": "write functions without a module, such as tanh(x)",
    "torch": "write functions without a module, such as tanh(x)",
    "math": "write functions without a module, such as tanh(x)",
}
_WRITE_INSTEAD = {
    "^": "**",
    "×": "*",
    "·": "*",
    "−": "-",
    "π": "pi",
    "²": "**2",
    "³": "**3",
    "√": "sqrt",
    "[": "(",
    "]": ")",
}
_ALLOWED = re.compile(r"[A-Za-z0-9_.+\-*/(), =]")
_FUNCTION_OF_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}


@dataclass(frozen=True)
class Call:
    """The text ``name(a, b, key=c)`` whose arguments are numbers: a registered family with its parameters."""

    name: str
    positional: tuple[float, ...]
    keywords: dict[str, float]


def parse(text: str) -> Node | Call:
    """The formula, or the name with arguments, that the text stands for.

    A registered name called with numbers alone is a name with arguments ("mrepu(p=2)", "mrepu(2)", "gelu"); called with
    something that mentions x it is a function of a formula ("gelu(x) + 0.1*x").
    Raises FormulaError, pointing at the offending place.
    """
    source = _Source(text)
    source.check_characters()
    tree = source.syntax()
    call = source.name_with_arguments(tree)
    if call is not None:
        return call
    root = source.convert(tree, 0)
    if not mentions_x(root):
        source.fail(
            f"it does not mention x, so it is the constant {fold(root):g}", tree, "write it in x, such as 2*tanh(x)"
        )
    return root


class _Source:
    """The text being parsed, with what is needed to point into it."""

    def __init__(self, text: str) -> None:
        self.text = text.strip(" \t\r\n\f\v") if len(text) <= 10 * MAX_LENGTH else text
        self.nodes = 0

    def fail(self, problem: str, node: ast.AST | int, advice: str = "") -> NoReturn:
        """Raises FormulaError: the problem, the column, the place marked in the text, what to try."""
        if isinstance(node, int):
            start, end = node, node + 1
        else:
            start = getattr(node, "col_offset", 0)
            end = getattr(node, "end_col_offset", None) or len(self.text)
        left, right = self.text[max(0, start - 30) : start], self.text[end : end + 30]
        middle = self.text[start:end]
        if len(middle) > 40:
            middle = middle[:28] + "..." + middle[-9:]
        marked = (
            ("..." if start > 30 else "")
            + left
            + ">>>"
            + middle
            + "<<<"
            + right
            + ("..." if end + 30 < len(self.text) else "")
        )
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        message = f"formula {_printable(shown)!r}: {problem} at column {start + 1} ({_printable(marked)})"
        raise FormulaError(f"{message}; {advice}" if advice else message)

    def check_characters(self) -> None:
        if not self.text:
            raise FormulaError("an empty formula was given, expected a name or a formula in x; try 'x*tanh(x)'")
        if len(self.text) > MAX_LENGTH:
            raise FormulaError(
                f"a formula of {len(self.text)} characters was given, at most {MAX_LENGTH} are read; "
                "try a Python function of a tensor instead"
            )
        for column, character in enumerate(self.text):
            if not _ALLOWED.match(character):
                instead = _WRITE_INSTEAD.get(character)
                shown = _printable(character)
                self.fail(
                    f"character {shown!r} is not part of the language", column, f"write {instead}" if instead else ""
                )

    def syntax(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return ast.parse(self.text, mode="eval").body
        except (SyntaxError, Warning) as error:
            column = (getattr(error, "offset", None) or 1) - 1
            column = max(0, min(column, len(self.text) - 1))
            product = re.search(r"(?<![A-Za-z_0-9.])\d+\.?\d*(?=[A-Za-z_(])", self.text)
            if product and not re.match(r"[eE][+-]?\d|_\d", self.text[product.end() :]):
                self.fail("a number runs into a name", product.end(), "write products with *, such as 2*x")
            said = getattr(error, "msg", "") or "not a formula"
            said = said.split(". ")[0].replace("'", "").strip()
            self.fail(f"cannot be read: {said}", column, "write it as in 'x*relu(x+1)**2'")
        except (RecursionError, MemoryError, ValueError, OverflowError):
            raise FormulaError(
                f"formula {_printable(self.text[:57])!r}... is nested too deeply; at most {MAX_DEPTH} levels are read"
            ) from None

    def name_with_arguments(self, tree: ast.expr) -> Call | None:
        if isinstance(tree, ast.Name) and tree.id not in {"x", *_CONSTANTS}:
            if tree.id in names():
                return Call(tree.id, (), {})
            self.unknown_name(tree)
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            return None
        if any(isinstance(n, ast.Name) and n.id == "x" for n in ast.walk(tree)) and not tree.keywords:
            return None
        name = tree.func.id
        if name not in names():
            if tree.keywords and name in {*BUILTIN, *_SAME_FUNCTION}:
                self.fail(f"{name} takes no named arguments", tree.keywords[0].value)
            if name in {*BUILTIN, *_SAME_FUNCTION}:
                return None
            self.unknown_name(tree.func)
        keywords: dict[str, float] = {}
        for keyword in tree.keywords:
            if keyword.arg is None:
                self.fail("** cannot unpack here", keyword.value, f"name each argument, as in {name}(p=2)")
            if keyword.arg in keywords:
                self.fail(f"argument {keyword.arg} is given twice", keyword.value)
            keywords[keyword.arg] = self.constant(keyword.value, f"argument {keyword.arg}")
        return Call(name, tuple(self.constant(a, "an argument") for a in tree.args), keywords)

    def constant(self, node: ast.expr, what: str) -> float:
        value = self.convert(node, 1)
        if mentions_x(value):
            self.fail(f"{what} mentions x where a number is expected", node)
        return fold(value)

    def unknown_name(self, node: ast.Name) -> NoReturn:
        known = sorted({*BUILTIN, *_SAME_FUNCTION, *names()})
        if node.id in _ADVICE:
            advice = _ADVICE[node.id]
        elif node.id in known:
            advice = f"{node.id} is a function, write {node.id}(x)"
        else:
            close = difflib.get_close_matches(node.id.lower(), known, n=3, cutoff=0.5)
            advice = (
                f"did you mean {', '.join(close)}?"
                if close
                else "the only variable is x; see `edgewise list` for names"
            )
        self.fail(f"unknown name {node.id}", node, advice)

    def convert(self, node: ast.expr, depth: int) -> Node:  # noqa: RET503 (fail never returns)
        """The syntax node as ours. Raises FormulaError on anything outside the whitelist."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.fail(f"more than {MAX_NODES} operations", node, "try a Python function of a tensor instead")
        if depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} levels deep", node, "try a Python function of a tensor instead")
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name(id="x"):
                return X
            case ast.Name(id=name) if name in _CONSTANTS:
                return number(_CONSTANTS[name])
            case ast.Name():
                self.unknown_name(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.checked(apply("neg", self.convert(operand, depth + 1)), node)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.convert(operand, depth + 1)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _FUNCTION_OF_BINARY:
                name = _FUNCTION_OF_BINARY[type(operator)]
                made = apply(name, self.convert(left, depth + 1), self.convert(right, depth + 1))
                if name == "pow":
                    self.check_power(made, right)
                if name == "div" and not mentions_x(made.args[1]) and fold(made.args[1]) == 0:
                    self.fail("division by zero", right)
                return self.checked(made, node)
            case ast.Call():
                return self.call(node, depth)
            case ast.BinOp(op=operator):
                self.fail(
                    f"operator {_OPERATORS.get(type(operator), type(operator).__name__)} is not part of the language",
                    node,
                )
            case _:
                said = _WORDS.get(type(node), "this")
                self.fail(f"{said} is not part of the language", node, "use + - * / ** and functions of x")

    def check_power(self, made: Node, where: ast.expr) -> None:
        if mentions_x(made.args[1]):
            return
        exponent = fold(made.args[1])
        if abs(exponent) > MAX_EXPONENT:
            self.fail(f"exponent {exponent:g} is beyond {MAX_EXPONENT:g}", where, "try a smaller power, or exp")

    def number(self, node: ast.Constant) -> Node:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            self.fail(f"{type(node.value).__name__} {node.value!r} is not a real number", node)
        if abs(node.value) > MAX_CONSTANT:
            self.fail(f"a number beyond {MAX_CONSTANT:g}", node, "try a smaller one")
        return number(node.value)

    def call(self, node: ast.Call, depth: int) -> Node:
        if isinstance(node.func, ast.Constant):
            self.fail("a number is called like a function", node, "write products with *, such as 2*(x+1)")
        if not isinstance(node.func, ast.Name):
            self.fail("only a named function can be called", node, "write it as in tanh(x)")
        written = node.func.id
        if written == "x" or written in _CONSTANTS:
            self.fail(f"{written} is not a function", node, f"write a product as {written}*(...)")
        name = _SAME_FUNCTION.get(written, written)
        if name not in BUILTIN and name not in names():
            known = sorted({*BUILTIN, *_SAME_FUNCTION, *names()})
            close = difflib.get_close_matches(written.lower(), known, n=3, cutoff=0.5)
            advice = _ADVICE.get(written) or (f"did you mean {', '.join(close)}?" if close else "see `edgewise list`")
            self.fail(f"unknown function {written}", node, advice)
        if node.keywords:
            self.fail(f"a named argument inside a formula, {written} is used at its defaults here", node)
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                self.fail("* cannot unpack here", argument)
        if name in ("min", "max"):
            if len(node.args) < 2:
                self.fail(f"{written} takes two or more arguments", node, f"write {written}(x, 1)")
        elif len(node.args) != 1:
            self.fail(
                f"{written} takes one argument inside a formula, {len(node.args)} given", node, f"write {written}(x)"
            )
        made = self.convert(node.args[0], depth + 1)
        if name not in ("min", "max"):
            return self.checked(apply(name, made), node)
        for argument in node.args[1:]:
            made = self.checked(apply(name, made, self.convert(argument, depth + 1)), node)
        return made

    def checked(self, made: Node, where: ast.expr) -> Node:
        """The node. Raises FormulaError when it is a constant without a finite real value of sane size."""
        if mentions_x(made):
            return made
        try:
            value = fold(made)
        except (ArithmeticError, ValueError):
            value = math.nan
        if not math.isfinite(value) or abs(value) > MAX_CONSTANT:
            self.fail(
                "a constant without a value" if math.isnan(value) else f"a constant beyond {MAX_CONSTANT:g}", where
            )
        return made


_WORDS: dict[type[ast.expr], str] = {
    ast.Attribute: "an attribute",
    ast.BoolOp: "and / or",
    ast.Compare: "a comparison",
    ast.IfExp: "a condition",
    ast.Starred: "*",
    ast.Tuple: "a list of values",
    ast.UnaryOp: "not",
    ast.GeneratorExp: "a loop",
}
_OPERATORS: dict[type[ast.operator], str] = {ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@"}


def _real_power(base: float, exponent: float) -> float:
    value = base**exponent
    if isinstance(value, complex):
        raise ValueError("a root of a negative number")
    return float(value)


_OF_NUMBERS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": _real_power,
    "min": min,
    "max": max,
    "abs": abs,
    "relu": lambda a: max(a, 0.0),
    "sigmoid": lambda a: 0.5 * (1 + math.tanh(0.5 * a)),
    "softplus": lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))),
}


def fold(node: Node) -> float:
    """The value of a constant tree. Raises ArithmeticError or ValueError where there is none."""
    if node.op == "number":
        return node.value
    arguments = [fold(a) for a in node.args]
    if node.op in _OF_NUMBERS:
        return float(_OF_NUMBERS[node.op](*arguments))
    if node.op in BUILTIN:
        return float(getattr(math, node.op)(*arguments))
    return _applied(node.op, arguments[0])


@lru_cache(maxsize=1024)
def _applied(name: str, value: float) -> float:
    """A registered activation at one number."""
    import torch

    from edgewise.activations.differentiable import closed_form
    from edgewise.activations.registry import registered

    return float(closed_form(registered(name), torch.tensor(value, dtype=torch.float64), 0))


def _printable(text: str) -> str:
    """The text with control characters and lone surrogates escaped, so that an error stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
