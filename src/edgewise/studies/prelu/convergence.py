"""Figures 2 and 3: plain ReLU networks of 14, 22 and 30 layers, started by He's rule and by Xavier's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, Check, Claim
from edgewise.studies.prelu.learning import FOURTEEN, THIRTY, TWENTY_TWO, Architecture, Learned, Scheme, learn, network
from edgewise.studies.study import Context, Part
from edgewise.studies.subset import subset
from edgewise.train import WarmupCosine

GUESS = math.log(10)
PILOTS = "Rates and numbers of steps were set after pilots with the seed 1000, none of whose networks is among these."
CONVERGED = 2.26
"""A network has begun to converge once its training loss, averaged over a window, is below this; a guess has 2.303."""
STALLED = 2.29
"""One whose loss ends above this has learned nothing but the frequency of the classes."""
PAPER_STEPS = 30_000.0
"""About what figure 2 shows: 3 epochs of ImageNet in batches of 128."""
SCHEMES: tuple[tuple[Scheme, str], ...] = (("he", "He"), ("xavier", "Xavier"))


@dataclass(frozen=True)
class Settings:
    """steps: of the 14-, 22- and 30-layer networks; seeds: networks of each kind."""

    seeds: int
    steps: tuple[int, int, int]
    train: int
    test: int
    batch: int = 32
    learning_rate: float = 0.005
    data: str = "cifar10"


@dataclass(frozen=True)
class Trained:
    """The networks of one depth and rule."""

    architecture: Architecture
    scheme: Scheme
    runs: tuple[Learned, ...]
    window: int

    @property
    def curves(self) -> list[list[float]]:
        """The training loss of every network, averaged over windows of steps; inf after a divergence."""
        return [_windows(run.loss, self.window) for run in self.runs]

    @property
    def final(self) -> list[float]:
        """Of every network, the loss over the last tenth of its steps."""
        return [math.inf if run.diverged else _end(run.loss) for run in self.runs]

    @property
    def begun(self) -> list[float]:
        """The steps after which every network's loss was below CONVERGED; inf for never."""
        return [
            next(((i + 1.0) * self.window for i, loss in enumerate(curve) if loss < CONVERGED), math.inf)
            for curve in self.curves
        ]


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Trains all depths from both starts; a network and its twin of the other rule see the same batches."""
    s = settings
    images, _ = subset(s.data, train=s.train, test=s.test)
    depths = (FOURTEEN, TWENTY_TWO, THIRTY)
    plan = [(a, steps, scheme) for a, steps in zip(depths, s.steps, strict=True) for scheme, _ in SCHEMES]
    total, done, found = sum(a.depth * steps * s.seeds for a, steps, _ in plan), 0, []
    for architecture, steps, scheme in plan:
        runs = []
        for i in range(s.seeds):

            def tick(step: int, before: int = done, depth: int = architecture.depth) -> None:
                context.progress(before + step * depth, total)

            model = network(architecture, "relu", scheme, images.shape, context.seed + i)
            runs.append(
                learn(model, images, steps=steps, batch=s.batch, learning_rate=s.learning_rate, seed=context.seed + i,
                      device=context.device, schedule=WarmupCosine(steps // 20, decay=False), on_step=tick)
            )  # fmt: skip
            done += architecture.depth * steps
        found.append(Trained(architecture, scheme, tuple(runs), max(1, steps // 40)))
    told = {"data": images.to_dict(), "optimiser": "SGD, momentum 0.9, constant rate after a warm-up of 5 %"}
    return (
        _both(
            s, found[0], found[1], told, "section 2.2, comparison with Xavier",
            "The 14-layer ReLU model learns as well from Xavier's initialisation as from He's: top-1 errors on "
            "ImageNet of 33.90 % and 33.82 % (the paper's numbers).",
        ),
        _both(
            s, found[2], found[3], told, "figure 2",
            "A 22-layer ReLU network converges from either initialisation; He's starts reducing the error earlier.",
        ),
        _deeper(s, found[4], found[5], told),
    )  # fmt: skip


PART = Part(
    key="convergence",
    title="Convergence of 14, 22 and 30 layers",
    run=run,
    settings={
        "smoke": Settings(seeds=2, steps=(40, 40, 40), train=1000, test=300, batch=16),
        "full": Settings(seeds=4, steps=(600, 1500, 1500), train=10000, test=1000),
    },
    seconds={"smoke": 12.0, "full": 1300.0},
)


def _both(s: Settings, he: Trained, xavier: Trained, told: dict[str, Any], where: str, says: str) -> Claim:
    layers = he.architecture.depth
    return Claim(
        key=f"convergence-{layers}",
        title=f"With {layers} layers both rules converge, He's earlier",
        says=says,
        where=where,
        checks=(
            Check(f"He: steps until the training loss is below {CONVERGED}, within {PAPER_STEPS:,.0f} as in the paper",
                  _until(he), (-math.inf, PAPER_STEPS), "steps"),
            Check("Xavier: the same", _until(xavier), (-math.inf, PAPER_STEPS), "steps"),
            Check("log2 of those steps, Xavier over He, same seed, mean", _earlier(he, xavier), ABOVE_ZERO, "bits"),
        ),
        measured=f"{_story(he)}; {_story(xavier)}",
        n=2 * s.seeds,
        settings={**told, "network": _drawn_small(he.architecture)},
        numbers={"rows": [_row(t) for t in (he, xavier)]},
        figures=(f"convergence.layers-{layers}",),
        data=_data(he, xavier),
        remarks=(
            _SMALL,
            f"Training stopped after {len(he.runs[0].loss)} steps: of a network that had not begun by then only this "
            "lower bound of its steps is known.",
            *images_remarks(told),
        ),
    )  # fmt: skip


def _deeper(s: Settings, he: Trained, xavier: Trained, told: dict[str, Any]) -> Claim:
    return Claim(
        key="convergence-30",
        title="With 30 layers He's rule converges and Xavier's stalls",
        says="A 30-layer ReLU network converges from He's initialisation; from Xavier's it stalls: gradients vanish.",
        where="figure 3",
        checks=(
            Check(f"He: mean training loss at the end at most {CONVERGED}", _mean(he.final), (-math.inf, CONVERGED)),
            Check(f"Xavier: the same, at least {STALLED} (a guess has {GUESS:.3f})", _mean(xavier.final),
                  (STALLED, math.inf)),
        ),
        measured=f"{_story(he)}; {_story(xavier)}",
        n=2 * s.seeds,
        settings={**told, "network": _drawn_small(he.architecture)},
        numbers={"rows": [_row(t) for t in (he, xavier)]},
        figures=("convergence.layers-30",),
        data=_data(he, xavier),
        remarks=(
            _SMALL,
            "Stalled means within these steps; the paper trained on ImageNet for many more.",
            *images_remarks(told),
        ),
    )  # fmt: skip


_SMALL = (
    "The paper's networks are 8 and more times as wide, see 224x224 images of ImageNet and have 4096 units in their "
    "linear layers, with dropout; here they are small and see CIFAR-10, without dropout or augmentation."
)


def images_remarks(told: dict[str, Any]) -> tuple[str, ...]:
    """What has to be said about this copy of the data, and about what was known before."""
    return (PILOTS, *told["data"]["remarks"])


def _drawn_small(architecture: Architecture) -> str:
    stages = ", then ".join(f"{count} of {channels} channels" for count, channels in architecture.stages)
    k = architecture.kernel_size
    return (
        f"after {architecture.paper}: a 3x3 convolution of 16 channels and stride 2, {k}x{k} convolutions, {stages}, "
        "max pooling before each stage, two linear layers of 64, a head; ReLU"
    )


def _story(t: Trained) -> str:
    name = dict(SCHEMES)[t.scheme]
    final, begun = _mean(t.final), [b for b in t.begun if math.isfinite(b)]
    accuracy = [run.accuracy for run in t.runs]
    when = f"below {CONVERGED} after {_middle(begun):.0f} steps" if len(begun) == len(t.runs) else (
        f"below {CONVERGED} in {len(begun)} of {len(t.runs)}"
    )  # fmt: skip
    return (
        f"{name}: loss {final.estimate:.3f} ({final.low:.3f} to {final.high:.3f}) after {len(t.runs[0].loss)} steps, "
        f"{when}, {100 * sum(accuracy) / len(accuracy):.1f} % of the test images right ({len(t.runs)} networks)"
    )


def _row(t: Trained) -> dict[str, Any]:
    return {
        "rule": t.scheme,
        "layers": t.architecture.depth,
        "final_loss": t.final,
        "steps_to_begin": t.begun,
        "accuracy": [run.accuracy for run in t.runs],
        "diverged": sum(run.diverged for run in t.runs),
    }


def _data(he: Trained, xavier: Trained) -> dict[str, Any]:
    return {
        "layers": he.architecture.depth,
        "window": he.window,
        "guess": GUESS,
        "converged": CONVERGED,
        "rules": [
            {"rule": dict(SCHEMES)[t.scheme], "curves": [[round(v, 4) for v in curve] for curve in t.curves]}
            for t in (he, xavier)
        ],
    }


def _windows(loss: tuple[float, ...], window: int) -> list[float]:
    usable = torch.tensor(loss[: len(loss) // window * window]).view(-1, window).mean(1)
    return torch.where(torch.isfinite(usable), usable, torch.inf).tolist()


def _end(loss: tuple[float, ...]) -> float:
    last = loss[-max(1, len(loss) // 10) :]
    mean = sum(last) / len(last)
    return mean if math.isfinite(mean) else math.inf


def _mean(values: list[float]) -> evidence.Interval:
    return evidence.mean(values)


def _middle(values: list[float]) -> float:
    return float(torch.tensor(values).median()) if values else math.inf


def _until(t: Trained) -> evidence.Interval:
    """The mean number of steps until a network began; from those that all took and on where one had not yet begun."""
    if any(math.isinf(steps) for steps in t.begun):
        least = float(len(t.runs[0].loss))
        return evidence.Interval(math.nan, least, math.inf, evidence.LEVEL, len(t.runs), "not yet begun: a lower bound")
    return evidence.mean(t.begun)


def _earlier(he: Trained, xavier: Trained) -> evidence.Interval:
    """The mean of log2(Xavier's steps / He's) over seeds; one that never began counts with all its steps.

    Nothing is known of a seed where neither began.
    """
    steps = float(len(he.runs[0].loss))
    pairs = list(zip(he.begun, xavier.begun, strict=True))
    if any(math.isinf(a) and math.isinf(b) for a, b in pairs):
        return evidence.Interval(math.nan, -math.inf, math.inf, evidence.LEVEL, len(pairs), "mean, Student's t")
    found = evidence.mean([math.log2(min(b, steps)) - math.log2(min(a, steps)) for a, b in pairs])
    if not any(math.isinf(b) for _, b in pairs):
        return found
    return replace(found, high=math.inf, method="mean of lower bounds, Student's t")
