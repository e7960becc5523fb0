"""In which order examples are seen: a pure function of the seed and the step, so that any step can be asked again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from edgewise.train.streams import stream

ORDER = "order"
"""The purpose of the streams that order examples: weights are drawn with the seed itself."""


class Order:
    """Batches of row numbers [member, example]: a new permutation per seed and pass; an incomplete batch is dropped.

    seeds: one a member; members of the same seed see the same batches.
    """

    def __init__(self, seeds: Sequence[int], examples: int, batch: int, device: torch.device | str = "cpu") -> None:
        distinct = {seed: i for i, seed in enumerate(dict.fromkeys(seeds))}
        self._passes = _Passes(tuple(distinct), examples, torch.device(device))
        self._member = torch.tensor([distinct[seed] for seed in seeds], device=device)
        self._batch, self._per_pass = batch, examples // batch

    def rows(self, step: int) -> Tensor:
        """The rows of the batch of `step`, from 1; int64 [member, example]."""
        number, place = divmod(step - 1, self._per_pass)
        start = place * self._batch
        return self._passes.permutations(number)[:, start : start + self._batch][self._member]

    def settings(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        return {"batch": self._batch, "order seeds": [self._passes.seeds[i] for i in self._member.tolist()]}

    def select(self, members: Tensor) -> Order:
        """The order of these members, by index."""
        chosen = Order.__new__(Order)
        chosen._passes, chosen._member = self._passes, self._member[members]
        chosen._batch, chosen._per_pass = self._batch, self._per_pass
        return chosen


class _Passes:
    """The permutations of every pass: one random stream a seed, wound on, or back to its start, as asked."""

    def __init__(self, seeds: tuple[int, ...], examples: int, device: torch.device) -> None:
        self.seeds, self._examples, self._device = seeds, examples, device
        self._rewind()

    def permutations(self, number: int) -> Tensor:
        """Those of pass `number`, from 0; [seed, example]."""
        if number < self._number:
            self._rewind()
        while self._number < number:
            drawn = torch.stack([torch.randperm(self._examples, generator=g) for g in self._generators])
            self._number += 1
            if self._number == number:
                self._current = drawn.to(self._device)
        return self._current

    def _rewind(self) -> None:
        self._generators = [stream(seed, ORDER) for seed in self.seeds]
        self._number, self._current = -1, torch.empty(0, dtype=torch.int64)
