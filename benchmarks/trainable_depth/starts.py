"""Where the networks of each scheme begin, every scheme as its own documentation has it.

pytorch: nn.Linear's uniform weights and biases. he: normal, C_W = 2, no bias, in every layer. anyinit: the C_W it
solves for, each weight matrix normal and divided by its own standard deviation, no bias, as its sampler does. dks, tat:
its transformed activation, its scaled-uniform orthogonal weights, no bias. critical: `theory.recommend`, orthogonal
weights (the same distribution, times sqrt(C_W)), outputs of variance 1. tailored: `ew.tailor`, then the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import edgewise as ew
from benchmarks.trainable_depth.ask import peers
from edgewise.activations import Activation
from edgewise.errors import DomainError, EdgewiseError
from edgewise.studies import schemes
from edgewise.theory.flow import kernel_flow
from edgewise.theory.kernels import kernel
from edgewise.theory.recommendation import recommend
from edgewise.train import Initial, Member, Parameters, Shape, initialise

Elementwise = Callable[[Tensor], Tensor]
Weights = Callable[[Shape, Sequence[Member]], Parameters]


class NoAnswer(Exception):
    """The scheme has nothing to say about this activation; the message says why, in its own words where it has some."""


@dataclass(frozen=True)
class Start:
    """An activation and the weights to begin with.

    initial: variances, for members drawn by `edgewise.train`; weights: what draws them otherwise. told: everything
    needed to make it again, for the record.
    """

    activation: Elementwise
    initial: Initial
    weights: Weights
    told: dict[str, Any]


def start(scheme: str, activation: str, shape: Shape) -> Start:
    """Where a scheme begins. Raises NoAnswer where it has no answer for this activation."""
    return _SCHEMES[scheme](activation, shape)


def _pytorch(activation: str, shape: Shape) -> Start:
    return _drawn(ew.activation(activation), schemes.pytorch(shape).initial, {})


def _he(activation: str, shape: Shape) -> Start:
    return _drawn(ew.activation(activation), schemes.he().initial, {})


def _critical(activation: str, shape: Shape) -> Start:
    return _recommended(ew.activation(activation), shape)


def _tailored(activation: str, shape: Shape) -> Start:
    from edgewise.tailor import tailor  # the other schemes do not wait for it

    try:
        tailored = tailor(activation, depth=shape.depth, width=shape.width)
    except EdgewiseError as error:
        raise NoAnswer(str(error)) from error
    told = {"weights": "scaled-uniform orthogonal, no bias", "tailoring": tailored.tailoring.to_dict()}
    return Start(tailored, _UNIT, _scaled_uniform_orthogonal, told)  # K = 1 throughout, as <sigma~^2> = 1


_UNIT = Initial(c_w=1.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)


def _recommended(a: Activation, shape: Shape) -> Start:
    """`theory.recommend` for this depth and width, outputs of variance 1; its layer rates are for SGD and stay out."""
    try:
        advice = recommend(a, shape.depth, width=shape.width)
    except EdgewiseError as error:
        raise NoAnswer(str(error)) from error
    first_c_w, first_c_b = advice.first_layer(1.0)
    try:
        end = kernel_flow(a, shape.depth, c_w=advice.c_w, c_b=advice.c_b, k0=advice.k0).kernel[-1]
        last_c_w = 1.0 / float(kernel(a, end))
        reached = math.isfinite(last_c_w)
    except (DomainError, ZeroDivisionError):
        reached = False
    if not reached:
        last_c_w = advice.c_w  # the flow vanishes or diverges before the output
    initial = Initial(advice.c_w, advice.c_b, first_c_w, first_c_b, last_c_w)
    told = {"principle": advice.principle, "k0": advice.k0, "reason": advice.reason, "weights": "orthogonal"}
    return Start(a, initial, _orthogonal, {"initial": vars(initial), **told})


def _orthogonal(shape: Shape, members: Sequence[Member]) -> Parameters:
    """Orthogonal weights whose entries have the mean square C_W / fan-in, and normal biases, as `ew.init.critical_`."""
    drawn, unit = initialise(shape, members), _scaled_uniform_orthogonal(shape, members)
    wanted = [m.initial for m in members]
    return replace(
        drawn,
        first=unit.first * _by_member([math.sqrt(i.first_c_w) for i in wanted]),
        hidden=unit.hidden * _by_member([math.sqrt(i.c_w) for i in wanted]),
        last=unit.last * _by_member([math.sqrt(i.last_c_w) for i in wanted]),
    )


def _drawn(a: Elementwise, initial: Initial, told: dict[str, Any]) -> Start:
    return Start(a, initial, initialise, {"initial": vars(initial), **told})


def _anyinit(activation: str, shape: Shape) -> Start:
    known = peers()["anyinit"]
    answer = _answer(known, f"{shape.depth} {activation}")
    initial = Initial(answer["c_w"], 0.0, answer["first_c_w"], 0.0, answer["last_c_w"])
    told = {"initial": vars(initial), "version": known["version"], **answer}
    return Start(ew.activation(activation), initial, _of_exact_deviation, told)


def _of_exact_deviation(shape: Shape, members: Sequence[Member]) -> Parameters:
    """Normal weights whose standard deviation is the wanted one matrix by matrix (AnyInit's `_normalize`)."""
    p = initialise(shape, members)
    for weight in (p.first, p.hidden, p.last):
        weight.div_(weight.std(dim=(-2, -1), keepdim=True, correction=0))
    wanted = [m.initial for m in members]
    p.first.mul_(_by_member([math.sqrt(i.first_c_w / shape.inputs) for i in wanted]))
    p.hidden.mul_(_by_member([math.sqrt(i.c_w / shape.width) for i in wanted]))
    p.last.mul_(_by_member([math.sqrt(i.last_c_w / shape.width) for i in wanted]))
    return p


def _by_member(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None, None]


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "leaky_relu": functional.leaky_relu, "gelu_exact": functional.gelu, "swish": functional.silu, "tanh": torch.tanh,
}  # fmt: skip


@dataclass(frozen=True)
class _Transformed:
    """dks's ``output_scale * (phi(input_scale * x + input_shift) + output_shift)``."""

    function: str
    parameters: dict[str, float]

    def __call__(self, x: Tensor) -> Tensor:
        p = self.parameters
        inner = {"negative_slope": p["negative_slope"]} if "negative_slope" in p else {}
        if "input_scale" in p:
            x = x * p["input_scale"]
        if "input_shift" in p:
            x = x + p["input_shift"]
        y = _FUNCTIONS[self.function](x, **inner)
        if "output_shift" in p:
            y = y + p["output_shift"]
        return y * p["output_scale"]


def _dks(activation: str, shape: Shape, method: str = "DKS") -> Start:
    known = peers()["dks"]
    answer = _answer(known, f"{shape.depth} {method} {activation}")
    told = {"version": known["version"], "method": method, "weights": "scaled-uniform orthogonal, no bias", **answer}
    return Start(_Transformed(answer["function"], answer["parameters"]), _UNIT, _scaled_uniform_orthogonal, told)


def _tat(activation: str, shape: Shape) -> Start:
    return _dks(activation, shape, "TAT")


def _scaled_uniform_orthogonal(shape: Shape, members: Sequence[Member]) -> Parameters:
    """Weights [in, out] orthogonal times max(sqrt(out / in), 1), so that a layer keeps the mean square; no bias.

    dks's default, Martens et al. 2021 (arXiv 2110.01765), "Parameter distributions".
    """

    def matrix(inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
        gain = max(math.sqrt(outputs / inputs), 1.0)
        return torch.nn.init.orthogonal_(torch.empty(inputs, outputs), gain=gain, generator=generator)

    drawn: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for seed in {m.seed for m in members}:
        generator = torch.Generator().manual_seed(seed)
        first = matrix(shape.inputs, shape.width, generator)
        middle = torch.stack([matrix(shape.width, shape.width, generator) for _ in range(shape.depth - 1)])
        drawn[seed] = first, middle, matrix(shape.width, shape.outputs, generator)
    firsts, hidden, lasts = zip(*(drawn[m.seed] for m in members), strict=True)
    count, n = len(members), shape.width
    return Parameters(
        torch.stack(firsts), torch.zeros(count, 1, n), torch.stack(hidden, dim=1),
        torch.zeros(shape.depth - 1, count, 1, n), torch.stack(lasts), torch.zeros(count, 1, shape.outputs),
    )  # fmt: skip


def _answer(known: dict[str, Any], key: str) -> dict[str, Any]:
    answer: dict[str, Any] | None = known["answers"].get(key)
    if answer is None:
        raise LookupError(f"peers.json knows nothing of {key!r}; run python -m benchmarks.trainable_depth ask")
    if "error" in answer:
        raise NoAnswer(answer["error"])
    return answer


_SCHEMES: dict[str, Callable[[str, Shape], Start]] = {
    "pytorch": _pytorch, "he": _he, "anyinit": _anyinit, "dks": _dks, "tat": _tat, "critical": _critical,
    "tailored": _tailored,
}  # fmt: skip
