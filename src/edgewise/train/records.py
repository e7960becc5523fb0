"""What is measured while training, for all members at once: recorders, and the look they are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property

import torch
from torch import Tensor

from edgewise.errors import DomainError, TrainingError
from edgewise.train.problem import Layered, Problem, Slope


class Look:
    """A running training, seen after `step` steps.

    problem: the members that still learn, those that diverged among them until they are taken out; losses [member] and
    gradients: of the batch that comes next, worked out when asked for.
    """

    def __init__(self, step: int, problem: Problem, slope: Callable[[], Slope]) -> None:
        self.step, self.problem, self._ask = step, problem, slope

    @cached_property
    def _slope(self) -> Slope:
        with torch.enable_grad():
            return self._ask()

    @property
    def losses(self) -> Tensor:
        """[member]."""
        return self._slope[0]

    @property
    def gradients(self) -> tuple[Tensor, ...]:
        """Shaped like `problem.tensors()`."""
        return self._slope[1]


Recorder = Callable[[Look], Tensor]
"""A measurement: [member, ...] for the members of `Look.problem`, of the same shape at every look."""


class Records:
    """The measurements of all looks, [look, member, ...]; nan for a member that has diverged."""

    def __init__(self, recorders: Mapping[str, Recorder], every: int | Collection[int], steps: int, members: int):
        if isinstance(every, int) and every < 1:
            raise DomainError(f"record_every={every!r} given, expected an integer >= 1; try record_every=10")
        self._recorders, self._members = dict(recorders), members
        looks = range(0, steps, every) if isinstance(every, int) else every
        self._wanted = {step for step in (*looks, steps) if 0 <= step <= steps} if recorders else set()
        self.at: list[int] = []
        self._rows: dict[str, list[Tensor]] = {name: [] for name in recorders}

    def wants(self, step: int) -> bool:
        """Whether there is to be a look after that many steps."""
        return step in self._wanted

    def look(self, look: Look, members: Tensor, alive: Tensor) -> None:
        """Takes all measurements; members: which of all they are; alive: those whose row counts."""
        self.at.append(look.step)
        for name, recorder in self._recorders.items():
            with torch.no_grad():
                values = recorder(look)
            if values.shape[:1] != members.shape:
                raise TrainingError(
                    f"recorder {name!r} gave shape {tuple(values.shape)} for {len(members)} members, expected "
                    "[member, ...]; try values.unsqueeze(0) for a single network"
                )
            row = values.new_full((self._members, *values.shape[1:]), torch.nan)
            kept = alive.reshape(-1, *[1] * (values.dim() - 1))
            row[members] = torch.where(kept, values.detach(), torch.nan)
            self._rows[name].append(row.cpu())

    def tensors(self) -> dict[str, Tensor]:
        """Everything so far, by name, each [look, member, ...]; what was never looked at is left out."""
        return {name: torch.stack(rows) for name, rows in self._rows.items() if rows}

    def load(self, at: list[int], tensors: Mapping[str, Tensor]) -> None:
        """Continues from what `at` and `tensors` said."""
        self.at = list(at)
        self._rows = {name: list(tensors[name].unbind(0)) if name in tensors else [] for name in self._recorders}


def empirical_kernels(probe: Tensor) -> Recorder:
    """(1/n) sum_i z_i**2 of every layer, the output last: [member, layer, probe example]; probe [example, feature].

    The sum runs over everything but the example: over units, and over positions of an image. Source: PDLT chapter 4.
    Raises TrainingError where the problem shows no layers.
    """

    def record(look: Look) -> Tensor:
        if not isinstance(look.problem, Layered):
            raise TrainingError(
                f"{type(look.problem).__name__} shows no layers, expected a problem with preactivations(probe); "
                "try gradient_norms() or a recorder of your own"
            )
        layers = look.problem.preactivations(probe)
        return torch.stack([z.flatten(2).square().mean(2) for z in layers], dim=1)

    return record


def outputs(probe: Tensor) -> Recorder:
    """The networks' outputs, [member, probe example, output].

    Raises TrainingError where the problem shows no layers.
    """

    def record(look: Look) -> Tensor:
        if not isinstance(look.problem, Layered):
            raise TrainingError(
                f"{type(look.problem).__name__} shows no layers, expected a problem with preactivations(probe); "
                "try a recorder of your own"
            )
        return look.problem.preactivations(probe)[-1]

    return record


def batch_losses() -> Recorder:
    """The loss of the batch that comes next, [member]."""
    return lambda look: look.losses


def gradient_norms() -> Recorder:
    """The Euclidean norm of the gradient of every trained tensor, [member, tensor]."""
    return lambda look: norms(look.gradients)


def parameter_norms() -> Recorder:
    """The Euclidean norm of every trained tensor, [member, tensor]."""
    return lambda look: norms(look.problem.tensors())


def norms(tensors: Collection[Tensor]) -> Tensor:
    """Of tensors [member, ...]: [member, tensor]."""
    return torch.stack([torch.linalg.vector_norm(t.reshape(len(t), -1), dim=1) for t in tensors], dim=1)
