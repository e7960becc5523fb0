"""`ew.diagnose` on models and batches of all kinds."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from diagnosed_models import batch, mlp
from rich.console import Console
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import ModelError


def test_activations_in_place_are_measured_before_they_overwrite() -> None:
    def model(inplace: bool) -> nn.Module:
        torch.manual_seed(0)
        layers = [part for _ in range(6) for part in (nn.Linear(64, 64), nn.ReLU(inplace=inplace))]
        return nn.Sequential(*layers, nn.Linear(64, 4))

    plain, overwriting = (ew.diagnose(model(flag), batch(), check=False) for flag in (False, True))
    for a, b in zip(plain.layers, overwriting.layers, strict=True):
        assert (a.kernel, a.gradient, a.dead_static) == (b.kernel, b.gradient, b.dead_static)
    frozen = ew.diagnose(model(True).requires_grad_(False), batch(), check=False)
    assert frozen["0"].gradient == overwriting["0"].gradient


def test_a_linear_model_is_looked_at_too() -> None:
    torch.manual_seed(0)
    d = ew.diagnose(nn.Sequential(*(nn.Linear(16, 16) for _ in range(8))), torch.randn(16, 16), check=False)
    assert "gradients_vanish" in d.problems()
    assert any("no activation" in note for note in d.notes)


def test_a_shallow_model_is_too_shallow_to_say() -> None:
    d = ew.diagnose(mlp(depth=2), batch())
    assert d.level == "unknown"
    assert d.headline.startswith("Too shallow to say")


def test_a_shallow_model_that_loses_its_signal_says_so() -> None:
    headline = ew.diagnose(mlp("relu2", depth=3), batch(), check=False).headline
    assert headline.startswith("Too shallow to say what depth does: 3 layers with an activation, over which K falls")


def test_a_shallow_model_without_activations_has_no_layers_with_one() -> None:
    d = ew.diagnose(nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 4)), torch.randn(16, 16), check=False)
    assert d.headline.startswith("No activation")


def test_the_flat_side_of_a_bounded_rectifier_is_no_saturation() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.ReLU6())]
    model = nn.Sequential(*layers)
    ew.init.he_(model)
    assert "saturated" not in ew.diagnose(model, torch.randn(32, 64), check=False).problems()
    assert "saturated" in ew.diagnose(model, 1e4 * torch.randn(32, 64), check=False).problems()


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # torch's own, on importing dynamo
def test_wrapped_models_are_looked_through() -> None:
    inside = mlp(depth=5)
    for wrapped in (torch.nn.DataParallel(inside), torch.compile(inside)):
        d = ew.diagnose(wrapped, batch(), check=False)
        assert [row.name for row in d.layers] == [row.name for row in ew.diagnose(inside, batch(), check=False).layers]
        assert any("wrapper" in note for note in d.notes)


def test_batch_normalisation_in_eval_mode_that_has_seen_nothing_is_noted() -> None:
    model = mlp(depth=5, norm="batch").eval()
    d = ew.diagnose(model, batch(), check=False)
    assert d.mode == "eval"
    assert any("model.train()" in note for note in d.notes)


class NoTensor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> str:
        self.fc(x)
        return "done"


@pytest.mark.parametrize(
    ("model", "x", "told"),
    [
        (nn.Sequential(nn.LazyLinear(8)), torch.randn(4, 64), "lazy"),
        (nn.Linear(64, 4, device="meta"), torch.randn(4, 64), "meta"),
        (nn.Sequential(nn.Linear(64, 8), nn.Linear(9, 4)), torch.randn(4, 64), "stopped in 1 with"),
        (nn.Linear(64, 4), torch.randn(4, 63), "cannot be run on this batch"),
        (nn.Linear(64, 4), "text", "the batch is a str"),
        (nn.Linear(64, 4), {"y": torch.randn(4, 64)}, "does not take this batch"),
        (NoTensor(), torch.randn(4, 64), "returned str, expected a floating-point tensor"),
        (nn.ReLU, torch.randn(4, 64), "the class ReLU was given"),
    ],
)
def test_what_cannot_be_read_is_one_plain_line(model: Any, x: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        ew.diagnose(model, x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (torch.tensor(1.0), "expected a function"),
        (lambda y: y, "expected a scalar"),
        (lambda y: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_loss_is_told(loss: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        ew.diagnose(mlp(depth=3), batch(), loss)


def test_a_loss_that_does_not_depend_on_the_model_is_noted() -> None:
    d = ew.diagnose(mlp(depth=5), batch(), lambda y: y.detach().sum(), check=False)
    assert any("no gradient reaches the output" in note for note in d.notes)
    assert all(row.gradient is None for row in d.layers)


def test_it_prints_itself_in_any_width() -> None:
    d = ew.diagnose(mlp(depth=60), batch())
    for width in (60, 120, 200):
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(d)
        text = console.export_text()
        assert "Try" in text
        assert "ew.init.critical_(model, batch)" in text
        assert all(len(line) <= width for line in text.splitlines())
