"""The studies there are, each loaded only when it is asked for."""

from __future__ import annotations

from importlib import import_module

from edgewise.errors import DomainError
from edgewise.studies.study import Study

_WHERE = {
    "repu": "edgewise.studies.repu",
    "prelu": "edgewise.studies.prelu",
}
"""Name -> the module whose STUDY it is."""


def studies() -> tuple[str, ...]:
    """The names of all studies."""
    return tuple(_WHERE)


def find_study(name: str) -> Study:
    """The study of this name. Raises DomainError naming those there are."""
    if name not in _WHERE:
        raise DomainError(f"study {name!r} given, expected one of {', '.join(_WHERE)}")
    found: Study = import_module(_WHERE[name]).STUDY
    return found
