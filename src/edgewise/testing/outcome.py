"""What a check answers: the worst error it measured, a failure, or the reason why it does not apply."""

from __future__ import annotations

from dataclasses import dataclass


class ConformanceError(AssertionError):
    """An activation does not do what it declares; the message says which check, where, what was found and expected."""


class NotApplicable(Exception):
    """The question does not arise for this activation, or a package it needs is missing; the message says so."""


@dataclass(frozen=True)
class Worst:
    """The largest error a check saw, as a fraction of what it allows (1 is the limit), and the x where it saw it."""

    fraction: float
    x: float

    def __str__(self) -> str:
        return f"{self.fraction:.2g} of the allowed error, at x={self.x:.6g}"
