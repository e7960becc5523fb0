"""The verdict on a model in plain words, from its rows and findings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from torch import nn

from edgewise.measure.causes import cause, susceptibility_note
from edgewise.measure.diagnosis import Diagnosis, Finding, LayerDiagnosis, Level
from edgewise.measure.look import Look, activations_of
from edgewise.measure.norms import kind_of_norm
from edgewise.measure.provenance import Provenance
from edgewise.measure.verdict import DECADE, SHALLOW, Broken, findings
from edgewise.measure.wording import correlation, factor, number

_SCALE = (
    "signal_explodes", "signal_vanishes", "gradients_explode", "gradients_vanish", "not_finite", "rank_collapse",
    "saturated",
)  # fmt: skip
_HEADLINES = {
    "not_finite": "Numbers overflow or are not numbers",
    "signal_explodes": "The signal explodes",
    "signal_vanishes": "The signal vanishes",
    "gradients_explode": "Gradients explode",
    "gradients_vanish": "Gradients vanish",
    "jump": "One layer is off scale",
    "rank_collapse": "All samples become alike",
    "dead_units": "Units are dead",
    "saturated": "Activations are saturated",
    "too_narrow": "The signal drifts although the weights' variances are right",
    "unnormalised_input": "The input is not normalised",
    "cut_off": "No gradient arrives",
}


def judged(
    name: str,
    model: nn.Module,
    look: Look,
    layers: tuple[LayerDiagnosis, ...],
    made: Provenance,
    notes: tuple[str, ...],
) -> Diagnosis:
    """The diagnosis without its advice."""
    rows = [row for row in layers if row.role == "preactivation"]
    stream = [row for row in layers if row.role == "stream"]
    kernel, gap = _at_input(look, layers)
    activations = activations_of(look.graph)
    depth = len(look.graph.of_kind("activation")) or len(rows)
    broken = _broken(look)
    found = findings(
        layers,
        broken=broken,
        input_kernel=kernel,
        input_one_minus_rho=gap,
        gradients=not look.gradient_note,
    )
    level, headline = _headline(found, rows, stream)
    causes: list[str] = []
    normed = any(row.kind == "norm" for row in rows)  # then the weights' scale is the norm's business
    from_batch = broken is not None and look.graph[broken.node].kind == "input"
    if found and found[0].problem in _SCALE and not from_batch:
        causes += [told for a in activations[:2] if not normed and (told := cause(a, layers))]
        if any(f.problem.startswith("gradients") for f in found):
            chi = _norm_note(rows) or susceptibility_note(rows)
            causes += [chi] if chi else []
    ends = [name for node in look.graph.of_kind("output") for name in node.inputs]
    last = [look.observed.moments[name] for name in ends if name in look.observed.moments]
    return Diagnosis(
        model=name,
        level=level,
        headline=headline,
        reason="; ".join([f.text for f in found[:3]] + causes) if found else _healthy(rows, stream),
        causes=tuple(causes),
        findings=tuple(found),
        advice=(),
        layers=layers,
        depth=depth,
        width=int(median([row.units for row in rows])) if rows else 0,
        activations=tuple(a.spec for a in activations),
        input_kernel=kernel,
        output_kernel=last[0].kernel if last else None,
        loss=look.loss,
        mode=look.mode,
        source=look.graph.source,
        notes=(*notes, *look.graph.notes, *_notes(model, look, layers)),
        provenance=made,
    )


def _at_input(look: Look, layers: Sequence[LayerDiagnosis]) -> tuple[float | None, float | None]:
    """K and 1 - rho of the first floating-point input; of an embedding only 1 - rho, its scale is the model's own."""
    for node in look.graph.of_kind("input"):
        moments = look.observed.moments.get(node.name)
        if moments is not None:
            return moments.kernel, moments.one_minus_rho
    first = next((row for row in layers if row.one_minus_rho is not None), None)
    return None, first.one_minus_rho if first else None


def _broken(look: Look) -> Broken | None:
    for node in look.graph.nodes:
        moments = look.observed.moments.get(node.name)
        if moments is not None and moments.bad:
            weights = look.weights.get(node.name)
            own = weights is not None and not math.isfinite(weights.c_w + weights.c_b)
            where = "the batch itself" if node.kind == "input" else node.detail or node.kind
            return Broken(node.name, f"{where}; its weights are not finite" if own else where, forward=True)
    for node in reversed(look.graph.nodes):
        if (gradient := look.observed.gradients.get(node.name)) is not None and not math.isfinite(gradient[1]):
            return Broken(node.name, node.detail or node.kind, forward=False)
    return None


def _headline(
    found: Sequence[Finding], rows: Sequence[LayerDiagnosis], stream: Sequence[LayerDiagnosis]
) -> tuple[Level, str]:
    if not found:
        if max(len(rows), len(stream)) < SHALLOW:
            return "unknown", _shallow(rows)
        return "yes", "Healthy: signal and gradient reach every layer"
    first = found[0]
    words = _HEADLINES[first.problem]
    second = next((f for f in found[1:] if f.level == "no" and f.problem != first.problem), None)
    if first.problem == "not_finite" and any(f.problem == "signal_explodes" for f in found):
        words = "The signal explodes and overflows"
    elif second is not None:
        text = _HEADLINES[second.problem]
        words += f", and {text[0].lower()}{text[1:]}"
    return first.level, words


def _shallow(rows: Sequence[LayerDiagnosis]) -> str:
    """Too few layers for a verdict on depth; what they do to the signal is said all the same."""
    count = sum(row.activation is not None for row in rows)
    if not count:
        return "No activation was found: the model is linear"
    said = f"Too shallow to say what depth does: {count} layer{'s' if count > 1 else ''} with an activation"
    first, last = rows[0].kernel, rows[-1].kernel
    if 0.0 < first < math.inf and 0.0 < last < math.inf and not 1.0 / DECADE <= last / first <= DECADE:
        change = last / first
        said += f", over which K {'grows' if change > 1.0 else 'falls'} {factor(max(change, 1.0 / change))}"
    return said


def _healthy(rows: Sequence[LayerDiagnosis], stream: Sequence[LayerDiagnosis]) -> str:
    shown = stream if len(stream) >= SHALLOW or len(stream) > len(rows) else rows
    kernels = [row.kernel for row in shown if math.isfinite(row.kernel) and row.kernel > 0.0]
    gradients = [row.gradient_norm for row in shown if row.gradient_norm]
    if len(kernels) < 2:
        return "nothing is wrong with what could be measured; effects of depth cannot show in so few layers"
    text = f"over {len(shown)} layers K stays between {number(min(kernels))} and {number(max(kernels))}"
    if len(gradients) > 1:
        text += f", and the gradient's size within a factor of {number(max(gradients) / min(gradients), 2)}"
    gap = next((row.one_minus_rho for row in reversed(shown) if row.one_minus_rho is not None), None)
    return text + (f"; different samples have correlation {correlation(gap)} at the last" if gap is not None else "")


def _norm_note(rows: Sequence[LayerDiagnosis]) -> str:
    values = [row.norm_chi_backward for row in rows if row.norm_chi_backward is not None]
    if not values or 0.9 < median(values) < 1.1:
        return ""
    middle = median(values)
    return (
        f"a normalisation keeps K, not the gradient: with it {rows[0].activation or 'the activation'} multiplies the "
        f"squared gradient by {factor(max(middle, 1.0 / middle))} a layer {'up' if middle > 1.0 else 'down'} in theory"
    )


def _notes(model: nn.Module, look: Look, layers: Sequence[LayerDiagnosis]) -> list[str]:
    notes = []
    if look.gradient_note:
        notes.append(look.gradient_note)
    if not look.graph.of_kind("activation"):
        notes.append("no activation was found: the model is linear between its normalisations, and depth adds nothing")
    samples = max((row.samples for row in layers), default=0)
    if 0 < samples < 4:
        notes.append(
            f"the batch holds {samples} sample{'s' if samples > 1 else ''}: correlations and dead units need 16 or more"
        )
    fresh = [
        module
        for module in model.modules()
        if kind_of_norm(module) == "batch" and not module.training and getattr(module, "num_batches_tracked", 1) == 0
    ]
    if fresh:
        notes.append(
            "batch normalisation was measured in eval mode with running statistics that no batch has set; "
            "what training sees shows after model.train()"
        )
    frozen = sum(not p.requires_grad for p in model.parameters())
    total = sum(1 for _ in model.parameters())
    if frozen:
        notes.append(f"{frozen} of {total} parameters are frozen; their layers were measured like the others")
    unknown = sorted({node.detail or node.name for node in look.graph.of_kind("unknown")})
    if unknown:
        shown = ", ".join(unknown[:4]) + (f" and {len(unknown) - 4} more" if len(unknown) > 4 else "")
        notes.append(f"not known to theory, so that predictions start anew after them: {shown}")
    return notes
