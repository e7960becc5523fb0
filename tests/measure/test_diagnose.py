"""`ew.diagnose` on real models: figures against theory and autograd, the verdict, advice that works as printed."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import ModelError
from edgewise.measure.causes import cause
from edgewise.measure.diagnosis import Problem
from edgewise.measure.norms import chi_backward


def he(model: nn.Module, scale: float = 1.0) -> nn.Module:
    """C_W = 2 scale and no bias."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            module.weight.data.mul_(math.sqrt(scale))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def mlp(activation: str = "relu", depth: int = 20, width: int = 64, **more: Any) -> nn.Module:
    torch.manual_seed(0)
    return ew.models.MLP(64, 10, depth=depth, width=width, activation=activation, **more)


def batch(samples: int = 32) -> Tensor:
    return torch.randn(samples, 64, generator=torch.Generator().manual_seed(1))


def problems(model: nn.Module, x: object, **more: Any) -> set[Problem]:
    return ew.diagnose(model, x, check=False, **more).problems()


# -- figures ----------------------------------------------------------------------------------------------------------


def test_the_prediction_is_the_recursion_with_the_measured_weights() -> None:
    model, x = mlp(depth=6), batch()
    d = ew.diagnose(model, x, check=False)
    second = float(x.square().mean())
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            w = layer.weight.detach().double()
            k = float(layer.bias.detach().square().mean()) + w.shape[1] * float(w.var(correction=0)) * second
            assert d[name].predicted == pytest.approx(k, rel=1e-5)  # sums of float32
            second = k / 2.0  # relu: <sigma**2> = K/2


def test_the_measured_kernel_is_the_mean_square() -> None:
    model, x = mlp(depth=3), batch()
    seen: dict[str, float] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(
                lambda m, i, o, name=name: seen.__setitem__(name, float(o.detach().square().mean()))
            )
    d = ew.diagnose(model, x, check=False)
    model(x)
    for name, kernel in seen.items():
        assert d[name].kernel == pytest.approx(kernel, rel=1e-5)


def test_wide_networks_are_as_predicted() -> None:
    depth, width = 5, 512
    d = ew.diagnose(he(mlp(depth=depth, width=width)), batch(), check=False)
    spread = math.sqrt((5.0 * depth + 2.0) / width)  # of ln K: nu = 5 for relu, and one draw of 2K**2/n
    for row in d.preactivations:
        assert row.predicted is not None
        assert abs(math.log(row.kernel / row.predicted)) < 4.0 * spread
        assert row.chi_perp == row.chi_parallel == pytest.approx(row.next_c_w / 2.0, rel=1e-9)
        assert row.dead_expected == pytest.approx(0.5)


def test_the_gradient_is_that_of_the_loss() -> None:
    model, x = mlp(depth=4), batch()
    target = torch.arange(32) % 10
    kept: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda m, i, o, name=name: kept.__setitem__(name, o))

    def loss(output: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target)

    d = ew.diagnose(model, x, loss, check=False)
    value = loss(model(x))
    gradients = torch.autograd.grad(value, list(kept.values()))
    assert d.loss == pytest.approx(value.item(), rel=1e-6)
    for name, gradient in zip(kept, gradients, strict=True):
        assert d[name].gradient == pytest.approx(float(gradient.square().mean().sqrt()), rel=1e-5)
        assert d[name].gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_without_a_loss_each_sample_has_a_unit_direction() -> None:
    d = ew.diagnose(mlp(depth=4), batch(), check=False)
    assert d["head"].gradient_norm == pytest.approx(math.sqrt(32), rel=1e-6)
    assert ew.diagnose(mlp(depth=4), batch(), check=False).to_dict()["layers"] == d.to_dict()["layers"]
    assert ew.diagnose(mlp(depth=4), batch(), seed=1, check=False)["layers.0.linear"].gradient != (
        d["layers.0.linear"].gradient
    )


def test_gradients_follow_chi_perp() -> None:
    d = ew.diagnose(mlp("tanh", depth=10, width=512), batch(), check=False)
    for row in d.preactivations[:-1]:
        assert row.gradient_growth is not None
        assert row.chi_perp is not None
        # 32 samples alike in the deep layers: one draw of relative variance about 4/n for each layer
        assert abs(math.log(row.gradient_growth / row.chi_perp)) < 5.0 * math.sqrt(4.0 / 512)


def test_batch_normalisation_explodes_backward_as_theory_says() -> None:
    d = ew.diagnose(mlp(depth=30, width=256, norm="batch"), batch(128), check=False)
    assert d.problems() == {"gradients_explode"}
    rate = math.pi / (math.pi - 1.0)
    assert [row.norm_chi_backward for row in d.preactivations] == pytest.approx([rate] * 30, rel=1e-6)
    deep = [row.gradient_growth for row in d.preactivations[:-1] if row.gradient_growth is not None]
    mean = math.exp(sum(map(math.log, deep)) / len(deep))
    assert mean == pytest.approx(rate, rel=0.05)  # finite batch: (1 + 1/128) and n = 256 over 29 layers


def test_norms_without_stored_statistics_act_alike_in_both_modes() -> None:
    relu = ew.activation("relu")
    for norm, stored in ((nn.InstanceNorm1d(4), False), (nn.BatchNorm1d(4), True), (nn.LayerNorm(4), False)):
        training = chi_backward(relu, norm)
        assert training is not None
        assert chi_backward(relu, norm.eval()) == (None if stored else training)


def test_channels_and_positions() -> None:
    model = he(ew.models.CNN(3, 10, activation="relu", depth=5))
    d = ew.diagnose(model, torch.randn(8, 3, 12, 12), check=False)
    convolutions = [row for row in d.layers if "conv" in row.name]
    assert [row.units for row in convolutions] == [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert {row.samples for row in convolutions} == {8}
    assert all(row.dead_static is not None for row in d.preactivations)


class TwoWays(nn.Module):
    """Two hidden layers side by side, their ReLUs added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(64, width), nn.Linear(64, width), nn.Linear(width, 64)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.one(x)) + torch.relu(self.two(x)))
        return out


def test_means_of_activations_that_are_added_count() -> None:
    d = ew.diagnose(he(TwoWays(2048)), batch(64), check=False)
    k = float(batch(64).square().mean()) * 2.0
    # <(r1 + r2)**2> = 2 K/2 + 2 (K / 2 pi), times C_W = 2
    assert d["head"].predicted == pytest.approx(2.0 * (k + k / math.pi), rel=0.02)  # the weights' own variances
    assert d["head"].kernel == pytest.approx(d["head"].predicted, rel=0.15)  # 64 units that share a mean: sqrt(2/64)


def test_where_theory_cannot_follow_it_says_so() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 4),
    )  # fmt: skip
    d = ew.diagnose(model, torch.randn(8, 3, 8, 8), check=False)
    assert d["0"].prediction == "from the input"
    assert d["3"].prediction == "from what was measured at 2"


# -- verdicts ---------------------------------------------------------------------------------------------------------


def dead_model() -> nn.Module:
    model = he(mlp(depth=8))
    model.layers[3].linear.bias.data.sub_(6.0)
    return model


def off_scale() -> nn.Module:
    model = he(mlp(depth=8))
    model.layers[4].linear.weight.data.mul_(300.0)
    return model


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


# -- advice -----------------------------------------------------------------------------------------------------------


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


# -- models and batches of all kinds ----------------------------------------------------------------------------------


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
