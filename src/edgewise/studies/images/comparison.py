"""What a comparison of activations on images found: every run, where each activation stands, which pairs differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgewise.data import Augment
from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import Provenance
from edgewise.studies import evidence
from edgewise.studies.evidence import Interval
from edgewise.studies.images.networks import Init
from edgewise.studies.images.recipe import Recipe
from edgewise.studies.images.run import ImageRun
from edgewise.studies.significance import ALPHA, Pair, pairwise, ratio

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Settings:
    """What every run of a comparison has in common; seeds: of initial weights, order and augmentation, one a run.

    recipe: what is not said here is done as it says, its learning rate for 1024 images included; its own numbers of
    images, epochs and seeds, batch and learning rate are suggestions. compile: see `train.minimise`.
    """

    model: str
    init: Init
    seeds: tuple[int, ...]
    epochs: int
    batch: int
    learning_rates: tuple[float, ...]
    optimiser: str = "adam"
    augment: Augment | None = None
    autocast: str | None = None
    device: str = "cpu"
    recipe: Recipe | None = None
    compile: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = jsonable(asdict(self))
        return plain


@dataclass(frozen=True)
class Trial:
    """One network of an activation, trained."""

    activation: str
    run: ImageRun

    @property
    def validation(self) -> float:
        """Accuracy on the validation images at the end; of a diverged run the last that was seen, else 0."""
        seen = [value for value in self.run.curves["validation"].accuracy if value == value]
        return seen[-1] if seen else 0.0


@dataclass(frozen=True)
class Standing:
    """One activation at its best learning rate.

    accuracy, loss: on the test images, the mean over seeds; time: of training, relative to the first activation's; None
    for the first itself and where one of the two never finished.
    seconds: of a run, the median over seeds; diverged: runs that did, of all seeds at this learning rate.
    """

    activation: str
    learning_rate: float
    accuracy: Interval
    loss: Interval
    time: Interval | None
    seconds: float
    kept_bytes: int
    peak_bytes: int | None
    diverged: int
    seeds: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = vars(self) | {name: getattr(self, name).to_dict() for name in ("accuracy", "loss")}
        plain: dict[str, Any] = jsonable(told | {"time": self.time.to_dict() if self.time else None})
        return plain


@dataclass(frozen=True)
class Comparison:
    """Activations on the same images, networks and seeds.

    standings: in the order the activations were given; only those of which every seed was run. pairs: differences of
    test accuracy, over the same seeds. how_timed: in words, what the times compare. unfinished: activations that an
    interruption kept from finishing.
    """

    settings: Settings
    data: dict[str, Any]
    trials: tuple[Trial, ...]
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    how_timed: str
    unfinished: tuple[str, ...]
    provenance: Provenance

    @property
    def best(self) -> Standing | None:
        """The highest mean test accuracy; None where nothing was finished."""
        return max(self.standings, key=lambda s: s.accuracy.estimate, default=None)

    @property
    def reason(self) -> str:
        """What was found, in plain words."""
        best = self.best
        if best is None:
            return "no activation was finished"
        seeds = len(self.settings.seeds)
        told = f"highest mean test accuracy: {best.activation}, {_percent(best.accuracy.estimate)}"
        told += f" over {seeds} seeds" if seeds > 1 else " (one seed)"
        beaten: list[str] = []
        level: list[str] = []
        for pair in self.pairs:
            if best.activation in (pair.first, pair.second):
                other = pair.second if pair.first == best.activation else pair.first
                (beaten if pair.differ else level).append(other)
        if seeds == 1 and self.pairs:
            told += "; one seed cannot tell whether any two differ"
        elif self.pairs:
            told += f"; significantly above {_listed(beaten)}" if beaten else ""
            told += f"; not distinguished from {_listed(level)}" if level else ""
        lost = [f"{s.activation} ({s.diverged} of {s.seeds})" for s in self.standings if s.diverged]
        told += f"; diverged: {_listed(lost)}" if lost else ""
        return told + (f"; not finished: {_listed(self.unfinished)}" if self.unfinished else "")

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know before trusting the ranking."""
        rates, recipe = self.settings.learning_rates, self.settings.recipe
        found = []
        if recipe is not None and recipe.scale:
            found.append(
                f"recipe {recipe.name} {recipe.scale} ({self.settings.model}, {self.data['train']:,} images, "
                f"{self.settings.epochs} epochs): what holds here need not hold for the whole of it"
            )
        overflow = [s.activation for s in self.standings if self._outputs_overflow(s)]
        if overflow:
            found.append(
                f"for some test images the outputs of {_listed(overflow)} are too large to be numbers: they count as "
                "wrong, and there is no mean loss"
            )
        unborn = [s.activation for s in self.standings if self._began_exploded(s.activation)]
        if unborn:
            found.append(
                f"{_listed(unborn)} exploded before the first step, as initialised ({self.settings.init}): no learning "
                "rate mends that; try another --init, or a shallower network"
            )
        if len(rates) == 1:
            lost = [s.activation for s in self.standings if s.diverged and s.activation not in unborn]
            if lost:
                told = f"{_listed(lost)} diverged at the one learning rate tried, {rates[0]:g}; try smaller ones too"
                found.append(told)
            return tuple(found)
        for which, rate in (("smallest", min(rates)), ("largest", max(rates))):
            names = [s.activation for s in self.standings if s.learning_rate == rate and s.activation not in unborn]
            if names:
                found.append(
                    f"best at the {which} learning rate tried, {rate:g}: {_listed(names)}; one beyond may serve better"
                )
        return tuple(found)

    def _outputs_overflow(self, standing: Standing) -> bool:
        """Whether runs that did not diverge have no finite test loss."""
        mine = [t.run for t in self.trials if t.activation == standing.activation]
        chosen = [run for run in mine if run.learning_rate == standing.learning_rate]
        return any(not run.diverged and not math.isfinite(run.test.loss) for run in chosen)

    def _began_exploded(self, name: str) -> bool:
        """Whether every run of an activation was lost on the loss of its first batch."""
        return all(t.run.diverged_at == 1 for t in self.trials if t.activation == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; everything that the page is drawn from."""
        plain: dict[str, Any] = jsonable(
            {
                "settings": self.settings.to_dict(),
                "data": self.data,
                "reason": self.reason,
                "remarks": list(self.remarks),
                "standings": [s.to_dict() for s in self.standings],
                "pairs": [p.to_dict() for p in self.pairs],
                "alpha": ALPHA,
                "how_timed": self.how_timed,
                "unfinished": list(self.unfinished),
                "trials": [{"activation": t.activation, "run": t.run.to_dict()} for t in self.trials],
                "provenance": self.provenance.to_dict(),
            }
        )
        return plain

    def __rich__(self) -> RenderableType:
        from edgewise.studies.images.comparison_view import view

        return view(self)


def compared(
    settings: Settings, data: Mapping[str, Any], activations: Sequence[str], trials: Sequence[Trial],
    step_seconds: Mapping[str, Sequence[float]] | None, provenance: Provenance,
) -> Comparison:  # fmt: skip
    """Everything that follows from the runs, whichever of them were finished."""
    wanted = len(settings.seeds) * len(settings.learning_rates)
    mine = {name: [t for t in trials if t.activation == name] for name in activations}
    whole = [name for name in activations if len(mine[name]) == wanted]
    chosen = {name: _at_best_rate(mine[name], settings) for name in whole}
    times = step_seconds or {name: _per_step(mine[name], settings) for name in whole}
    standings = tuple(_standing(name, chosen[name], times, whole[0]) for name in whole)
    pairs = pairwise({name: [t.run.test.accuracy for t in chosen[name]] for name in whole})
    how = (
        "a training step of all members at once, the activations one after the other, round by round"
        if step_seconds
        else "a training step, from whole runs of the same seed, the activations one after the other"
    )
    return Comparison(
        settings, dict(data), tuple(trials), standings, pairs, how,
        tuple(name for name in activations if name not in whole), provenance,
    )  # fmt: skip


def _at_best_rate(trials: Sequence[Trial], settings: Settings) -> list[Trial]:
    """The runs at the learning rate of the best mean validation accuracy, by seed."""
    by_rate = {rate: [t for t in trials if t.run.learning_rate == rate] for rate in settings.learning_rates}
    best = max(by_rate, key=lambda rate: statistics.fmean(t.validation for t in by_rate[rate]))
    return sorted(by_rate[best], key=lambda t: t.run.seed)


def _per_step(trials: Sequence[Trial], settings: Settings) -> list[float]:
    """Seconds of a training step, by seed, over all learning rates; nan where all runs diverged."""
    found = []
    for seed in settings.seeds:
        runs = [t.run for t in trials if t.run.seed == seed and not t.run.diverged]
        found.append(sum(r.seconds for r in runs) / sum(r.steps for r in runs) if runs else math.nan)
    return found


def _ratio(times: Mapping[str, Sequence[float]], name: str, first: str) -> Interval | None:
    """Of the times of `name` to those of `first`, where both are known; None where there is nothing to compare."""
    if name == first or name not in times or first not in times:
        return None
    both = [(a, b) for a, b in zip(times[name], times[first], strict=True) if a > 0.0 and b > 0.0]
    return ratio([a for a, _ in both], [b for _, b in both]) if both else None


def _standing(name: str, trials: Sequence[Trial], times: Mapping[str, Sequence[float]], first: str) -> Standing:
    runs = [t.run for t in trials]
    level = 1.0 - ALPHA
    losses = [r.test.loss if r.test.loss == r.test.loss else float("inf") for r in runs]
    return Standing(
        activation=name,
        learning_rate=runs[0].learning_rate,
        accuracy=evidence.mean([r.test.accuracy for r in runs], level=level),
        loss=evidence.mean(losses, level=level),
        time=_ratio(times, name, first),
        seconds=statistics.median(r.seconds for r in runs),
        kept_bytes=runs[0].kept_bytes,
        peak_bytes=max((r.peak_bytes for r in runs if r.peak_bytes is not None), default=None),
        diverged=sum(r.diverged for r in runs),
        seeds=len(runs),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
