"""A model is after a look as it was before, whatever happened in between."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import edgewise as ew
from edgewise.errors import ModelError


class Demanding(nn.Module):
    """Batch normalisation, spectral normalisation, dropout, a frozen part, a cache, random numbers of three kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.norm = nn.BatchNorm1d(16)
        self.second = spectral_norm(nn.Linear(16, 16))
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(16, 4)
        self.first.weight.requires_grad_(False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.fail = False

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.seen + 1
        self.cache = x.detach()
        random.random()
        np.random.rand()  # noqa: NPY002
        z = self.drop(torch.relu(self.norm(self.first(x))))
        if self.fail:
            raise ValueError("in the middle")
        self.eval()
        out: Tensor = self.last(torch.relu(self.second(z)))
        return out


def state(model: nn.Module) -> dict[str, Any]:
    return {
        "modes": [m.training for m in model.modules()],
        "required": [p.requires_grad for p in model.parameters()],
        "gradients": [id(p.grad) for p in model.parameters()],
        "tensors": [t.clone() for t in model.state_dict().values()],
        "identities": [id(t) for t in (*model.parameters(), *model.buffers())],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "attributes": sorted(k for k, v in vars(model).items() if isinstance(v, Tensor)),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def diagnosed(model: nn.Module, x: Tensor) -> None:
    ew.diagnose(model, x)


def failing_forward(model: Demanding, x: Tensor) -> None:
    model.fail = True
    with pytest.raises(ModelError, match="in the middle"):
        ew.diagnose(model, x)
    model.fail = False


def failing_loss(model: nn.Module, x: Tensor) -> None:
    with pytest.raises(ModelError, match="the loss stopped"):
        ew.diagnose(model, x, loss=lambda output: output.no_such_thing)


def monitored(model: nn.Module, x: Tensor) -> None:
    monitor = ew.Monitor(model, every=1)
    monitor.step(0, x)
    monitor.step(1, x)


@pytest.mark.parametrize("what", [diagnosed, failing_forward, failing_loss, monitored])
def test_a_model_is_left_as_it_was(what: Callable[[Demanding, Tensor], None]) -> None:
    torch.manual_seed(0)
    model, x = Demanding(), torch.randn(16, 8)
    model.second.weight  # noqa: B018  # spectral normalisation settles its vectors on the first use
    (model.last(torch.ones(2, 16)).sum() + model.norm.weight.sum()).backward()
    kept_x = x.clone()
    before = state(model)
    what(model, x)
    after = state(model)
    assert [name for name in before if not same(before[name], after[name])] == []
    assert torch.equal(x, kept_x)
    assert not x.requires_grad


def test_hooks_of_the_user_stay_and_are_not_doubled() -> None:
    model, calls = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), []
    model[0].register_forward_hook(lambda *_: calls.append("forward"))
    ew.diagnose(model, torch.randn(4, 4), check=False)
    calls.clear()
    model(torch.randn(4, 4))
    assert calls == ["forward"]


def test_a_training_run_is_bitwise_the_same_with_a_monitor() -> None:
    def trained(watch: bool) -> list[Tensor]:
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 16), nn.Tanh(),
            nn.Linear(16, 2),
        )  # fmt: skip
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        monitor = ew.Monitor(model, every=2)
        for step in range(6):
            x = torch.randn(16, 8)
            optimiser.zero_grad()
            model(x).square().mean().backward()
            if watch:
                monitor.step(step, x)
            optimiser.step()
        return [*model.state_dict().values()]

    assert all(torch.equal(a, b) for a, b in zip(trained(False), trained(True), strict=True))
