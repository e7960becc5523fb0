"""The solution at K* = 0: which way the kernel moves away from it, and by which law."""

from __future__ import annotations

import math

import torch

from edgewise.activations import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory import laws
from edgewise.theory.asymptotics import Limit
from edgewise.theory.critical_point import CriticalPoint, Rejected, UniversalityClass
from edgewise.theory.expansion import Expansion
from edgewise.theory.laws import Law
from edgewise.theory.scan import Moments, moments


def rejected_at_zero(expansion: Expansion, end: Limit) -> Rejected | None:
    """K -> 0 as a critical point that only sigma(0) != 0 rules out (sigmoid)."""
    if expansion.a2 < 1e-26 or end.ratio is None or abs(end.ratio - 1) > 1e-9 or not math.isfinite(expansion.a2):
        return None
    c_w = 1 / expansion.a2
    c_b = -c_w * expansion.value**2
    why = f"χ∥/χ⊥ → 1 as K → 0, but σ(0) = {expansion.value:.6g} ≠ 0 would need C_b = {c_b:.6g} < 0"
    return Rejected(0.0, c_b, c_w, why)


def point_at_zero(a: Activation, m: Moments, e: Expansion) -> CriticalPoint:
    c_w = 1 / e.a2
    growth = c_w * m.g / m.kernel - 1
    sure = torch.nonzero(growth.abs() > 1e-11).flatten().tolist()
    first = float(growth[sure[0]]) if sure else 0.0
    sign = e.coefficient if e.coefficient is not None else first
    stable = sign < 0
    turning = _turning(a, m, growth, sure, c_w, positive=not stable)
    p_perp: float | None = None
    if e.exponent is not None and e.coefficient is not None:
        b = e.perp_coefficient or 0.0
        p_perp = b / (e.exponent * e.coefficient) if not e.perp_leads else None
        law = laws.power(e.exponent, e.coefficient, p_perp, b, turning)
        correction = _written(e)
    else:
        law, correction = _flat_law(a, e, stable=stable), "exponentially small (flat)"
    name: UniversalityClass = "k_star_zero" if stable else "k_star_zero_unstable"
    return CriticalPoint(
        universality_class=name,
        kernel=0.0,
        c_b=0.0,
        c_w=c_w,
        stability="stable" if stable else "unstable",
        correction=correction,
        p_perp=p_perp,
        law=law,
        reason=_zero_reason(e, c_w, correction, stable=stable, turning=turning),
        basin=(0.0, math.inf if turning is None else turning) if stable else None,
        turning_kernel=turning,
    )


def _written(e: Expansion) -> str:
    name, power = {0.5: ("a_½", "√K"), 1.0: ("a₁", "K")}.get(e.exponent or 0.0, ("a", f"K^{e.exponent:g}"))
    return f"{name} {power} with {name} = {e.coefficient:.6g}"


def _zero_reason(e: Expansion, c_w: float, correction: str, *, stable: bool, turning: float | None) -> str:
    said = (
        f"σ(0) = 0 and σ'(0) ≠ 0, so g(K) ≈ A₂K near 0 with 1/A₂ = {c_w:.9g}; the leading correction is {correction}: "
    )
    if stable:
        said += "K shrinks, ever more slowly, and K* = 0 attracts"
        return said + ("" if turning is None else f" every K₀ < {turning:.4g}; larger ones grow")
    said += "K grows away from 0, ever faster"
    if turning is not None:
        said = said.replace(", ever faster", "") + f", but only until K ≈ {turning:.4g}, where g(K) = A₂K again"
    return said


def _turning(
    a: Activation, m: Moments, growth: torch.Tensor, sure: list[int], c_w: float, *, positive: bool
) -> float | None:
    """The smallest K > 0 at which C_W g(K) = K beyond noise, K moving the other way above it."""
    from scipy.optimize import brentq

    other = next((n for n, i in enumerate(sure) if bool(growth[i] < 0) == positive), None)
    if not other:
        return None

    def motion(log_kernel: float) -> float:
        k = torch.tensor([math.exp(log_kernel)], dtype=torch.float64)
        return float(c_w * moments(a, k).g[0] / k[0] - 1)

    low, high = (math.log(float(m.kernel[sure[n]])) for n in (other - 1, other))
    return math.exp(float(brentq(motion, low, high, xtol=1e-12)))


def _flat_law(a: Activation, e: Expansion, *, stable: bool) -> Law:
    """B, q and c of the exponentially small correction, from the jump of sigma' or sigma'' at the nearest kinks."""
    kinks = sorted((k for k in a.kinks if k != 0.0), key=abs)
    for kink in kinks:
        c = abs(kink)
        level = [k for k in kinks if abs(abs(k) - c) < 1e-9 * c]
        for order in (1, 2):
            total = sum(2 * _outward(a, k, 0) * _jump(a, k, order) for k in level)
            if abs(total) > 1e-6:
                coefficient = total / (math.sqrt(2 * math.pi) * e.a2 * c ** (order + 1))
                return laws.flat(coefficient, order - 0.5, c)
    kept = "shrinks" if stable else "grows"
    return Law(f"K {kept}, more slowly than any power of K: |K' − K| is exponentially small in 1/K", "flat")


def _outward(a: Activation, x: float, order: int) -> float:
    """Derivative of y -> sigma(sign(x) y) at y = |x|."""
    at = torch.tensor([x], dtype=torch.float64)
    return math.copysign(1.0, x) ** order * float(closed_form(a, at, order)[0])


def _jump(a: Activation, kink: float, order: int) -> float:
    return _outward(a, kink * (1 + 1e-9), order) - _outward(a, kink * (1 - 1e-9), order)
