"""Chebyshev polynomials of one variable, layer by layer: degrees up to m below become degrees up to q m above.

From T_{b m + r} = U_b(v) T_r - U_{b-1}(v) T_{m-r} with v = T_m (for m = 1 or r = m a polynomial in v alone): all values
stay in [-1, 1], where a layer's rounding costs a few units in the last place, and a doubling, as in
T_{m+n} = 2 T_m T_n - T_{|m-n|}, is the case q = 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from edgewise.construct.layer import Affine, Layer, combination
from edgewise.construct.series import chebyshev_powers


def ladder(degree: int, q: int) -> list[int]:
    """The largest degree in each layer, from 1 (the input) up to `degree`; as few layers as can be."""
    steps = [max(degree, 1)]
    while steps[0] > 1:
        steps.insert(0, -(-steps[0] // q))
    return steps


def grown(layer: Layer, values: list[Affine], degree: int) -> list[Affine]:
    """T_1, ..., T_degree after one layer, from T_1, ..., T_m before it, m = ceil(degree / q)."""
    m, v = len(values), values[-1]
    found: dict[int, Affine] = {}
    power = layer.powers(v, max(1, degree // m))
    for b in range(1, degree // m + 1):
        found[b * m] = _in_powers(power, chebyshev_powers(max(b, 1))[b])
    second = _second_kind(degree // m)
    products: dict[int, dict[int, Affine]] = {}
    for r in range(1, m):
        own, other = (degree - r) // m, (degree - (m - r)) // m - 1
        products[r] = layer.powers_times(v, values[r - 1], range(max(own, other, 0) + 1))
    for k in range(1, degree + 1):
        b, r = divmod(k, m)
        if r and b:
            up = [(float(c), products[r][j]) for j, c in second[b].items()]
            down = [(-float(c), products[m - r][j]) for j, c in second[b - 1].items()]
            found[k] = combination(up + down)
        elif r:
            found[k] = products[r][0]
    return [found[k] for k in range(1, degree + 1)]


def summed(layer: Layer, values: list[Affine], coefficients: Mapping[int, Fraction]) -> Affine:
    """sum_k c_k T_k after one layer: as grown, but each power of v multiplies one sum and few units are needed."""
    m, v = len(values), values[-1]
    degree = max(coefficients, default=0)
    pure: dict[int, Fraction] = {}
    mixed: dict[int, dict[int, Fraction]] = {}
    first, second = chebyshev_powers(max(degree // m, 1)), _second_kind(degree // m)

    def add(row: int, scale: Fraction, polynomial: Mapping[int, Fraction]) -> None:
        for j, c in polynomial.items():
            target, key = (mixed.setdefault(j, {}), row) if row else (pure, j)
            target[key] = target.get(key, Fraction(0)) + scale * c

    for k, c in coefficients.items():
        b, r = divmod(k, m)
        if r == 0:
            add(0, c, first[b])
        else:
            add(r, c, second[b])
            if b:
                add(m - r, -c, second[b - 1])
    constant = float(pure.pop(0, Fraction(0)))
    parts = []
    if any(pure.values()) or not any(map(bool, mixed.values())):
        power = layer.powers(v, max(pure, default=1))
        parts += [(float(c), power[j - 1]) for j, c in pure.items()]
    for j, row in mixed.items():
        size = sum((abs(c) for c in row.values()), Fraction(0))
        if size:
            t = combination((float(c / size), values[r - 1]) for r, c in row.items())
            parts.append((float(size), layer.powers_times(v, t, (j,))[j]))
    return combination(parts, constant)


def _in_powers(power: list[Affine], polynomial: Mapping[int, Fraction]) -> Affine:
    return combination(
        ((float(c), power[j - 1]) for j, c in polynomial.items() if j), float(polynomial.get(0, Fraction(0)))
    )


def _second_kind(degree: int) -> list[dict[int, Fraction]]:
    """U_0, ..., U_degree in powers of v."""
    rows: list[dict[int, Fraction]] = [{0: Fraction(1)}, {1: Fraction(2)}]
    for k in range(1, degree):
        new = {j + 1: 2 * c for j, c in rows[k].items()}
        for j, c in rows[k - 1].items():
            new[j] = new.get(j, Fraction(0)) - c
        rows.append(new)
    return rows
