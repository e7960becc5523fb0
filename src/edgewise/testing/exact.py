"""sigma and its derivatives from an mpmath function, to more digits than any float has.

A reference is a plain function of one mpmath number; its derivatives are central differences with a step of 1e-15 of
the distance to the nearest kink, at as many digits as the step eats up, and at hundreds more where the result is tiny
(sigma'' of GELU at x = 37 is 1e-296 beside sigma = 37). No formula for a derivative is written down anywhere, so none
can be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Reference = Callable[[Any], Any]
"""``sigma(x)`` for an ``mpmath.mpf``; evaluated at whatever precision is the current one."""

ORDERS = 4  # sigma to sigma''': the last one tells how sigma'' reacts to a rounding of x


@dataclass(frozen=True)
class ExactJet:
    """sigma to sigma''' at the float x, each an mpmath number with the error bound of its difference."""

    x: float
    values: tuple[Any, ...]
    errors: tuple[Any, ...]


def exact_jets(
    reference: Reference, points: Sequence[float], kinks: Sequence[float], *, smallest: float = 5e-324
) -> list[ExactJet]:
    """The jets of `reference` at `points`; none of the points may be one of the `kinks`."""
    return [exact_jet(reference, x, kinks, smallest=smallest) for x in points]


def exact_jet(reference: Reference, x: float, kinks: Sequence[float], *, smallest: float = 5e-324) -> ExactJet:
    """sigma and three derivatives at x, accurate to 20 digits or 1e-20 of `smallest`, whichever is coarser.

    smallest: the smallest positive number of the dtype that is compared with.
    """
    distance = min((abs(x - k) for k in kinks), default=1.0)
    step_digits = 15 + max(0, math.ceil(-math.log10(distance)))
    digits = 40 + ORDERS * step_digits
    extreme = digits + 30 - math.floor(math.log10(smallest)) + 4 * max(0, math.ceil(math.log10(abs(x) + 1)))
    if abs(x) >= 10 or 0 < abs(x) < 1e-5:  # a reference may cancel here: log(1 + exp(-700)), (exp(x) - 1) at 1e-300
        return _differences(reference, x, step_digits, extreme)
    jet = _differences(reference, x, step_digits, digits)
    resolved = all(abs(v) * 10**-20 >= e for v, e in zip(jet.values[:3], jet.errors[:3], strict=True))
    return jet if resolved else _differences(reference, x, step_digits, extreme)


def _differences(reference: Reference, x: float, step_digits: int, digits: int) -> ExactJet:
    from mpmath import mp

    with mp.workdps(digits):
        h = mp.mpf(10) ** -step_digits
        far_left, left, here, right, far_right = (reference(mp.mpf(x) + j * h) for j in (-2, -1, 0, 1, 2))
        second = (right - 2 * here + left) / h**2
        third = (far_right - 2 * right + 2 * left - far_left) / (2 * h**3)
        fourth = (far_right - 4 * right + 6 * here - 4 * left + far_left) / h**4
        values = (here, (right - left) / (2 * h), second, third)
        rounding = mp.mpf(10) ** (10 - digits) * max(abs(far_left), abs(here), abs(far_right))
        truncation = (mp.mpf(0), h**2 * abs(third), h**2 * abs(fourth), mp.mpf(0))
        return ExactJet(x, values, tuple(rounding / h**k + t for k, t in enumerate(truncation)))
