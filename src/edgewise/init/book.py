"""The book of an initialisation under way: what each parameter will hold, and the record of why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.init import apply, fans
from edgewise.init.graph import Node
from edgewise.init.report import ParameterRecord
from edgewise.init.signals import Signal


@dataclass(frozen=True)
class Fill:
    """New values for one parameter: `constant` + random entries of mean square std**2.

    weight: the matrices it holds, which can be orthogonal; None for biases and the weights of norms.
    """

    std: float = 0.0
    constant: float = 0.0
    weight: fans.Weight | None = None


class Book:
    """Parameters by their first names; entries are made once, by the first layer that uses a parameter.

    untouched: the parameters that must keep their values, with the reason.
    """

    def __init__(self, model: nn.Module, untouched: Mapping[str, str]) -> None:
        self.untouched = untouched
        self.modules = dict(model.named_modules())
        self.tensors = dict(model.named_parameters(remove_duplicate=False))
        self.first = apply.first_names(model)
        self.fills: dict[str, Fill] = {}
        self.records: dict[str, ParameterRecord] = {}

    def weights(self, node: Node) -> list[tuple[fans.Weight, str, str | None]]:
        """(fans, parameter, bias parameter) of a linear node, by first names; none where they are computed."""
        if node.module is not None:
            module = self.modules.get(node.module)
            if module is None:
                return []
            prefix = f"{node.module}." if node.module else ""
            own = dict(module.named_parameters(recurse=False))
            return [
                (w, self.first[prefix + w.name], self.first[prefix + w.bias] if w.bias in own and w.bias else None)
                for w in (fans.weights(module) if own else ())
                if w.name in own
            ]
        matrices = [p for p in node.parameters if p in self.tensors and self.tensors[p].ndim >= 2]
        vectors = [p for p in node.parameters if p in self.tensors and self.tensors[p].ndim == 1]
        if len(matrices) != 1:
            return []
        bias = self.first[vectors[0]] if vectors else None
        return [(fans.matrix_fan(self.tensors[matrices[0]]), self.first[matrices[0]], bias)]

    def mean_square(self, parameter: str) -> float:
        """Of what a parameter will hold: the plan's, or its present values'."""
        name = self.first.get(parameter, parameter)
        fill = self.fills.get(name)
        if fill is not None:
            return fill.std**2 + fill.constant**2
        square: Tensor = self.tensors[name].detach().double().pow(2).mean()
        return float(square)

    def held(self, name: str | None) -> Tensor | None:
        """What a norm's parameter will hold."""
        if name is None:
            return None
        fill = self.fills.get(self.first[name])
        if fill is not None:
            return torch.tensor([fill.constant], dtype=torch.float64)
        return self.tensors[name]

    def initialised(
        self, name: str, node: Node, x: Signal, fan: float | None, c_w: float | None, c_b: float | None,
        kernel: float, reason: str, *, constant: float | None = None,
    ) -> None:  # fmt: skip
        std = self.fills[name].std if constant is None else None
        self.records[name] = ParameterRecord(
            name, node.name, tuple(self.tensors[name].shape), "initialised", x.words, fan, c_w, c_b,
            std, kernel, reason, constant=constant,
        )  # fmt: skip

    def left(self, name: str, node: Node, fed_by: str, reason: str) -> None:
        first = self.first.get(name, name)
        if first not in self.records and first in self.tensors:
            reason = self.untouched.get(first, reason)
            shape = tuple(self.tensors[first].shape)
            self.records[first] = ParameterRecord(first, node.name, shape, "left", fed_by, reason=reason)
