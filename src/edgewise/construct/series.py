"""A polynomial as a Chebyshev series on a box, in rational numbers: the basis in which it is well conditioned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

Exponents = tuple[int, ...]
Box = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Series:
    """sum over k of terms[k] * prod_i T_{k_i}(u_i), u_i = (x_i - centre_i) / half-width_i in [-1, 1] on the box."""

    terms: Mapping[Exponents, Fraction]
    box: Box

    @property
    def variables(self) -> int:
        return len(self.box)

    @property
    def degrees(self) -> Exponents:
        """The degree in each variable."""
        return tuple(max((k[i] for k in self.terms), default=0) for i in range(self.variables))

    @property
    def degree(self) -> int:
        """The total degree."""
        return max((sum(k) for k in self.terms), default=0)

    def centre(self, i: int) -> Fraction:
        low, high = self.box[i]
        return (Fraction(low) + Fraction(high)) / 2

    def half_width(self, i: int) -> Fraction:
        low, high = self.box[i]
        return (Fraction(high) - Fraction(low)) / 2


def series(terms: Mapping[Exponents, Fraction], box: Box) -> Series:
    """The series without its zero terms."""
    return Series({k: c for k, c in terms.items() if c}, box)


def changed(
    terms: Mapping[Exponents, Fraction], axis: int, rows: Mapping[int, Mapping[int, Fraction]]
) -> dict[Exponents, Fraction]:
    """The terms with basis function k of one axis written as sum over j of rows[k][j] times new basis function j."""
    found: dict[Exponents, Fraction] = {}
    for index, c in terms.items():
        for j, factor in rows[index[axis]].items():
            key = (*index[:axis], j, *index[axis + 1 :])
            found[key] = found.get(key, Fraction(0)) + c * factor
    return {k: c for k, c in found.items() if c}


def recurrence_rows(
    wanted: Iterable[int], basis: str, centre: Fraction, half_width: Fraction
) -> dict[int, dict[int, Fraction]]:
    """Basis polynomials P_k at centre + half_width * u as Chebyshev series in u, for every k up to the largest wanted.

    Three-term recurrences P_{k+1} = (a_k x + b_k) P_k - c_k P_{k-1}: Abramowitz & Stegun, table 22.7.
    """
    rows: list[dict[int, Fraction]] = [{0: Fraction(1)}]
    for k in range(max(wanted, default=0)):
        a, b, c = _RECURRENCES[basis](k)
        new = _times_affine(rows[k], a * centre + b, a * half_width)
        if k:
            for j, value in rows[k - 1].items():
                new[j] = new.get(j, Fraction(0)) - c * value
        rows.append({j: value for j, value in new.items() if value})
    return dict(enumerate(rows))


def chebyshev_powers(degree: int) -> dict[int, dict[int, Fraction]]:
    """T_0, ..., T_degree in powers of u."""
    rows: list[dict[int, Fraction]] = [{0: Fraction(1)}, {1: Fraction(1)}]
    for k in range(1, degree):
        new = {j + 1: 2 * c for j, c in rows[k].items()}
        for j, c in rows[k - 1].items():
            new[j] = new.get(j, Fraction(0)) - c
        rows.append(new)
    return dict(enumerate(rows))


def _times_affine(row: Mapping[int, Fraction], constant: Fraction, slope: Fraction) -> dict[int, Fraction]:
    """(constant + slope u) times a Chebyshev series: u T_j = (T_{j+1} + T_{|j-1|}) / 2."""
    new = {j: constant * c for j, c in row.items()} if constant else {}
    half = slope / 2
    for j, c in row.items():
        for k in (j + 1, abs(j - 1)):
            new[k] = new.get(k, Fraction(0)) + half * c
    return new


def _power(k: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(1), Fraction(0), Fraction(0)


def _chebyshev(k: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(2 if k else 1), Fraction(0), Fraction(1)


def _legendre(k: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(2 * k + 1, k + 1), Fraction(0), Fraction(k, k + 1)


def _hermite(k: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(2), Fraction(0), Fraction(2 * k)


def _hermite_e(k: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(1), Fraction(0), Fraction(k)


def _laguerre(k: int) -> tuple[Fraction, Fraction, Fraction]:
    return Fraction(-1, k + 1), Fraction(2 * k + 1, k + 1), Fraction(k, k + 1)


_RECURRENCES = {
    "power": _power,
    "chebyshev": _chebyshev,
    "legendre": _legendre,
    "hermite": _hermite,
    "hermite_e": _hermite_e,
    "laguerre": _laguerre,
}
BASES = tuple(_RECURRENCES)
