"""What `ew.diagnose` says is wrong, and that it leaves healthy models in peace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from diagnosed_models import batch, dead_model, he, mlp, off_scale, problems
from torch import Tensor, nn

import edgewise as ew
from edgewise.measure.diagnosis import Problem


@dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    problem: Problem
    level: str


CASES = {
    "torch-default-relu": Case(lambda: mlp(depth=30), "rank_collapse", "no"),
    "relu2-default": Case(lambda: mlp("relu2", depth=12), "gradients_vanish", "no"),
    "relu2-he": Case(lambda: he(mlp("relu2", depth=12)), "not_finite", "no"),
    "too-large": Case(lambda: he(mlp(depth=20), 3.1), "signal_explodes", "no"),
    "too-small": Case(lambda: he(mlp(depth=20), 1 / 3.1), "signal_vanishes", "no"),
    "sigmoid": Case(lambda: mlp("sigmoid", depth=12), "gradients_vanish", "no"),
    "dead": Case(dead_model, "dead_units", "no"),
    "saturated": Case(lambda: he(mlp("tanh", depth=8), 100.0), "saturated", "care"),
    "one-layer": Case(off_scale, "jump", "care"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_is_found(case: Case) -> None:
    d = ew.diagnose(case.make(), batch(), check=False)
    assert case.problem in d.problems()
    assert d.level == case.level
    assert d.reason
    json.dumps(d.to_dict(), allow_nan=False)


def test_the_sentence_names_layer_rate_and_cause() -> None:
    d = ew.diagnose(he(mlp(depth=20, width=256), 3.1), batch(), check=False)
    told = re.search(r"K grows ([\d.]+)× a layer", d.reason)
    assert told is not None
    # 19 layers of relative variance 5/n each: a standard error of the rate of 3 %, and two digits are told
    assert float(told[1]) == pytest.approx(3.1, rel=0.1 + 0.02)
    assert "relu is critical at C_W = 2" in d.reason
    assert "relu2 has no critical point" in ew.diagnose(mlp("relu2", depth=12), batch(), check=False).reason
    assert "PyTorch's default" in ew.diagnose(mlp(depth=20), batch(), check=False).reason


HEALTHY = {
    "he-relu": lambda: he(mlp(depth=30, width=128)),
    "layer-norm": lambda: mlp(depth=30, width=128, norm="layer"),
    "half": lambda: he(mlp(depth=10, width=128)).bfloat16(),
    "frozen": lambda: he(mlp(depth=10, width=128)).requires_grad_(False),
}


@pytest.mark.parametrize("make", HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_model_is_left_in_peace(make: Callable[[], nn.Module]) -> None:
    model = make()
    d = ew.diagnose(model, batch().to(next(model.parameters()).dtype))
    assert d.healthy
    assert d.level == "yes"
    assert d.advice == ()
    assert any("frozen" in note for note in d.notes) == (not next(model.parameters()).requires_grad)


@pytest.mark.parametrize("spec", ["tanh", "gelu", "silu", "elu", "relu"])
def test_critical_initialisation_is_healthy(spec: str) -> None:
    model = mlp(spec, depth=40, width=256)
    ew.init.critical_(model, batch(), generator=torch.Generator().manual_seed(0))
    assert problems(model, batch()) == set()


def test_reference_models_with_skips_and_norms_are_healthy() -> None:
    torch.manual_seed(0)
    assert problems(ew.models.ResNet(20), torch.randn(8, 3, 16, 16)) == set()
    assert problems(ew.models.GPT(64, depth=4), torch.randint(0, 64, (4, 16))) == set()


def test_residual_streams_that_double_are_found() -> None:
    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Linear(64, 64) for _ in range(24))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            for block in self.blocks:
                x = x + block(torch.relu(x))
            return {"logits": x}

    torch.manual_seed(0)
    d = ew.diagnose(he(Doubling()), batch())
    assert "signal_explodes" in d.problems()
    assert "residual stream" in d.reason
    assert d.advice[0].checked
