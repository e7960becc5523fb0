"""The advice of `ew.diagnose` works as it is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diagnosed_models import batch, dead_model, he, mlp, off_scale
from torch import Tensor, nn

import edgewise as ew
from edgewise.measure.causes import cause


class Functional(nn.Module):
    """relu(x)**2 written out, as in language models."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(10))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x)) ** 2
        return x


MENDED = {
    "torch-default-relu": lambda: mlp(depth=30, width=128),
    "relu2": lambda: mlp("relu2", depth=20, width=128),
    "relu2-he": lambda: he(mlp("relu2", depth=20, width=128)),
    "functional-relu2": lambda: he(Functional()),
    "dead": dead_model,
    "one-layer": off_scale,
}


@pytest.mark.parametrize("make", MENDED.values(), ids=MENDED)
def test_advice_works_as_it_is_printed(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model, x = make(), batch(64)
    d = ew.diagnose(model, x)
    assert d.advice[0].checked
    names: dict[str, Any] = {"ew": ew, "model": model, "batch": x}
    for call in d.advice[0].calls:
        exec(call, names)
    assert ew.diagnose(names["model"], names["batch"], check=False).healthy


def test_advice_for_relu2_is_the_tailored_activation_and_for_relu_its_critical_point() -> None:
    relu2 = ew.diagnose(mlp("relu2", depth=20, width=128), batch(), check=False).advice[0]
    assert relu2.calls == (
        "ew.swap_(model, 'relu2', ew.tailor('relu2', depth=20, width=128))",
        "ew.init.critical_(model, batch)",
    )
    assert relu2.checked is None
    relu = ew.diagnose(mlp(depth=20), batch(), check=False).advice[0]
    assert relu.calls == ("ew.init.critical_(model, batch)",)


def test_a_tailored_rectifier_is_at_home_at_any_kernel() -> None:
    for name, told in (("relu", False), ("gelu", True)):
        made = ew.tailor(name, depth=8, width=64)
        model = mlp("relu", depth=8)
        ew.swap_(model, "relu", made)
        ew.init.critical_(model, mean_square=1.0, generator=torch.Generator().manual_seed(0))
        layers = ew.diagnose(model, 4.0 * batch(), check=False).layers
        assert ("is tailored to K = 1, but its first layer has K" in cause(made, layers)) is told


def test_a_batch_of_pixels_is_to_be_scaled() -> None:
    d = ew.diagnose(he(mlp(depth=8)), 255.0 * torch.rand(32, 64, generator=torch.Generator().manual_seed(0)))
    assert d.problems() == {"unnormalised_input"}
    assert d.advice[0].calls[0].startswith("batch = batch / 14")
    assert d.advice[0].checked


def test_frozen_models_are_told_to_thaw() -> None:
    d = ew.diagnose(mlp(depth=20).requires_grad_(False), batch())
    assert [a.calls for a in d.advice] == [()]
    assert "requires_grad_(True)" in d.advice[0].why
