"""Elementwise functions between modules: joined into expressions, or sums, gates and masks of several tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.activations.registry import registered
from edgewise.init.tracing import functions
from edgewise.init.tracing.calls import Operand, Signal, Step, Unknown, Weights, operands_in, said, signals_in
from edgewise.init.tracing.expressions import OPERATIONS, TRUTH, X, applied, operation
from edgewise.init.tracing.ledger import Ledger
from edgewise.init.tracing.modules import short
from edgewise.init.tracing.recognition import module_activation


@dataclass(frozen=True)
class Call:
    """One call of a function: its canonical name, its arguments, and the module whose code makes it."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    where: str = ""

    @property
    def operands(self) -> list[Operand]:
        """The tensors of the model among its arguments."""
        return operands_in((self.args, self.kwargs))

    @property
    def said(self) -> str:
        return said(self.name, self.where)


def elementwise(ledger: Ledger, call: Call) -> Step | None:
    """The step of an elementwise function, None where the call is none."""
    if call.name in functions.NAMED_ACTIVATIONS:
        return _named(ledger, call)
    if call.name in ("prelu", "rrelu"):
        return _sloped(ledger, call)
    if call.name in ("add", "sub") and call.kwargs.get("alpha", 1) != 1:
        call = _multiplied(ledger, call)
    given = _arguments(call.name, call.args, call.kwargs)
    if given is None:
        return None
    name, values = given
    if all(_is_plain(value) for value in values):
        joined = _join(ledger, name, values)
        if joined is not None:
            return Step(replace(joined, last=said(name, call.where)))
    return _mixed(ledger, name, values, call.where)


def activated(ledger: Ledger, known: Activation, operand: Operand, signal: Signal, last: str) -> Signal:
    """An activation of an operand, as an expression."""
    made = applied(known, signal.expression)
    if made is None:
        ledger.close(operand, signal)
        made = applied(known, X)
        assert made is not None
    return replace(signal, expression=made, before=None, last=last, several=False, mask=False)


def _named(ledger: Ledger, call: Call) -> Step | None:
    """F.relu(x), x.tanh(), F.elu(x, alpha=2)."""
    options = {key: value for key, value in call.kwargs.items() if key not in ("inplace", "input", "self", "out")}
    first, *rest = call.args or (call.kwargs.get("input", call.kwargs.get("self")),)
    if not isinstance(first, Operand) or not isinstance(first.signal, Signal):
        return None
    try:
        found = module_activation(functions.NAMED_ACTIVATIONS[call.name](*rest, **options))
    except (TypeError, ValueError):
        found = None
    if found is not None and found.kind == "identity":
        return Step(first.signal)
    if found is None or found.activation is None:
        return ledger.unknown(call.name, call.operands, call.where)
    return Step(activated(ledger, found.activation, first, first.signal, call.said))


def _sloped(ledger: Ledger, call: Call) -> Step:
    """F.prelu and F.rrelu as leaky ReLUs, at the mean of their slopes."""
    slope: Tensor | float | None
    if call.name == "rrelu":
        slope = (float(call.kwargs.get("lower", 1 / 8)) + float(call.kwargs.get("upper", 1 / 3))) / 2
    else:
        given = call.args[1] if len(call.args) > 1 else call.kwargs.get("weight")
        slope = given.signal.value if isinstance(given, Operand) and isinstance(given.signal, Weights) else None
    signals = signals_in((call.args, call.kwargs))
    if slope is None or len(signals) != 1:
        return ledger.unknown(call.name, call.operands, call.where)
    mean = short(slope) if isinstance(slope, Tensor) else slope
    known = registered("prelu" if call.name == "prelu" else "leaky_relu", a=mean)
    step = ledger.emit("activation", call.name, call.operands, call.where)
    assert step.node is not None
    step.node = replace(step.node, activation=known)
    if call.name == "rrelu" or (isinstance(slope, Tensor) and slope.numel() > 1):
        step.note = f"{step.node.name}: its slopes are taken at their mean"
    return step


def _multiplied(ledger: Ledger, call: Call) -> Call:
    """torch.add(x, y, alpha=a) as x + a*y."""
    options = dict(call.kwargs)
    alpha = options.pop("alpha")
    values = [*call.args, *(options.pop(key) for key in ("input", "self", "other") if key in options)]
    if len(values) == 2 and isinstance(values[1], Operand):
        second = _join(ledger, "mul", [values[1], alpha]) if isinstance(values[1].signal, Signal) else None
        if second is not None:
            values[1] = Operand(replace(second, last="mul"))
    elif len(values) == 2 and isinstance(values[1], Tensor | int | float):
        values[1] = values[1] * _number(alpha)
    return replace(call, args=tuple(values), kwargs=options)


def _join(ledger: Ledger, name: str, values: Sequence[Any]) -> Signal | None:
    """The result as an expression of the one node that all operands come from, or None."""
    signals = signals_in(values)
    common = _common(signals)
    if common is None:
        return None
    first, each = common
    parameters = [p for signal in each.values() for p in signal.parameters]
    arguments: list[Any] = []
    for value in values:
        if isinstance(value, Operand) and isinstance(value.signal, Weights):
            parameters += value.signal.parameters
            arguments.append(_number(value.signal.value))
        else:
            arguments.append(each[id(value)].expression if isinstance(value, Operand) else _number(value))
    made = operation(name, arguments)
    if made is None:  # too large: a new expression begins here
        closed = {ledger.close(operand, signal) for operand, signal in signals}
        return _join(ledger, name, values) if len(closed) == 1 else None
    return Signal(first.root, made, first.piece, tuple(dict.fromkeys(parameters)), last=name, mask=name in TRUTH)


def _common(
    signals: Sequence[tuple[Operand, Signal]],
) -> tuple[Signal, dict[int, Signal]] | None:
    """(one of them, each operand in its root) where all operands are functions of one tensor of the model."""
    choices: list[dict[tuple[str, int | None], Signal]] = []
    for _, signal in signals:
        ways = {(signal.root, signal.piece): signal}
        if (made_of := signal.before) is not None and signal.expression is X:
            ways.setdefault((made_of.root, made_of.piece), made_of)
        choices.append(ways)
    for root in choices[0]:
        if all(root in ways for ways in choices):
            return choices[0][root], {id(o): ways[root] for (o, _), ways in zip(signals, choices, strict=True)}
    return None


def _mixed(ledger: Ledger, name: str, values: Sequence[Any], where: str) -> Step:
    """Elementwise functions of several tensors: sums, gates, scales, masks."""
    signals = signals_in(values)
    numbers = sum(not signal.mask for _, signal in signals)
    if name in ("add", "sub"):
        return ledger.emit("add", name, values, where)
    normalised = _normalised(ledger, name, signals)
    if normalised is not None:
        return ledger.emit("norm", name, normalised, where)
    if name == "mul" and len(signals) > 1 and numbers == len(signals):
        return ledger.emit("multiply", name, values, where)
    if numbers == 1 and (name == "where" or (name == "mul" and len(signals) > 1)):
        return ledger.emit("reshape", name, values, where)  # masked
    divided = name == "div" and isinstance(values[0], Operand) and isinstance(values[0].signal, Signal)
    if len(signals) == 1 and (name == "mul" or divided):
        return _scaled(ledger, name, values, where)
    return ledger.unknown(name, values, where)


def _scaled(ledger: Ledger, name: str, values: Sequence[Any], where: str) -> Step:
    """Times, or divided by, a tensor that is a constant or made of parameters: at its root mean square."""
    known = [v for v in values if isinstance(v, Tensor)]
    known += [
        v.signal.value for v in operands_in(values) if isinstance(v.signal, Weights) and v.signal.value is not None
    ]
    factor = _root_mean_square(known[0]) if len(known) == 1 else None
    if factor is not None and name == "div":
        factor = 1 / factor if factor else None
    step = ledger.emit("scale", name, values, where)
    assert step.node is not None
    step.node = replace(step.node, factor=factor, detail=f"{step.node.detail}, by a tensor at its root mean square")
    return step


def _normalised(ledger: Ledger, name: str, signals: Sequence[tuple[Operand, Signal]]) -> Operand | None:
    """The x of x * rsqrt(mean(x**2) + eps) and of x / sqrt(mean(x**2) + eps); else None."""
    if len(signals) != 2:
        return None
    for this, other in ((0, 1), (1, 0)) if name == "mul" else ((0, 1),) if name == "div" else ():
        (operand, x), (_, size) = signals[this], signals[other]
        mean = ledger[size.root]
        squared = ledger[mean.inputs[0]] if mean.kind == "pool" and mean.inputs else None
        if squared is None or squared.activation != registered("monomial", p=2) or squared.inputs != (x.root,):
            continue
        at = torch.tensor([2.0, 8.0], dtype=torch.float64)
        expected = at.rsqrt() if name == "mul" else at.sqrt()
        if x.expression is X and torch.allclose(size.expression(at), expected, rtol=1e-3):
            return operand
    return None


def _is_plain(value: object) -> bool:
    """Whether an operand can be part of an expression: a signal, or one known number."""
    if isinstance(value, Operand):
        known = value.signal.value if isinstance(value.signal, Weights) else None
        return isinstance(value.signal, Signal) or (known is not None and known.numel() == 1)
    return not isinstance(value, Unknown) and (not isinstance(value, Tensor) or value.numel() == 1)


def _number(value: object) -> float:
    if isinstance(value, Tensor | bool | int | float):
        return float(value)
    return math.nan


def _root_mean_square(value: Tensor) -> float:
    """Over the finite entries."""
    numbers = value.detach().to("cpu", torch.float64)
    return float(numbers[numbers.isfinite()].square().mean().sqrt())


def _arguments(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, list[Any]] | None:
    """An elementwise function as one of `OPERATIONS` with its operands in order; None where it is none."""
    options = {key: value for key, value in kwargs.items() if key not in ("out", "inplace", "rounding_mode")}
    values = list(args)
    for key in ("input", "self"):
        if key in options:
            values.insert(0, options.pop(key))
    if kwargs.get("rounding_mode") is not None:
        return None
    if name in ("rsub", "rdiv", "rpow"):
        return name[1:], [values[1], values[0]]
    if name == "clamp":
        low = options.get("min", values[1] if len(values) > 1 else None)
        high = options.get("max", values[2] if len(values) > 2 else None)
        if low is None and high is None:
            return None
        return "clamp", [values[0], -math.inf if low is None else low, math.inf if high is None else high]
    if name in ("clamp_min", "clamp_max"):
        bound = values[1] if len(values) > 1 else next(iter(options.values()))
        return ("maximum" if name == "clamp_min" else "minimum"), [values[0], bound]
    if name in ("max", "min") and len(values) == 2 and isinstance(values[1], Operand):
        return f"{name}imum", values
    if name == "masked_fill" and len(values) == 3 and isinstance(values[1], Operand):
        return "where", [values[1], values[2], values[0]]
    if name == "where" and len(values) + len(options) != 3:
        return None
    if name not in OPERATIONS:
        return None
    options.pop("alpha", None)
    return name, [*values, *options.values()]
