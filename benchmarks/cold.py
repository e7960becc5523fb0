"""Nothing remembered: drops what edgewise keeps between calls (resolved panels, tables, Hermite series)."""

from __future__ import annotations

from edgewise.theory.averages.integrand import integrand
from edgewise.theory.averages.mehler import coefficients
from edgewise.theory.averages.resolution import resolve
from edgewise.theory.interpolant import kernel_functions


def forget() -> None:
    for remembered in (resolve, integrand, coefficients, kernel_functions):
        remembered.cache_clear()
