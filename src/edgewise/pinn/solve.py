"""`edgewise.pinn.solve`: networks trained on an equation, by Adam and then L-BFGS."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import SpecError
from edgewise.measure.provenance import provenance
from edgewise.pinn.objective import Objective
from edgewise.pinn.problems import Equation, problem
from edgewise.pinn.reference.reference import Reference
from edgewise.pinn.settings import Settings
from edgewise.pinn.solution import History, Solution
from edgewise.pinn.start import Start, start
from edgewise.train import (
    Adam,
    Checkpoints,
    Member,
    Parameters,
    Run,
    Shape,
    WarmupCosine,
    initialise,
    lbfgs,
    minimise,
)
from edgewise.train.records import Look

LOOKS = 50
"""Looks at the error in each stage, at most: one in ten steps, so that looking stays cheap beside training."""
WATCHED = 4000
"""Points of the reference's grid, drawn at random, on which the error is watched during training."""


@dataclass(frozen=True)
class Now:
    """Where a run is: done of `total`, in point evaluations; loss, relative_l2: the best member's at the last look."""

    stage: str
    step: int
    steps: int
    done: int
    total: int
    loss: float
    relative_l2: float


def solve(
    equation: Equation | str,
    activation: Activation | object = "tanh",
    *,
    settings: Settings | None = None,
    reference: Reference | None = None,
    checkpoints: str | Path | None = None,
    device: torch.device | str = "cpu",
    on_step: Callable[[Now], None] | None = None,
    **chosen: Any,
) -> Solution:
    """Trains networks to satisfy an equation and its conditions: Adam for all at once, then L-BFGS for each.

    equation: an `Equation` or the name of one. activation: what `ew.activation` takes. settings: a `Settings`; single
    fields of it can be given as keywords: ``solve("burgers", "gelu", width=40)``. reference: the equation's solution
    if it is at hand already. checkpoints: a folder; a run that was interrupted resumes from there.

    Raises SpecError for an unknown activation or setting, DomainError for numbers out of range, CheckpointError where
    the folder holds a run of other settings.
    Source: Raissi, Perdikaris & Karniadakis, J. Comput. Phys. 378 (2019), section 3.1.
    """
    began = time.perf_counter()
    case = problem(equation) if isinstance(equation, str) else equation
    sigma = as_activation(activation)
    s = _with(settings or Settings(), chosen)
    truth = case.reference() if reference is None else reference
    begin = start(s.init, sigma, _shape(case, s))
    parameters = _drawn(case, s, begin, device)
    objective = Objective(case, sigma, parameters, s)
    watch = _Watch(truth, objective, on_step, s)
    folder = None if checkpoints is None else Path(checkpoints)
    seconds: dict[str, float] = {}
    runs: list[Run] = []
    if s.adam_steps:
        since = time.perf_counter()
        runs.append(_adam(objective, s, watch, folder))
        seconds["adam"] = time.perf_counter() - since
    diverged = runs[0].diverged_at if runs else torch.zeros(s.members, dtype=torch.int64)
    refined: dict[int, Run] = {}
    if s.lbfgs_steps:
        since = time.perf_counter()
        refined = {i: _refine(objective, i, s, watch, folder) for i in range(s.members) if not int(diverged[i])}
        seconds["lbfgs"] = time.perf_counter() - since
    final = _losses(objective, s)
    error = truth.relative_l2(objective.values(truth.points().to(parameters.first)))
    fine = (diverged == 0) & torch.isfinite(final) & torch.isfinite(error)
    return Solution(
        equation=case,
        activation=sigma,
        settings=s,
        start=begin,
        parameters=objective.network(),
        loss=tuple(torch.where(fine, final, torch.nan).tolist()),
        relative_l2=tuple(torch.where(fine, error, torch.nan).tolist()),
        diverged_at=tuple(diverged.tolist()),
        stopped=tuple(refined[i].stopped if i in refined else "" for i in range(s.members)),
        seconds=seconds,
        history=_history(runs[0] if runs else None, refined, s),
        reference=truth,
        provenance=provenance(
            seed=s.seed, device=torch.device(device), dtype=parameters.first.dtype, seconds=time.perf_counter() - began
        ),
    )


def _with(settings: Settings, chosen: dict[str, Any]) -> Settings:
    try:
        return replace(settings, **chosen)
    except TypeError:
        known = settings.to_dict()
        wrong = ", ".join(sorted(set(chosen) - set(known)))
        raise SpecError(f"setting {wrong} given, expected one of {', '.join(known)}") from None


def _shape(case: Equation, s: Settings) -> Shape:
    fed = case.hard.embedding if s.boundary == "hard" and case.hard is not None else None
    return Shape(len(case.coordinates) if fed is None else len(fed), s.width, s.depth, 1)


def _drawn(case: Equation, s: Settings, begin: Start, device: torch.device | str) -> Parameters:
    members = [Member(s.seed + i, s.learning_rate, begin.initial) for i in range(s.members)]
    return initialise(_shape(case, s), members, dtype=getattr(torch, s.dtype), device=device)


def _adam(objective: Objective, s: Settings, watch: _Watch, folder: Path | None) -> Run:
    """All members at once."""
    every = max(10, s.adam_steps // LOOKS)
    return minimise(
        objective,
        steps=s.adam_steps,
        optimiser=Adam(),
        learning_rate=s.learning_rate,
        schedule=WarmupCosine(to=s.final_rate),
        record={"loss": watch.losses, "relative_l2": watch.errors},
        record_every=every,
        checkpoints=None if folder is None else Checkpoints(folder / "adam", every=every),
        on_step=watch.adam,
    )


def _refine(objective: Objective, member: int, s: Settings, watch: _Watch, folder: Path | None) -> Run:
    """One member by L-BFGS, on all its points."""
    alone = objective.select(torch.tensor([member], device=objective.points.device)).with_all_points()
    every = max(10, s.lbfgs_steps // LOOKS)
    run = lbfgs(
        alone,
        steps=s.lbfgs_steps,
        history=s.history,
        record={"loss": watch.losses, "relative_l2": watch.errors},
        record_every=every,
        checkpoints=None if folder is None else Checkpoints(folder / f"lbfgs-{member}", every=every),
        on_step=lambda step: watch.lbfgs(member, step),
    )
    with torch.no_grad():
        for whole, own in zip(objective.tensors(), alone.tensors(), strict=True):
            whole[member].copy_(own[0])
    return run


def _losses(objective: Objective, s: Settings) -> Tensor:
    """The loss of every member on all its points, float64 on the CPU."""
    with torch.no_grad():
        return objective.with_all_points().losses(1).double().cpu()


class _Watch:
    """Recorders of loss and error, and the caller told where the run is."""

    def __init__(
        self, truth: Reference, objective: Objective, on_step: Callable[[Now], None] | None, s: Settings
    ) -> None:
        everywhere, values = truth.points(), truth.values.flatten()
        chosen = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))[:WATCHED]
        like = objective.parameters.first
        self._points, self._truth = everywhere[chosen].to(like), values[chosen].to(like)
        self._on_step, self._s = on_step, s
        self._batch = min(s.batch or s.points, s.points)
        self._loss = self._error = math.nan
        self._total = s.members * (s.adam_steps * self._batch + s.lbfgs_steps * s.points)

    def losses(self, look: Look) -> Tensor:
        """The loss of the step's points, [member]."""
        self._loss = float(torch.nan_to_num(look.losses, nan=math.inf).min())
        return look.losses

    def errors(self, look: Look) -> Tensor:
        """The relative L2 error on some points of the grid, [member]."""
        assert isinstance(look.problem, Objective)
        difference = look.problem.values(self._points) - self._truth
        found: Tensor = torch.linalg.vector_norm(difference, dim=1) / torch.linalg.vector_norm(self._truth)
        self._error = float(torch.nan_to_num(found, nan=math.inf).min())
        return found

    def adam(self, step: int) -> None:
        self._tell("Adam", step, self._s.adam_steps, self._s.members * step * self._batch)

    def lbfgs(self, member: int, step: int) -> None:
        s = self._s
        name = "L-BFGS" if s.members == 1 else f"L-BFGS of network {member + 1} of {s.members}"
        before = s.members * s.adam_steps * self._batch + member * s.lbfgs_steps * s.points
        self._tell(name, step, s.lbfgs_steps, before + step * s.points)

    def _tell(self, stage: str, step: int, steps: int, done: int) -> None:
        if self._on_step is not None:
            self._on_step(Now(stage, step, steps, done, self._total, self._loss, self._error))


def _history(adam: Run | None, refined: dict[int, Run], s: Settings) -> History:
    """The looks of both stages; a member that L-BFGS finished early keeps its last values."""
    stage: list[str] = []
    steps: list[int] = []
    rows: dict[str, list[Tensor]] = {"loss": [], "relative_l2": []}
    if adam is not None:
        steps += adam.recorded_at
        stage += ["adam"] * len(adam.recorded_at)
        for name, found in rows.items():
            found.extend(adam.records[name].double().unbind(0))
    looks = sorted({step for run in refined.values() for step in run.recorded_at if step > 0 or adam is None})
    for look in looks:
        steps.append(s.adam_steps + look)
        stage.append("lbfgs")
        for name, found in rows.items():
            row = torch.full((s.members,), torch.nan, dtype=torch.float64)
            for i, run in refined.items():
                last = max((k for k, at in enumerate(run.recorded_at) if at <= look), default=0)
                row[i] = float(run.records[name][last, 0])
            found.append(row)
    empty = torch.empty(0, s.members, dtype=torch.float64)
    return History(tuple(stage), tuple(steps), *(torch.stack(found) if found else empty for found in rows.values()))
