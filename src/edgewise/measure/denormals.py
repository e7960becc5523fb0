"""Flushing denormal numbers to zero for a while: a vanishing network is ten times slower on a CPU without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def denormals_are_flushed() -> bool:
    """Whether this thread rounds denormal results to zero (torch has a setter but no getter, so it is tried out)."""
    smallest_normal = torch.full((1,), torch.finfo(torch.float64).tiny, dtype=torch.float64)
    return bool((smallest_normal * 0.5 == 0.0).item())


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Denormals are flushed inside the block; the setting before is restored afterwards, also after an error.

    On a machine without such a mode the block runs unchanged, only slower.
    """
    before = denormals_are_flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
