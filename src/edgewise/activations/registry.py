"""The registered families, by name."""

from __future__ import annotations

import difflib

from edgewise.activations.definition import Activation, Definition
from edgewise.errors import SpecError

_DEFINITIONS: dict[str, Definition] = {}
_ALIASES: dict[str, tuple[str, dict[str, float]]] = {}


def register(definition: Definition) -> Definition:
    """Adds a family under its name; returns it. Raises SpecError when the name is taken."""
    if definition.name in _DEFINITIONS or definition.name in _ALIASES:
        raise SpecError(f"an activation named {definition.name!r} is registered already; choose another name")
    _DEFINITIONS[definition.name] = definition
    return definition


def alias(name: str, target: str, **parameters: float) -> None:
    """Makes `name` another word for `target` at fixed parameters (silu is swish at beta=1)."""
    if name in _DEFINITIONS or name in _ALIASES:
        raise SpecError(f"an activation named {name!r} is registered already; choose another name")
    _ALIASES[name] = (target, parameters)


def registered(name: str, **parameters: object) -> Activation:
    """The activation of that name at these parameters. Raises SpecError with suggestions when there is none."""
    if name in _ALIASES:
        target, fixed = _ALIASES[name]
        return _DEFINITIONS[target].bind(**{**fixed, **parameters})
    if name not in _DEFINITIONS:
        close = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "see `edgewise list`"
        raise SpecError(f"no activation named {name!r}; {hint}")
    return _DEFINITIONS[name].bind(**parameters)


def definition(name: str) -> Definition:
    """The family of that name. Raises SpecError with suggestions when there is none."""
    return registered(name).definition


def is_registered(definition: Definition) -> bool:
    """Whether this very family is the one registered under its name."""
    return _DEFINITIONS.get(definition.name) is definition


def names() -> list[str]:
    """All registered names, aliases included, in alphabetical order."""
    return sorted([*_DEFINITIONS, *_ALIASES])
