"""A running training as tensors and JSON values, and back: everything that decides how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.train.checkpoints import Checkpoints, Saved, digest, save
from edgewise.train.fates import Fates
from edgewise.train.live import Live
from edgewise.train.problem import Problem
from edgewise.train.records import Records


@dataclass(frozen=True)
class Progress:
    """What a training has come to, all of it changed in place except who still learns."""

    whole: Problem
    fates: Fates
    records: Records
    losses: Tensor

    def save(self, where: Checkpoints, settings: dict[str, Any], step: int, live: Live) -> None:
        """Everything after `step` steps, to a checkpoint."""
        live.write_back(self.whole)
        tensors = {
            "members": live.members,
            "losses": self.losses[:step],
            **named("trained", self.whole.tensors()),
            **self.fates.tensors(),
            **{f"record {name}": rows for name, rows in self.records.tensors().items()},
        }
        for i, slot in enumerate(live.kept):
            tensors |= named(f"kept {i}", slot)
        state, plain = split(live.problem.state())
        save(where, step, tensors | state, {"recorded at": self.records.at, "state": plain}, settings)

    @torch.no_grad()
    def load(self, saved: Saved, live: Live) -> Live:
        """Puts everything back; live: everyone, as at the start."""
        tensors = saved.tensors
        for i, mine in enumerate(self.whole.tensors()):
            mine.copy_(tensors[f"trained {i}"])
        self.losses[: saved.step] = tensors["losses"].to(self.losses.device)
        self.fates.load(tensors)
        rows = {name.removeprefix("record "): t for name, t in tensors.items() if name.startswith("record ")}
        self.records.load(saved.values["recorded at"], rows)
        members = tensors["members"].to(live.members.device)
        if len(members) < len(live.members):
            live = live.only(torch.isin(live.members, members))
        for i, slot in enumerate(live.kept):
            for j, mine in enumerate(slot):
                mine.copy_(tensors[f"kept {i} {j}"])
        live.problem.load_state(joined(tensors, saved.values["state"]))
        return live


def fingerprint(problem: Problem, **settings: Any) -> dict[str, Any]:
    """What a checkpoint is compared by: the settings, the problem's own and where it starts."""
    tensors = problem.tensors()
    return {
        **settings,
        "problem": type(problem).__name__,
        "members": problem.members,
        **problem.settings(),
        "shapes": [list(t.shape) for t in tensors],
        "types": sorted({str(t.dtype).removeprefix("torch.") for t in tensors}),
        "starting values": digest(tensors),
    }


def named(kind: str, tensors: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """ "kind 0", "kind 1", ..."""
    return {f"{kind} {i}": t for i, t in enumerate(tensors)}


def split(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a problem's state, named "state ...", and the rest."""
    tensors = {f"state {name}": value for name, value in state.items() if isinstance(value, Tensor)}
    return tensors, {name: value for name, value in state.items() if not isinstance(value, Tensor)}


def joined(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The state that `split` took apart."""
    found = {name.removeprefix("state "): t for name, t in tensors.items() if name.startswith("state ")}
    return {**plain, **found}
