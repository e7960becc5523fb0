"""All measured cells as one file, and what they say when the schemes are compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.trainable_depth.settings import ACTIVATIONS, OURS, SCHEMES, Cell

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "trainable_depth.json"
LEARNED = 0.2
"""Twice a guess: below this nothing was learned, and nothing is called best."""
COMMON = ("settings", "data")
"""What all cells share."""


@dataclass(frozen=True)
class Results:
    """settings, data: of all cells; cells: their records by name."""

    settings: dict[str, Any]
    data: dict[str, Any]
    cells: dict[str, dict[str, Any]]

    @property
    def depths(self) -> list[int]:
        return sorted({record["depth"] for record in self.cells.values()})

    @property
    def resolution(self) -> float:
        """Standard error of an accuracy of 0.95 on the test images: differences below it say nothing."""
        return math.sqrt(0.95 * 0.05 / int(self.data["test"]))

    def at(self, depth: int, activation: str, scheme: str) -> dict[str, Any] | None:
        """A cell's record, None where it was not measured."""
        return self.cells.get(Cell(depth, activation, scheme).name)

    def median(self, depth: int, activation: str, scheme: str) -> float | None:
        """A cell's accuracy, None where it was not measured or the scheme had no answer."""
        record = self.at(depth, activation, scheme)
        return None if record is None or record["status"] != "measured" else float(record["median"])

    def best(self, depth: int, activation: str, schemes: Sequence[str] = SCHEMES) -> tuple[str, float] | None:
        """The scheme of highest median among these, the first of equals; None where none was measured."""
        found = [(s, m) for s in schemes if (m := self.median(depth, activation, s)) is not None]
        return max(found, key=lambda pair: pair[1], default=None)


@dataclass(frozen=True)
class Duel:
    """The best of ours beside the best peer for one activation at one depth."""

    depth: int
    activation: str
    ours: tuple[str, float]
    peer: tuple[str, float]

    @property
    def ahead(self) -> float:
        """By how much ours is the more accurate; negative where the peer is."""
        return self.ours[1] - self.peer[1]


def duels(results: Results) -> Iterator[Duel]:
    """One for each activation and depth in which both sides were measured and at least one of them learned."""
    peers = [scheme for scheme in SCHEMES if scheme not in OURS]
    for depth in results.depths:
        for activation in ACTIVATIONS:
            ours, peer = results.best(depth, activation, OURS), results.best(depth, activation, peers)
            if ours is not None and peer is not None and max(ours[1], peer[1]) >= LEARNED:
                yield Duel(depth, activation, ours, peer)


def collected(folder: Path) -> Results:
    """The cells of a folder. Raises ValueError where it holds none, or cells of different settings."""
    records = [json.loads(path.read_text(encoding="utf8")) for path in sorted(folder.glob("*.json"))]
    if not records:
        raise ValueError(f"{folder} holds no cells; run python -m benchmarks.trainable_depth --out {folder}")
    for key in COMMON:
        if any(record[key] != records[0][key] for record in records):
            raise ValueError(f"the cells in {folder} differ in their {key}; measure them with the same")
    cells = {
        Cell(r["depth"], r["activation"], r["scheme"]).name: {k: v for k, v in r.items() if k not in COMMON}
        for r in records
    }
    return Results(records[0]["settings"], records[0]["data"], cells)


def save(results: Results, path: Path = RESULTS) -> None:
    """One line a cell, so that a new measurement is a small difference."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(record)}" for name, record in sorted(results.cells.items()))
    head = ",\n".join(f"{json.dumps(key)}: {json.dumps(getattr(results, key))}" for key in COMMON)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n{head},\n"cells": {{\n{lines}\n}}\n}}\n', encoding="utf8")


def load(path: Path = RESULTS) -> Results:
    return Results(**json.loads(path.read_text(encoding="utf8")))
