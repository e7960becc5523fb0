"""What `swap_` changed, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Change:
    """One activation that was replaced.

    names: where it is in the model; several where one instance is shared. how: "module", an "attribute" that held a
    function, or a "call" of a function inside forward. was, now: the activations, as specs or as types.
    """

    names: tuple[str, ...]
    how: Literal["module", "attribute", "call"]
    was: str
    now: str


@dataclass(frozen=True)
class SwapReport:
    """What `swap_` did to a model; prints itself in a terminal (rich).

    model: the model to use from here: the one given, changed in place, or a ``torch.fx.GraphModule`` that shares its
    parameters where calls of functions were replaced. parameters: the new trainable parameters, which no optimiser made
    before knows of. reason: all of it in a sentence; notes: what else to know.
    """

    changes: tuple[Change, ...]
    model: nn.Module = field(repr=False)
    reason: str
    parameters: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    _revert: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.changes)

    def undo(self) -> None:
        """Puts everything back that was changed in place: the very same modules. A second time changes nothing.

        Raises ModelError, having changed nothing, where the model has been changed in those places since.
        """
        self._revert()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        return {
            "changes": [
                {"names": list(change.names), "how": change.how, "was": change.was, "now": change.now}
                for change in self.changes
            ],
            "parameters": list(self.parameters),
            "reason": self.reason,
            "notes": list(self.notes),
        }

    def __rich__(self) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for heading in ("where", "was", "now", "how"):
            table.add_column(heading)
        for change in self.changes:
            table.add_row(*(Text(t) for t in (", ".join(change.names), change.was, change.now, change.how)))
        notes = [Text(f"note: {note}", style="dim") for note in self.notes]
        return Panel(Group(Text(self.reason), table, *notes), title="swap_", border_style="green", padding=(1, 2))
