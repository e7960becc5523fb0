"""Numbers in sentences."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading, "–" for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-3 <= abs(value) < 1e5:
        text = f"{float(text):.0f}" if abs(value) >= 1.0 else f"{float(text):.6f}".rstrip("0")
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")


def factor(value: float) -> str:
    """A factor >= 1 as "3.1×"; nearer to 1 with more digits."""
    return f"{number(value, 3 if value < 1.1 else 2)}×"


def percent(share: float) -> str:
    """A share as "42 %"; small ones are not rounded to nothing."""
    if 0.0 < share < 0.01:
        return f"{100.0 * share:.1g} %"
    return f"{100.0 * share:.0f} %"


def correlation(gap: float | None) -> str:
    """rho from 1 - rho: as 1 − a small number where it is nearly 1, "–" for none."""
    if gap is None or math.isnan(gap):
        return "–"
    if gap >= 0.01:
        return number(1.0 - gap) if abs(1.0 - gap) >= 1e-6 else "0"
    return "1" if gap < 1e-12 else f"1 − {number(gap, 2)}"
