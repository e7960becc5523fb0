"""A tree as torch: flattened once into steps, each shared subexpression computed once, run forward on jets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from edgewise.activations.differentiable import closed_form
from edgewise.activations.formula import jets
from edgewise.activations.formula.jets import Jet
from edgewise.activations.formula.tree import BUILTIN, Node
from edgewise.activations.registry import registered

_EXPONENTIAL = frozenset({"exp", "expm1", "sinh", "cosh"})


@dataclass(frozen=True)
class Step:
    """One operation on the results of earlier steps."""

    op: str
    inputs: tuple[int, ...]
    value: float


@dataclass(frozen=True)
class Program:
    """A formula ready to run.

    limits: sigma at x -> -inf and +inf once they are known (nan before): taken at infinite x, and where intermediates
        overflow at huge x although the limit is finite, as for x*exp(-x**2) at 1e200.
    """

    steps: tuple[Step, ...]
    limits: tuple[float, float] = (math.nan, math.nan)
    saturates: bool = field(default=False)

    def __call__(self, x: Tensor, order: int = 0) -> Tensor:
        """The derivative of that order at x; x's shape and dtype (float32 or float64)."""
        result = run(self.steps, x, order)[-1][order]
        if not isinstance(result, Tensor):
            result = torch.where(torch.isnan(x), x, result)
        if order:
            result = math.factorial(order) * result if order > 1 else result
            if self.saturates:
                huge = torch.finfo(x.dtype).max ** 0.9
                result = torch.where(result.abs() >= huge, torch.sign(result) * math.inf, result)
        return self._completed(x, result, order)

    def through(self, x: Tensor, order: int) -> list[Tensor]:
        """The derivatives of orders 0 to `order` in one pass, without care for infinite and overflowing x."""
        jet = run(self.steps, x, order)[-1]
        return [math.factorial(k) * (c if isinstance(c, Tensor) else torch.full_like(x, c)) for k, c in enumerate(jet)]

    def _completed(self, x: Tensor, result: Tensor, order: int) -> Tensor:
        """nan for nan; at infinite and at overflowing x the limit where one is known."""
        low, high = self.limits
        if order == 0:
            for limit, end in ((low, x == -math.inf), (high, x == math.inf)):
                if not math.isnan(limit):
                    result = torch.where(end, limit, result)
        lost = torch.isnan(result)
        for limit, side in ((low, x < 0), (high, x > 0)):
            if math.isfinite(limit):
                result = torch.where(lost & side, limit if order == 0 else 0.0, result)
        return torch.where(torch.isnan(x), x, result)


def program(root: Node, limits: tuple[float, float] = (math.nan, math.nan)) -> Program:
    """The tree as steps in order of evaluation, equal subtrees merged."""
    steps: list[Step] = []
    position: dict[Step, int] = {}

    def place(node: Node) -> int:
        step = Step(node.op, tuple(place(a) for a in node.args), node.value)
        if step not in position:
            position[step] = len(steps)
            steps.append(step)
        return position[step]

    place(root)
    return Program(tuple(steps), limits, any(s.op in _EXPONENTIAL for s in steps))


def run(steps: tuple[Step, ...], x: Tensor, order: int) -> list[Jet]:
    """The jets of all steps at x."""
    done: list[Jet] = []
    blank: list[jets.Coefficient] = [0.0] * order
    for step in steps:
        arguments = [done[i] for i in step.inputs]
        done.append(_stepped(step, arguments, x, blank, steps))
    return done


def _stepped(
    step: Step, arguments: list[Jet], x: Tensor, blank: list[jets.Coefficient], steps: tuple[Step, ...]
) -> Jet:
    match step.op:
        case "number":
            return [step.value, *blank]
        case "x":
            return [x, 1.0, *blank[1:]] if blank else [x]
        case "add":
            return jets.add(*arguments)
        case "sub":
            return jets.subtract(*arguments)
        case "mul":
            return jets.multiply(*arguments)
        case "div":
            return jets.divide(*arguments)
        case "max":
            return jets.maximum(*arguments)
        case "min":
            return jets.minimum(*arguments)
        case "pow":
            exponent = arguments[1][0]
            assert isinstance(exponent, float)
            return jets.power(arguments[0], exponent)
        case op if op in BUILTIN or op == "neg":
            return jets.FUNCTIONS[op](arguments[0])
        case op:
            outer = registered(op)
            return jets.compose(lambda at, k: closed_form(outer, at, k), arguments[0])
