"""What came out of training networks on an equation: the networks, their errors, and the way there."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import DomainError
from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import Provenance
from edgewise.pinn.blindness import blind_spot
from edgewise.pinn.module import SolutionModule
from edgewise.pinn.problems.equation import Equation
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.settings import Settings
from edgewise.pinn.start import Start
from edgewise.train.ensemble import Parameters

if TYPE_CHECKING:
    from rich.console import RenderableType

DIGITS = 6
"""Significant digits of the fields that `to_dict` writes."""
SOLVED = 0.01
"""A relative L2 error below this is called solved: the eye sees no difference any more."""
MISSED = 0.3
"""... and one above this, not solved."""


@dataclass(frozen=True)
class History:
    """Looks at the members while they were trained.

    stage: "adam" or "lbfgs"; step: counted through both; loss, relative_l2: [look, member], nan for a member that
    diverged. The loss is that of the step's own points, the error one on some points of the grid.
    """

    stage: tuple[str, ...]
    step: tuple[int, ...]
    loss: Tensor
    relative_l2: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; null for what is not finite."""
        return {
            "stage": list(self.stage),
            "step": list(self.step),
            "loss": _rounded(self.loss),
            "relative_l2": _rounded(self.relative_l2),
        }


@dataclass(frozen=True)
class Solution:
    """Networks trained on an equation.

    parameters: for unscaled coordinates. loss: of all points at the end; relative_l2: ||u - reference||/||reference||
    on the reference's grid; both [member] and nan for a member that diverged. diverged_at: the step, 0 for none.
    stopped: why L-BFGS ended, for each member, "" where it took all its steps; seconds: of each stage, all members.
    """

    equation: Equation
    activation: Activation
    settings: Settings
    start: Start
    parameters: Parameters
    loss: tuple[float, ...]
    relative_l2: tuple[float, ...]
    diverged_at: tuple[int, ...]
    stopped: tuple[str, ...]
    seconds: dict[str, float]
    history: History
    reference: Reference
    provenance: Provenance

    @property
    def members(self) -> int:
        return len(self.loss)

    @property
    def best(self) -> int:
        """The member with the smallest loss: what one would choose without knowing the solution."""
        return min(range(self.members), key=lambda i: self.loss[i] if math.isfinite(self.loss[i]) else math.inf)

    @property
    def error(self) -> float:
        """The relative L2 error of the best member; nan if all diverged."""
        return self.relative_l2[self.best]

    def module(self, member: int | None = None) -> SolutionModule:
        """One network as a module of the equation's own coordinates, [..., coordinate] -> [...]; the best by default.

        Raises DomainError for a member that there is not.
        """
        chosen = self.best if member is None else member
        if isinstance(chosen, bool) or not 0 <= chosen < self.members:
            raise DomainError(f"member {member!r} given, expected one of 0 to {self.members - 1}")
        layers = [tensor[chosen] for tensor in self.parameters.layers()]
        hard = self.equation.hard if self.settings.boundary == "hard" else None
        return SolutionModule(self.activation, layers, hard)

    def predict(self, x: Tensor, member: int | None = None) -> Tensor:
        """u at points [..., coordinate]; [...], in the dtype of the networks.

        Raises DomainError for points of another number of coordinates, or a member that there is not.
        """
        if x.dim() == 0 or x.shape[-1] != len(self.equation.coordinates):
            names = ", ".join(self.equation.coordinates)
            raise DomainError(f"points of shape {tuple(x.shape)} given, expected [..., {names}]")
        with torch.no_grad():
            found: Tensor = self.module(member)(x.to(self.parameters.first))
        return found

    @cached_property
    def values(self) -> Tensor:
        """u of the best member on the reference's grid, an axis a coordinate, float64."""
        return self.predict(self.reference.points()).double().reshape(self.reference.values.shape).cpu()

    @property
    def reason(self) -> str:
        """In a sentence: how well, after what."""
        s, error = self.settings, self.error
        work = (
            f"{s.adam_steps} steps of Adam and {s.lbfgs_steps} of L-BFGS" if s.lbfgs_steps else f"{s.adam_steps} steps"
        )
        if not math.isfinite(error):
            return f"{self.activation.spec} on {self.equation.name}: every network diverged within {work}"
        word = "solves" if error <= SOLVED else "misses" if error > MISSED else "comes near"
        others = ""
        if self.members > 1:
            finite = sorted(e for e in self.relative_l2 if math.isfinite(e))
            others = f", the {self.members} networks between {finite[0]:.2g} and {finite[-1]:.2g}"
        lost = sum(step > 0 for step in self.diverged_at)
        gone = f"; {lost} diverged" if lost else ""
        text = f"{self.activation.spec} {word} {self.equation.name}: relative L2 error {error:.2g}{others}"
        text += f", after {work}{gone}"
        blind = blind_spot(self.activation, self.equation)
        return f"{text}; {blind}" if blind else text

    def save(self, path: str | Path, member: int | None = None) -> Path:
        """One network as safetensors with its settings; `pinn.load` makes the module again. Raises OSError."""
        from edgewise.pinn.module import save

        return save(self.module(member), path, self.summary())

    def summary(self) -> dict[str, Any]:
        """Everything but fields and history, as plain JSON values."""
        plain: dict[str, Any] = jsonable(
            {
                "problem": self.equation.to_dict(),
                "activation": self.activation.spec,
                "settings": self.settings.to_dict(),
                "start": self.start.to_dict(),
                "best": self.best,
                "loss": list(self.loss),
                "relative_l2": list(self.relative_l2),
                "diverged_at": list(self.diverged_at),
                "stopped": list(self.stopped),
                "seconds": self.seconds,
                "reference": {
                    "method": self.reference.method,
                    "reason": self.reference.reason,
                    "error_estimate": self.reference.error_estimate,
                },
                "reason": self.reason,
                "provenance": asdict(self.provenance),
            }
        )
        return plain

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the summary, the way there, and reference and best network on the grid."""
        grid = {
            "axes": [_rounded(axis) for axis in self.reference.grid],
            "reference": _rounded(self.reference.values),
            "solution": _rounded(self.values),
        }
        return {**self.summary(), "history": self.history.to_dict(), "grid": grid}

    def __rich__(self) -> RenderableType:
        from edgewise.pinn.solution_view import panel

        return panel(self)


def _rounded(values: Tensor) -> Any:
    """Nested lists of numbers with `DIGITS` significant digits; None for what is not finite."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(v) for v in value]
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None

    return plain(values.detach().cpu().double().tolist())
