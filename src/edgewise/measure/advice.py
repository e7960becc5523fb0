"""The mend: calls that are printed, and carried out on a copy of the model and measured before they are."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from edgewise.activations import Activation, activation
from edgewise.errors import EdgewiseError
from edgewise.init.graph import ModelGraph
from edgewise.measure.causes import operating_kernel, preferred_point
from edgewise.measure.diagnosis import Advice, Diagnosis, Level, Problem
from edgewise.measure.look import activations_of
from edgewise.measure.model_state import left_as_found
from edgewise.measure.norms import kind_of_norm
from edgewise.measure.wording import number

CHECKED_UP_TO = 100_000_000
"""Parameters of a model beyond which advice is not tried on a copy unasked: the copy alone would take 400 MB."""
_RANK: dict[Level, int] = {"yes": 0, "unknown": 0, "care": 1, "no": 2}
_SCALE: tuple[Problem, ...] = (
    "not_finite", "signal_explodes", "signal_vanishes", "gradients_explode", "gradients_vanish", "jump",
    "rank_collapse", "too_narrow", "saturated", "cut_off",
)  # fmt: skip

Measure = Callable[[nn.Module, object], Diagnosis]


@dataclass(frozen=True)
class Remedy:
    """Calls as text, and the same calls as a function of (model, batch) that returns both as they are afterwards."""

    calls: tuple[str, ...]
    why: str
    carry_out: Callable[[nn.Module, object], tuple[nn.Module, object]]


def advice(
    found: Diagnosis, graph: ModelGraph, model: nn.Module, batch: object, measure: Measure, *, check: bool | None
) -> list[Advice]:
    """The first remedy after which the model is healthy, else the one after which it is best, else words.

    check: None tries remedies on models of up to CHECKED_UP_TO parameters.
    """
    if found.healthy or found.level == "unknown":
        return []
    wanted = list(_remedies(found, graph))
    if check is None:
        check = sum(p.numel() for p in model.parameters()) <= CHECKED_UP_TO
    if not check:
        return [Advice(r.calls, r.why) for r in wanted[:1]] or _words(found, model, tried=False)
    tried: list[tuple[int, int, Advice]] = []
    for i, remedy in enumerate(wanted):
        outcome = _tried(remedy, model, batch, measure)
        if isinstance(outcome, str):
            continue
        better = _RANK[outcome.level]
        said = _after(outcome)
        tried.append((better, i, Advice(remedy.calls, remedy.why, True, said)))
        if better == 0:
            break
    tried.sort(key=lambda entry: entry[:2])
    if tried and (tried[0][0] < _RANK[found.level]):
        best = tried[0][2]
        return [best] if tried[0][0] == 0 else [best, *_words(found, model, tried=True)]
    return _words(found, model, tried=bool(tried))


def _tried(remedy: Remedy, model: nn.Module, batch: object, measure: Measure) -> Diagnosis | str:
    """What is found after the remedy on a copy, or why it could not be carried out."""
    try:
        with left_as_found(model):
            twin = copy.deepcopy(model)
            changed, data = remedy.carry_out(twin, batch)
            return measure(changed, data)
    except (EdgewiseError, RuntimeError, NotImplementedError, TypeError) as error:  # a model that cannot be copied, too
        return f"{type(error).__name__}: {error}"


def _after(outcome: Diagnosis) -> str:
    text = outcome.headline if outcome.healthy or outcome.level == "unknown" else f"{outcome.headline} still, but less"
    return f"{text}; {outcome.reason}" if outcome.reason else text


def _remedies(found: Diagnosis, graph: ModelGraph) -> Iterator[Remedy]:
    """What may help, the gentlest first."""
    problems = found.problems()
    every = activations_of(graph)
    if problems & set(_SCALE):
        lost = [a for a in every if _has_no_point(a)]
        if not lost:
            yield _critical(found, every)
        chosen = lost or [a for a in every if operating_kernel(a) is None]
        if chosen:
            yield _tailored(found, graph, chosen, hopeless=bool(lost))
    if "dead_units" in problems:
        flat = [a for a in every if a.spec in {row.activation for row in found.layers if row.dead_static}]
        if not problems & set(_SCALE):
            yield _critical(found, every)
        if flat:
            yield _leaky(graph, flat)
    if problems == {"unnormalised_input"}:
        yield _scaled_input(found)


def _has_no_point(a: Activation) -> bool:
    """No critical point to initialise at, or only one that repels, at which K stays small and drifts away."""
    if operating_kernel(a) is not None:
        return False
    point = preferred_point(a)
    return point is None or point.universality_class == "k_star_zero_unstable"


def _critical(found: Diagnosis, every: Sequence[Activation]) -> Remedy:
    named = ", ".join(a.spec for a in every) or "a linear network"

    def carry_out(model: nn.Module, batch: object) -> tuple[nn.Module, object]:
        from edgewise.init.critical import critical_

        critical_(model, batch)
        return model, batch

    return Remedy(
        ("ew.init.critical_(model, batch)",),
        f"draws the weights anew where {named} is critical, with the first layer set by this batch",
        carry_out,
    )


def _tailored(found: Diagnosis, graph: ModelGraph, chosen: Sequence[Activation], *, hopeless: bool) -> Remedy:
    depth, width = max(2, found.depth), max(2, found.width)
    swaps = [_swap_text(graph, a, f"ew.tailor({_made(graph, a)}, depth={depth}, width={width})") for a in chosen]

    def carry_out(model: nn.Module, batch: object) -> tuple[nn.Module, object]:
        from edgewise.init.critical import critical_
        from edgewise.init.swap import swap_
        from edgewise.tailor import tailor

        for a in chosen:
            made = tailor(a, depth=depth, width=width)
            model = swap_(model, a, made, functional=_functional(graph, a)).model
        critical_(model, batch)
        return model, batch

    named = " and ".join(a.spec for a in chosen)
    many = len(chosen) > 1
    none = f", which {'have' if many else 'has'} no critical point that holds a signal,"
    why = none if hopeless and any(preferred_point(a) is None for a in chosen) else ""
    why = f", whose critical point{'s repel' if many else ' repels'} the signal," if hopeless and not why else why
    return Remedy(
        (*swaps, "ew.init.critical_(model, batch)"),
        f"shifts and scales {named}{why} so that signal and gradient last this depth, and draws the weights anew",
        carry_out,
    )


def _leaky(graph: ModelGraph, flat: Sequence[Activation]) -> Remedy:
    to = "leaky_relu"

    def carry_out(model: nn.Module, batch: object) -> tuple[nn.Module, object]:
        from edgewise.init.swap import swap_

        for a in flat:
            model = swap_(model, a, to, functional=_functional(graph, a)).model
        return model, batch

    return Remedy(
        tuple(_swap_text(graph, a, repr(to)) for a in flat),
        "a slope on the flat side lets the gradient reach dead units again, and keeps the trained weights",
        carry_out,
    )


def _scaled_input(found: Diagnosis) -> Remedy:
    size = (found.input_kernel or 1.0) ** 0.5
    shown = f"{size:.4g}"

    def carry_out(model: nn.Module, batch: object) -> tuple[nn.Module, object]:
        def scaled(value: object) -> object:
            return value / float(shown) if isinstance(value, Tensor) and value.is_floating_point() else value

        if isinstance(batch, Tensor):
            return model, scaled(batch)
        if isinstance(batch, tuple):
            return model, tuple(scaled(value) for value in batch)
        return model, batch

    return Remedy((f"batch = batch / {shown}",), "brings the input to mean square 1, in training as well", carry_out)


def _functional(graph: ModelGraph, a: Activation) -> bool:
    """Whether `a` is also called as a function inside forward, which cannot be changed in place."""
    return any(n.activation == a and n.module is None for n in graph.of_kind("activation"))


def _swap_text(graph: ModelGraph, a: Activation, to: str) -> str:
    """The call that replaces `a`; assigned where functions are called, as the result is then another module."""
    if _functional(graph, a):
        return f"model = ew.swap_(model, {_made(graph, a)}, {to}, functional=True).model"
    return f"ew.swap_(model, {_made(graph, a)}, {to})"


def _made(graph: ModelGraph, a: Activation) -> str:
    """Python that makes this activation: its text where that is one, else the module it is in."""
    try:
        if activation(a.spec) == a:
            return repr(a.spec)
    except EdgewiseError:
        pass
    held = next((n.module for n in graph.of_kind("activation") if n.activation == a and n.module), None)
    return f"ew.activation(model.get_submodule({held!r}))" if held else repr(a.spec)


def _words(found: Diagnosis, model: nn.Module, *, tried: bool) -> list[Advice]:
    """What has no call of its own."""
    problems = found.problems()
    words = []
    frozen = any(not p.requires_grad for p in model.parameters())
    if any(f.problem == "not_finite" and found.input_kernel == math.inf for f in found.findings):
        return [Advice((), "the batch holds nan or infinity: torch.isfinite(batch).all() finds where it comes from")]
    if frozen:
        words.append("frozen parameters are never drawn anew: model.requires_grad_(True) first, if they are to learn")
    elif problems & set(_SCALE):
        begin = "what edgewise can do alone was tried on a copy and does not make it healthy; " if tried else ""
        norms = {kind_of_norm(module) for module in model.modules()} - {None}
        if norms == {"batch"}:
            rest = (
                "torch.nn.LayerNorm or RMSNorm in the place of batch normalisation, or skip connections around pairs "
                "of layers, keep the gradient"
            )
        else:
            rest = (
                "a normalisation (torch.nn.RMSNorm) before each activation inside residual blocks whose branches are "
                "scaled by 1/sqrt(number of blocks) works with any activation at any depth"
            )
        words.append(begin + rest)
    if "dead_units" in problems:
        words.append("if units died in training: a learning rate several times lower, and no weight decay on biases")
    if "too_narrow" in problems:
        words.append(f"fluctuations grow with depth over width: more than {number(found.width)} units, or fewer layers")
    return [Advice((), text) for text in words]
