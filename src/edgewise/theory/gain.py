"""`ew.gain`: the gain and the bias of a layer fed by an activation, by a named principle.

What ``torch.nn.init.calculate_gain`` is for: weights of variance gain**2 / fan_in. torch knows six functions and
guesses for three of them; here every activation has an answer that says where it comes from.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError, NoInitialisationError
from edgewise.theory import domain, kernels

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.theory.critical_point import CriticalPoint

Principle = Literal["critical", "forward", "backward", "averaged"]
PRINCIPLES: tuple[Principle, ...] = get_args(Principle)


@dataclass(frozen=True)
class Gain:
    """Weights of variance gain**2 / fan_in and biases of variance bias_std**2, for a layer that an activation feeds.

    ``float(g)`` is the gain. principle: "critical", "forward", "backward", "averaged", or "tailored" for an activation
    that was made for one setting. kernel: the K at which all of this is meant; None where every K is alike, 0 in the
    limit. growth: mean square of the next preactivation over K there; chi_parallel, chi_perp: susceptibilities there,
    by which perturbations along and across a signal (and, across, squared gradients) grow in every layer.
    """

    activation: str
    gain: float
    bias_std: float
    principle: str
    kernel: float | None
    growth: float
    chi_parallel: float
    chi_perp: float
    reason: str

    def __float__(self) -> float:
        return self.gain

    @property
    def c_w(self) -> float:
        """C_W = gain**2: weight variance x fan-in."""
        return self.gain**2

    @property
    def c_b(self) -> float:
        """C_b = bias_std**2: bias variance."""
        return self.bias_std**2

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        bias = f", bias std {self.bias_std:.10g}" if self.bias_std else ", no bias"
        numbers = f"gain {self.gain:.10g}{bias}  (C_W = {self.c_w:.10g}, C_b = {self.c_b:.10g})"
        at = "at any K" if self.kernel is None else f"at K = {self.kernel:.6g}"
        flow = f"{at}: K × {self.growth:.4g} a layer, χ∥ = {self.chi_parallel:.4g}, χ⊥ = {self.chi_perp:.4g}"
        return Panel(
            Group(Text(numbers, style="bold"), Text(flow), Text(self.reason)),
            title=Text(f"{self.activation} · {self.principle}", style="bold"),
            padding=(1, 2),
        )


def gain(a: Activation | object, *, principle: Principle | None = None, kernel: float | None = None) -> Gain:
    """The gain and bias standard deviation of a layer whose input is sigma(z), z ~ N(0, K).

    principle: "critical" (the default where there is a critical point): C_W and C_b with chi_parallel = chi_perp = 1
    at K* (PDLT chapter 5). "forward" (the default elsewhere): E[z'**2] = K and no bias, C_W = K / <sigma**2>, He's
    condition for any sigma. "backward": gradients keep their variance, C_W = 1 / <sigma'**2>, He's other condition
    (Delving Deep into Rectifiers, 2.2), meant with fan_out where a network's widths differ. "averaged": C_W = 2 /
    (<sigma**2>/K + <sigma'**2>), so that the mean of the two growth rates is 1: Glorot and Bengio's compromise (2010,
    eq. 12), which is the harmonic mean of the two variances. Backward and averaged add the bias that makes K a fixed
    point where C_b = K - C_W <sigma**2> >= 0: backward is then a point on the line chi_perp = 1.
    kernel: the K of the last three, 1 unless given.

    Raises DomainError for another principle, K <= 0, "critical" where there is no critical point or with a K, and
    NoInitialisationError where the average is 0 or infinite.

    >>> import edgewise as ew
    >>> g = ew.gain("gelu")
    >>> print(f"{float(g):.6f} {g.bias_std:.6f} {g.principle}")
    1.408211 0.415839 critical
    """
    a = activation(a)
    if principle is not None and principle not in PRINCIPLES:
        raise DomainError(f"principle={principle!r} given, expected one of {', '.join(PRINCIPLES)}; try principle=None")
    if kernel is not None and principle in {None, "critical"}:
        raise DomainError(
            f"kernel={kernel!r} given without a principle that has one to choose; "
            "try principle='forward', 'backward' or 'averaged'"
        )
    point = getattr(a.facts, "operating_point", None)
    if principle is None and point is not None:
        return _tailored(a, *point)
    if principle in {None, "critical"}:
        from edgewise.theory.criticality import critical_points

        found = critical_points(a)
        if found:
            return _critical(a, found[0])
        if principle == "critical":
            raise DomainError(f"{a.spec} has no critical point; try principle='forward', or ew.tailor")
    size = 1.0 if kernel is None else domain.one_positive("kernel", kernel)
    return _preserving(a, principle or "forward", size, chosen=principle is not None)


def _critical(a: Activation, point: CriticalPoint) -> Gain:
    if point.kernel is None:
        where = "every kernel is kept (scale-invariant), so any input scale will do"
    elif point.kernel > 0.0:
        where = f"at K*={point.kernel:.6g}: the first layer should give K={point.kernel:.4g}"
    elif point.stability == "unstable":
        where = "in the limit K -> 0, which repels: the first layer should give a small K; theory.recommend says which"
    else:
        where = "in the limit K -> 0, which attracts slowly, so K=1 will do to begin with"
    reason = f"{a.spec} is critical, chi_parallel = chi_perp = 1, {where}"
    return Gain(a.spec, math.sqrt(point.c_w), math.sqrt(point.c_b), "critical", point.kernel, 1.0, 1.0, 1.0, reason)


def _tailored(a: Activation, kernel: float, c_w: float, c_b: float) -> Gain:
    growth = (c_b + c_w * float(kernels.kernel(a, kernel))) / kernel
    along, across = (float(chi(a, kernel, c_w=c_w)) for chi in (kernels.chi_parallel, kernels.chi_perp))
    reason = f"{a.spec} was tailored for C_W={c_w:.6g}, C_b={c_b:.6g} and "
    if a.homogeneity == 1:
        reason += "keeps every kernel (scale-invariant), so any input scale will do"
        return Gain(a.spec, math.sqrt(c_w), math.sqrt(c_b), "tailored", None, growth, along, across, reason)
    reason += f"K={kernel:.6g}, which the first layer must give"
    return Gain(a.spec, math.sqrt(c_w), math.sqrt(c_b), "tailored", kernel, growth, along, across, reason)


def _preserving(a: Activation, principle: Principle, k: float, *, chosen: bool) -> Gain:
    """C_W from the growth of K and of squared gradients at C_W = 1, C_b = 0."""
    forward, backward = float(kernels.kernel(a, k)) / k, float(kernels.chi_perp(a, k))
    rate = {"forward": forward, "backward": backward, "averaged": (forward + backward) / 2.0}[principle]
    if not (math.isfinite(rate) and rate > 0.0):
        raise NoInitialisationError(
            f"{a.spec}: no gain by {principle!r}, since <sigma**2>/K = {forward:g} and <sigma'**2> = {backward:g} at "
            f"K={k:g}; expected a finite number > 0; try another principle or kernel"
        )
    c_w = 1.0 / rate
    c_b = 0.0 if principle == "forward" else max(0.0, k - c_w * forward * k)
    if c_b < 1e-12 * k:
        c_b = 0.0
    growth = c_b / k + c_w * forward
    along, across = float(kernels.chi_parallel(a, k, c_w=c_w)), c_w * backward
    reason = _preserving_reason(a, principle, k, c_b, growth, along, across)
    if not chosen:
        reason = f"{a.spec} has no critical point; {reason}; theory.recommend(a, depth) and ew.tailor say more"
    return Gain(a.spec, math.sqrt(c_w), math.sqrt(c_b), principle, k, growth, along, across, reason)


def _preserving_reason(
    a: Activation, principle: Principle, k: float, c_b: float, growth: float, along: float, across: float
) -> str:
    said = {
        "forward": "keeps the mean square of preactivations",
        "backward": "keeps the mean square of gradients",
        "averaged": "makes the mean of the forward and the backward growth 1",
    }[principle]
    surrogate = ""
    if a.definition.surrogate is not None and principle != "forward":
        surrogate = "; back-propagation uses another slope than sigma', which this does not count"
    steady = abs(growth - 1.0) <= 1e-9
    if a.homogeneity == 1:
        moves = "" if steady else f"; K changes by a factor of {growth:.4g} a layer"
        return f"{said}, at every K{moves}{surrogate}"
    if not steady:
        return f"{said} at K={k:g}: K changes by a factor of {growth:.4g} a layer, chi_perp={across:.4g}{surrogate}"
    fixed = " (the bias makes it a fixed point)" if c_b else ""
    steepness = abs(along) - 1.0
    marginal = "neither attracts nor repels to first order"
    holds = marginal if abs(steepness) <= 1e-9 else "repels" if steepness > 0.0 else "attracts"
    return (
        f"{said} at K={k:g}{fixed}, which {holds}: chi_parallel={along:.4g}, chi_perp={across:.4g} a layer{surrogate}"
    )
