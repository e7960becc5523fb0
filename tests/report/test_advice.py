"""The lines to paste do what they say."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from edgewise import activation
from edgewise.report.advice import initialisation_code, learning_rate_code
from edgewise.report.parts.theory import theory

WIDTH, DEPTH, INPUTS, OUTPUTS = 400, 4, 300, 200


def model(spec: str) -> nn.Sequential:
    sizes = [INPUTS, *[WIDTH] * DEPTH]
    hidden = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), activation(spec).module())]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, OUTPUTS))


@pytest.mark.parametrize("spec", ["relu", "gelu", "tanh", "mrepu(p=2)", "relu2"])
def test_pasted_lines_give_the_recommended_variances(spec: str) -> None:
    start = theory(activation(spec), depths=(DEPTH,), width=WIDTH, inputs=INPUTS, outputs=OUTPUTS)["recommended"]["4"]
    torch.manual_seed(0)
    names: dict[str, Any] = {"model": model(spec)}
    exec(initialisation_code(spec, DEPTH, start), names)
    layers = names["linears"]
    initial = start["initial"]
    expected = [initial["first_c_w"], *[initial["c_w"]] * (DEPTH - 1), initial["last_c_w"]]
    biases = [initial["first_c_b"], *[initial["c_b"]] * (DEPTH - 1), initial["last_c_b"]]
    for layer, c_w, c_b in zip(layers, expected, biases, strict=True):
        # the mean square of n normal numbers has relative standard deviation sqrt(2/n); five of them
        assert float(layer.weight.detach().square().mean()) * layer.in_features == pytest.approx(
            c_w, rel=5 * math.sqrt(2 / layer.weight.numel())
        )
        assert float(layer.bias.detach().square().mean()) == pytest.approx(c_b, rel=5 * math.sqrt(2 / len(layer.bias)))
    x = torch.randn(1, INPUTS)
    x = x / x.square().mean().sqrt()
    first = float(layers[0](x).detach().square().mean())
    assert first == pytest.approx(start["k0"], rel=5 * math.sqrt(2 / WIDTH))


def test_pasted_lines_give_every_layer_its_learning_rate() -> None:
    start = theory(activation("mrepu(p=2)"), depths=(DEPTH,), width=64, inputs=64, outputs=10)["recommended"]["4"]
    names: dict[str, Any] = {"model": model("mrepu(p=2)")}
    exec(initialisation_code("mrepu(p=2)", DEPTH, start), names)
    exec(learning_rate_code(start, 0.02), names)
    groups = names["optimizer"].param_groups
    wanted = [0.02 * rate for rate in (*start["weight_rates"], *start["bias_rates"])]
    assert [group["lr"] for group in groups] == pytest.approx(wanted, rel=0.05)  # rates are printed with two digits
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in names["model"].parameters()}


def test_one_rate_for_all_needs_no_lines() -> None:
    assert learning_rate_code({"weight_rates": None, "bias_rates": None}, 0.1) == ""


def test_a_name_cannot_leave_its_comment() -> None:
    start = theory(activation("tanh"), depths=(3,), width=8, inputs=4, outputs=2)["recommended"]["3"]
    code = initialisation_code("tanh\nimport os; os.abort()", 3, start)
    assert not [line for line in code.splitlines() if line.startswith("import os")]
