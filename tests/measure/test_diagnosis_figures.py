"""What `ew.diagnose` measures, against theory and autograd."""

from __future__ import annotations

import math

import pytest
import torch
from diagnosed_models import batch, he, mlp
from torch import Tensor, nn

import edgewise as ew
from edgewise.measure.norms import chi_backward


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
