"""Which members diverged, at which step and why; kept on the device, so that a step waits for nothing."""

from __future__ import annotations

import torch
from torch import Tensor

LOSS, BOUND, GRADIENT, PARAMETERS = 1, 2, 3, 4


class Fates:
    """The divergence of every member: its step (from 1; 0 for none), its cause and the loss that was seen."""

    def __init__(self, members: int, device: torch.device) -> None:
        self.diverged_at = torch.zeros(members, dtype=torch.int64, device=device)
        self.cause = torch.zeros(members, dtype=torch.int64, device=device)
        self.seen = torch.zeros(members, dtype=torch.float64, device=device)

    def alive(self, members: Tensor) -> Tensor:
        """Which of these still learn; bool."""
        return self.diverged_at[members] == 0

    def note(self, members: Tensor, step: int, cause: Tensor, loss: Tensor) -> None:
        """Names those of `members` that have a cause (not 0) for the first time."""
        new = (cause > 0) & self.alive(members)
        self.diverged_at[members] = torch.where(new, step, self.diverged_at[members])
        self.cause[members] = torch.where(new, cause, self.cause[members])
        self.seen[members] = torch.where(new, loss.to(self.seen.dtype), self.seen[members])

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {"diverged_at": self.diverged_at, "cause": self.cause, "seen": self.seen}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Puts back what `tensors` said."""
        for name, mine in self.tensors().items():
            mine.copy_(tensors[name])

    def words(self, bound: float) -> tuple[str, ...]:
        """For each member what happened; "" for nothing."""
        rows = zip(self.diverged_at.tolist(), self.cause.tolist(), self.seen.tolist(), strict=True)
        return tuple(_words(step, cause, seen, bound) for step, cause, seen in rows)


def _words(step: int, cause: int, seen: float, bound: float) -> str:
    told = {
        0: "",
        LOSS: f"at step {step}: its loss was {seen}",
        BOUND: f"at step {step}: its loss {seen:.3g} was above {bound:g}",
        GRADIENT: f"at step {step}: its gradient was not finite (loss {seen:.3g})",
        PARAMETERS: f"at step {step}: its parameters were not finite after it",
    }
    return told[cause]
