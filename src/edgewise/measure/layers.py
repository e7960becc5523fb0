"""The rows of a diagnosis: what was measured, what theory says of it, and how one layer compares with the next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import nn

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.init.graph import ModelGraph, Node
from edgewise.measure.diagnosis import LayerDiagnosis
from edgewise.measure.layer_weights import LayerWeights
from edgewise.measure.observation import LAYERS, Observed
from edgewise.measure.predicted import Predicted, looked_through
from edgewise.theory.interpolant import LARGEST, SMALLEST, kernel_functions

Role = Literal["preactivation", "stream", "other"]


def layers_of(
    graph: ModelGraph,
    observed: Observed,
    weights: Mapping[str, LayerWeights],
    expected: Mapping[str, Predicted],
    modules: Mapping[str, nn.Module],
) -> tuple[LayerDiagnosis, ...]:
    """One row for every node that is a layer or feeds an activation, in the order they run."""
    feeding: dict[str, list[Node]] = {}
    for node in graph.of_kind("activation"):
        if node.activation is not None and node.inputs:
            feeding.setdefault(looked_through(graph, node.inputs[0]).name, []).append(node)
    linear_only = not feeding
    rows: list[LayerDiagnosis] = []
    following: dict[str, set[str]] = {}
    number = 0
    for node in graph.nodes:
        number += node.kind == "linear"
        moments = observed.moments.get(node.name)
        consumers = feeding.get(node.name, [])
        if moments is None or node.kind in ("input", "output") or (node.kind not in LAYERS and not consumers):
            continue
        role: Role = "other"
        if node.kind == "add" and len(node.inputs) > 1:
            role = "stream"
        elif consumers or (linear_only and node.kind == "linear"):
            role = "preactivation"
        said = expected.get(node.name)
        own = weights.get(node.name)
        gradient = observed.gradients.get(node.name)
        row = LayerDiagnosis(
            name=node.name,
            kind=node.kind,
            detail=node.detail,
            number=number,
            role=role,
            units=moments.units,
            samples=moments.samples,
            kernel=moments.kernel,
            mean=moments.mean,
            bad=moments.bad,
            unit_spread=moments.unit_spread,
            sample_spread=moments.sample_spread,
            predicted=None if said is None or said.measured else said.second,
            prediction=_prediction(said, graph),
            c_w=own.c_w if own else None,
            c_b=own.c_b if own else None,
            gradient=gradient[0] if gradient else None,
            gradient_norm=math.sqrt(gradient[1]) if gradient else None,
            one_minus_rho=moments.one_minus_rho,
            effective_rank=moments.effective_rank,
            compared=moments.compared,
        )
        if consumers:
            row = _with_activation(row, consumers, graph, observed, weights)
        if node.kind == "norm":
            row = _with_norm(row, node, graph, weights, modules)
        rows.append(row)
        following[row.name] = {after.name for n in consumers for after in linears_after(graph, n.name)}
    return tuple(_compared(rows, following))


def _prediction(said: Predicted | None, graph: ModelGraph) -> str:
    if said is None:
        return "not measured"
    if said.measured:
        return f"measured: {said.measured}"
    return "from the input" if graph[said.since].kind == "input" else f"from what was measured at {said.since}"


def _with_activation(
    row: LayerDiagnosis,
    consumers: Sequence[Node],
    graph: ModelGraph,
    observed: Observed,
    weights: Mapping[str, LayerWeights],
) -> LayerDiagnosis:
    node = consumers[0]
    a = node.activation
    assert a is not None
    following = [weights[n.name].c_w for n in linears_after(graph, node.name) if n.name in weights]
    c_w = sum(following) / len(following) if following else None
    alive = SMALLEST <= row.kernel <= LARGEST
    slopes = [observed.slopes[n.name] for n in consumers if n.name in observed.slopes and not row.bad]
    parallel = perp = None
    if alive and c_w:
        parallel, perp = (c_w * chi for chi in _susceptibilities(a, row.kernel))
    half_flat = dead_expected(a, 1e-6) if slopes else 0.0  # the flat side of relu6 is no saturation
    open_share = max(1.0 - half_flat, 1e-9)
    saturated = [max(0.0, s.saturated - half_flat) / open_share for s in slopes if s.saturated is not None]
    return replace(
        row,
        activation=a.spec,
        next_c_w=c_w,
        chi_parallel=parallel,
        chi_perp=perp,
        dead_static=max(s.static for s in slopes) if slopes else None,
        dead_dynamic=max(s.dynamic for s in slopes) if slopes else None,
        dead_expected=dead_expected(a, row.kernel) if alive and slopes else None,
        saturated=max(saturated) if saturated else None,
    )


def _susceptibilities(a: Activation, kernel: float) -> tuple[float, float]:
    """chi_parallel and chi_perp over C_W."""
    k = torch.tensor([kernel], dtype=torch.float64)
    functions = kernel_functions(a)
    try:
        return float(functions.chi_parallel(k)), float(functions.chi_perp(k))
    except EdgewiseError:
        return math.nan, math.nan


def _with_norm(
    row: LayerDiagnosis,
    node: Node,
    graph: ModelGraph,
    weights: Mapping[str, LayerWeights],
    modules: Mapping[str, nn.Module],
) -> LayerDiagnosis:
    """What the normalisation does to gradients, where theory knows its kind and it feeds an activation."""
    from edgewise.measure.norms import chi_backward

    activations = [n for n in graph.feeds(node.name) if n.kind == "activation" and n.activation is not None]
    if not activations or activations[0].activation is None:
        return row
    module = modules.get(node.module or "")
    return replace(row, norm_chi_backward=chi_backward(activations[0].activation, module))


def linears_after(graph: ModelGraph, name: str) -> list[Node]:
    """The linear layers that this node's numbers enter, through nothing that changes their scale."""
    found: list[Node] = []
    for node in graph.feeds(name):
        if node.kind == "linear":
            found.append(node)
        elif node.kind in ("reshape", "dropout"):
            found += linears_after(graph, node.name)
    return found


def dead_expected(a: Activation, kernel: float) -> float:
    """The share of N(0, K) on which the slope is exactly 0, from 4096 quantiles."""
    share = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096
    z = math.sqrt(kernel) * torch.special.ndtri(share).float()
    surrogate = a.definition.surrogate
    slope = surrogate(z, **a.parameters) if surrogate is not None else a.derivative(z)
    return float((slope == 0.0).double().mean())


def _compared(rows: Sequence[LayerDiagnosis], following: Mapping[str, set[str]]) -> list[LayerDiagnosis]:
    """Growth of K from, and of the squared gradient to, the neighbour of the same role.

    following: the linear layers that a row's activation feeds; the last of them is a neighbour whatever its role.
    """
    made = list(rows)
    before: dict[str, int] = {}
    for i, row in enumerate(rows):
        role = row.role
        j = before.get(role if role != "other" else "preactivation")
        if j is not None and (role != "other" or row.name in following[rows[j].name]):
            made[i] = replace(made[i], growth=_ratio(row.kernel, rows[j].kernel))
            made[j] = replace(made[j], gradient_growth=_ratio(_squared(rows[j]), _squared(row)))
        if role != "other":
            before[role] = i
    return made


def _squared(row: LayerDiagnosis) -> float | None:
    return None if row.gradient_norm is None else row.gradient_norm**2


def _ratio(a: float | None, b: float | None) -> float | None:
    if a is None or b is None or not math.isfinite(a) or not math.isfinite(b) or b <= 0.0:
        return None
    return a / b
