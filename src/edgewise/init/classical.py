"""The classical initialisations with one interface: He, Xavier, LeCun, orthogonal, delta-orthogonal.

Each draws weights of variance gain**2 / fan and reports every parameter. They differ in the fan, the distribution, and
the gain they take where none is given. Unlike ``torch.nn.init`` they go over a whole model, count the terms of grouped,
strided and transposed convolutions (`fans`), treat stacked matrices one by one, and know which activation feeds which
layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import AverageError, DomainError, NoInitialisationError
from edgewise.init import apply, drawing
from edgewise.init.acceptance import accepted, unwrapping
from edgewise.init.drawing import DISTRIBUTIONS, Distribution
from edgewise.init.layers import Layer, graph_of, layers, left_alone, untouchable
from edgewise.init.report import InitReport, ParameterRecord
from edgewise.theory import domain
from edgewise.theory.gain import PRINCIPLES, Gain, Principle
from edgewise.theory.gain import gain as gain_of

Mode = Literal["fan_in", "fan_out", "fan_avg"]


def he_(
    model: nn.Module,
    sample: object = None,
    *,
    activation: object = None,
    gain: float | Gain | None = None,
    principle: Principle | None = None,
    mode: Mode = "fan_in",
    distribution: Distribution = "normal",
    generator: torch.Generator | None = None,
) -> InitReport:
    """Weights of variance gain**2 / fan and no biases (He et al. 2015, eq. 10 and 14), in place.

    The gain keeps the variance through the activation that feeds a layer (mode fan_in: `ew.gain` "forward"), or that of
    gradients through the one it feeds (fan_out: "backward"): He's condition for any activation, sqrt(2) for ReLU.
    Layers beside no known activation take sqrt(2) like He's, the first one too.

    sample: a batch, for models that torch.fx cannot follow. activation: of all layers, in place of what the graph
    says. gain: a number or an `ew.gain`, for all layers. generator: on the CPU, torch's global one unless given.
    Frozen parameters, embeddings, normalisations and what is not understood are left, and said so in the report.
    Raises ModelError for a model that cannot be initialised, DomainError for options out of range; both leave it as it
    was.

    >>> import torch, edgewise as ew
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 10))
    >>> report = ew.init.he_(model, generator=torch.Generator().manual_seed(0))
    >>> round(report["2.weight"].c_w, 4)
    2.5362
    """
    default = {"fan_in": "forward", "fan_out": "backward", "fan_avg": "averaged"}
    scheme = _Scheme("he", math.sqrt(2.0), "He's sqrt(2)", default.get(mode), distribution=distribution)
    return _initialise(model, sample, scheme, _Options(activation, gain, principle, mode, generator))


def xavier_(
    model: nn.Module,
    sample: object = None,
    *,
    activation: object = None,
    gain: float | Gain | None = None,
    principle: Principle | None = None,
    mode: Mode = "fan_avg",
    distribution: Distribution = "uniform",
    generator: torch.Generator | None = None,
) -> InitReport:
    """Weights of variance gain**2 2 / (fan_in + fan_out) and no biases (Glorot and Bengio 2010, eq. 12 and 16).

    The gain is 1, as theirs, for sigma'(0) = 1 and small preactivations, unless gain=, activation= or principle= says
    otherwise; activation= alone takes `ew.gain` by "averaged". Other arguments, and what is left, as for `he_`.
    """
    scheme = _Scheme("xavier", 1.0, "Glorot and Bengio's 1", None, given="averaged", distribution=distribution)
    return _initialise(model, sample, scheme, _Options(activation, gain, principle, mode, generator))


def lecun_(
    model: nn.Module,
    sample: object = None,
    *,
    activation: object = None,
    gain: float | Gain | None = None,
    principle: Principle | None = None,
    mode: Mode = "fan_in",
    distribution: Distribution = "normal",
    generator: torch.Generator | None = None,
) -> InitReport:
    """Weights of variance gain**2 / fan_in and no biases (LeCun et al. 1998, section 4.6; Klambauer et al. 2017: SELU).

    The gain is 1 unless gain=, activation= or principle= says otherwise; activation= alone takes `ew.gain` by
    "forward". Other arguments, and what is left, as for `he_`.
    """
    scheme = _Scheme("lecun", 1.0, "LeCun's 1", None, given="forward", distribution=distribution)
    return _initialise(model, sample, scheme, _Options(activation, gain, principle, mode, generator))


def orthogonal_(
    model: nn.Module,
    sample: object = None,
    *,
    activation: object = None,
    gain: float | Gain | None = None,
    principle: Principle | None = None,
    mode: Mode = "fan_in",
    generator: torch.Generator | None = None,
) -> InitReport:
    """Semi-orthogonal weights whose entries have mean square gain**2 / fan (Saxe et al. 2014), in place.

    With mode fan_in the rows have norm `gain` on average, so that K is kept also where a layer widens (torch's
    ``orthogonal_`` makes it smaller there). A convolution's matrix is outputs x (inputs and positions), one a group.
    The gain is `ew.gain` of the activation that feeds a layer, critical where there is a critical point, with its
    biases; 1 where none is known. Other arguments, and what is left, as for `he_`.
    """
    scheme = _Scheme("orthogonal", 1.0, "1, an isometry", None, ours=True, biases=True, distribution="normal")
    return _initialise(model, sample, scheme, _Options(activation, gain, principle, mode, generator))


def delta_orthogonal_(
    model: nn.Module,
    sample: object = None,
    *,
    activation: object = None,
    gain: float | Gain | None = None,
    principle: Principle | None = None,
    mode: Mode = "fan_in",
    generator: torch.Generator | None = None,
) -> InitReport:
    """As `orthogonal_`, convolutions having their matrix at the centre of the kernel and zeros around it.

    With which plain convolutional networks of 10,000 layers trained (Xiao et al. 2018, algorithm 1). Its fan counts the
    centre alone. Transposed convolutions, whose centre reaches few outputs at a stride, stay orthogonal.
    """
    scheme = _Scheme("delta_orthogonal", 1.0, "1, an isometry", None, ours=True, biases=True, distribution="normal")
    return _initialise(model, sample, scheme, _Options(activation, gain, principle, mode, generator))


@dataclass(frozen=True)
class _Scheme:
    """What is peculiar to one initialisation.

    default: the gain where no activation counts, `said` in words. principle: by which the graph's activations count
    (None: they do not, unless `ours`, which asks `ew.gain` for its own default); given: by which one does that the user
    states. biases: whether a critical gain's bias is drawn.
    """

    name: str
    default: float
    said: str
    principle: str | None
    distribution: Distribution
    ours: bool = False
    given: str | None = None
    biases: bool = False


@dataclass(frozen=True)
class _Options:
    activation: object
    gain: float | Gain | None
    principle: Principle | None
    mode: Mode
    generator: torch.Generator | None


@dataclass(frozen=True)
class _Chosen:
    gain: float
    bias_std: float
    reason: str


def _initialise(model: nn.Module, sample: object, scheme: _Scheme, options: _Options) -> InitReport:
    inner = accepted(model)
    chooser = _Chooser(scheme, options)
    source = apply.source(options.generator)
    graph, notes = graph_of(inner, sample)
    fixed = untouchable(inner)
    values: dict[str, Tensor] = {}
    records: dict[str, ParameterRecord] = {}
    aliases = apply.parameters(inner)
    for layer in layers(inner, graph):
        if layer.parameter in fixed:
            continue
        chosen = chooser.of(layer)
        if layer.parameter not in values:  # a tied weight is drawn once, where it is first used
            parameter, others = aliases[layer.parameter]
            drawn = _drawn(scheme, options.mode, layer, parameter.shape, chosen.gain, source)
            values[layer.parameter] = drawn.value
            records[layer.parameter] = ParameterRecord(
                layer.parameter, layer.name, tuple(parameter.shape), "initialised", layer.words, drawn.fan_in,
                drawn.std**2 * drawn.fan_in, chosen.bias_std**2 if layer.bias is not None else None, drawn.std, None,
                f"{drawn.how}: gain {chosen.gain:.6g}, {chosen.reason}", others,
            )  # fmt: skip
        if layer.bias is not None and layer.bias not in fixed and layer.bias not in values:
            bias, others = aliases[layer.bias]
            values[layer.bias] = apply.normal(bias.shape, chosen.bias_std, source)
            why = f"standard deviation {chosen.bias_std:.6g}, {chosen.reason}"
            records[layer.bias] = replace(
                records[layer.parameter], parameter=layer.bias, layer=layer.name, shape=tuple(bias.shape),
                std=chosen.bias_std, shared_with=others,
                reason=f"bias: {why}" if chosen.bias_std else f"no bias, as {scheme.name} has it",
            )  # fmt: skip
    apply.write(inner, values)
    left = {**left_alone(inner, values), **fixed}
    said = unwrapping(model)
    return InitReport(
        scheme=scheme.name,
        reason=_summary(scheme, options.mode, records, len(aliases), fixed),
        parameters=tuple(
            records.get(name)
            or ParameterRecord(
                name, name.rpartition(".")[0], tuple(parameter.shape), "left", reason=left[name], shared_with=others
            )
            for name, (parameter, others) in aliases.items()
        ),
        notes=(*((said,) if said else ()), *notes, *chooser.notes),
        source=graph.source if graph is not None else "modules",
        seed=source.initial_seed(),
    )


class _Chooser:
    """The gain of each layer. Raises DomainError for options that make no sense, before anything is drawn."""

    def __init__(self, scheme: _Scheme, options: _Options) -> None:
        if options.mode not in get_args(Mode):
            raise DomainError(f"mode={options.mode!r} given, expected fan_in, fan_out or fan_avg; try mode='fan_in'")
        if scheme.distribution not in DISTRIBUTIONS:
            raise DomainError(
                f"distribution={scheme.distribution!r} given, expected one of {', '.join(DISTRIBUTIONS)}; "
                "try distribution='normal'"
            )
        if options.principle is not None and options.principle not in PRINCIPLES:
            raise DomainError(f"principle={options.principle!r} given, expected one of {', '.join(PRINCIPLES)}")
        if options.gain is not None and (options.activation is not None or options.principle is not None):
            raise DomainError("gain= given with activation= or principle=, expected one or the other; try gain= alone")
        self.scheme, self.options = scheme, options
        self.known: dict[Activation, _Chosen] = {}
        self.notes: dict[str, None] = {}
        self.all: _Chosen | None = None
        if options.gain is not None:
            number = domain.one_positive("gain", _float(options.gain))
            std = options.gain.bias_std if isinstance(options.gain, Gain) else 0.0
            self.all = _Chosen(number, std, "as given")
        elif options.activation is not None:
            self.all = self._of(
                as_activation(options.activation), options.principle or scheme.given or scheme.principle
            )

    def of(self, layer: Layer) -> _Chosen:
        if self.all is not None:
            return self.all
        scheme, options = self.scheme, self.options
        asked = options.principle or scheme.principle
        if asked is None and not scheme.ours:
            return _Chosen(scheme.default, 0.0, scheme.said)
        a = layer.feeds if options.mode == "fan_out" and layer.feeds is not None else layer.fed_by
        if a is None:
            return _Chosen(scheme.default, 0.0, f"{scheme.said}, since no activation is known to feed it")
        if a not in self.known:
            self.known[a] = self._of(a, asked)
        return self.known[a]

    def _of(self, a: Activation, principle: str | None) -> _Chosen:
        try:
            g = gain_of(a, principle=principle)  # type: ignore[arg-type]
        except (NoInitialisationError, AverageError) as error:
            return _Chosen(self.scheme.default, 0.0, f"{self.scheme.said}, since {error}")
        if g.principle in {"critical", "tailored"} and g.kernel is not None:
            where = f"K={g.kernel:.4g}" if g.kernel > 0.0 else "a small K"
            self.notes[
                f"the gain of {a.spec} is meant at {where}, where critical_ would put it; here K is the input's"
            ] = None
        keeps_bias = self.scheme.biases or self.options.principle == "critical"
        return _Chosen(g.gain, g.bias_std if keeps_bias else 0.0, f"{g.principle} for {a.spec}: {g.reason}")


@dataclass(frozen=True)
class _Drawn:
    """The values of a weight, the standard deviation of their entries, the fan-in that counts, and how in words."""

    value: Tensor
    std: float
    fan_in: float
    how: str


def _drawn(
    scheme: _Scheme, mode: Mode, layer: Layer, shape: torch.Size, gain: float, source: torch.Generator
) -> _Drawn:
    weight = layer.weight
    taps = math.prod(shape[2:])
    centred = scheme.name == "delta_orthogonal" and taps > 1 and weight.output_axis == 0
    if centred:
        weight = replace(weight, fan_in=weight.fan_in / taps, fan_out=weight.fan_out / taps)
    fan = {"fan_in": weight.fan_in, "fan_out": weight.fan_out, "fan_avg": (weight.fan_in + weight.fan_out) / 2.0}[mode]
    std = gain / math.sqrt(fan)
    if centred:
        how = f"orthogonal at the centre of {taps} positions"
        return _Drawn(drawing.delta_orthogonal(shape, weight, std, source), std, weight.fan_in, how)
    if scheme.name in {"orthogonal", "delta_orthogonal"}:
        return _Drawn(drawing.orthogonal(shape, weight, std, source), std, weight.fan_in, "orthogonal")
    value = drawing.independent(shape, std, scheme.distribution, source)
    return _Drawn(value, std, weight.fan_in, f"{scheme.distribution}, variance gain**2/{fan:g} ({mode})")


def _float(gain: object) -> object:
    return float(gain) if isinstance(gain, Gain) else gain


def _summary(
    scheme: _Scheme, mode: Mode, records: dict[str, ParameterRecord], total: int, fixed: Mapping[str, str]
) -> str:
    nothing = (
        "what sums over its inputs is frozen: model.requires_grad_(True) first, if it is to be drawn"
        if any("frozen" in why for why in fixed.values())
        else "no layer of this model sums over its inputs"
    )
    weights = [r for r in records.values() if r.fan_in is not None and r.c_w is not None and len(r.shape) > 1]
    gains = sorted({f"{math.sqrt(r.c_w):.4g}" for r in weights if r.c_w})
    shown = ", ".join(gains[:4]) + (f" and {len(gains) - 4} more" if len(gains) > 4 else "")
    return f"{scheme.name}, {mode}: {len(records)} of {total} parameters initialised" + (
        f", sqrt(C_W) = {shown}" if gains else f"; {nothing}"
    )
