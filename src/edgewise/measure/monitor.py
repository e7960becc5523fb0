"""`Monitor`: the figures of a diagnosis every k steps of a training loop, kept as plain dicts and as JSON lines."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from operator import index
from pathlib import Path
from statistics import median
from typing import Any

from torch import Tensor, nn

from edgewise.errors import DataError, DomainError
from edgewise.init.acceptance import accepted, call_arguments
from edgewise.init.graph import ModelGraph
from edgewise.measure.diagnose import assembled
from edgewise.measure.diagnosis import Diagnosis
from edgewise.measure.jsonable import jsonable
from edgewise.measure.look import Loss, look_at

_KEPT = (
    "name", "number", "role", "activation", "kernel", "predicted", "gradient", "gradient_norm", "dead_static",
    "dead_dynamic", "saturated", "one_minus_rho", "bad",
)  # fmt: skip


class Monitor:
    """Watches a model during training: ``monitor.step(step, batch)`` in the loop, every `every` steps a look.

    model: what is trained; it is left as it was after every look, its gradients and random state too. every: steps
    between looks. samples: how many of a batch's samples are looked at (None: all); what is dead or alike shows in 32.
    path: a file to which each look is appended as one JSON line, whole or not at all; an existing one is continued.
    seed: of the random direction whose gradient is measured where no loss is given.

    A look is a forward and a backward pass to the inputs on those samples. Advice is left out; `diagnose` gives it.
    Its first look takes one more forward pass, to find the layers; a model whose layers change needs a new Monitor.
    Raises DomainError for every < 1 or samples < 1, ModelError for a model that cannot be read, DataError where the
    file at `path` is no history.

    >>> import torch, edgewise as ew
    >>> model = ew.models.MLP(8, 2, depth=5, width=16, activation="tanh")
    >>> monitor = ew.Monitor(model, every=10)
    >>> for step in range(20):
    ...     record = monitor.step(step, torch.randn(16, 8))
    >>> [record["step"] for record in monitor.history]
    [0, 10]
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        every: int = 100,
        samples: int | None = 32,
        path: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.every = _count("every", every)
        self.samples = None if samples is None else _count("samples", samples)
        self.model = accepted(model)
        self.path = None if path is None else Path(path)
        self.history: list[dict[str, Any]] = _read(self.path) if self.path is not None else []
        self.latest: Diagnosis | None = None
        self._graph: ModelGraph | None = None
        self._seed = seed

    def step(self, step: int, batch: object, *, loss: Loss | None = None) -> dict[str, Any] | None:
        """Looks at the model where `step` is a multiple of `every`; the new entry of the history, None at other steps.

        batch: as `diagnose` takes it. loss: what the model returned -> a scalar; it sees only the samples looked at, so
        that ``samples=None`` goes with a loss that closes over targets. Raises as `diagnose` does.
        """
        try:
            step = index(step)
        except TypeError as error:
            raise DomainError(f"step={step!r} given, expected a whole number; try step=0") from error
        if step % self.every:
            return None
        return self.look(step, batch, loss=loss)

    def look(self, step: int, batch: object, *, loss: Loss | None = None) -> dict[str, Any]:
        """Looks at the model now, whatever `every` says."""
        start = time.perf_counter()
        seen = look_at(
            self.model, _first(batch, self.samples), loss, seed=self._seed, graph=self._graph, most_samples=32
        )
        self._graph = seen.graph
        self.latest = assembled(self.model, seen, start, self._seed, ())
        entry = _entry(step, self.latest, time.perf_counter() - start)
        if self.path is not None:
            _append(self.path, entry)
        self.history.append(entry)
        return entry


def _entry(step: int, d: Diagnosis, seconds: float) -> dict[str, Any]:
    rows = d.preactivations or d.layers
    gradients = [row.gradient_norm for row in rows if row.gradient_norm is not None]
    dead = [row.dead for row in rows if row.dead is not None]
    entry = {
        "step": int(step),
        "level": d.level,
        "headline": d.headline,
        "problems": sorted(d.problems()),
        "loss": d.loss,
        "kernel_first": rows[0].kernel if rows else None,
        "kernel_last": rows[-1].kernel if rows else None,
        "gradient_first": gradients[0] if gradients else None,
        "gradient_last": gradients[-1] if gradients else None,
        "dead": median(dead) if dead else None,
        "seconds": seconds,
        "layers": [{name: getattr(row, name) for name in _KEPT} for row in d.layers if row.role != "other"],
    }
    plain: dict[str, Any] = jsonable(entry)
    return plain


def _first(batch: object, samples: int | None) -> object:
    """The first samples of every tensor that has as many as the first tensor of the batch."""
    if samples is None:
        return batch
    call_arguments(batch)  # refuses what is no batch before it is cut
    values = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else [batch]
    size = next((v.shape[0] for v in values if isinstance(v, Tensor) and v.ndim), None)

    def cut(value: Any) -> Any:
        return value[:samples] if isinstance(value, Tensor) and value.ndim and value.shape[0] == size else value

    if isinstance(batch, Mapping):
        return {name: cut(value) for name, value in batch.items()}
    return tuple(cut(v) for v in batch) if isinstance(batch, tuple | list) else cut(batch)


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    """One line by one write to a file opened for appending: a reader never sees half of it, nor do two writers mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(entry, allow_nan=False) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(handle).st_size
        written = os.write(handle, line)
        if written < len(line):  # a full disk: better no line than half of one
            os.ftruncate(handle, size)
            raise OSError(f"{path}: only {written} of {len(line)} bytes could be written")
    finally:
        os.close(handle)


def _read(path: Path) -> list[dict[str, Any]]:
    """The history in a file; a last line that a crash cut short is dropped, there and from the file."""
    if not path.exists():
        return []
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file; try {path / 'monitor.jsonl'}")
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    try:
        entries = [json.loads(line) for line in whole.splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path} is no history of a Monitor ({error}); give another path") from error
    if not all(isinstance(entry, dict) and "step" in entry for entry in entries):
        raise DataError(f"{path} is no history of a Monitor; give another path")
    if len(whole) < len(raw):
        if raw[len(whole) :].lstrip()[:1] != b"{":
            raise DataError(f"{path} is no history of a Monitor; give another path")
        os.truncate(path, len(whole))
    return entries


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DomainError(f"{name}={value!r} given, expected a whole number >= 1; try {name}=100")
    return value
