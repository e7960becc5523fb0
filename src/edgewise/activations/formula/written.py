"""A tree as text again: the normalised formula (what `Activation.spec` shows) and LaTeX."""

from __future__ import annotations

import math

from edgewise.activations.formula.tree import Node

# binding strength: sum 1, product 2, negation 3, power 4, atom 5
_STRENGTH = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 3, "pow": 4}
_SIGN = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_LATEX_FUNCTION = {
    "sin": r"\sin",
    "cos": r"\cos",
    "tan": r"\tan",
    "asin": r"\arcsin",
    "acos": r"\arccos",
    "atan": r"\arctan",
    "sinh": r"\sinh",
    "cosh": r"\cosh",
    "tanh": r"\tanh",
    "log": r"\log",
}


def _strength(node: Node) -> int:
    if node.op == "number" and node.value < 0:
        return 3
    return _STRENGTH.get(node.op, 5)


def _written_number(value: float) -> str:
    if value == math.pi:
        return "pi"
    if value == math.e:
        return "e"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def as_text(node: Node) -> str:
    """The formula in its own language, with no more parentheses than it needs."""

    def inside(child: Node, at_least: int) -> str:
        text = as_text(child)
        return text if _strength(child) >= at_least else f"({text})"

    match node.op:
        case "number":
            return _written_number(node.value)
        case "x":
            return "x"
        case "add" | "sub" | "mul" | "div":
            own = _STRENGTH[node.op]
            left, right = node.args
            return inside(left, own) + _SIGN[node.op] + inside(right, own + 1)
        case "neg":
            return "-" + inside(node.args[0], 3 if node.args[0].op == "neg" else 4)
        case "pow":
            return inside(node.args[0], 5) + "**" + inside(node.args[1], 5)
        case op:
            return f"{op}({', '.join(map(as_text, node.args))})"


def as_latex(node: Node) -> str:
    """The formula in LaTeX, also read by matplotlib's mathtext."""

    def inside(child: Node, at_least: int) -> str:
        latex = as_latex(child)
        return latex if _strength(child) >= at_least else rf"\left({latex}\right)"

    match node.op:
        case "number":
            return _latex_number(node.value)
        case "x":
            return "x"
        case "add" | "sub":
            left, right = node.args
            return f"{inside(left, 1)} {_SIGN[node.op]} {inside(right, 4 if _starts_with_minus(right) else 2)}"
        case "mul":
            left, right = node.args
            join = r" \cdot " if right.op == "number" or _starts_with_digit(right) else r"\,"
            least = 4 if _starts_with_minus(right) else 2 if right.op == "div" else 3
            return inside(left, 2) + join + inside(right, least)
        case "div":
            return rf"\frac{{{as_latex(node.args[0])}}}{{{as_latex(node.args[1])}}}"
        case "neg":
            return "-" + inside(node.args[0], 2)
        case "pow":
            return f"{_latex_base(node.args[0])}^{{{as_latex(node.args[1])}}}"
        case "exp":
            return f"e^{{{as_latex(node.args[0])}}}"
        case "expm1":
            return rf"\left(e^{{{as_latex(node.args[0])}}} - 1\right)"
        case "log1p":
            return rf"\log\left(1 + {inside(node.args[0], 2)}\right)"
        case "sqrt":
            return rf"\sqrt{{{as_latex(node.args[0])}}}"
        case "abs":
            return rf"\left|{as_latex(node.args[0])}\right|"
        case "relu":
            return rf"\max\left({as_latex(node.args[0])},\, 0\right)"
        case "min" | "max":
            both = r",\, ".join(map(as_latex, node.args))
            return rf"\{node.op}\left({both}\right)"
        case op:
            name = _LATEX_FUNCTION.get(op) or rf"\mathrm{{{op.replace('_', ' ')}}}"
            return rf"{name}\left({as_latex(node.args[0])}\right)"


def _latex_base(base: Node) -> str:
    latex = as_latex(base)
    bare = base.op in ("x", "relu", "abs", "min", "max") or (base.op == "number" and base.value >= 0)
    return latex if bare else rf"\left({latex}\right)"


def _starts_with_minus(node: Node) -> bool:
    return node.op == "neg" or (node.op == "number" and node.value < 0)


def _starts_with_digit(node: Node) -> bool:
    while node.op in ("mul", "pow", "add", "sub"):
        node = node.args[0]
    return node.op == "number"


def _latex_number(value: float) -> str:
    if value == math.pi:
        return r"\pi"
    text = _written_number(value)
    if "e" in text and text != "e":
        mantissa, _, exponent = text.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return text
