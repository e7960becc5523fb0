"""What watching costs: a look of `ew.Monitor` beside one training step of the same model on the same batch."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import edgewise as ew
from benchmarks.paired import seconds

EVERY = 100

MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "MLP 20 × 256, batch 256": (
        lambda: ew.models.MLP(64, 10, depth=20, width=256, activation="relu"), lambda: torch.randn(256, 64)
    ),
    "ResNet-20, batch 64": (lambda: ew.models.ResNet(20), lambda: torch.randn(64, 3, 32, 32)),
    "GPT 4 blocks, batch 8 × 64": (lambda: ew.models.GPT(256, depth=4), lambda: torch.randint(0, 256, (8, 64))),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_look_beside_a_training_step(name: str, benchmark: Any) -> None:
    torch.manual_seed(0)
    make, data = MODELS[name]
    model, batch = make(), data()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    monitor = ew.Monitor(model, every=1)

    def step() -> None:
        optimiser.zero_grad()
        model(batch).square().mean().backward()
        optimiser.step()

    def look() -> None:
        monitor.look(0, batch)

    step(), look(), look()
    pairs = [(seconds(look), seconds(step)) for _ in range(7)]
    ratio = statistics.median(a / b for a, b in pairs)
    benchmark.extra_info.update(
        work=f"a look of ew.Monitor, {name}",
        look_s=statistics.median(a for a, _ in pairs),
        step_s=statistics.median(b for _, b in pairs),
        steps=round(ratio, 2),
        **{f"% of training at every={EVERY}": round(ratio / EVERY * 100, 2)},
    )
    benchmark.pedantic(look, rounds=3)
    assert len(monitor.history) > 7
