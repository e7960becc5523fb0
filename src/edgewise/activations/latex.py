"""Numbers inside the LaTeX of a formula."""

from __future__ import annotations


def tex(value: float) -> str:
    """The number, to six digits, in LaTeX that matplotlib's mathtext reads too: 1e-07 as a power of ten."""
    mantissa, e, exponent = f"{value:g}".partition("e")
    if not e:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"({mantissa} \cdot {power})"


def times(value: float) -> str:
    r"""The number as a factor of what follows, nothing for 1: ``0.1\,``."""
    return "" if value == 1 else tex(value) + r"\,"
