"""One comparison: ours and theirs in turn, pair by pair, with the memory that each saves and moves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

BYTES_MOVED = {"forward": 2, "both": 5}
"""Tensors read and written at least: x, y; and then x and the gradients of y and x."""


@dataclass(frozen=True)
class Cell:
    """Seconds of ours and theirs (medians), their ratio pair by pair (below 1: we are faster).

    saved: bytes an element that a forward pass keeps for the backward one. bandwidth: bytes a second at the least
    traffic possible, as a share of what a copy reaches.
    """

    activation: str
    against: str
    kind: str
    what: str
    elements: int
    dtype: str
    threads: int
    compiled: bool
    pairs: int
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    saved: float
    theirs_saved: float
    bandwidth: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Effort:
    """How long one comparison may take: at most `pairs`, at least `least`, no new one after `seconds`."""

    pairs: int = 25
    least: int = 3
    seconds: float = 1.0


def compare(
    activation: str,
    ours: Function,
    against: str,
    theirs: Function,
    *,
    kind: str,
    elements: int,
    dtype: torch.dtype,
    device: torch.device,
    effort: Effort,
    copy_rate: float,
    compiled: bool = False,
) -> list[Cell]:
    """Forward alone and forward with backward; one untimed round first."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(elements, generator=generator).to(device=device, dtype=dtype).requires_grad_()
    grad = torch.randn(elements, generator=generator).to(device=device, dtype=dtype)
    for function in (ours, theirs):
        _once(function, x, grad)
        _once(function, x, grad)
    taken: list[tuple[tuple[float, float], tuple[float, float]]] = []
    start = time.perf_counter()
    while len(taken) < effort.least or (len(taken) < effort.pairs and time.perf_counter() - start < effort.seconds):
        taken.append((_once(ours, x, grad), _once(theirs, x, grad)))
    cells = []
    for i, what in enumerate(("forward", "both")):
        mine, other = [a[i] for a, _ in taken], [b[i] for _, b in taken]
        ratios = [a / b for a, b in zip(mine, other, strict=True)]
        seconds = statistics.median(mine)
        traffic = BYTES_MOVED[what] * elements * dtype.itemsize
        cells.append(
            Cell(
                activation, against, kind, what, elements, str(dtype).removeprefix("torch."), torch.get_num_threads(),
                compiled, len(taken), seconds, statistics.median(other), statistics.median(ratios), min(ratios),
                max(ratios), saved(ours, x), saved(theirs, x), traffic / seconds / copy_rate,
            )
        )  # fmt: skip
    return cells


def _once(function: Function, x: Tensor, grad: Tensor) -> tuple[float, float]:
    """Seconds after the forward pass, and after the backward pass."""
    now = clock(x.device)
    _finish(x.device)
    start = now()
    y = function(x)
    _finish(x.device)
    forward = now() - start
    torch.autograd.grad(y, x, grad)
    _finish(x.device)
    return forward, now() - start


def clock(device: torch.device) -> Callable[[], float]:
    """Of one thread its own time, which is the wall's on a quiet machine and fair on a busy one; else the wall's."""
    return time.thread_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def saved(function: Function, x: Tensor) -> float:
    """Bytes that are kept for the backward pass, an element."""
    kept: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        kept[t.data_ptr()] = t.numel() * t.element_size()
        return t

    small = x.detach()[:65536].clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        function(small)
    return sum(kept.values()) / small.numel()


def copy_rate(elements: int, dtype: torch.dtype, device: torch.device) -> float:
    """Bytes a second that ``x.clone()`` reads and writes."""
    x = torch.ones(elements, dtype=dtype, device=device)
    taken = []
    now = clock(device)
    x.clone()
    for _ in range(7):
        _finish(device)
        start = now()
        x.clone()
        _finish(device)
        taken.append(now() - start)
    return 2 * x.numel() * x.element_size() / statistics.median(taken)
