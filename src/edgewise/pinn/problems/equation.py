"""A partial differential equation with its conditions and its solution: what a network is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.boundary import Condition
from edgewise.pinn.hard import Hard
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.sampling import Box, Design, sample
from edgewise.pinn.separable import Index

if TYPE_CHECKING:
    from rich.console import RenderableType

Operator = Callable[[Mapping[Index, Tensor], Tensor], Tensor]


@dataclass(frozen=True)
class Equation:
    """operator(u) = 0 on a box, for one function u of the coordinates, with conditions on faces of the box.

    name, title, formula: for users ("burgers", "Burgers", "u_t + u u_x = ..."). coordinates: their names, "t" is time.
    domain: lows and highs. wanted: the derivatives the operator reads, as sorted coordinate numbers. operator: (u, x)
    -> residual, u with values [..., example] for every wanted index and x [..., example, coordinate]. hard: the
    transform that satisfies all conditions exactly, None where there is none. solver: computes the reference solution.
    settings: the numbers in the formula.
    """

    name: str
    title: str
    formula: str
    coordinates: tuple[str, ...]
    domain: Box
    wanted: tuple[Index, ...]
    operator: Operator = field(repr=False)
    conditions: tuple[Condition, ...] = field(repr=False)
    hard: Hard | None = field(repr=False)
    solver: Callable[[], Reference] = field(repr=False)
    settings: Mapping[str, Any]

    @property
    def time(self) -> int | None:
        """The number of the time coordinate, None where the solution is steady."""
        return self.coordinates.index("t") if "t" in self.coordinates else None

    @property
    def order(self) -> int:
        """The order of the highest derivative."""
        return max(len(index) for index in self.wanted)

    def residual(self, u: Mapping[Index, Tensor], x: Tensor) -> Tensor:
        """How far u is from solving the equation, at points x [example, coordinate] or [member, example, coordinate].

        u: the derivatives [member, example, 1] of every index in `wanted`. Result: [member, example].
        """
        return self.operator({index: u[index][..., 0] for index in self.wanted}, x)

    def reference(self) -> Reference:
        """The solution, computed now: seconds at most; keep it rather than ask twice."""
        return self.solver()

    def points(
        self, count: int, *, design: Design = "sobol", generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Collocation points inside the domain; [count, coordinate]. Raises DomainError as `sampling.sample` does."""
        return sample(self.domain, count, design=design, generator=generator, dtype=dtype)

    def to_dict(self) -> dict[str, Any]:
        """What the equation is, without its functions."""
        return {
            "name": self.name,
            "title": self.title,
            "formula": self.formula,
            "coordinates": list(self.coordinates),
            "domain": [list(corner) for corner in self.domain],
            "order": self.order,
            "conditions": [c.name for c in self.conditions],
            "hard": None if self.hard is None else self.hard.reason,
            "settings": dict(self.settings),
        }

    def __rich__(self) -> RenderableType:
        from rich.table import Table

        table = Table(title=f"{self.title}: {self.formula}", show_header=False, box=None)
        lows, highs = self.domain
        spans = (f"{c} in [{a:g}, {b:g}]" for c, a, b in zip(self.coordinates, lows, highs, strict=True))
        table.add_row("domain", ", ".join(spans))
        table.add_row("conditions", ", ".join(c.name for c in self.conditions))
        table.add_row("exact conditions", "none" if self.hard is None else self.hard.reason)
        return table


def positive(name: str, value: float, example: str) -> float:
    """`value`, if it is a finite number above 0. Raises DomainError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < float("inf"):
        raise DomainError(f"{name}={value!r} given, expected a number above 0; try {name}={example}")
    return float(value)
