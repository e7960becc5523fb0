"""What came out of minimising a problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from edgewise.measure.jsonable import jsonable

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Run:
    """A training, told; the trained tensors are those of the problem, which were changed in place.

    losses: of the batch before each step, [step, member]; nan from a member's divergence on.
    diverged_at: per member, the step (from 1) whose loss or gradient was unusable, 0 for none; the member stayed as it
    was before that step, unless it was the last one that took its parameters out of the finite numbers.
    why: per member, in words; "" for none.
    records: what was measured, each [look, member, ...]; recorded_at: after how many steps.
    resumed_at: the steps that an earlier process had done, 0 for none. seconds: of this process.
    stopped: why it ended before its last step; "" where it did not.
    """

    losses: Tensor
    diverged_at: Tensor
    why: tuple[str, ...]
    records: dict[str, Tensor]
    recorded_at: tuple[int, ...]
    resumed_at: int = 0
    seconds: float = 0.0
    stopped: str = ""

    @property
    def steps(self) -> int:
        """Steps asked for, or done where it stopped before."""
        return len(self.losses)

    @property
    def diverged(self) -> Tensor:
        """Which members diverged, bool [member]."""
        return self.diverged_at > 0

    @property
    def reason(self) -> str:
        """What happened, in plain words."""
        members, lost = len(self.diverged_at), int(self.diverged.sum())
        word = "network" if members == 1 else "networks"
        told = f"{members} {word}, {self.steps} steps"
        if self.resumed_at:
            told += f" (the first {self.resumed_at} by an earlier process)"
        if members > lost and self.steps:
            median = float(self.losses[-1, ~self.diverged].median())
            told += f"; last loss {median:.3g}" + (" (median)" if members - lost > 1 else "")
        if lost:
            named = [f"member {i} {self.why[i]}" for i in torch.nonzero(self.diverged).flatten().tolist()]
            more = f" and {lost - 3} more" if lost > 3 else ""
            told += f"; {lost} of {members} diverged: {', '.join(named[:3])}{more}"
        else:
            told += "; none diverged"
        return told + (f"; {self.stopped}" if self.stopped else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes None."""
        plain: dict[str, Any] = jsonable(
            {
                "steps": self.steps,
                "members": len(self.diverged_at),
                "losses": self.losses.tolist(),
                "diverged_at": self.diverged_at.tolist(),
                "why": list(self.why),
                "records": {name: values.tolist() for name, values in self.records.items()},
                "recorded_at": list(self.recorded_at),
                "resumed_at": self.resumed_at,
                "seconds": self.seconds,
                "stopped": self.stopped,
                "reason": self.reason,
            }
        )
        return plain

    def __rich__(self) -> RenderableType:
        from rich.panel import Panel

        return Panel(self.reason, title="training", title_align="left", border_style="dim")
