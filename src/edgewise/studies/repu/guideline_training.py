"""Does it train? Deep MRePU and RePU networks on the digits: the guideline to the letter, with a first layer of its
own, and tailored.

All schemes get the same seeds, batches and learning rates (Adam); the rate is chosen on validation images, a network
counts as trained by its accuracy on test images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import activation
from edgewise.data import DataSet, digits
from edgewise.measure.denormals import flushed_denormals
from edgewise.studies import evidence
from edgewise.studies.claim import Check, Claim
from edgewise.studies.schemes import recommended
from edgewise.studies.study import Context, Part
from edgewise.tailor import tailor
from edgewise.train import Adam, Initial, Member, Shape, accuracy, train

TRAINED = 0.8
"""Test accuracy from which a network counts as trained; a guess has 0.1, a well trained one 0.95."""

_UNIT = Initial(c_w=1.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)


@dataclass(frozen=True)
class Settings:
    depths: tuple[int, ...]
    seeds: int
    steps: int
    width: int = 64
    batch: int = 64
    learning_rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4)


@dataclass(frozen=True)
class Scheme:
    """key, name: of the scheme; begin: (activation, variances) for a network of this shape."""

    key: str
    name: str
    begin: Callable[[Shape], tuple[Callable[[Tensor], Tensor], Initial]]


SCHEMES = (
    Scheme("letter", "MRePU(2), C_W = 1 in all layers", lambda shape: (activation("mrepu(p=2)"), _UNIT)),
    Scheme("first", "MRePU(2), C_W = 1, first layer of its own", lambda shape: _recommended("mrepu(p=2)", shape)),
    Scheme("mrepu-tailored", "MRePU(2), tailored", lambda shape: _tailored("mrepu(p=2)", shape)),
    Scheme("repu", "RePU(2), the least bad C_W", lambda shape: _recommended("repu(p=2)", shape)),
    Scheme("repu-tailored", "RePU(2), tailored", lambda shape: _tailored("repu(p=2)", shape)),
)


def _recommended(spec: str, shape: Shape) -> tuple[Callable[[Tensor], Tensor], Initial]:
    a = activation(spec)
    return a, recommended(a, shape).initial


def _tailored(spec: str, shape: Shape) -> tuple[Callable[[Tensor], Tensor], Initial]:
    return tailor(spec, depth=shape.depth, width=shape.width), _UNIT  # <sigma~**2> = 1 keeps K = 1 to the output


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Three claims: the guideline to the letter, with a first layer of its own, and what tailoring does instead."""
    s, data = settings, digits(seed=context.seed)
    total, done = len(SCHEMES) * sum(s.depths) * s.steps, 0
    rows = []
    for depth in s.depths:
        for scheme in SCHEMES:

            def tick(step: int, before: int = done, depth: int = depth) -> None:
                context.progress(before + step * depth, total)

            rows.append(_trained(s, scheme, depth, data, context, tick))
            done += depth * s.steps
    told = {"data": data.to_dict(), "schemes": {scheme.key: scheme.name for scheme in SCHEMES}}
    return _letter(s, rows, told), _first(s, rows), _tailor(s, rows)


PART = Part(
    key="guideline-training",
    title="The guideline and tailoring, trained",
    run=run,
    settings={
        "smoke": Settings(depths=(16,), seeds=10, steps=120, learning_rates=(2e-4,)),
        "full": Settings(depths=(20, 40), seeds=10, steps=300),
    },
    seconds={"smoke": 9.0, "full": 250.0},
)


def _trained(
    s: Settings, scheme: Scheme, depth: int, data: DataSet, context: Context, tick: Callable[[int], None]
) -> dict[str, Any]:
    """All seeds at all rates as one ensemble; the accuracy at the best rate."""
    shape = Shape(data.features, s.width, depth, data.classes)
    a, initial = scheme.begin(shape)
    members = [Member(context.seed + i, rate, initial) for rate in s.learning_rates for i in range(s.seeds)]
    with flushed_denormals():
        trained = train(
            a, shape, members, data.train, steps=s.steps, batch=s.batch, optimiser=Adam(), device=context.device,
            on_step=tick,
        )  # fmt: skip

    def score(split: Any) -> Tensor:
        right, _ = accuracy(a, trained.parameters, split)
        guessed = torch.where(trained.diverged.cpu(), 1.0 / data.classes, right.double())
        return guessed.reshape(len(s.learning_rates), s.seeds)

    best = int(score(data.validation).mean(1).argmax())
    lost = trained.diverged.cpu().reshape(len(s.learning_rates), s.seeds)
    return {
        "scheme": scheme.key,
        "name": scheme.name,
        "depth": depth,
        "accuracy": score(data.test)[best].tolist(),
        "diverged": lost[best].tolist(),
        "learning_rate": s.learning_rates[best],
        "lost_at_all_rates": int(lost.sum()),
        "networks": lost.numel(),
        "first_c_w": initial.first_c_w,
        "c_w": initial.c_w,
    }


def _check(s: Settings, rows: list[dict[str, Any]], key: str, *, trains: bool = True) -> list[Check]:
    """At every depth: at least half of the networks of a scheme train (or fewer than half do)."""
    checks = []
    for row in rows:
        if row["scheme"] != key:
            continue
        share = evidence.proportion(sum(value >= TRAINED for value in row["accuracy"]), s.seeds)
        what = "at least half" if trains else "fewer than half"
        checks.append(
            Check(f"{row['name']}, {row['depth']} layers: {what} of the networks reach {100 * TRAINED:.0f} % test "
                  "accuracy (share of networks)", share, (0.5, 1.0) if trains else (0.0, 0.5))
        )  # fmt: skip
    return checks


def _outcome(rows: list[dict[str, Any]], *keys: str) -> str:
    """Median, extremes and losses of the schemes, in words."""
    parts = []
    for row in rows:
        if row["scheme"] in keys:
            values = sorted(row["accuracy"])
            lost = sum(row["diverged"])
            parts.append(
                f"{row['name']}, {row['depth']} layers: median accuracy "
                f"{100 * evidence.median(values).estimate:.1f} % ({100 * values[0]:.1f} to {100 * values[-1]:.1f} %)"
                + (f", {lost} of {len(values)} diverged" if lost else "")
            )
    return "; ".join(parts)


def _letter(s: Settings, rows: list[dict[str, Any]], told: dict[str, Any]) -> Claim:
    return Claim(
        key="guideline-trains",
        title="MRePU(2) trains deep with (C_W, C_b) = (1, 0) in every layer",
        says=(
            "MRePU can be initialised at criticality, (C_W, C_b) = (1, 0), and deep MRePU networks then train where "
            "RePU networks fail. Taken to the letter: in every layer, inputs of mean square 1."
        ),
        where="criticality of MRePU, taken to the letter",
        of_paper=False,
        checks=tuple(_check(s, rows, "letter")),
        measured=_outcome(rows, "letter"),
        n=s.seeds * len(s.depths),
        settings={"trained_from": TRAINED, "data": told["data"]["name"], "optimiser": "Adam"},
        numbers={"rows": [row for row in rows if row["scheme"] == "letter"]},
        figures=("guideline_training.accuracy",),
        data={"rows": rows, "trained": TRAINED, "chance": 0.1, "width": s.width, "steps": s.steps},
        remarks=(
            "With inputs of mean square 1 and C_W = 1 in the first layer too, K₁ is 1. How the paper scales its inputs "
            "and first layer is not known to us.",
        ),
    )


def _first(s: Settings, rows: list[dict[str, Any]]) -> Claim:
    scales = ", ".join(
        f"K₁ = {row['first_c_w']:.3g} for {row['depth']} layers" for row in rows if row["scheme"] == "first"
    )
    return Claim(
        key="first-layer-of-its-own",
        title="MRePU(2) at (1, 0) trains deep once its first layer has a scale of its own",
        says=(
            "C_W = 1 in the hidden layers, a first layer with a C_W so small that K stays near K₁ for the whole depth, "
            "and a last layer that gives outputs of variance 1."
        ),
        where="what the guideline must be read with",
        of_paper=False,
        checks=tuple(_check(s, rows, "first")),
        measured=f"{_outcome(rows, 'first')}; {scales}",
        n=s.seeds * len(s.depths),
        settings={"trained_from": TRAINED, "optimiser": "Adam"},
        numbers={"rows": [row for row in rows if row["scheme"] == "first"]},
    )


def _tailor(s: Settings, rows: list[dict[str, Any]]) -> Claim:
    return Claim(
        key="tailoring-instead",
        title="Tailored, both MRePU(2) and RePU(2) train deep from K = 1",
        says=(
            "A shift and a scale inside and outside of σ give it K* = 1, χ∥ = 1, a χ⊥ that suits the depth, and mean 0 "
            "(ew.tailor): no first layer of its own is needed, and RePU, which has no critical point and does not "
            "train, trains too."
        ),
        where="what edgewise does instead",
        of_paper=False,
        checks=(
            *_check(s, rows, "mrepu-tailored"),
            *_check(s, rows, "repu-tailored"),
            *_check(s, rows, "repu", trains=False),
        ),
        measured=_outcome(rows, "mrepu-tailored", "repu-tailored", "repu"),
        n=s.seeds * len(s.depths) * 3,
        settings={"trained_from": TRAINED, "optimiser": "Adam"},
        numbers={"rows": [row for row in rows if row["scheme"] in ("mrepu-tailored", "repu-tailored", "repu")]},
        figures=(),
    )
