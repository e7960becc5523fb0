"""Gaussian averages in mpmath, from nothing but a function of one number: what the tests compare with.

Composite Gauss-Legendre at 30 digits on octaves of the distance from 0 and from every kink; derivatives are central
differences at digits enough to make them exact to 20.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from mpmath import mp
from mpmath.calculus.quadrature import GaussLegendre

DIGITS = 30
_STEP = 22


def nodes() -> list[tuple[Any, Any]]:
    """24 Gauss-Legendre nodes and weights on [-1, 1]."""
    return GaussLegendre(mp).calc_nodes(4, mp.prec)  # type: ignore[no-any-return]


def slope(sigma: Callable[[Any], Any], x: Any) -> Any:
    """sigma'(x) away from kinks."""
    with mp.workdps(DIGITS + 2 * _STEP):
        h = mp.mpf(10) ** -_STEP * max(abs(x), mp.mpf(10) ** -6)
        return (sigma(x + h) - sigma(x - h)) / (2 * h)


def panels(K: float, kinks: Sequence[float], finest: float = 2.0**-6, widest: float = math.inf) -> list[Any]:
    """Edges on +-14 standard deviations: octaves down to the finer of sqrt(K)/8 and `finest`, cut at every kink."""
    root = math.sqrt(K)
    reach = 14 * root
    octaves = [2.0**j for j in range(math.floor(math.log2(min(root / 8, finest))), math.ceil(math.log2(reach)))]
    edges = {0.0, reach, -reach, *octaves, *(-o for o in octaves)}
    edges |= {k + s for k in kinks for s in (0.0, 0.25, -0.25, 0.03, -0.03)}
    kept = sorted(e for e in edges if abs(e) <= reach)
    finer = [
        low + (high - low) * i / n
        for low, high in pairwise(kept)
        for n in [_parts(high - low, widest)]
        for i in range(n)
    ]
    return [mp.mpf(e) for e in [*finer, kept[-1]]]


def _parts(width: float, widest: float) -> int:
    return max(1, math.ceil(width / widest))


def integrate(f: Callable[[Any], tuple[Any, ...]], edges: Sequence[Any], K: float) -> list[Any]:
    """The Gaussian averages of all components of f."""
    rule = nodes()
    variance = mp.mpf(K)
    normal = 1 / mp.sqrt(2 * mp.pi * variance)
    total: list[Any] = []
    for low, high in pairwise(edges):
        middle, half = (low + high) / 2, (high - low) / 2
        for x, w in rule:
            z = middle + half * x
            weight = w * half * normal * mp.exp(-z * z / (2 * variance))
            terms = [weight * v for v in f(z)]
            total = [a + b for a, b in zip(total, terms, strict=True)] if total else terms
    return total


def moments(sigma: Callable[[Any], Any], kinks: Sequence[float], K: float, widest: float = math.inf) -> dict[str, Any]:
    """<sigma**2>, <z sigma sigma'>/K, <sigma'**2> and <|z sigma sigma'|>/K."""
    with mp.workdps(DIGITS):

        def integrand(z: Any) -> tuple[Any, ...]:
            s, d = sigma(z), slope(sigma, z)
            return s * s, z * s * d, d * d, abs(z * s * d)

        g, zsd, dd, size = integrate(integrand, panels(K, kinks, widest=widest), K)
        return {"g": g, "parallel": zsd / mp.mpf(K), "perp": dd, "parallel size": size / mp.mpf(K)}
