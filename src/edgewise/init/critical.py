"""`ew.init.critical_`: every layer of a model at the critical point of the activation it feeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from edgewise.errors import DomainError, ModelError
from edgewise.init import apply, drawing
from edgewise.init import verify as measuring
from edgewise.init.acceptance import accepted, unwrapping
from edgewise.init.book import Fill
from edgewise.init.by_hand import graph_by_hand
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.layers import kept
from edgewise.init.outliers import tamed
from edgewise.init.plan import Inputs, Norms, Plan
from edgewise.init.propagation import propagate
from edgewise.init.report import InitReport, LayerCheck, ParameterRecord
from edgewise.init.roles import is_activation
from edgewise.init.trace import trace
from edgewise.theory import domain

_ROUNDS, _SETTLED = 4, 0.01
"""What has no theory is measured again until the last scales, which it depends on, change it by less than 1 %."""


def critical_(
    model: nn.Module,
    sample: object = None,
    *,
    mean_square: float | None = None,
    output_variance: float = 1.0,
    generator: torch.Generator | None = None,
    verify: object = None,
    correct: bool = False,
    fed_by: Mapping[str, str] | None = None,
    norms: Norms = "scale",
    distribution: Literal["orthogonal", "normal"] = "orthogonal",
) -> InitReport:
    """Initialises a model in place so that every activation receives the kernel at which it is critical.

    The entries of weights have variance C_W / fan-in and biases C_b, both from `theory.recommend` for the activation
    that a layer feeds, at the depth and width of this model; the first layer sets K from the data's mean square, the
    last one the output's. Residual branches with an identity skip are scaled by 1/sqrt(branches)
    (theory.branch_scaling), with a skip gamma < 1 by sqrt(1 - gamma**2) (PDLT appendix B). Embeddings, frozen
    parameters and what is not understood are left, and said so. An error leaves the model untouched.

    sample: a batch (a tensor, a tuple of arguments or a mapping of keyword arguments) from which the mean square of the
    inputs is measured, and what pooling and attention leave of theirs; the model is run on it. Where a critical point
    repels (MRePU), K0 is lowered until the outliers of this batch stay near the prediction, too. mean_square: of the
    inputs where no sample is given, 1 by default. output_variance: mean square of the outputs of the last layer.
    generator: on the CPU; torch's global one unless given. norms: "scale" sets the weight of a norm that feeds an
    activation to sqrt(K), and of one that ends a residual branch to that branch's scale; "leave" touches none.
    distribution: of the weights. "orthogonal" matrices have the same kernels and susceptibilities at infinite width as
    independent "normal" entries. At a finite one K fluctuates less: hardly at all around nearly linear activations
    (tanh at small K, tailored ones), with 3/5 of the variance around ReLU (Saxe et al. 2014; Pennington et al. 2017;
    Day, Kahn & Roberts 2023, arXiv 2310.07765). Drawing a matrix of 4096 x 4096 takes seconds. Biases are normal.
    verify: a batch on which the second moment of every layer is measured afterwards, beside the prediction (True: the
    sample). correct: rescale weights layer by layer on that batch until measured and wanted agree (as LSUV does).
    fed_by: what feeds each layer, for a model that cannot be traced: {"fc1": "input", "fc2": "gelu", "head": "gelu"}.

    Raises ModelError for a model or batch that cannot be read, TraceError where its layers cannot be followed and no
    sample is given, DomainError for numbers out of range.

    >>> import torch, edgewise as ew
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 10))
    >>> report = ew.init.critical_(model, generator=torch.Generator().manual_seed(0))
    >>> round(report["0.weight"].kernel, 6)  # GELU's K*
    3.561553
    """
    inner = accepted(model)
    size = domain.one_positive("mean_square", 1.0 if mean_square is None else mean_square)
    output = domain.one_positive("output_variance", output_variance)
    if norms not in ("scale", "leave"):
        raise DomainError(f"norms={norms!r} given, expected 'scale' or 'leave'; try norms='scale'")
    if distribution not in ("orthogonal", "normal"):
        raise DomainError(
            f"distribution={distribution!r} given, expected 'orthogonal' or 'normal'; try distribution='orthogonal'"
        )
    if mean_square is not None and sample is not None:
        raise DomainError("both sample= and mean_square= given, expected one of them; try sample= alone")
    source = apply.source(generator)
    batch = _batch_to_measure(sample, verify, correct)
    graph = (
        graph_by_hand(inner, fed_by) if fed_by is not None else trace(inner, sample if sample is not None else batch)
    )
    untouched = kept(inner)
    data = Inputs(size, measuring.inputs(inner, sample) if sample is not None else {})
    about_data = _about_data(data, graph)

    def plan(measured: Mapping[str, float], caution: float) -> Plan:
        return propagate(
            inner, graph, inputs=data, output_variance=output, norms=norms, untouched=untouched, measured=measured,
            caution=caution,
        )  # fmt: skip

    state = source.get_state()

    def write(made: Plan) -> None:
        source.set_state(state)  # the same draws every time, at the scales of the plan
        apply.write(inner, _values(inner, made.fills, source, distribution))

    def settle(caution: float) -> tuple[Plan, Mapping[str, float]]:
        """The plan, written, once what it assumed has been measured; and all second moments then, with a sample."""
        made, ratios = plan({}, caution), dict[str, float]()
        write(made)
        uncertain = [graph[name] for name in made.uncertain] if sample is not None else []
        for _ in range(_ROUNDS if uncertain else 0):
            found = _ratios(uncertain, made, measuring.second_moments(inner, sample), ratios)
            settled = all(abs(found[name] / ratios.get(name, 1.0) - 1.0) < _SETTLED for name in found)
            if settled:
                break
            ratios = found
            made = plan(ratios, caution)
            write(made)
        measured = measuring.second_moments(inner, sample) if sample is not None and made.repelled else {}
        return made, measured

    before = [(parameter, parameter.detach().clone()) for parameter in inner.parameters()]
    checks: tuple[LayerCheck, ...] = ()
    try:
        made, about_outliers = tamed(settle, graph)
        if batch is not None:
            checks = _measured(inner, graph, made, batch, correct)
    except BaseException:
        apply.restore(before)
        raise
    said = unwrapping(model)
    notes = (*((said,) if said else ()), *graph.notes, *about_data, *about_outliers, *made.notes)
    return InitReport(
        scheme="critical",
        reason=f"{_reason(graph, made, fed_by is not None)}; {distribution} weights",
        parameters=_records(inner, made, untouched, checks),
        notes=notes,
        source="by hand" if fed_by is not None else graph.source,
        seed=source.initial_seed(),
        output_kernel=made.output_kernel,
        checks=checks,
    )


def _batch_to_measure(sample: object, verify: object, correct: bool) -> object:
    if verify is None or verify is False:
        if correct and sample is None:
            raise DomainError("correct=True given without a batch to measure on; try verify=batch")
        return sample if correct else None
    if verify is True:
        if sample is None:
            raise DomainError("verify=True given without a sample; try verify=batch")
        return sample
    return verify


def _values(
    model: nn.Module, fills: Mapping[str, Fill], source: torch.Generator, distribution: str
) -> dict[str, Tensor]:
    """The draws, in the order of the model's parameters: the same for one seed however the graph was found."""

    def drawn(shape: torch.Size, fill: Fill) -> Tensor:
        if distribution == "orthogonal" and fill.weight is not None and fill.std > 0.0:
            return drawing.orthogonal(shape, fill.weight, fill.std, source)
        return apply.normal(shape, fill.std, source)

    return {
        name: drawn(parameter.shape, fills[name]) + fills[name].constant
        for name, (parameter, _) in apply.parameters(model).items()
        if name in fills
    }


def _ratios(
    uncertain: Iterable[Node], made: Plan, measured: Mapping[str, float], before: Mapping[str, float]
) -> dict[str, float]:
    """What nodes without a theory leave of the second moment of their (last) input.

    Of an attention module, whose average of values cannot be seen: what its output has of its prediction, which allows
    for the ratios of the round `before`.
    """
    found = {}
    for node in uncertain:
        inside = node.kind == "attention" and bool(node.parameters)
        into = made.signals[node.name].second if inside else measured.get(node.inputs[-1] if node.inputs else "")
        after = measured.get(node.name)
        if into and after and math.isfinite(into) and math.isfinite(after):
            found[node.name] = after / into * (before.get(node.name, 1.0) if inside else 1.0)
    return found


def _measured(model: nn.Module, graph: ModelGraph, made: Plan, batch: object, correct: bool) -> tuple[LayerCheck, ...]:
    factors: dict[str, float] = {}
    if correct:
        own = apply.first_names(model)
        drawn = {
            node.name: made.signals[node.name].second
            for node in graph.of_kind("linear")
            if any(own.get(p) in made.fills for p in node.parameters)
        }
        factors = measuring.correct(model, graph, drawn, batch)
    return measuring.checks(graph, made.signals, measuring.second_moments(model, batch), factors)


def _records(
    model: nn.Module, made: Plan, untouched: Mapping[str, str], checks: tuple[LayerCheck, ...]
) -> tuple[ParameterRecord, ...]:
    factors = {check.layer: check.factor for check in checks}
    found = []
    for name, (parameter, others) in apply.parameters(model).items():
        record = made.records.get(name)
        if record is None:
            reason = untouched.get(name, "the model's calls show no use of it that edgewise understands")
            record = ParameterRecord(name, name.rpartition(".")[0], tuple(parameter.shape), "left", reason=reason)
        factor = factors.get(record.layer, 1.0)
        if factor != 1.0 and parameter.ndim > 1 and record.std is not None and record.c_w is not None:
            record = replace(
                record, std=factor * record.std, c_w=factor**2 * record.c_w,
                reason=f"{record.reason}; corrected by {factor:.4g} on the batch",
            )  # fmt: skip
        found.append(replace(record, shared_with=others))
    return tuple(found)


def _about_data(data: Inputs, graph: ModelGraph) -> list[str]:
    """What the inputs are like, where they were given: their mean square, and how much of it is a common mean."""
    notes = []
    for name, tensor in data.samples.items():
        if not tensor.is_floating_point() or tensor.ndim == 0:
            continue
        values = tensor.detach().double()
        square = float(values.pow(2).mean())
        if not 0.0 < square < math.inf:
            raise ModelError(f"the input {name} has mean square {square:g}; expected finite numbers that are not all 0")
        note = f"the input {name} has mean square {square:.4g}"
        if len(values) > 1:
            common = float(values.mean(0).pow(2).mean()) / square
            note += f", of which its mean over samples makes up {100 * common:.3g} %"
            if common > 0.25:
                note += " (this part is the same for every sample and correlates them: centre the inputs)"
            each = values.flatten(1).pow(2).mean(1) if values.ndim > 1 else values.pow(2)
            spread = float(each.std()) / square
            if spread > 0.5:
                note += f"; it differs between samples by {100 * spread:.3g} %, and so will K"
        notes.append(note)
    numbers = [n.name for n in graph.of_kind("input") if any(c.kind != "embedding" for c in graph.feeds(n.name))]
    if numbers and not notes:
        notes.append(
            f"the inputs are taken to have mean square {data.mean_square:g} and mean 0; a mean of theirs would be the "
            "same for every sample and correlate them"
        )
    return notes


def _reason(graph: ModelGraph, made: Plan, by_hand: bool) -> str:
    layers = {r.layer for r in made.records.values() if r.action == "initialised" and r.c_w is not None}
    specs = dict.fromkeys(
        node.activation.spec for node in graph.nodes if is_activation(node) and node.activation is not None
    )
    feeding = f" around {', '.join(specs)}" if specs else ", with no activation to be critical for"
    read = "as given by hand" if by_hand else f"read by {graph.source}" if graph.source == "torch.fx" else "as recorded"
    end = "" if made.output_kernel is None else f"; outputs have mean square {made.output_kernel:.4g}"
    return f"{len(layers)} layers {read}{feeding}{end}"
