"""The equations by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from edgewise.errors import DomainError
from edgewise.pinn.problems.equation import Equation

_NAMES = ("allen_cahn", "biharmonic", "burgers", "heat", "kdv", "poisson_2d")
"""Each is a function of the same name in a file of the same name beside this one."""


def problems() -> tuple[str, ...]:
    """The names of all equations.

    >>> "burgers" in problems()
    True
    """
    return _NAMES


def problem(name: str, **settings: Any) -> Equation:
    """An equation by its name, with settings of its own such as ``viscosity=0.1``.

    Raises DomainError for another name, or for a setting that the equation does not have.

    >>> problem("burgers").formula
    'u_t + u u_x = 0.003183 u_xx'
    """
    if name not in _NAMES:
        raise DomainError(f"problem {name!r} given, expected one of {', '.join(_NAMES)}")
    make = getattr(importlib.import_module(f"edgewise.pinn.problems.{name}"), name)
    known = inspect.signature(make).parameters
    if unknown := sorted(set(settings) - set(known)):
        raise DomainError(
            f"setting {', '.join(unknown)} given for {name}, expected " + (", ".join(known) if known else "none")
        )
    found: Equation = make(**settings)
    return found
