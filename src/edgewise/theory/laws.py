"""How the kernel moves with depth near a critical point: the law of each class, as a sentence and as numbers.

All laws follow from the map ``K' = C_b + C_W g(K)`` at (C_W, C_b) of the critical point, depth l counted as continuous.

* K* = 0 with ``g = A_2 K (1 + a K**s)``: dK/dl = a K**(1+s), so ``K**(-s) = K_0**(-s) - s a l``. For a < 0,
  K -> (1/(s|a| l))**(1/s), chi_parallel = 1 + (1+s) a K**s -> 1 - (1 + 1/s)/l, chi_perp = 1 + b K**s -> 1 - p/l with
  p = b/(s a). (s = 1: PDLT section 5.3.3; s = 1/2: K -> 4/(a**2 l**2), 1 - 3/l, 1 - 2/l as b = a.) For a > 0 the kernel
  doubles by l = (1 - 2**-s)/(s a K_0**s) and diverges near 1/(s a K_0**s).
* K* = 0, flat: sigma is straight for |z| < c, where its m-th derivative jumps by J (outwards). The Gaussian tail
  <(z-c)_+**m / m!> -> K**(m+1/2) exp(-c**2/2K) / (c**(m+1) sqrt(2 pi)) gives g/(A_2 K) - 1 -> B K**q exp(-c**2/2K) with
  q = m - 1/2, B = sum 2 sigma(c) J/(sqrt(2 pi) A_2 c**(m+1)). With u = c**2/2K this is
  du/dl = -B (c**2/2)**q u**(1-q) exp(-u), whence
  u + (q-1) log u -> log(|B| (c**2/2)**q l): K -> c**2/(2 log l), chi_parallel = 1 - du/dl -> 1 - 1/l.
* K* > 0, half-stable: delta = K - K* obeys delta' = delta + (c/2) delta**2, c = dchi_parallel/dK, so delta -> -2/(c l)
  on the attracting side, chi_parallel -> 1 - 2/l and chi_perp = 1 + d delta -> 1 - p/l with p = 2d/c, d = dchi_perp/dK.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Form = Literal["constant", "power", "flat", "half_stable"]


@dataclass(frozen=True)
class Law:
    """Depth dependence of the kernel near a critical point; ``str()`` gives the sentence.

    form: "constant"; "power", dK/dl = coefficient K**(1+exponent); "flat", with kink distance, coefficient B and
        exponent q of the module's head; "half_stable", with kernel K* and coefficient c.
    """

    text: str
    form: Form
    kernel_star: float = 0.0
    coefficient: float = 0.0
    exponent: float = 0.0
    distance: float = math.inf

    def __str__(self) -> str:
        return self.text

    def kernel(self, layers: Tensor, k0: float) -> Tensor:
        """K after that many layers when it started at k0, by the law alone: float64, +inf where it has diverged."""
        l = layers.to(torch.float64)  # noqa: E741 - the field's letter for depth
        if self.form == "constant":
            return torch.full_like(l, k0)
        if self.form == "half_stable":
            return self.kernel_star + 1 / (1 / (k0 - self.kernel_star) - 0.5 * self.coefficient * l)
        if self.form == "power":
            s = self.exponent
            inverse = k0**-s - s * self.coefficient * l
            return torch.where(inverse > 0, inverse.clamp_min(1e-300) ** (-1 / s), math.inf)
        return self._flat(l, k0)

    def _flat(self, l: Tensor, k0: float) -> Tensor:  # noqa: E741
        half = 0.5 * self.distance**2
        power = self.exponent - 1

        def clock(u: Tensor) -> Tensor:  # exp(u) u**(q-1), linear in depth
            return torch.exp(u) * u**power

        start = float(clock(torch.tensor(half / k0, dtype=torch.float64)))
        target = start - self.coefficient * half**self.exponent * l
        u = torch.log(target.clamp_min(math.e))
        for _ in range(60):  # u = log(target) - (q-1) log(u): a contraction for u > |q-1|
            u = (torch.log(target.clamp_min(math.e)) - power * torch.log(u)).clamp_min(1.0)
        return torch.where(target > 0, half / u, math.inf)

    def horizon(self, k0: float) -> float:
        """Layers until the law takes a growing K to infinity, 1/(s a k0**s) near K* = 0; math.inf where it does not."""
        if self.form == "power" and self.coefficient > 0:
            return float(1 / (self.exponent * self.coefficient * k0**self.exponent))
        if self.form == "half_stable" and (k0 - self.kernel_star) * self.coefficient > 0:
            return 2 / (self.coefficient * (k0 - self.kernel_star))
        return math.inf


def scale_invariant() -> Law:
    """Every kernel stays where it is."""
    return Law("K stays where it starts, at every depth: χ∥ = χ⊥ = 1 at every K", "constant")


def power(
    exponent: float, coefficient: float, p_perp: float | None, perp_coefficient: float, turning: float | None
) -> Law:
    """K* = 0 with the leading correction ``coefficient * K**exponent``; a growing K ends at `turning`."""
    s, a = exponent, coefficient
    size = f"{abs(s * a):.4g}"
    root = "" if s == 1 else f"^{1 / s:g}"
    if a > 0:
        k0 = "K₀" if s == 1 else "√K₀" if s == 0.5 else f"K₀^{s:g}"
        end = f"run away by l ≈ {1 / (s * a):.3g}/{k0}"
        if turning is not None:
            end = f"levelling off at K ≈ {turning:.4g}"
        text = f"K grows as K₀/(1 − {size} {k0} l){root}: doubled by l ≈ {(1 - 2**-s) / (s * a):.3g}/{k0}, {end}"
        return Law(text, "power", coefficient=a, exponent=s)
    perp = (
        f"χ⊥ ≈ 1 − {p_perp:.4g}/l"
        if p_perp is not None
        else f"χ⊥ − 1 of lower order than 1/l (its correction at K^{s:g} is {perp_coefficient:.3g})"
    )
    kernel = "1/l" if size == "1" and s == 1 else f"1/({size} l){root}"
    if s == 0.5:
        kernel = f"4/({abs(a):.4g} l)² = {4 / a**2:.4g}/l²"
    return Law(f"K ≈ {kernel}, χ∥ ≈ 1 − {1 + 1 / s:.4g}/l, {perp}", "power", coefficient=a, exponent=s)


def flat(coefficient: float, exponent: float, distance: float) -> Law:
    """K* = 0 with the correction ``coefficient * K**exponent * exp(-distance**2/2K)``."""
    half = 0.5 * distance**2
    if coefficient > 0:
        text = f"K grows, but exponentially slowly: it keeps its size for about exp({half:.4g}/K₀) layers"
    else:
        text = f"K ≈ {half:.4g}/log l, χ∥ ≈ 1 − 1/l: from a small K₀ it stays put for about exp({half:.4g}/K₀) layers"
    return Law(text, "flat", coefficient=coefficient, exponent=exponent, distance=distance)


def half_stable(kernel: float, parallel_slope: float, p_perp: float) -> Law:
    """K* > 0 with c = dchi_parallel/dK at K*."""
    above = parallel_slope < 0
    side = "K − K*" if above else "K* − K"
    p = f"{'−' if p_perp >= 0 else '+'} {abs(p_perp):.4g}"
    text = (
        f"from {'above' if above else 'below'}, {side} ≈ 2/({abs(parallel_slope):.4g} l) = "
        f"{2 / abs(parallel_slope):.4g}/l, χ∥ ≈ 1 − 2/l, χ⊥ ≈ 1 {p}/l"
    )
    return Law(text, "half_stable", kernel_star=kernel, coefficient=parallel_slope)
