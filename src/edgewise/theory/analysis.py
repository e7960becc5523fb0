"""`ew.analyze`: everything the theory says about one activation, in one object."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.theory.asymptotics import Asymptotics
from edgewise.theory.critical_point import CriticalPoint, Rejected, UniversalityClass
from edgewise.theory.criticality import criticality
from edgewise.theory.expansion import Expansion
from edgewise.theory.properties import Properties, properties
from edgewise.theory.reasons import verdict

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Analysis:
    """What `analyze` found; prints itself in a terminal (rich) and in a notebook (HTML).

    solutions: all critical points with C_b >= 0, the preferred one first. rejected: those that would need C_b < 0.
    expansion: of g about K = 0. asymptotics: K -> 0 and K -> infinity; None where sigma jumps. properties: calculus
    facts. reason: the verdict in plain sentences.
    """

    activation: Activation
    solutions: tuple[CriticalPoint, ...]
    rejected: tuple[Rejected, ...]
    expansion: Expansion
    asymptotics: Asymptotics | None
    properties: Properties
    reason: str

    @property
    def critical(self) -> CriticalPoint | None:
        """The preferred solution: half-stable or scale-invariant, then stable K* = 0, then unstable K* = 0; or None."""
        return self.solutions[0] if self.solutions else None

    @property
    def universality_class(self) -> UniversalityClass:
        """The class of `critical`, "none" when there is none."""
        return self.critical.universality_class if self.critical else "none"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types; infinities are the strings "inf" and "-inf", a missing number is None."""
        a = self.activation
        found: dict[str, Any] = {
            "activation": {
                "spec": a.spec,
                "name": a.name,
                "parameters": dict(a.parameters),
                "formula": a.formula,
                "source": a.definition.source,
            },
            "universality_class": self.universality_class,
            "reason": self.reason,
            "critical": self.critical,
        }
        for name in ("solutions", "rejected", "expansion", "asymptotics", "properties"):
            found[name] = getattr(self, name)
        plain: dict[str, Any] = as_json(found)
        return plain

    def __rich__(self) -> RenderableType:
        from edgewise.theory.analysis_view import panel

        return panel(self)

    def _repr_html_(self) -> str:
        from edgewise.theory.analysis_view import html

        return html(self)


def analyze(a: Activation | object) -> Analysis:
    """All critical points of an activation with their classes and laws, its small-K expansion and its calculus facts.

    a: a registered name, a formula, an elementwise callable, an ``nn.Module`` or an Activation. No critical point is an
    answer (``critical is None``; `reason` says why). Raises SpecError when `a` is no activation, and
    DivergentAverageError or AverageOverflowError when sigma has no finite Gaussian average at any K from 1e-10 to 1e10.
    """
    act = activation(a)
    found = criticality(act)
    return Analysis(
        activation=act,
        solutions=found.solutions,
        rejected=found.rejected,
        expansion=found.expansion,
        asymptotics=found.asymptotics,
        properties=properties(act),
        reason=verdict(act, found),
    )


def as_json(value: Any) -> Any:
    """Results as dicts, lists, strings, booleans and finite numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else "inf" if value > 0 else "-inf"
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, Tensor):
        return as_json(value.tolist())
    return value
