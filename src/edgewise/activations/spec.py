"""`ew.activation`: anything a user may call an activation, made into an `Activation`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from edgewise.activations.definition import Activation
from edgewise.activations.formula import formula_activation
from edgewise.activations.formula.parse import Call, parse
from edgewise.activations.registry import registered
from edgewise.errors import SpecError


def activation(spec: object, *, kinks: Iterable[float] | None = None, name: str | None = None) -> Activation:
    """An Activation from a registered name with arguments ("mrepu(p=2)", "mrepu(2)"), a formula in x
    ("x*sigmoid(1.5*x)"), an elementwise callable on tensors, an ``nn.Module``, or an Activation (returned as it is).

    kinks: points where a derivative of a formula or callable jumps, where the caller knows them; else they are found.
    name: how a formula or callable is called in tables and pictures.
    Raises SpecError (FormulaError, NotElementwiseError) saying what was wrong and what to try.
    """
    places = _checked_kinks(kinks)
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise SpecError(f"name={name!r} given, expected text; try name='mine'")
    if isinstance(spec, Activation):
        _refuse_options(spec, places, name)
        return spec
    if isinstance(spec, str):
        parsed = parse(spec)
        if isinstance(parsed, Call):
            made = _named(parsed)
            _refuse_options(made, places, name)
            return made
        return formula_activation(parsed, kinks=places, name=name)
    if callable(spec):
        from edgewise.activations.callables import callable_activation

        return callable_activation(spec, kinks=places, name=name)
    raise SpecError(
        f"cannot make an activation from {type(spec).__name__}; "
        "give a name, a formula in x, a function of a tensor or an nn.Module"
    )


def remade(spec: object, kinks: tuple[float, ...] | None, name: str | None) -> Activation:
    """The activation that was made from these; what pickle calls."""
    return activation(spec, kinks=kinks, name=name)


def _refuse_options(made: Activation, kinks: tuple[float, ...] | None, name: str | None) -> None:
    if kinks is not None or name is not None:
        raise SpecError(
            f"kinks= or name= was given with {made.spec!r}, whose own are registered; leave them out, or give a formula"
        )


def _named(call: Call) -> Activation:
    """A registered family at the given arguments, positional ones in the order of its parameters."""
    parameters = [p.name for p in registered(call.name).definition.parameters]
    if len(call.positional) > len(parameters):
        takes = ", ".join(parameters) or "no parameters"
        raise SpecError(f"{call.name} was given {len(call.positional)} arguments; it takes {takes}")
    values = dict(zip(parameters, call.positional, strict=False))
    twice = values.keys() & call.keywords.keys()
    if twice:
        raise SpecError(
            f"{call.name}: argument {min(twice)} is given twice; give it once, as {min(twice)}={values[min(twice)]:g}"
        )
    return registered(call.name, **values, **call.keywords)


def _checked_kinks(kinks: Iterable[float] | None) -> tuple[float, ...] | None:
    if kinks is None:
        return None
    try:
        points = tuple(sorted({float(k) + 0.0 for k in kinks}))
    except (TypeError, ValueError):
        raise SpecError(f"kinks={kinks!r} given, expected numbers; try kinks=(0.0,)") from None
    if not all(map(math.isfinite, points)):
        raise SpecError(f"kinks={points} given, expected finite numbers; try kinks=(0.0,)")
    return points
