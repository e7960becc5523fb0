"""What a user may call a polynomial and a box, read into an exact Chebyshev series."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from edgewise.construct.series import BASES, Box, Exponents, Series, changed, recurrence_rows, series
from edgewise.errors import ConstructionError

MOST_TERMS = 50_000
MOST_DEGREE = 1024
_NARROWEST = 1e-290
_TRY = "try [1.0, 0.0, 2.0] for 1 + 2x², or {(1, 1, 1): 1.0} for xyz"
_NUMPY = {
    "Polynomial": "power",
    "Chebyshev": "chebyshev",
    "Legendre": "legendre",
    "Hermite": "hermite",
    "HermiteE": "hermite_e",
    "Laguerre": "laguerre",
}


@dataclass(frozen=True)
class Given:
    """The series, and sum |c_k| max |P_k| over the box: how far a relative change of the coefficients can move it."""

    series: Series
    size: float


def polynomial_given(coefficients: object, domain: object, basis: str) -> Given:
    """Reads what `polynomial` takes. Raises ConstructionError in one line."""
    maps: list[tuple[Fraction, Fraction]] | None = None
    if type(coefficients).__module__.startswith("numpy.polynomial"):
        held: Any = coefficients
        name = type(held).__name__
        if name not in _NUMPY:
            raise ConstructionError(f"{name} given, expected one of numpy.polynomial's {', '.join(_NUMPY)}")
        if basis != "power":
            raise ConstructionError(f"basis={basis!r} given with a numpy {name}, whose basis is known; leave it out")
        basis, window = _NUMPY[name], held.window
        if not held.domain[0] < held.domain[1]:
            raise ConstructionError(f"a numpy {name} of domain {held.domain.tolist()} given, expected low < high")
        (low, high), (first, last) = ([Fraction(float(x)) for x in pair] for pair in (held.domain, window))
        slope = (last - first) / (high - low)
        maps = [(first - slope * low, slope)]
        domain = [tuple(map(float, held.domain))] if domain is None else domain
        coefficients = held.coef
    if basis not in BASES:
        raise ConstructionError(f"basis={basis!r} given, expected one of {', '.join(BASES)}; try basis='chebyshev'")
    terms = _terms(coefficients)
    variables = len(next(iter(terms)))
    box = box_given(domain, variables)
    return _converted(terms, box, basis, maps or [(Fraction(0), Fraction(1))] * variables)


def box_given(domain: object, variables: int | None) -> Box:
    """[low, high] or one such pair a variable; None is [-1, 1] for each. Raises ConstructionError."""
    if domain is None:
        return ((-1.0, 1.0),) * (variables or 1)
    wanted = f"{variables} pairs" if variables and variables > 1 else "(low, high), or a pair for each variable"
    problem = ConstructionError(
        f"domain={domain!r} given, expected {wanted}, finite and more than 1e-290 apart, low < high; "
        "try domain=(-1.0, 1.0)"
    )
    try:
        values = torch.as_tensor(domain, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise problem from None
    if values.shape == (2,):
        values = values.expand(variables or 1, 2)
    if values.ndim != 2 or values.shape[1] != 2 or (variables is not None and len(values) != variables):
        raise problem
    box = tuple((float(low), float(high)) for low, high in values)
    if not all(_NARROWEST < high - low < math.inf for low, high in box):
        raise problem
    return box


def _converted(
    terms: Mapping[Exponents, Fraction], box: Box, basis: str, maps: Sequence[tuple[Fraction, Fraction]]
) -> Given:
    """maps: (offset, slope) of the argument of the basis polynomials, offset + slope * x, for each variable."""
    frame = Series({}, box)
    rows = []
    for axis, (offset, slope) in enumerate(maps):
        centre, half = offset + slope * frame.centre(axis), slope * frame.half_width(axis)
        rows.append(recurrence_rows({k[axis] for k in terms}, basis, centre, half))
    size = Fraction(0)
    for k, c in terms.items():
        size += abs(c) * math.prod(sum(map(abs, rows[axis][j].values()), Fraction(0)) for axis, j in enumerate(k))
    found: dict[Exponents, Fraction] = dict(terms)
    for axis in range(len(box)):
        found = changed(found, axis, rows[axis])
        if len(found) > MOST_TERMS:
            raise _too_many(len(found))
    try:
        largest = float(max(map(abs, found.values()), default=0)), float(size)
    except OverflowError:
        largest = math.inf, math.inf
    if not all(map(math.isfinite, largest)):
        raise ConstructionError(
            "the polynomial overflows float64 on its box; give a smaller domain, or divide the coefficients"
        )
    return Given(series(found, box), float(size))


def _terms(coefficients: object) -> dict[Exponents, Fraction]:
    """Exponents to coefficient; one entry at least."""
    if isinstance(coefficients, Mapping):
        pairs: Iterable[tuple[object, object]] = coefficients.items()
    elif isinstance(coefficients, str | bytes) or coefficients is None:
        raise ConstructionError(f"{coefficients!r} given, expected the coefficients of a polynomial; {_TRY}")
    else:
        pairs = _entries(coefficients)
    found: dict[Exponents, Fraction] = {}
    for key, value in pairs:
        exponents = _exponents(key)
        found[exponents] = found.get(exponents, Fraction(0)) + _number(value, exponents)
        if len(found) > MOST_TERMS:
            raise _too_many(len(found))
    if not found:
        raise ConstructionError(f"no coefficients given, expected one at least; {_TRY}")
    if len({len(k) for k in found}) > 1:
        raise ConstructionError("exponents of different lengths given, expected one for each variable; " + _TRY)
    return {k: c for k, c in found.items() if c} or {(0,) * len(next(iter(found))): Fraction(0)}


def _entries(coefficients: object) -> Iterable[tuple[object, object]]:
    """(index, entry) of a nested list, an array or a tensor; the numbers of a flat list as they are, not rounded."""
    if isinstance(coefficients, list | tuple) and all(isinstance(c, int | float | Fraction) for c in coefficients):
        return [((i,), c) for i, c in enumerate(coefficients)]
    try:
        values = coefficients.detach() if isinstance(coefficients, Tensor) else torch.as_tensor(coefficients)
    except (TypeError, ValueError, RuntimeError):
        raise ConstructionError(
            f"{type(coefficients).__name__} given, expected coefficients as a list, array, tensor or mapping; {_TRY}"
        ) from None
    if values.ndim == 0 or values.is_complex() or values.dtype == torch.bool:
        raise ConstructionError(
            f"coefficients of {values.ndim} dimensions and {values.dtype} given, expected real numbers, "
            f"a dimension for each variable; {_TRY}"
        )
    if values.numel() > MOST_TERMS:
        raise _too_many(values.numel())
    numbers = values.flatten().tolist()
    return zip(itertools.product(*map(range, values.shape)), numbers, strict=True)


def _exponents(key: object) -> Exponents:
    entries = key if isinstance(key, tuple) else (key,)
    try:
        found = tuple(operator.index(e) for e in entries)
    except TypeError:
        found = ()
    if not found or min(found) < 0 or any(isinstance(e, bool) for e in entries):
        raise ConstructionError(f"exponent {key!r} given, expected whole numbers from 0, one for each variable; {_TRY}")
    if max(found) > MOST_DEGREE:
        raise ConstructionError(f"degree {max(found)} given, expected at most {MOST_DEGREE}; approximate it first")
    return found


def _number(value: object, exponents: Exponents) -> Fraction:
    number: Any = value
    try:
        if isinstance(value, bool | complex | str):
            raise TypeError
        return Fraction(number) if isinstance(value, int | Fraction) else Fraction(float(number))
    except (TypeError, ValueError, OverflowError):
        raise ConstructionError(
            f"coefficient {value!r} at exponent {exponents} given, expected a finite real number; {_TRY}"
        ) from None


def _too_many(count: int) -> ConstructionError:
    return ConstructionError(
        f"{count} terms given, expected at most {MOST_TERMS}; lower the degree or give fewer variables"
    )
