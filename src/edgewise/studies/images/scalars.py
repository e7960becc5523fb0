"""Numbers of a running training for TensorBoard, an extra: ``pip install "edgewise[tensorboard]"``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from edgewise.errors import TrainingError


class Scalars(Protocol):
    """Where numbers go; `TensorBoard`, or anything with these two methods."""

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by name, after `step` steps."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...


class TensorBoard:
    """Event files in `folder`, as ``tensorboard --logdir`` reads them.

    Raises TrainingError where tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise TrainingError(
                'scalars for TensorBoard asked for, which is not installed; try pip install "edgewise[tensorboard]"'
            ) from None
        writer: Any = SummaryWriter  # untyped in torch
        self._writer = writer(str(folder))

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by name, after `step` steps."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """No more will come."""
        self._writer.close()
