"""What a diagnosis says: figures layer by layer, findings, a verdict in plain words, and the calls that mend it."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import Provenance

if TYPE_CHECKING:
    from rich.console import RenderableType

Level = Literal["yes", "care", "no", "unknown"]
"""Healthy; trains with care or loses something; will not train as it is; cannot be said."""

Problem = Literal[
    "not_finite",  # nan or inf in the forward or the backward pass
    "signal_explodes",
    "signal_vanishes",
    "gradients_explode",
    "gradients_vanish",
    "jump",  # one layer alone is off scale
    "rank_collapse",  # different samples become parallel: the ordered phase
    "dead_units",
    "saturated",
    "too_narrow",  # the depth is large for the width: fluctuations, not the mean, move the kernel
    "unnormalised_input",
    "cut_off",  # no gradient arrives
]


@dataclass(frozen=True)
class LayerDiagnosis:
    """One layer of a model on one batch; None where a figure has no meaning there.

    name, kind, detail: of the node (see `edgewise.init.graph`). number: how many linear layers have run up to here.
    role: "preactivation" where it feeds an activation, "stream" where branches add up, "other".
    units, samples: channels are units, tokens are samples; positions of a convolution are averaged over.
    kernel: K, the mean square of the layer's output; inf where it is not finite. unit_spread, sample_spread: standard
    deviation of the units' (samples') own mean squares over K. mean: of the output.
    predicted: K by theory from the measured weights and the measured input, `prediction` says from where on or why not.
    growth: K over that of the previous layer of the same role. bad: numbers that are nan or infinite.
    c_w, c_b: fan-in x variance of this layer's own weights, and mean square of its biases. next_c_w: of the layer that
    its activation feeds.
    gradient: root mean square of d loss/d z. gradient_norm: the root of the sum of squares over the whole batch;
    gradient_growth: (that over the next layer's)**2, which at infinite width is chi_perp.
    activation: what it feeds; chi_parallel, chi_perp: at the measured K with next_c_w. norm_chi_backward: where the
    layer is a normalisation, the factor on the squared gradient through it, the activation and the next weights.
    dead_static, dead_dynamic: shares of units whose slope is exactly 0 for all samples, and beyond those for single
    ones; dead_expected: the total for Gaussian preactivations of this K. saturated: share of inputs of a bounded
    activation with a slope under 1 % of the steepest, beyond those on a side that is flat at any scale (relu6).
    one_minus_rho: 1 - mean cosine between different samples; effective_rank: of their directions, of `compared`.
    """

    name: str
    kind: str
    detail: str
    number: int
    role: Literal["preactivation", "stream", "other"]
    units: int
    samples: int
    kernel: float
    mean: float
    bad: int
    unit_spread: float | None = None
    sample_spread: float | None = None
    predicted: float | None = None
    prediction: str = ""
    growth: float | None = None
    c_w: float | None = None
    c_b: float | None = None
    next_c_w: float | None = None
    gradient: float | None = None
    gradient_norm: float | None = None
    gradient_growth: float | None = None
    activation: str | None = None
    chi_parallel: float | None = None
    chi_perp: float | None = None
    norm_chi_backward: float | None = None
    dead_static: float | None = None
    dead_dynamic: float | None = None
    dead_expected: float | None = None
    saturated: float | None = None
    one_minus_rho: float | None = None
    effective_rank: float | None = None
    compared: int = 0

    @property
    def dead(self) -> float | None:
        """The dead-unit rate, static and dynamic together."""
        return None if self.dead_static is None else self.dead_static + (self.dead_dynamic or 0.0)

    @property
    def called(self) -> str:
        """How sentences name the layer."""
        return f"layer {self.number} ({self.name})"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what, from which layer on, how grave, and a sentence."""

    problem: Problem
    level: Level
    layer: str
    text: str


@dataclass(frozen=True)
class Advice:
    """Calls that mend the model, as Python that works as printed after ``import edgewise as ew``.

    why: a sentence. checked: whether they were carried out on a copy of the model and measured (None: not tried);
    after: what was then found.
    """

    calls: tuple[str, ...]
    why: str
    checked: bool | None = None
    after: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a model, where, and the mend; prints itself in a terminal (rich).

    level and headline: the verdict; reason: in a few sentences. findings: gravest first,
    empty for a healthy model. causes: why, as far as theory knows.
    layers: in the order they run. depth: layers that end in an activation; width: their median number of units.
    mode: "train" or "eval", the mode the model was in and was measured in. loss: the value of the loss, None without
    one (the gradient is then that of a random unit direction at every sample's output). source: where the order of the
    layers comes from. notes: what could not be measured or predicted.
    """

    model: str
    level: Level
    headline: str
    reason: str
    causes: tuple[str, ...]
    findings: tuple[Finding, ...]
    advice: tuple[Advice, ...]
    layers: tuple[LayerDiagnosis, ...]
    depth: int
    width: int
    activations: tuple[str, ...]
    input_kernel: float | None
    output_kernel: float | None
    loss: float | None
    mode: str
    source: str
    notes: tuple[str, ...]
    provenance: Provenance

    def __getitem__(self, name: str) -> LayerDiagnosis:
        """The figures of a layer by its name. Raises KeyError for other names."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def preactivations(self) -> tuple[LayerDiagnosis, ...]:
        """The layers that feed an activation."""
        return tuple(layer for layer in self.layers if layer.role == "preactivation")

    @property
    def stream(self) -> tuple[LayerDiagnosis, ...]:
        """The sums at the end of residual branches."""
        return tuple(layer for layer in self.layers if layer.role == "stream")

    def problems(self) -> set[Problem]:
        """The kinds of all findings."""
        return {finding.problem for finding in self.findings}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; a number that is not finite is None (`bad` counts those)."""
        plain: dict[str, Any] = _plain(self)
        return plain

    def __rich__(self) -> RenderableType:
        from edgewise.measure.diagnosis_view import panel

        return panel(self)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return jsonable(value)
