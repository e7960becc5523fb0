"""One cell: all seeds at all learning rates as one ensemble; its record, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.trainable_depth.settings import Cell, Settings
from benchmarks.trainable_depth.starts import NoAnswer, Start, start
from edgewise.data import DataSet, Split, digits
from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import provenance
from edgewise.train import Adam, Member, Shape, Training, accuracy, train


def measured(cell: Cell, settings: Settings) -> dict[str, Any]:
    """The record of a cell.

    accuracy, validation: [rate][seed]; a network that diverged counts as a guess, 1/classes, and as lost. The learning
    rate is the one of best mean validation accuracy (of equals, of smaller final training loss); median, low and high
    are those of the test accuracy over seeds there. cpu_seconds: processor
    time of this process, whatever else the machine was doing.
    """
    begun, worked = time.perf_counter(), time.process_time()
    torch.set_num_threads(1)
    data = digits(seed=settings.data_seed)
    shape = Shape(data.features, settings.width, cell.depth, data.classes)
    try:
        begin = start(cell.scheme, cell.activation, shape)
        outcome = _trained(begin, shape, settings, data)
    except NoAnswer as reason:
        outcome = {"status": "no answer", "reason": str(reason)}
    origin = provenance(
        seed=settings.seeds[0], device=torch.device("cpu"), dtype=torch.float32, seconds=time.perf_counter() - begun
    )
    record: dict[str, Any] = jsonable(
        {
            **vars(cell),
            "settings": settings.to_dict(),
            "data": data.to_dict(),
            **outcome,
            "cpu_seconds": time.process_time() - worked,
            "provenance": origin.to_dict(),
        }
    )
    return record


def _trained(begin: Start, shape: Shape, settings: Settings, data: DataSet) -> dict[str, Any]:
    members = [Member(s, rate, begin.initial) for rate in settings.learning_rates for s in settings.seeds]
    trained = train(
        begin.activation, shape, members, data.train, steps=settings.steps, batch=settings.batch, optimiser=Adam(),
        start=begin.weights(shape, members),
    )  # fmt: skip

    def by_rate(values: Tensor) -> list[list[float]]:
        rows: list[list[float]] = values.reshape(len(settings.learning_rates), -1).tolist()
        return rows

    def score(split: Split) -> list[list[float]]:
        right, _ = accuracy(begin.activation, trained.parameters, split)
        return by_rate(torch.where(trained.diverged, 1.0 / data.classes, right.double()))

    tested, validated, final = score(data.test), score(data.validation), by_rate(_final_loss(trained))
    lost = [[step > 0 for step in row] for row in by_rate(trained.diverged_at)]

    def quality(i: int) -> tuple[float, float]:
        losses = [math.inf if gone else loss for gone, loss in zip(lost[i], final[i], strict=True)]
        return math.fsum(validated[i]), -math.fsum(losses)

    best = max(range(len(tested)), key=quality)
    return {
        "status": "measured",
        "start": begin.told,
        "learning_rate": settings.learning_rates[best],
        "chosen": best,
        "median": statistics.median(tested[best]),
        "low": min(tested[best]),
        "high": max(tested[best]),
        "lost": sum(lost[best]),
        "accuracy": tested,
        "validation": validated,
        "first_loss": by_rate(trained.loss[0]),
        "final_loss": final,
        "diverged_at": by_rate(trained.diverged_at),
    }


def _final_loss(trained: Training, over: int = 16) -> Tensor:
    """Mean training loss of the last steps, one pass through the data, [member]; nan where it diverged."""
    return trained.loss[-over:].mean(0)


def measure(cell: Cell, settings: Settings, folder: Path) -> dict[str, Any]:
    """Measures a cell and writes its record into `folder`."""
    record = measured(cell, settings)
    write(record, folder / f"{cell.name}.json")
    return record


def write(record: dict[str, Any], path: Path) -> None:
    """The record under its final name only once it is complete."""
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf8")
    part.replace(path)


def read(path: Path, settings: Settings) -> dict[str, Any] | None:
    """The record at `path`; None where there is none, or one of other settings."""
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
    return record if record["settings"] == settings.to_dict() else None
