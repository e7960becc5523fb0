"""The check on real data: `edgewise.studies.trainability`, depth after depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgewise.activations import Activation
from edgewise.studies.trainability import Trainability, trainability


def training(
    a: Activation,
    *,
    depths: Sequence[int],
    width: int,
    seeds: int,
    seed: int,
    epochs: int | None = None,
    learning_rates: Sequence[float] | None = None,
    on_progress: Callable[[float], None],
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """The study's own dictionary. epochs, learning_rates: None for the study's own choice.

    on_progress: called with the fraction of the work that is done; keep: with everything so far after each depth.
    """
    chosen = {"epochs": epochs, "learning_rates": learning_rates}

    def kept(so_far: Trainability) -> None:
        keep(so_far.to_dict())

    return trainability(
        a,
        depths=depths,
        width=width,
        seeds=seeds,
        seed=seed,
        on_progress=lambda done, total: on_progress(done / total),
        on_depth=kept,
        **{name: value for name, value in chosen.items() if value is not None},  # type: ignore[arg-type]
    ).to_dict()
