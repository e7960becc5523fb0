"""What happens as K -> 0 and K -> infinity: the limits of chi_parallel/chi_perp and of C_W = 1/<sigma'**2>."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgewise.theory.expansion import Expansion
from edgewise.theory.scan import Scan

Approach = Literal["constant", "power", "logarithmic", "unsettled"]


@dataclass(frozen=True)
class Limit:
    """One end of the K axis.

    ratio: limit of chi_parallel/chi_perp (None where it has none that shows in the range looked at; see `reason`).
    c_w: limit of 1/<sigma'**2> (0 and inf are answers; None as above). growth: d log g / d log K at the end looked at.
    approach: how the ratio gets there; "logarithmic" is so slow that no number is given.
    """

    kernel: float
    ratio: float | None
    c_w: float | None
    growth: float
    approach: Approach
    reason: str


@dataclass(frozen=True)
class Asymptotics:
    """Both ends of the K axis."""

    to_zero: Limit
    to_infinity: Limit


def asymptotics(scan: Scan, expansion: Expansion) -> Asymptotics:
    """The limits for K -> 0, from the Taylor series at 0 where there is one, and for K -> infinity, from the scan."""
    if not bool((scan.moments.perp > 0).any()):
        nothing = "σ' = 0 almost everywhere: χ∥ = χ⊥ = 0 at every K."
        return Asymptotics(*(Limit(k, None, math.inf, 0.0, "constant", nothing) for k in (0.0, math.inf)))
    return Asymptotics(_to_zero(scan, expansion), _to_infinity(scan))


def _growth(scan: Scan, index: int) -> float:
    m = scan.moments
    return float(m.kernel[index] * m.parallel[index] / m.g[index]) if float(m.g[index]) else 0.0


def _to_zero(scan: Scan, expansion: Expansion) -> Limit:
    m = scan.moments
    growth = _growth(scan, 0)
    ratio, c_w = _series_limit(expansion)
    approach: Approach = "power"
    if ratio is None:
        excess, approach = _extrapolated([float(m.excess[i]) for i in _decades(scan, first=True)])
        ratio = None if excess is None or approach == "logarithmic" else 1 + excess
        if c_w is None and growth > 1e-3:
            c_w = math.inf
    return Limit(0.0, ratio, c_w, growth, approach, f"As K → 0 the ratio χ∥/χ⊥ {_told(ratio)}{_told_c_w(c_w)}.")


def _series_limit(e: Expansion) -> tuple[float | None, float | None]:
    """(ratio, C_W) as K -> 0 from the one-sided Taylor series, None for what it does not say."""
    if e.jets is None:
        return (1.0, 1 / e.a2) if e.order != "none" else (None, None)
    if e.order != "none":
        return 1.0, 1 / e.a2
    left, right = (j.derivatives for j in e.jets)
    value = right[0]
    if abs(value) > 1e-13 and e.a2 > 1e-26:
        jump = (right[1] + left[1]) * value  # sigma(0) (sigma'(0+) - sigma'(0-)), over sqrt(2 pi K)
        if abs(jump) > 1e-13:
            return math.copysign(math.inf, jump), 1 / e.a2
        return 1 + value * 0.5 * (right[2] + left[2]) / e.a2, 1 / e.a2
    bend = value * (right[2] + left[2])
    if e.a2 <= 1e-26 and abs(bend) > 1e-13:  # chi_parallel/C_W -> sigma sigma'' while <sigma'**2> -> 0
        return math.copysign(math.inf, bend), math.inf
    if abs(value) <= 1e-13:
        first = min((k for s in (left, right) for k, d in enumerate(s) if k and abs(d) > 1e-12), default=0)
        if first:
            return (2 * first - 1) / first, math.inf if first > 1 else 1 / e.a2
    return None, math.inf if e.a2 < 1e-26 else None


def _to_infinity(scan: Scan) -> Limit:
    m = scan.moments
    top = float(m.kernel[-1])
    growth = _growth(scan, -1)
    if scan.shortened:
        now = float(m.excess[-1]) + 1
        text = f"Up to the largest K with finite averages ({top:.3g}) the ratio χ∥/χ⊥ has come to {now:.4g}."
        return Limit(top, None, None, growth, "unsettled", text)
    excess, approach = _extrapolated([float(m.excess[i]) for i in _decades(scan, first=False)])
    perp = [float(m.perp[i]) for i in _decades(scan, first=False)]
    c_w = _limit_of_c_w(perp)
    ratio = None if excess is None else 1 + excess
    if approach == "logarithmic":
        towards = "" if ratio is None else f", towards {ratio:.4g}"
        now = 1 + float(m.excess[-1])
        text = f"As K → ∞ the ratio χ∥/χ⊥ changes only logarithmically{towards}; it is still {now:.4g} at K = {top:g}."
    elif ratio is not None:
        ratio = 0.0 if abs(ratio) < 1e-6 else ratio
        text = f"As K → ∞ the ratio χ∥/χ⊥ {_told(ratio)}{_told_c_w(c_w)}."
    else:
        text = f"As K → ∞ the ratio χ∥/χ⊥ has no limit that shows up to K = {top:g}."
    return Limit(math.inf, ratio, c_w, growth, approach, text)


def _decades(scan: Scan, *, first: bool) -> list[int]:
    """Indices of the last point and those one, two and three decades inside it."""
    count = len(scan.moments.kernel)
    step = min(16, max(1, (count - 1) // 3))
    return [min(i * step, count - 1) if first else max(count - 1 - i * step, 0) for i in range(4)]


def _extrapolated(v: list[float]) -> tuple[float | None, Approach]:
    """Limit of a sequence given at its end, one, two and three decades before it.

    A power law in K makes the differences a geometric series, which Aitken's rule sums. Differences that shrink by less
    than a quarter a decade are those of L + c/(log K + d), solved for L and kept where it is 0 to about two digits.
    """
    d1, d2, d3 = v[0] - v[1], v[1] - v[2], v[2] - v[3]
    scale = max(abs(x) for x in v)
    if abs(d1) <= 1e-9 * max(scale, 1.0):
        settled = v[0] if abs(v[0]) > 1e-6 else 0.0
        return settled, "constant" if abs(d3) <= 1e-9 * max(scale, 1.0) else "power"
    shrink, before = d1 / d2 if d2 else math.inf, d2 / d3 if d3 else math.inf
    if 0 < shrink < 0.75 and abs(shrink - before) < 0.1:
        limit = v[0] + d1 * shrink / (1 - shrink)
        return (0.0 if abs(limit) < 1e-4 else limit), "power"
    if 0.75 <= shrink < 1:
        decades = 2 / (1 - shrink)  # log10 K + d at the end
        return (0.0 if abs(v[0] + d1 * (decades - 1)) < 0.02 else None), "logarithmic"
    return None, "unsettled"


def _limit_of_c_w(perp: list[float]) -> float | None:
    """Limit of 1/<sigma'**2>: a number, 0, inf, or None when it does not settle."""
    if perp[0] <= 0:
        return math.inf
    ratios = [perp[i] / perp[i + 1] if perp[i + 1] > 0 else 0.0 for i in range(3)]
    if all(r > 1.2 for r in ratios):
        return 0.0
    if all(r < 1 / 1.2 for r in ratios):
        return math.inf
    limit, _ = _extrapolated(perp)
    return 1 / limit if limit else None


def _told(ratio: float | None) -> str:
    if ratio is None:
        return "has no limit"
    if math.isinf(ratio):
        return "grows beyond bounds" if ratio > 0 else "falls below all bounds"
    return f"tends to {ratio:.6g}"


def _told_c_w(c_w: float | None) -> str:
    if c_w is None:
        return ""
    if c_w == 0:
        return " while C_W = 1/⟨σ'²⟩ tends to 0"
    return f" and C_W = 1/⟨σ'²⟩ {'grows beyond bounds' if math.isinf(c_w) else f'to {c_w:.6g}'}"
