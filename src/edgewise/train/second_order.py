"""L-BFGS for a single network, one resumable step at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from edgewise.errors import DomainError, TrainingError
from edgewise.measure.denormals import flushed_denormals
from edgewise.train.checkpoints import Checkpoints, Saved, newest, save
from edgewise.train.fates import LOSS, Fates
from edgewise.train.problem import Problem, Slope
from edgewise.train.records import Look, Recorder, Records, norms
from edgewise.train.run import Run
from edgewise.train.snapshot import fingerprint, joined, named, split

EVALUATIONS = 25
"""At most so many losses are worked out in one line search."""


def lbfgs(
    problem: Problem,
    *,
    steps: int,
    history: int = 50,
    tolerance_grad: float = 1e-9,
    tolerance_change: float | None = None,
    learning_rate: float = 1.0,
    batch_of: int = 1,
    record: Mapping[str, Recorder] | None = None,
    record_every: int | Collection[int] = 1,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Run:
    """Minimises the loss of a problem of one member by L-BFGS with a strong-Wolfe line search; changed in place.

    Always the same batch is looked at, that of step number `batch_of`. history: pairs of steps and gradients kept. It
    stops early where no gradient is above `tolerance_grad`, or a step changes neither the loss nor any parameter by
    more than `tolerance_change` (None: the rounding unit of the type); `Run.stopped` says so. A step after which the
    loss is not finite is undone and ends the run. The steps are those of torch.optim.LBFGS, each loss computed once.

    Raises TrainingError for more than one member, DomainError for numbers out of range, CheckpointError where the
    folder holds a run of other settings. Source: Nocedal & Wright, Numerical Optimization, algorithms 7.5 and 3.5.
    """
    if problem.members != 1:
        raise TrainingError(
            f"a problem of {problem.members} members given, expected one: a line search serves a single network; try "
            "minimise(...), or problem.select(...) one by one"
        )
    if steps < 1 or history < 1 or not (learning_rate > 0.0 and tolerance_grad >= 0.0):
        raise DomainError(
            f"steps={steps!r}, history={history!r}, learning_rate={learning_rate!r}, tolerance_grad={tolerance_grad!r} "
            "given, expected steps >= 1, history >= 1, learning_rate > 0 and tolerance_grad >= 0; try steps=1000"
        )
    started = time.perf_counter()
    change = torch.finfo(problem.tensors()[0].dtype).eps if tolerance_change is None else tolerance_change
    search = _Search(problem, batch_of, history, learning_rate, tolerance_grad, change)
    fates = Fates(1, torch.device("cpu"))
    records = Records(record or {}, record_every, steps, 1)
    settings: dict[str, Any] = {}
    losses: list[float] = []
    if checkpoints is not None:
        settings = fingerprint(
            problem, method="L-BFGS", steps=steps, history=history, tolerance_grad=tolerance_grad,
            tolerance_change=change, learning_rate=learning_rate, batch_of=batch_of, record=sorted(record or {}),
            record_every=record_every if isinstance(record_every, int) else sorted(record_every),
        )  # fmt: skip
        saved = newest(checkpoints, settings)
        if saved is not None:
            losses = _loaded(saved, problem, search, fates, records)
    resumed_at, stopped = len(losses), search.stopped
    member = torch.zeros(1, dtype=torch.int64, device=problem.tensors()[0].device)
    fine = torch.ones(1, dtype=torch.bool, device=member.device)

    with flushed_denormals():
        while len(losses) < steps and not stopped:
            done = len(losses)
            if records.wants(done):
                records.look(Look(done, problem, search.slope), member, fine)
            loss, stopped = search.step_()
            losses.append(loss)
            if not math.isfinite(loss):
                fates.note(member.cpu(), done + 1, torch.tensor([LOSS]), torch.tensor([loss]))
            if checkpoints is not None and (checkpoints.due(done + 1, steps) or stopped):
                _save(checkpoints, settings, problem, search, fates, records, losses)
            if on_step is not None:
                on_step(done + 1)
        if records.wants(steps) and not fates.diverged_at.any():
            records.look(Look(len(losses), problem, search.slope), member, fine)
    search.forget()
    if on_step is not None and len(losses) < steps:
        on_step(steps)
    return Run(
        losses=torch.tensor(losses, dtype=torch.float64)[:, None],
        diverged_at=fates.diverged_at,
        why=fates.words(math.inf),
        records=records.tensors(),
        recorded_at=tuple(records.at),
        resumed_at=resumed_at,
        seconds=time.perf_counter() - started,
        stopped=f"stopped after step {len(losses)}: {stopped}" if stopped and len(losses) < steps else "",
    )


class _Search:
    """torch.optim.LBFGS taken step by step, and the losses it has just worked out."""

    def __init__(
        self, problem: Problem, batch_of: int, history: int, rate: float, tolerance_grad: float, change: float
    ) -> None:
        self._problem, self._batch_of, self._flat, self._change = problem, batch_of, tolerance_grad, change
        self._tensors = problem.tensors()
        self._before = 0.0
        self._seen: list[tuple[Tensor, Slope]] = []
        self._rule = torch.optim.LBFGS(
            self._tensors, lr=rate, max_iter=1, max_eval=1 + EVALUATIONS, tolerance_grad=tolerance_grad,
            tolerance_change=change, history_size=history, line_search_fn="strong_wolfe",
        )  # fmt: skip
        self.stopped = ""

    def slope(self) -> Slope:
        """The loss and its gradients here; not worked out again where the line search has just been here."""
        here = self._place()
        for place, slope in self._seen:
            if torch.equal(place, here):
                return slope
        losses, gradients = self._problem.losses_and_gradients(self._batch_of)
        slope = losses.clone(), tuple(g.clone(memory_format=torch.contiguous_format) for g in gradients)
        # the point a line search settles on is one of its last
        self._seen = [*self._seen[-3:], (here, slope)]
        return slope

    def step_(self) -> tuple[float, str]:
        """One step in place: the loss before it, and why it should be the last ("" if it should not)."""
        before = [t.detach().clone() for t in self._tensors]
        losses, gradients = self.slope()
        loss = float(losses)
        if not math.isfinite(loss):
            self.stopped = "its loss is not finite"
            return loss, self.stopped
        if all(float(g.abs().max()) <= self._flat for g in gradients):
            self.stopped = f"no gradient is above {self._flat:g}"
            return loss, self.stopped
        self._before = loss
        self._rule.step(self._closure)  # type: ignore[no-untyped-call]
        after = float(self.slope()[0])
        moved = torch.cat([(t.detach() - b).abs().flatten() for t, b in zip(self._tensors, before, strict=True)]).max()
        if not (math.isfinite(after) and bool(torch.isfinite(moved))):
            with torch.no_grad():
                for t, b in zip(self._tensors, before, strict=True):
                    t.copy_(b)
            self.stopped = "the next step would have left the finite numbers"
        elif moved <= self._change or abs(after - loss) < self._change:
            self.stopped = f"a step changed neither its loss nor any parameter by more than {self._change:g}"
            if moved > self._change:
                self.stopped = f"a step changed its loss by less than {self._change:g}"
        return loss, self.stopped

    def _closure(self) -> Tensor:
        losses, gradients = self.slope()
        usable = bool(torch.isfinite(losses).all() and torch.isfinite(norms(gradients)).all())
        for tensor, gradient in zip(self._tensors, gradients, strict=True):
            tensor.grad = gradient if usable else torch.zeros_like(gradient)
        # torch's line search breaks off with an IndexError over nan: a wall, so that it comes back
        return losses.sum() if usable else torch.full_like(losses.sum(), 10.0 * abs(self._before) + 1.0)

    def _place(self) -> Tensor:
        return torch.cat([t.detach().flatten() for t in self._tensors])

    def forget(self) -> None:
        """Leaves no gradients on the problem's tensors."""
        for tensor in self._tensors:
            tensor.grad = None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the next step depends on besides the parameters: tensors and JSON values."""
        tensors: dict[str, Tensor] = {}
        plain: dict[str, Any] = {"stopped": self.stopped}
        for name, value in self._rule.state[self._tensors[0]].items():
            if name == "al":
                continue  # scratch paper, written before it is read
            if isinstance(value, Tensor):
                tensors[f"search {name}"] = value
            elif isinstance(value, list):
                plain[name] = len(value)
                if value:
                    tensors[f"search {name}"] = torch.stack(value)
            elif value is not None:
                plain[name] = value
        return tensors, plain

    def load(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Puts back what `state` said."""
        self.stopped = plain["stopped"]
        state: dict[str, Any] = self._rule.state[self._tensors[0]]
        device = self._tensors[0].device
        for name, value in plain.items():
            if name in ("old_dirs", "old_stps", "ro"):
                state[name] = list(tensors[f"search {name}"].to(device).unbind(0)) if value else []
            elif name != "stopped":
                state[name] = value
        for name, tensor in tensors.items():
            short = name.removeprefix("search ")
            if short != name and short not in state:
                state[short] = tensor.to(device)


def _save(
    where: Checkpoints, settings: dict[str, Any], problem: Problem, search: _Search, fates: Fates, records: Records,
    losses: list[float],
) -> None:  # fmt: skip
    found, plain = search.state()
    state, rest = split(problem.state())
    tensors = {
        "losses": torch.tensor(losses, dtype=torch.float64),
        **named("trained", problem.tensors()),
        **fates.tensors(),
        **{f"record {name}": rows for name, rows in records.tensors().items()},
        **found,
        **state,
    }
    save(where, len(losses), tensors, {"recorded at": records.at, "search": plain, "state": rest}, settings)


@torch.no_grad()
def _loaded(saved: Saved, problem: Problem, search: _Search, fates: Fates, records: Records) -> list[float]:
    """Puts everything back; the losses so far."""
    tensors = saved.tensors
    for i, mine in enumerate(problem.tensors()):
        mine.copy_(tensors[f"trained {i}"])
    fates.load(tensors)
    rows = {name.removeprefix("record "): t for name, t in tensors.items() if name.startswith("record ")}
    records.load(saved.values["recorded at"], rows)
    search.load(tensors, saved.values["search"])
    problem.load_state(joined(tensors, saved.values["state"]))
    losses: list[float] = tensors["losses"].tolist()
    return losses
