"""What each part is computed from: the settings of a report and the parts before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgewise.activations import Activation
from edgewise.errors import DomainError, EdgewiseError
from edgewise.report.model import Subject
from edgewise.report.parts.flow import flow
from edgewise.report.parts.phase import phase, window
from edgewise.report.parts.shape import shape
from edgewise.report.parts.susceptibility import susceptibility
from edgewise.report.parts.tailored import tailored
from edgewise.report.parts.theory import theory
from edgewise.report.parts.training import training
from edgewise.report.schemes import usual
from edgewise.report.words import deepest

INPUTS, CLASSES = 64, 10
"""Numbers per image and kinds of the digits."""

SIMULATED_WIDTH = 4
"""Random networks at initialisation are this many times as wide as trained ones: closer to the theory, still quick."""


class MissingPartError(EdgewiseError):
    """A part needs another one that is not there."""


@dataclass(frozen=True)
class Plan:
    """The settings of a report, see `edgewise.report.report`."""

    depths: tuple[int, ...]
    width: int
    seeds: int
    epochs: int | None
    learning_rates: tuple[float, ...] | None
    members: int
    seed: int
    training: bool

    def __post_init__(self) -> None:
        for name, low in (("width", 2), ("seeds", 1), ("epochs", 1), ("members", 1)):
            count = getattr(self, name)
            if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < low):
                raise DomainError(f"{name}={count!r} given, expected an integer >= {low}; try {name}={max(low, 4)}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise DomainError(f"seed={self.seed!r} given, expected an integer >= 0; try seed=0")
        for rate in self.learning_rates or ():
            if not 0.0 < rate < math.inf:
                raise DomainError(f"learning rate {rate!r} given, expected finite numbers > 0; try 1e-3")

    def to_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        return {
            **plain,
            "depths": list(self.depths),
            "learning_rates": self.learning_rates and list(self.learning_rates),
        }


def compute(
    name: str,
    a: Activation,
    subject: Subject,
    plan: Plan,
    *,
    on_progress: Callable[[float], None],
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """The data of one part. on_progress: called with the fraction that is done; keep: with what is worth keeping so
    far.

    Raises EdgewiseError where the part has no answer, MissingPartError where one before it had none.
    """
    match name:
        case "theory":
            return theory(a, depths=plan.depths, width=plan.width, inputs=INPUTS, outputs=CLASSES)
        case "shape":
            return shape(a)
        case "susceptibility":
            return _susceptibility(a, subject)
        case "flow":
            return flow(
                a,
                depth=max(plan.depths),
                width=SIMULATED_WIDTH * plan.width,
                members=plan.members,
                seed=plan.seed,
                initialisation=_start(subject),
                usual=usual(plan.width, INPUTS),
                on_progress=lambda done, total: on_progress(done / total),
            )
        case "phase":
            return _phase(a, subject, plan)
        case "tailored":
            return tailored(a, depth=max(plan.depths), width=plan.width)
        case "training":
            return training(
                a,
                depths=plan.depths,
                width=plan.width,
                seeds=plan.seeds,
                seed=plan.seed,
                epochs=plan.epochs,
                learning_rates=plan.learning_rates,
                on_progress=on_progress,
                keep=keep,
            )
        case _:
            raise AssertionError(f"no part named {name!r}")


def _start(subject: Subject) -> Mapping[str, Any]:
    """The recommended initialisation of the deepest networks."""
    data = subject.data("theory")
    if data is None:
        raise MissingPartError(f"it starts from the theory's recommendation, and there is none ({_why(subject)})")
    found = deepest(data["recommended"])
    if found is None:
        raise MissingPartError(str(data["recommendation_reason"]))
    return found[1]


def _why(subject: Subject) -> str:
    part = subject.parts["theory"]
    return part.message or part.status


def _susceptibility(a: Activation, subject: Subject) -> dict[str, Any]:
    data = subject.data("theory")
    critical = data["critical"] if data else None
    marked = tuple(p["kernel"] for p in data["solutions"] if p["kernel"]) if data else ()
    if critical is not None:
        return susceptibility(a, c_w=critical["c_w"], marked=marked)
    found = deepest(data["recommended"]) if data else None
    return susceptibility(a, c_w=found[1]["c_w"] if found else 1.0, marked=marked)


def _phase(a: Activation, subject: Subject, plan: Plan) -> dict[str, Any]:
    start = _start(subject)
    data = subject.data("theory")
    assert data is not None, "_start raises where there is no theory"
    c_w_max, c_b_max = window(data, start["c_w"], start["k0"])
    marks = {"recommended": (start["c_w"], start["c_b"])}
    marks |= {name: (values["c_w"], values["c_b"]) for name, values in usual(plan.width, INPUTS).items()}
    return phase(a, depth=max(plan.depths), k0=start["k0"], c_w_max=c_w_max, c_b_max=c_b_max, marks=marks)
