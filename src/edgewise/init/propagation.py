"""The kernel on its way through a model: each tensor's second moment, and from it the variances of every layer.

`propagate` walks a graph once, in order. Every layer that may be initialised gets C_W and C_b from `choices`; every
other one (frozen, tied to an embedding, parametrised) is predicted from the values it has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgewise.init import fans
from edgewise.init.book import Book, Fill
from edgewise.init.choices import Rules
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.plan import Inputs, Norms, Plan
from edgewise.init.remarks import borders, normalised_layers, repeated
from edgewise.init.roles import Part, Roles, is_activation, roles
from edgewise.init.signals import (
    Signal,
    added,
    assumed,
    concatenated,
    dropped,
    empirical,
    gaussian,
    kept_in_part,
    mapped_by_statistics,
    multiplied,
    normalised,
    scaled,
    through,
)
from edgewise.init.streams import described

BEYOND = 1e30
"""A mean square from which on single numbers, and soon their squares, overflow in float32."""


def propagate(
    model: nn.Module,
    graph: ModelGraph,
    *,
    inputs: Inputs,
    output_variance: float = 1.0,
    norms: Norms = "scale",
    untouched: Mapping[str, str] | None = None,
    measured: Mapping[str, float] | None = None,
    caution: float = 1.0,
) -> Plan:
    """The kernel of every node of a graph, and the variance of every parameter that may be initialised.

    untouched: parameters to leave, by first name, with the reason. measured: ratios of second moments, output over
    input, of nodes about which theory says nothing (pooling, attention, what is unknown), where they were measured.
    caution: what K0 is multiplied by where the critical point repels.
    """
    return _Walk(model, graph, inputs, output_variance, norms, untouched or {}, measured or {}, caution).walk()


class _Walk:
    def __init__(
        self, model: nn.Module, graph: ModelGraph, inputs: Inputs, output_variance: float, norms: Norms,
        untouched: Mapping[str, str], measured: Mapping[str, float], caution: float,
    ) -> None:  # fmt: skip
        self.model, self.graph, self.inputs, self.norms = model, graph, inputs, norms
        self.measured = measured
        self.book = Book(model, untouched)
        self.roles: Roles = roles(graph, self._layer_scales())
        self.rules = Rules(self.roles, width=self._smallest_fan(), output_variance=output_variance, caution=caution)
        self.signals: dict[str, Signal] = {}
        self.assumptions: dict[str, list[str]] = {}
        self.uncertain: set[str] = set()
        self.notes: list[str] = list(self.roles.notes)
        self.roots = 0

    def walk(self) -> Plan:
        for node in self.graph.nodes:
            self.signals[node.name] = self._signal(node)
        outputs = [self.signals[n.name] for n in self.graph.of_kind("output")]
        kernel = outputs[0].second if outputs and math.isfinite(outputs[0].second) else None
        self.notes += self.rules.advice
        self.notes += described(self.graph, self.roles, self.signals)
        self.notes += borders(self.graph, self.book.modules) + repeated(self.graph, self.book.tensors)
        self.notes += normalised_layers(self.graph, self.roles, self.book.held)
        for what, where in self.assumptions.items():
            more = f" and {len(where) - 2} more" if len(where) > 2 else ""
            self.notes.append(f"assumed of {', '.join(where[:2])}{more} that it {what}; give sample= to measure it")
        return Plan(
            self.book.fills,
            self.signals,
            self.book.records,
            tuple(dict.fromkeys(self.notes)),
            kernel,
            frozenset(self.uncertain),
            tuple(a.spec for a in self.rules.repelled),
        )

    # what is known before the walk

    def _layer_scales(self) -> dict[str, float]:
        """The mean squares of the parameters that a product of one tensor takes (LayerScale)."""
        return {
            node.name: math.prod(self.book.mean_square(p) for p in node.parameters)
            for node in self.graph.of_kind("multiply")
            if len(node.inputs) == 1 and node.parameters
        }

    def _smallest_fan(self) -> int | None:
        found = []
        for node in self.graph.of_kind("linear"):
            fed_by_data = any(self.graph[name].kind == "input" for name in node.inputs)
            weights = self.book.weights(node)
            if weights and not fed_by_data and weights[0][0].blocks == 1:
                found.append(weights[0][0].fan_in)
        return max(1, int(min(found))) if found else None

    # one node

    def _signal(self, node: Node) -> Signal:
        sources = [self.signals[name] for name in node.inputs if name in self.signals]
        if node.kind == "input":
            return self._input(node)
        if node.kind == "embedding":
            return self._embedding(node)
        if not sources:
            return assumed(1.0, node.detail or node.name, self._root())
        if node.name in self.measured and not (node.kind == "attention" and node.parameters):
            for name in node.parameters:
                self.book.left(
                    name, node, sources[-1].words, f"{node.detail or node.name} is not understood: left as it is"
                )
            kept = kept_in_part(sources[-1], self.measured[node.name], exact=True)
            return kept if node.kind == "pool" else replace(kept, words=_named(node.detail or node.kind, node))
        first = sources[0]
        match node.kind:
            case "linear":
                return self._linear(node, sources)
            case "norm":
                return self._norm(node, first)
            case "attention":
                return self._attention(node, sources)
            case "activation":
                if not is_activation(node):
                    return first
                assert node.activation is not None
                words = _named(node.activation.spec, node)
                found = through(first, node.activation, words)
                if not found.second < BEYOND:
                    self.notes.append(
                        f"{words}: its mean square at K={first.second:.4g} is {found.second:.4g}, beyond what float32 "
                        "holds; 1 is taken instead, and the signal will overflow there"
                    )
                    return assumed(1.0, words, self._root())
                return found
            case "scale":
                return scaled(first, node.factor if node.factor is not None else 1.0)
            case "dropout":
                return self._dropout(node, first)
            case "add":
                return self._sum(node, sources)
            case "multiply":
                return self._product(node, sources)
            case "concatenate":
                return concatenated(sources, " and ".join(dict.fromkeys(s.words for s in sources)))
            case "pool":
                self._assume(
                    node, "keeps its mean square: an average over positions lowers it as they are less correlated"
                )
                return replace(first, exact=False)
            case "reshape":
                if "pad" in node.detail.lower():
                    self._assume(node, "keeps its mean square, though what it pads with has another")
                return first
            case "weights" | "output":
                return first
            case _:
                return self._unknown(node, first)

    def _root(self) -> int:
        self.roots += 1
        return self.roots

    def _assume(self, node: Node, what: str) -> None:
        self.uncertain.add(node.name)
        self.assumptions.setdefault(what, []).append(_named(node.detail or node.kind, node))

    def _input(self, node: Node) -> Signal:
        sample = self.inputs.samples.get(node.name)
        if sample is not None and sample.is_floating_point():
            return empirical(sample, "the input", self._root())
        return assumed(self.inputs.mean_square, "the input", self._root())

    def _embedding(self, node: Node) -> Signal:
        tables = [p for p in node.parameters if p in self.book.tensors]
        for name in tables:
            self.book.left(
                name, node, "the data", "an embedding: each row is looked up, not summed, so it keeps its values"
            )
        if not tables:
            return assumed(1.0, _named("an embedding", node), self._root())
        table = self.book.tensors[tables[0]]
        return empirical(table, _named("embedding", node), self._root(), width=table.shape[-1])

    def _dropout(self, node: Node, x: Signal) -> Signal:
        module = self.book.modules.get(node.module) if node.module else None
        p = float(getattr(module, "p", 0.0)) if module is not None else 0.0
        if module is None:
            self._assume(node, "drops nothing, since its rate cannot be read")
        elif p > 0.0:
            self.notes.append(
                f"dropout p={p:g}: in training it multiplies the mean square by 1/(1-p) = {1 / (1 - p):.4g}"
                if p < 1.0 else f"{node.name}: dropout with p=1 lets nothing through"
            )  # fmt: skip
        return dropped(x, p, self._root())

    def _sum(self, node: Node, sources: list[Signal]) -> Signal:
        terms = [self.signals[name] for name in node.inputs if name in self.signals]
        terms += [self._of_parameter(p, node) for p in node.parameters if p in self.book.tensors]
        if len(terms) == 1:
            return terms[0]
        found = added(terms, f"a sum ({node.name})")
        residual = self.roles.residuals.get(node.name)
        if residual is not None:
            skip = self.signals[residual.skip if residual.projected else residual.fork]
            scale = skip.stream if skip.stream is not None else skip.second
            found = replace(found, stream=scale, words=f"the residual stream ({node.name})")
        return found

    def _product(self, node: Node, sources: list[Signal]) -> Signal:
        if node.detail == "GLU" or node.detail == "glu":
            from edgewise.activations import activation

            gate = through(gaussian(sources[0].second, "a gate", self._root()), activation("sigmoid"), "a gate")
            return multiplied([sources[0], gate], _named("GLU", node))
        terms = [self.signals[name] for name in node.inputs if name in self.signals]
        terms += [self._of_parameter(p, node) for p in node.parameters if p in self.book.tensors]
        return terms[0] if len(terms) == 1 else multiplied(terms, f"a product ({node.name})")

    def _of_parameter(self, name: str, node: Node) -> Signal:
        """A parameter that is added or multiplied as it is."""
        self.book.left(name, node, "nothing", f"used as it is in {node.detail or node.kind}; it keeps its values")
        return empirical(self.book.tensors[name], name, self._root())

    def _unknown(self, node: Node, x: Signal) -> Signal:
        for name in node.parameters:
            self.book.left(name, node, x.words, f"{node.detail or node.name} is not understood: left as it is")
        self._assume(node, "keeps the mean square, since it is not understood")
        return replace(x, exact=False, activation=None, kernel=None, gaussian=False, words=_named(node.detail, node))

    # layers with parameters

    def _linear(self, node: Node, sources: list[Signal]) -> Signal:
        x = multiplied(sources, " times ".join(s.words for s in sources)) if len(sources) > 1 else sources[0]
        weights = self.book.weights(node)
        if not weights:
            for name in node.parameters:
                self.book.left(name, node, x.words, "its weight is computed from other parameters: left as it is")
            self._assume(node, "gives mean square 1, since its weight is computed")
            return gaussian(1.0, _named("linear", node), self._root(), exact=False)
        weight, name, bias = weights[0]
        return self._affine(node, weight, name, bias, x, self.roles.parts.get(node.name, Part()))

    def _affine(self, node: Node, weight: fans.Weight, name: str, bias: str | None, x: Signal, part: Part) -> Signal:
        fan = weight.fan_in
        if name not in self.book.fills and name not in self.book.untouched and name not in self.book.records:
            skip = self._skip(part)
            free = bias is not None and bias not in self.book.untouched and bias not in self.book.fills
            choice = self.rules.linear(part, x, skip, bias=free)
            self.book.fills[name] = Fill(math.sqrt(choice.c_w / fan), weight=weight)
            reason = "; ".join([choice.reason, *part.notes])
            self.book.initialised(name, node, x, fan, choice.c_w, choice.c_b, choice.kernel, reason)
            if free and bias is not None:
                self.book.fills[bias] = Fill(math.sqrt(choice.c_b))
                self.book.initialised(bias, node, x, fan, choice.c_w, choice.c_b, choice.kernel, reason)
            elif bias is not None:
                self.book.left(bias, node, x.words, self.book.untouched.get(bias, "set with another layer"))
        else:
            for each in (name, bias):
                if each is not None:
                    self.book.left(each, node, x.words, self.book.untouched.get(each, "its layer keeps its weight"))
        c_w, c_b = fan * self.book.mean_square(name), self.book.mean_square(bias) if bias is not None else 0.0
        out = gaussian(
            c_w * x.second + c_b, _named("linear", node), self._root(), width=self._width(weight, name), exact=x.exact
        )
        if part.projection is not None:
            out = replace(out, stream=x.stream)
        return out

    def _width(self, weight: fans.Weight, name: str) -> int:
        shape = self.book.tensors[name].shape
        outputs = shape[weight.output_axis]
        return outputs * weight.blocks if weight.output_axis == 1 and len(shape) > 2 else outputs

    def _attention(self, node: Node, sources: list[Signal]) -> Signal:
        values = sources[2] if len(sources) > 2 else sources[-1]
        module = self.book.modules.get(node.module) if node.module else None
        weights = fans.weights(module) if module is not None else ()
        if node.name not in self.measured:
            what = (
                "passes its values on with their mean square: averaging lowers it where positions are less correlated"
            )
            self._assume(node, what)
        if module is None or not weights:
            for name in node.parameters:
                self.book.left(name, node, values.words, f"{node.detail} is not understood: left as it is")
            return replace(values, exact=False, gaussian=False, activation=None, words=_named("attention", node))
        prefix = f"{node.module}." if node.module else ""
        inside = Part("attention")
        for weight, x in zip(weights, sources if len(weights) == 3 else [values], strict=False):
            name = self.book.first[prefix + weight.name]
            bias = self.book.first[prefix + weight.bias] if weight.bias else None
            value = self._affine(node, weight, name, bias, x, inside)
        output = getattr(module, "out_proj", None)
        if not isinstance(output, nn.Linear):
            return value
        weight = fans.weights(output)[0]
        mixed = kept_in_part(value, self.measured.get(node.name, 1.0), exact=node.name in self.measured)
        mixed = replace(mixed, gaussian=False, words=_named("attention (an average of values)", node))
        bias = self.book.first[f"{prefix}out_proj.bias"] if output.bias is not None else None
        part = self.roles.parts.get(node.name, Part())
        return self._affine(node, weight, self.book.first[f"{prefix}out_proj.weight"], bias, mixed, part)

    def _norm(self, node: Node, x: Signal) -> Signal:
        module = self.book.modules.get(node.module) if node.module else None
        names = [self.book.first[p] for p in node.parameters if p in self.book.tensors]
        weight = next((p for p in names if p.endswith("weight")), names[0] if names else None)
        bias = next((p for p in names if p.endswith("bias")), names[1] if len(names) > 1 else None)
        part = self.roles.parts.get(node.name, Part())
        self._set_norm(node, x, part, weight, bias)
        word = node.detail or "norm"
        eps = getattr(module, "eps", None) or getattr(module, "variance_epsilon", None) or 1e-5
        if "rms" in word.lower() and getattr(module, "eps", eps) is None:
            eps = torch.finfo(torch.float32).eps
        if module is not None and _uses_running_statistics(module, self.model):
            return self._frozen_norm(node, module, x, weight, bias, eps)
        found = normalised(
            x, self.book.held(weight), self.book.held(bias), eps=float(eps), centred="rms" not in word.lower()
        )
        if x.second < 10.0 * float(eps) and x.exact:
            self.notes.append(f"{node.name}: its input has mean square {x.second:.3g}, near eps={float(eps):.3g}")
        found = replace(found, words=_named(word, node))
        return replace(found, stream=found.second) if part.projection is not None else found

    def _set_norm(self, node: Node, x: Signal, part: Part, weight: str | None, bias: str | None) -> None:
        wanted = self.rules.norm_weight(part, self._skip(part)) if self.norms == "scale" else None
        if wanted is not None and weight is None:
            self.notes.append(f"{node.name} has no weight that could be set; {wanted[1]}")
        if (
            wanted is not None
            and weight is not None
            and weight not in self.book.untouched
            and weight not in self.book.fills
        ):
            if weight in self.book.records:
                return
            square, reason = wanted
            for name, value in ((weight, math.sqrt(square)), (bias, 0.0)):
                if name is not None and name not in self.book.untouched:
                    self.book.fills[name] = Fill(constant=value)
                    self.book.initialised(name, node, x, None, None, None, square, reason, constant=value)
            return
        for name in (weight, bias):
            if name is not None:
                why = "norms='leave'" if self.norms == "leave" else "a norm that feeds no activation keeps its values"
                self.book.left(name, node, x.words, self.book.untouched.get(name, why))

    def _frozen_norm(
        self, node: Node, module: nn.Module, x: Signal, weight: str | None, bias: str | None, eps: float
    ) -> Signal:
        """Batch normalisation in evaluation mode inside a model that trains: an affine map of running statistics."""
        variance, mean = module.running_var, module.running_mean
        assert isinstance(variance, Tensor)
        assert isinstance(mean, Tensor)
        self.notes.append(f"{node.name} is in evaluation mode: it applies its running statistics and resets nothing")
        found = mapped_by_statistics(x, variance, mean, self.book.held(weight), self.book.held(bias), eps=eps)
        return replace(found, words=_named(node.detail, node))

    # records

    def _skip(self, part: Part) -> Signal | None:
        residual = part.branch or part.projection
        if residual is None:
            return None
        name = residual.skip if part.branch is not None and residual.projected else residual.fork
        # a projection that runs after the branch keeps the scale of what both start from
        return self.signals.get(name, self.signals.get(residual.fork))


def _named(what: str, node: Node) -> str:
    return what if not what or node.name == what else f"{what} ({node.name})"


def _uses_running_statistics(module: nn.Module, model: nn.Module) -> bool:
    """Whether a norm applies stored statistics: one part in evaluation mode inside a model in training mode."""
    return getattr(module, "running_var", None) is not None and model.training and not module.training
