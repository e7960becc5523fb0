"""From the class of an activation and the depth of a network to one initialisation: C_W, C_b and K(1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from edgewise.activations import Activation, activation
from edgewise.errors import NoInitialisationError
from edgewise.theory import domain
from edgewise.theory.flow import BAND, layers_inside
from edgewise.theory.interpolant import KernelFunctions, kernel_functions
from edgewise.theory.residual import branch_scaling, with_skip

if TYPE_CHECKING:
    from edgewise.theory.criticality import CriticalPoint

HORIZON_MARGIN = 2
"""An unstable K*=0 gets a K0 whose horizon is this many times the depth: over the depth K then grows by about 4/3."""
DEVIATIONS = 3.0
"""... even for a network whose empirical kernel is this many standard deviations above the mean at the width given."""
DECADE = 10.0
BASIN_MARGIN = 10.0
"""How far below the end of its basin a flow to a stable K*=0 begins."""
UNKNOWN_WIDTH_SPREAD = 0.1
"""Relative deviation of a network's first kernel from k0 that "least bad" must survive where no width is given; it is
sqrt(2/width) where one is."""


@dataclass(frozen=True)
class Initialisation:
    """How to initialise a plain network of one activation.

    c_w, c_b: weight variance x fan-in and bias variance of every hidden layer. k0: the kernel that the first layer
    should give, K(1). principle: "half_stable", "scale_invariant", "k_star_zero", "k_star_zero_unstable", "least_bad",
    or "tailored" for an activation that was made for one kernel (`Facts.operating_point`).
    layers: how many layers K stays near k0 at infinite width (math.inf: no end was found); reason: all in a sentence.
    """

    c_w: float
    c_b: float
    k0: float
    principle: str
    layers: float
    skip: float
    reason: str
    first_layer_note: str

    def first_layer(self, mean_square: float = 1.0) -> tuple[float, float]:
        """(C_W, C_b) of the first layer that put K(1) at k0 for inputs of this mean square.

        Raises DomainError when mean_square <= 0.
        """
        size = domain.one_positive("mean_square", mean_square)
        bias = self.c_b if self.c_b < self.k0 else 0.0
        return (self.k0 - bias) / size, bias

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)


def recommend(a: Activation | object, depth: int, *, width: int | None = None, skip: float = 0.0) -> Initialisation:
    """The initialisation that theory recommends for a network of `depth` layers.

    The operating point of an activation that was made for one (`ew.tailor`). For others a critical point where there is
    one: a half-stable K* or a scale-invariant line, else a stable K*=0, else an unstable K*=0 with a K0 small enough
    for the depth (and the fluctuations at `width`); without any, the least bad choice: C_b=0 and the C_W and K0 that
    keep K within a decade for the most layers. skip: residual strength gamma.
    Raises DomainError when depth < 1, width < 1 or |skip| > 1, and NoInitialisationError where nothing helps.
    """
    a = activation(a)
    depth = domain.layers(depth)
    if width is not None:
        width = domain.neurons(width)
    gamma = domain.skip_strength(skip)
    if a.facts.operating_point is not None:
        return _tailored(a, depth, a.facts.operating_point, gamma)
    point = _preferred(a)
    if point is None:
        return _least_bad(a, depth, width, gamma)
    if abs(gamma) < 1.0:
        c_w, c_b = with_skip(point.c_w, point.c_b, gamma)
        residual = f", times 1 - skip**2 = {1 - gamma * gamma:.4g}" if gamma else ""
    else:
        scaling = branch_scaling(depth)
        c_w, c_b = point.c_w * scaling.factor**2, point.c_b * scaling.factor**2
        residual = f", divided by {depth} branches"
    setting = _Setting(a, depth, width, gamma, c_w, c_b, point, residual)
    made = _AT_CRITICALITY[point.universality_class](setting)
    return made if abs(gamma) < 1.0 else replace(made, reason=f"{made.reason}; {branch_scaling(depth).reason}")


def _tailored(a: Activation, depth: int, point: tuple[float, float, float], skip: float) -> Initialisation:
    """What the activation was made for; under a skip its branch keeps that kernel, or adds e to it in all."""
    k0, c_w, c_b = point
    share = 1.0 - skip * skip if abs(skip) < 1.0 else branch_scaling(depth).factor ** 2
    stays = "K stays there" if abs(skip) < 1.0 else "K grows by about e in all"
    reason = f"{a.spec} was made for K={k0:g} at C_W={c_w:g} and C_b={c_b:g}: start there and {stays}"
    if skip:
        reason += f"; the branch beside the skip gets {share:.4g} of both"
    return _initialisation(a, share * c_w, share * c_b, k0, "tailored", skip, reason)


def _preferred(a: Activation) -> CriticalPoint | None:
    """Half-stable or scale-invariant before stable K*=0 before unstable K*=0; the first of equals."""
    from edgewise.theory.criticality import critical_points

    order = ("half_stable", "scale_invariant", "k_star_zero", "k_star_zero_unstable")
    points = [p for p in critical_points(a) if p.universality_class in order]
    return min(points, key=lambda p: order.index(p.universality_class), default=None)


@dataclass(frozen=True)
class _Setting:
    """A network at one critical point; c_w and c_b allow for the skip already, and `residual` says how."""

    activation: Activation
    depth: int
    width: int | None
    skip: float
    c_w: float
    c_b: float
    point: CriticalPoint
    residual: str

    @property
    def name(self) -> str:
        return self.activation.spec

    @property
    def values(self) -> str:
        return f"(C_b={self.c_b:.6g}, C_W={self.c_w:.6g}{self.residual})"

    @property
    def functions(self) -> KernelFunctions:
        return kernel_functions(self.activation)


def _half_stable(of: _Setting) -> Initialisation:
    k0 = float(of.point.kernel or 0.0)
    reason = f"{of.name} has a half-stable critical point at K*={k0:.6g} {of.values}: start there and K stays there"
    spread = _spread(of.width)
    for start, side in ((1.0 - spread, "below"), (1.0 + spread, "above")):
        kept = layers_inside(of.functions, of.depth, of.c_w, of.c_b, k0 * start, of.skip, k0 / DECADE, k0 * DECADE)
        if kept < of.depth:
            reason += (
                f", but a network that starts {100 * spread:.2g} % {side} leaves its decade after {kept:.0f} layers"
            )
    return _initialisation(of.activation, of.c_w, of.c_b, k0, "half_stable", of.skip, reason)


def _scale_invariant(of: _Setting) -> Initialisation:
    kept = "every K is kept" if abs(of.skip) < 1.0 else "every K grows by about e in all"
    reason = f"{of.name} is scale-invariant: at criticality {of.values} {kept}, so K=1 will do"
    return _initialisation(of.activation, of.c_w, of.c_b, 1.0, "scale_invariant", of.skip, reason)


def _stable_zero(of: _Setting) -> Initialisation:
    end = of.point.basin[1] if of.point.basin is not None else math.inf
    k0 = min(1.0, end / BASIN_MARGIN)
    where = "so K=1, where the first layers are nonlinear, will do"
    if k0 < 1.0:
        where = f"if that was below K={end:.3g}, so K0={k0:.3g} leaves a factor of {BASIN_MARGIN:g}"
    reason = (
        f"{of.name} has a stable critical point at K*=0 {of.values}: K falls only slowly "
        f"and forgets where it began, {where}"
    )
    return _initialisation(of.activation, of.c_w, of.c_b, k0, "k_star_zero", of.skip, reason)


def _unstable_zero(of: _Setting) -> Initialisation:
    spread = 0.0 if of.width is None else math.sqrt(2.0 * (of.depth + 1) / of.width)
    room = math.exp(DEVIATIONS * spread)
    k0 = _largest_start(of.functions, HORIZON_MARGIN * of.depth, of.c_w, of.c_b, of.skip, room)
    reason = (
        f"{of.name} has a critical point at K*=0 that repels {of.values}: K grows from layer to "
        f"layer and blows up if it starts too large; K0={k0:.3g} keeps it within a factor of "
        f"{_factor(of.skip):.3g} for {HORIZON_MARGIN} x {of.depth} layers"
    )
    if of.width is not None:
        reason += (
            f", even where a network of width {of.width} starts {DEVIATIONS:g} standard deviations "
            f"({room:.3g} times) above"
        )
    return _initialisation(of.activation, of.c_w, of.c_b, k0, "k_star_zero_unstable", of.skip, reason)


_AT_CRITICALITY = {
    "half_stable": _half_stable,
    "scale_invariant": _scale_invariant,
    "k_star_zero": _stable_zero,
    "k_star_zero_unstable": _unstable_zero,
}


def _largest_start(functions: KernelFunctions, layers: int, c_w: float, c_b: float, skip: float, room: float) -> float:
    """The largest K0 <= 1/room such that flows from K0*room and from below it stay in the band for `layers` layers."""

    band = _factor(skip)

    def holds(log_k: float) -> bool:
        k = math.exp(log_k)
        return layers_inside(functions, layers, c_w, c_b, k, skip, k / band, k * band) >= layers

    low, high = math.log(1e-60), 0.0
    step = math.log(10.0)
    while low + step < high and holds(low + step):
        low += step
    if low + step >= high and holds(high):
        low = high
    else:
        high = min(low + step, high)
        while high - low > 1e-3:
            middle = 0.5 * (low + high)
            low, high = (middle, high) if holds(middle) else (low, middle)
    return math.exp(low) / room


def _factor(skip: float) -> float:
    """How far K may move: identity skips alone multiply it by about e in the depth."""
    return BAND if abs(skip) < 1.0 else BAND * math.exp(HORIZON_MARGIN)


@dataclass(frozen=True)
class _Candidate:
    c_w: float
    k0: float
    layers: float
    gradient_layers: float


def _least_bad(a: Activation, depth: int, width: int | None, skip: float) -> Initialisation:
    """C_b=0 and C_W=K0(1-skip**2)/g(K0), so that K0 is a fixed point, at the K0 of a grid whose K survives longest.

    Survives: flows from K0(1+-spread) stay within a decade of K0, for the spread of a real network's first kernel.
    What survives the whole depth is ranked by how long chi_perp keeps gradients within a decade, then by the distance
    of K0 from 1.
    """
    spread = _spread(width)
    best = max(_candidates(kernel_functions(a), depth, spread, skip), key=_rank(depth), default=None)
    if best is None or best.layers < 1:
        raise NoInitialisationError(
            f"{a.spec}: no C_W and K0 keep its kernel finite; expected 0 < <sigma**2> < inf for some K; "
            "try a bounded activation"
        )
    long = best.layers >= depth
    kept = f"all {depth} layers" if long else f"{int(best.layers)} layer{'s' if best.layers > 1 else ''} of the {depth}"
    reason = (
        f"{a.spec} has no critical point; the least bad is C_b=0, C_W={best.c_w:.6g} with K0={best.k0:.4g}, where K "
        f"stays within a decade of K0 for {kept} when a network starts {100 * spread:.2g} % off"
    )
    if best.gradient_layers == 0.0:
        reason += "; nearby inputs cannot stay near each other: chi_perp is infinite or 0"
    elif best.gradient_layers < depth:
        reason += f", while gradients change by a factor of 10 every {best.gradient_layers:.3g} layers"
    return _initialisation(a, best.c_w, 0.0, best.k0, "least_bad", skip, reason, layers=best.layers)


def _spread(width: int | None) -> float:
    """Relative standard deviation of a network's first kernel."""
    return UNKNOWN_WIDTH_SPREAD if width is None else min(0.9, math.sqrt(2.0 / width))


def _candidates(functions: KernelFunctions, depth: int, spread: float, skip: float) -> Iterator[_Candidate]:
    room = 1.0 - skip * skip if abs(skip) < 1.0 else 1.0 / depth
    grid = torch.logspace(-4, 4, 161, dtype=torch.float64)
    values, slopes = functions.kernel(grid), functions.chi_perp(grid)
    for k0, g, slope in zip(grid.tolist(), values.tolist(), slopes.tolist(), strict=True):
        if not (math.isfinite(g) and g > 0.0):
            continue
        c_w = room * k0 / g
        layers = min(
            layers_inside(functions, depth, c_w, 0.0, k0 * start, skip, k0 / DECADE, k0 * DECADE)
            for start in (1.0 - spread, 1.0 + spread)
        )
        chi = c_w * slope + skip * skip
        rate = abs(math.log(chi)) if 0.0 < chi < math.inf else math.inf
        yield _Candidate(c_w, k0, layers, math.log(DECADE) / rate if rate > 0.0 else math.inf)


def _rank(depth: int) -> Any:
    def rank(c: _Candidate) -> tuple[float, float, float]:
        return min(c.layers, depth), min(round(c.gradient_layers, 6), depth), -abs(math.log(c.k0))

    return rank


def _initialisation(
    a: Activation,
    c_w: float,
    c_b: float,
    k0: float,
    principle: str,
    skip: float,
    reason: str,
    layers: float | None = None,
) -> Initialisation:
    if layers is None:
        layers = layers_inside(kernel_functions(a), 10**5, c_w, c_b, k0, skip, k0 / BAND, k0 * BAND)
    bias = f" and C_b={c_b:.4g}" if c_b else " and no bias"
    note = (
        f"the first layer alone sets K(1)={k0:.4g}: for inputs of mean square 1 it has C_W={k0 - c_b:.4g}{bias}; "
        "the last layer's C_W sets the scale of the output"
    )
    return Initialisation(c_w, c_b, k0, principle, layers, skip, reason, note)
