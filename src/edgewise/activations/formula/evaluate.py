"""A tree as torch: flattened once into steps, each shared subexpression computed once, run forward on jets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.activations.formula import jets
from edgewise.activations.formula.effort import Effort
from edgewise.activations.formula.jets import Jet
from edgewise.activations.formula.tree import ARITHMETIC, BUILTIN, Node
from edgewise.activations.registry import registered

_EXPONENTIAL = frozenset({"exp", "expm1", "sinh", "cosh"})


@dataclass(frozen=True)
class Step:
    """One operation on the results of earlier steps; `outer` where it is a registered activation."""

    op: str
    inputs: tuple[int, ...]
    value: float
    outer: Activation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Program:
    """A formula ready to run.

    limits: sigma at x -> -inf and +inf once they are known (nan before): taken at infinite x, and where intermediates
        overflow at huge x although the limit is finite, as for x*exp(-x**2) at 1e200.
    effort: what evaluating it is charged to while the formula is being understood.
    """

    steps: tuple[Step, ...]
    limits: tuple[float, float] = (math.nan, math.nan)
    saturates: bool = False
    effort: Effort | None = field(default=None, compare=False)

    def __call__(self, x: Tensor, order: int = 0) -> Tensor:
        """The derivative of that order at x; x's shape and dtype (float32 or float64)."""
        result = self.run(x, order)[-1][order]
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
        jet = self.run(x, order)[-1]
        return [math.factorial(k) * (torch.full_like(x, c) if isinstance(c, float) else c) for k, c in enumerate(jet)]

    def run(self, x: Tensor, order: int) -> list[Jet]:
        """The jets of all steps at x."""
        if self.effort is not None:
            self.effort.spend(sum(_weight(s, order) for s in self.steps), x.numel())
        done: list[Jet] = []
        blank: list[jets.Coefficient] = [0.0] * order
        for step in self.steps:
            done.append(_stepped(step, [done[i] for i in step.inputs], x, blank))
        return done

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


def program(root: Node, limits: tuple[float, float] = (math.nan, math.nan), effort: Effort | None = None) -> Program:
    """The tree as steps in order of evaluation, equal subtrees merged."""
    steps: list[Step] = []
    position: dict[Step, int] = {}

    def place(node: Node) -> int:
        step = Step(node.op, tuple(place(a) for a in node.args), node.value)
        if step not in position:
            position[step] = len(steps)
            named = node.args and node.op not in BUILTIN and node.op not in ARITHMETIC
            steps.append(replace(step, outer=at_defaults(node.op)) if named else step)
        return position[step]

    place(root)
    return Program(tuple(steps), limits, any(s.op in _EXPONENTIAL for s in steps), effort)


def _weight(step: Step, order: int) -> float:
    """How much work a step is, in additions of two tensors, the jet's orders included."""
    if step.op in ("number", "x"):
        return 0.0
    if step.op in ("add", "sub", "neg", "relu", "abs", "min", "max"):
        return 2.0 * (order + 1)
    if step.outer is None:
        return 8 * math.sqrt(order + 1) ** 3
    missing = max(0, order + 1 - len(step.outer.definition.derivatives))
    return 30 * math.sqrt(order + 1) ** 3 + 500 * missing  # torch's jvp has a price of its own


@cache
def at_defaults(name: str) -> Activation:
    """The registered activation that a formula means by its name."""
    return registered(name)


def _stepped(step: Step, arguments: list[Jet], x: Tensor, blank: list[jets.Coefficient]) -> Jet:
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
        case _:
            outer = step.outer
            assert outer is not None
            return jets.compose(lambda at, k: closed_form(outer, at, k), arguments[0])
