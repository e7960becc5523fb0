"""Rewrites that keep a formula's meaning and make it numerically stable: log(1+exp(u)) is softplus(u), and so on.

The written formula keeps its text; only what is evaluated changes.
"""

from __future__ import annotations

import math

from edgewise.activations.formula.parse import fold
from edgewise.activations.formula.tree import Node, apply, is_number, number


def simplified(node: Node) -> Node:
    """The tree with every rule applied, innermost first."""
    if not node.args:
        return node
    made = Node(node.op, tuple(simplified(a) for a in node.args), node.value)
    if all(map(is_number, made.args)):
        return number(fold(made))
    rule = _RULES.get(made.op)
    return rule(made) if rule else made


def _neg(u: Node) -> Node:
    if u.op == "number":
        return number(-u.value)
    return u.args[0] if u.op == "neg" else apply("neg", u)


def _sum(made: Node) -> Node:
    """u - 1 and -1 + u for u = exp(v): expm1(v)."""
    a, b = made.args
    if made.op == "add" and is_number(a) and not is_number(b):
        a, b = b, a  # the constant last
    if b.op == "neg":
        return _sum(apply("sub" if made.op == "add" else "add", a, b.args[0]))
    constant = (b.value if made.op == "add" else -b.value) if is_number(b) else None
    if constant == 0.0:
        return a
    if constant == -1.0 and a.op == "exp":
        return apply("expm1", a.args[0])
    if made.op == "sub" and is_number(a, 0.0):
        return _neg(b)
    if made.op == "sub" and is_number(a, 1.0) and b.op == "exp":
        return _neg(apply("expm1", b.args[0]))
    return apply(made.op, a, b)


def _product(made: Node) -> Node:
    a, b = made.args
    if is_number(b) and not is_number(a):
        a, b = b, a  # the constant first
    if is_number(a, 1.0):
        return b
    if is_number(a, 0.0):
        return apply("mul", a, b)  # stays: 0*log(x) is still undefined where log(x) is
    if is_number(a) and b.op == "mul" and is_number(b.args[0]):
        return apply("mul", number(a.value * b.args[0].value), b.args[1])
    return apply("mul", a, b)


def _shifted_exponential(node: Node) -> tuple[float, Node] | None:
    """(log c, v) where the node is c + exp(v) with a constant c > 0."""
    if node.op == "add":
        for c, e in (node.args, node.args[::-1]):
            if is_number(c) and c.value > 0 and e.op == "exp":
                return math.log(c.value), e.args[0]
    return None


def _quotient(made: Node) -> Node:
    """a/(c + exp(v)) is (a/c) sigmoid(log c - v); (exp(u) - exp(-u))/(exp(u) + exp(-u)) is tanh(u)."""
    a, b = made.args
    if is_number(b, 1.0):
        return a
    below = _shifted_exponential(b)
    if below is not None:
        log_c, v = below
        if a.op == "exp" and a.args == (v,):
            return apply("sigmoid", _minus(v, log_c))
        gate = apply("sigmoid", _neg(_minus(v, log_c)))
        scale = math.exp(-log_c)
        if is_number(a):
            return _product(apply("mul", number(a.value * scale), gate))
        if a.op == "expm1" and a.args == (v,) and log_c == 0.0:
            return apply("tanh", _product(apply("mul", number(0.5), v)))
        return _product(apply("mul", number(scale), apply("mul", a, gate)))
    if a.op == "sub" and b.op == "add" and all(n.op == "exp" for n in (*a.args, *b.args)):
        u, v = (n.args[0] for n in a.args)
        if v == _neg(u) and set(b.args) == set(a.args):
            return apply("tanh", u)
    return made


def _minus(v: Node, constant: float) -> Node:
    return v if constant == 0.0 else apply("sub", v, number(constant))


def _power(made: Node) -> Node:
    """u**1 is u, sqrt(u) for u**0.5, exp(v log c) for c**v; (u**2)**p is abs(u)**(2p)."""
    base, exponent = made.args
    if not is_number(exponent):
        if is_number(base) and base.value > 0:
            return apply("exp", _product(apply("mul", number(math.log(base.value)), exponent)))
        return apply("exp", _product(apply("mul", exponent, _logarithm(apply("log", base)))))
    p = exponent.value
    if p == 1:
        return base
    if base.op == "abs" and p % 2 == 0:
        return _power(apply("pow", base.args[0], exponent))
    if base.op == "sqrt" and (2 * p) % 2 != 0:
        return apply("pow", base.args[0], number(p / 2))
    if (
        base.op == "pow"
        and is_number(base.args[1])
        and base.args[1].value % 2 == 0
        and base.args[1].value > 0
        and p % 1
    ):
        inner = apply("abs", base.args[0])
        return _power(apply("pow", inner, number(base.args[1].value * p)))
    return apply("sqrt", base) if p == 0.5 else made


def _root(made: Node) -> Node:
    (u,) = made.args
    return _power(apply("pow", u, number(0.5))) if u.op == "pow" else made


def _logarithm(made: Node) -> Node:
    """log(c + exp(v)) is log c + softplus(v - log c); log(1 + u) is log1p(u)."""
    (u,) = made.args
    below = _shifted_exponential(u)
    if below is not None:
        log_c, v = below
        soft = apply("softplus", _minus(v, log_c))
        return soft if log_c == 0.0 else apply("add", soft, number(log_c))
    if u.op == "add" and is_number(u.args[1], 1.0):
        return apply("log1p", u.args[0])
    return u.args[0] if u.op == "exp" else made


def _log1p(made: Node) -> Node:
    (u,) = made.args
    return apply("softplus", u.args[0]) if u.op == "exp" else made


_RULES = {
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "div": _quotient,
    "neg": lambda made: _neg(made.args[0]),
    "pow": _power,
    "sqrt": _root,
    "log": _logarithm,
    "log1p": _log1p,
}
