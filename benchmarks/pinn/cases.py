"""What is measured: operators, network shapes, numbers of points, precisions; and the aims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operator = Literal["burgers", "u_xxxx", "biharmonic", "burgers step"]

AIMS: dict[tuple[Operator, str], float] = {
    ("burgers", "nested autograd"): 1.5,
    ("burgers", "DeepXDE"): 1.5,
    ("burgers step", "DeepXDE"): 1.5,
    ("u_xxxx", "nested autograd"): 4.0,
    ("biharmonic", "nested autograd"): 4.0,
}
"""How many times as fast as that peer we are to be."""

SAME_LOSS = 1e-6
"""Losses may differ by this much, relatively."""


@dataclass(frozen=True)
class Case:
    """One operator on one network of tanh units; "burgers step" is a whole training step with conditions and Adam."""

    operator: Operator
    depth: int
    width: int
    points: int
    dtype: Literal["float32", "float64"]
    threads: int

    def __str__(self) -> str:
        return (
            f"{self.operator}, {self.depth}x{self.width}, {self.points} points, {self.dtype}, {self.threads} thread(s)"
        )


def cases(*, quick: bool, threads: tuple[int, ...]) -> list[Case]:
    """All of them; quick: 8x20 at 1000 points."""
    shapes = ((8, 20),) if quick else ((8, 20), (7, 50))
    few = (1000,)
    numbers: dict[Operator, tuple[int, ...]] = {
        "burgers": few if quick else (1000, 10_000),
        "burgers step": few if quick else (1000, 10_000),
        "u_xxxx": few if quick else (1000, 4000),
        "biharmonic": few,
    }
    return [
        Case(operator, depth, width, points, dtype, count)
        for count in threads
        for operator, given in numbers.items()
        for depth, width in shapes
        for points in given
        for dtype in ("float32", "float64")
    ]
