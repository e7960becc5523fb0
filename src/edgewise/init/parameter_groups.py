"""`ew.init.parameter_groups`: torch optimiser groups in which every layer has its learning rate.

Plain gradient descent moves a model's output by the neural tangent kernel, to which a parameter tensor contributes lr x
its squared gradient. The equivalence principle (PDLT chapter 9) gives every layer the same share, so that none learns
alone: lambda_W ~ 1/(g(K) prod chi_perp) over fan-in for weights, lambda_b ~ 1/prod chi_perp for biases. The book's
common factor 1/L is left to `lr`: shares add up over the layers, so that a network twice as deep bears about half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn

from edgewise.errors import DomainError, ModelError
from edgewise.init import apply
from edgewise.init.acceptance import accepted
from edgewise.init.contributions import measured, predicted
from edgewise.init.layers import graph_of, layers
from edgewise.theory import domain

NEGLIGIBLE = 1e-10
"""A smaller share than this is rounding: a bias that a batch normalisation subtracts again."""

FAST = 100.0
"""A factor on the learning rate that is worth a note."""

Optimizer = Literal["sgd", "adam", "adamw"]


class ParameterGroups(list[dict[str, Any]]):
    """Groups for a torch optimiser, one a parameter tensor: "params", "lr", "name" and "reason".

    notes: what was left out and what the rates mean. reason: how they were found.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], reason: str, notes: tuple[str, ...]) -> None:
        super().__init__(groups)
        self.reason, self.notes = reason, notes

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, without the tensors."""
        groups = [{key: value for key, value in group.items() if key != "params"} for group in self]
        return {"groups": groups, "reason": self.reason, "notes": list(self.notes)}

    def __rich__(self) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for heading in ("parameter", "learning rate", "why"):
            table.add_column(heading, justify="right" if heading == "learning rate" else "left")
        for group in self:
            table.add_row(group["name"], f"{group['lr']:.4g}", group["reason"])
        return Group(Text(self.reason), table, *(Text(note) for note in self.notes))


def parameter_groups(
    model: nn.Module,
    lr: float,
    optimizer: Optimizer = "sgd",
    sample: object = None,
    *,
    mean_square: float = 1.0,
    bias_share: float | None = None,
    limit: float | None = None,
) -> ParameterGroups:
    """Optimiser groups for a model as it is now: ``torch.optim.SGD(parameter_groups(model, 0.1))``.

    "sgd": each weight matrix contributes the same to the output's neural tangent kernel, as much as it would at `lr` in
    a layer of the model's mean fan-in whose inputs and squared slope to the output were 1: so one `lr` means the same
    for every activation and initialisation at one depth. Biases, norms and what else is no matrix contribute as a bias
    at squared slope 1 would at `lr`, or `bias_share` of a matrix; 1 is PDLT's lambda_b, fan-in times larger, with which
    ReLU and GELU networks of depth 20 bore only smaller rates. Embeddings keep the plain rate. limit: the largest
    factor on `lr`; without one, what contributes little at first (a query or key matrix, say) learns much faster.
    "adam", "adamw": no rule, since their step does not scale with the gradient; every group has the plain `lr`.

    sample: a batch, on which the contributions are measured (one backward pass for random output directions, gradients
    and buffers untouched): any model. Without one they come from theory on the model's graph, present weights and
    inputs of mean square `mean_square`: chains and residual sums of linear layers, convolutions, activations and norms.
    Initialise first: the rates are for the weights that the model has.

    Every parameter is in one group, tied ones once; frozen ones are left out, with a note. Raises DomainError for
    numbers out of range, ModelError or TraceError where contributions cannot be found.

    >>> import torch, edgewise as ew
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    >>> report = ew.init.he_(model, generator=torch.Generator().manual_seed(0))
    >>> groups = ew.init.parameter_groups(model, lr=0.1)
    >>> optimizer = torch.optim.SGD(groups)
    >>> [group["name"] for group in groups]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    inner = accepted(model)
    rate = domain.one_positive("lr", lr)
    share = None if bias_share is None else domain.one_positive("bias_share", bias_share)
    most = math.inf if limit is None else domain.one_positive("limit", limit, "10.0")
    size = domain.one_positive("mean_square", mean_square)
    if optimizer not in get_args(Optimizer):
        raise DomainError(f"optimizer={optimizer!r} given, expected one of {', '.join(get_args(Optimizer))}")
    trained = {name: p for name, (p, _) in apply.parameters(inner).items() if p.requires_grad}
    if not trained:
        raise ModelError(f"{type(inner).__name__} has no parameter that is trained; try requires_grad_(True)")
    frozen = [name for name, (p, _) in apply.parameters(inner).items() if not p.requires_grad]
    notes = [f"left out, frozen: {', '.join(frozen)}"] if frozen else []
    if optimizer != "sgd":
        reason = (
            f"{optimizer}: its steps do not scale with the gradient, so no rule is given and all learn at lr={rate:g}"
        )
        groups = [_group(name, p, rate, "no rule") for name, p in trained.items()]
        return ParameterGroups(groups, reason, tuple(notes))
    found = measured(inner, sample) if sample is not None else predicted(inner, size)
    tables, fan_in = _tables(inner), _fan_ins(inner, sample)
    rates = _balanced({n: found.get(n) for n in trained if n not in tables}, fan_in, rate, share, most)
    rates |= {n: _Rate(rate, "an embedding: the plain rate") for n in trained if n in tables}
    fastest = max(rates, key=lambda n: rates[n].lr)
    if rates[fastest].lr > FAST * rate:
        notes.append(
            f"{fastest} learns {rates[fastest].lr / rate:.3g} times faster than lr, as it contributes little at first; "
            "the rule is for the first steps: watch it, or try limit=10"
        )
    groups = [_group(name, p, rates[name].lr, rates[name].reason) for name, p in trained.items()]
    how = "measured on the batch" if sample is not None else f"from theory at inputs of mean square {size:g}"
    reason = f"every matrix has the same share of the neural tangent kernel ({how}), on the scale of lr={rate:g}"
    return ParameterGroups(groups, reason, tuple(notes))


def _group(name: str, parameter: nn.Parameter, lr: float, reason: str) -> dict[str, Any]:
    return {"params": [parameter], "lr": lr, "name": name, "reason": reason}


@dataclass(frozen=True)
class _Rate:
    lr: float
    reason: str


def _tables(model: nn.Module) -> set[str]:
    """Embeddings, and what is tied to them: each row is used by some samples only."""
    names = apply.first_names(model)
    kinds = (nn.Embedding, nn.EmbeddingBag)
    return {names[f"{path}.weight" if path else "weight"] for path, m in model.named_modules() if isinstance(m, kinds)}


def _fan_ins(model: nn.Module, sample: object) -> dict[str, float]:
    """Of every weight of a linear layer or convolution, by first name."""
    graph, _ = graph_of(model, sample)
    return {layer.parameter: layer.weight.fan_in for layer in layers(model, graph)}


def _balanced(
    found: dict[str, float | None], fan_in: dict[str, float], lr: float, share: float | None, most: float
) -> dict[str, _Rate]:
    """lr x (what it should contribute) / (what it does): the mean fan-in for matrices, else 1 or a share of it."""
    bad = [name for name, c in found.items() if c is not None and not math.isfinite(c)]
    if bad:
        raise ModelError(
            f"the gradient of {bad[0]} is not finite, so no rates can be given; try ew.diagnose(model, batch)"
        )
    matrices = {name: c for name, c in found.items() if c and name in fan_in}
    if not matrices:
        raise ModelError("no weight matrix of this model reaches its output; expected one at least")
    target = sum(fan_in[name] for name in matrices) / len(matrices)
    other = 1.0 if share is None else share * target
    negligible = NEGLIGIBLE * max(matrices.values())
    rates = {}
    for name, c in found.items():
        if c is None or c < negligible:
            why = "what it contributes is not known" if c is None else "it does not reach the output"
            rates[name] = _Rate(lr, f"{why}: the plain rate")
            continue
        wanted = (target if name in fan_in else other) / c
        factor = min(wanted, most)
        held = " (the limit)" if factor < wanted else ""
        rates[name] = _Rate(
            lr * factor, f"{factor:.4g} x lr{held}: at lr its share would be {1 / wanted:.4g} of its due"
        )
    return rates
