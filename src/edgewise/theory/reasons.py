"""The verdict in words: which solution an activation is critical at, or why it is at none."""

from __future__ import annotations

import math

import torch

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory.critical_point import CriticalPoint
from edgewise.theory.criticality import Criticality, degree_of

_CONSTANT = "No critical point: σ is constant, so χ∥ = χ⊥ = 0 for every C_W and nothing of the input survives a layer."


def verdict(a: Activation, found: Criticality) -> str:
    """Plain sentences: the preferred solution, its law and the other solutions; or the reason why there is none."""
    sentences = _why_none(a, found) if found.critical is None else _why(found)
    if found.scan is not None and found.scan.shortened:
        sentences.append(found.scan.shortened)
    if a.definition.surrogate is not None:
        sentences.append(_surrogate(a))
    return " ".join(sentences)


def _sentence(text: str) -> str:
    """Capitalised where it starts with a word, not with a symbol: σ must not become Σ, nor dχ∥ Dχ∥."""
    head = text[0].upper() if text[:2].isascii() else text[0]
    return head + text[1:].rstrip(".") + "."


def _why(found: Criticality) -> list[str]:
    best, *others = found.solutions
    sentences = [_named(best), _sentence(best.reason)]
    if best.universality_class != "scale_invariant":
        sentences.append(_sentence(f"With depth l: {best.law}"))
    sentences += [f"Another solution: {_where(p)}, {p.stability} ({p.correction})." for p in others]
    sentences += [_sentence(r.reason) for r in found.rejected]
    return sentences


def _named(point: CriticalPoint) -> str:
    at = f"(C_b, C_W) = ({point.c_b:.9g}, {point.c_w:.9g})"
    match point.universality_class:
        case "scale_invariant":
            return f"Scale-invariant: critical at {at} for every K."
        case "half_stable":
            return f"Half-stable: critical at {at} with K* = {point.kernel:.9g}."
        case "k_star_zero":
            return f"K* = 0 class: critical at {at}, K* = 0 attracts."
        case _:
            return f"K* = 0 class, unstable: critical at {at}, K* = 0 repels."


def _where(point: CriticalPoint) -> str:
    where = "every K" if point.kernel is None else "K* = 0" if point.kernel == 0 else f"K* = {point.kernel:.9g}"
    return f"{where} at (C_b, C_W) = ({point.c_b:.9g}, {point.c_w:.9g})"


def _why_none(a: Activation, found: Criticality) -> list[str]:
    if a.smoothness < 0:
        return [
            "No critical point: σ jumps, so σ' contains a delta function, ⟨σ'²⟩ is infinite and no C_W > 0 "
            "makes χ⊥ = 1."
        ]
    if (degree := degree_of(a)) is not None:
        return _why_not_homogeneous(a, degree)
    assert found.scan is not None
    assert found.asymptotics is not None
    m = found.scan.moments
    if not bool((m.perp > 0).any()):
        return [_CONSTANT]
    live = m.perp > 0
    excess = m.excess[live]
    noise = 8 * m.excess_noise[live]
    sure = excess[excess.abs() > noise]
    low, high = float(excess.min()) + 1, float(excess.max()) + 1
    sentences = []
    if found.rejected:
        sentences.append("No critical point with C_b ≥ 0.")
        sentences += [_sentence(r.reason) for r in found.rejected]
    elif bool(((excess - excess.median()).abs() <= noise.clamp_min(1e-9)).all()):
        sentences.append(f"No critical point: χ∥/χ⊥ = {1 + float(excess.median()):.6g} at every K, whatever C_W.")
    elif len(sure) and bool((sure > 0).all()):
        sentences.append(
            f"No critical point: χ∥ > χ⊥ at every finite K (the ratio runs from {_ratio(low)} to {_ratio(high)}), so "
            "the two cannot be 1 together."
        )
    elif bool((m.parallel[live] <= 0).all()):
        sentences.append("No critical point: g(K) falls with K, so χ∥ < 0 at every K and can never be 1.")
    else:
        sentences.append(
            f"No critical point: χ∥ < χ⊥ at every K (the ratio never exceeds {high:.4g}), so the two cannot be 1 "
            "together."
        )
    return sentences + _at_the_ends(found)


def _ratio(r: float) -> str:
    """Four digits of the ratio, or of its distance from 1 where they would not show it."""
    return f"{r:.4g}" if f"{r:.4g}" != "1" or r == 1 else f"1 {'+' if r > 1 else '−'} {abs(r - 1):.2g}"


def _at_the_ends(found: Criticality) -> list[str]:
    assert found.asymptotics is not None
    ends, sentences = found.asymptotics, []
    if not found.rejected and found.expansion.order == "none":
        sentences += [ends.to_zero.reason, _sentence(found.expansion.reason)]
    sentences.append(ends.to_infinity.reason)
    far = ends.to_infinity
    if far.ratio is not None and abs(far.ratio - 1) < 1e-9 and far.c_w is not None and 0 < far.c_w < math.inf:
        sentences.append(f"So criticality is reached only as K → ∞, where C_W → {far.c_w:.6g}.")
    return sentences


def _why_not_homogeneous(a: Activation, p: float) -> list[str]:
    """RePU and its like: g = g_1 K**p, hence K' = C_W g_1 K**p and a constant ratio (Kim & Kang, arXiv 2408.02697)."""
    if p == 0:
        return [_CONSTANT]
    if p <= 0.5:
        return [f"No critical point: σ(cx) = c^{p:g} σ(x) has ⟨σ'²⟩ = ∞ at every K, so no C_W > 0 makes χ⊥ = 1."]
    at_one = closed_form(a, torch.tensor([-1.0, 1.0], dtype=torch.float64), 0)
    g1 = 2**p * math.gamma(p + 0.5) / math.sqrt(math.pi) * float((at_one**2).mean())
    threshold = g1 ** (-1 / (p - 1))
    ratio = (2 * p - 1) / p
    sentences = [
        f"No critical point: σ(cx) = c^{p:g} σ(x) makes χ∥/χ⊥ = (2p−1)/p = {ratio:.6g} at every K and every C_W, "
        "so the two cannot be 1 together."
    ]
    power = 1 / (p - 1)
    factor = "" if abs(power) < 1e-12 else "/C_W" if power == 1 else f"·C_W^({-power:.4g})"
    law = f"K_l = K_c (K₀/K_c)^({p:g}^l) with K_c = {threshold:.4g}{factor}"
    if p > 1:
        sentences.append(
            f"With C_b = 0 the kernel follows the double-exponential law {law}: it explodes above K_c and vanishes "
            f"below, and at K_c itself χ∥ = {p:g}, χ⊥ = {p * p / (2 * p - 1):.4g}."
        )
    else:
        sentences.append(
            f"With C_b = 0 the kernel settles at K_c, {law}, where χ∥ = {p:g}, χ⊥ = {p * p / (2 * p - 1):.4g}."
        )
    return sentences


def _surrogate(a: Activation) -> str:
    rule = "C_W Φ(α/√K)" if a.name == "helu" else "C_W ⟨s²⟩"
    return (
        "All this holds for the forward map; back-propagation uses another slope s(x) by design, so that gradients see "
        f"χ⊥ = {rule} instead of C_W ⟨σ'²⟩."
    )
