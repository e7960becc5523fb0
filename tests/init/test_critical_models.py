"""Reference architectures: which layer carries a branch's scale, and whether the predictions hold on them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from edgewise import models
from edgewise import nn as ew_nn
from edgewise.init import InitReport, critical_
from edgewise.init.verify import second_moments


def _seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


IMAGES = torch.randn(16, 3, 8, 8, generator=_seed(1))
TOKENS = torch.randint(0, 40, (8, 16), generator=_seed(2))


def _constants(report: InitReport, end: str) -> list[float]:
    return [r.constant for r in report.parameters if r.parameter.endswith(end) and r.constant is not None]


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_resnet_branches_are_scaled_by_their_last_norm(shortcut: str) -> None:
    """Three blocks: each last norm gives a third of the mean square that its stream has there."""
    model = models.ResNet(8, width=32, shortcut=shortcut)  # type: ignore[arg-type]
    report = critical_(model, IMAGES, generator=_seed(), verify=True)
    predicted = {check.layer: check for check in report.checks}
    for stage in range(3):
        last = report[f"stages.{stage}.0.norm2.weight"]
        assert last.constant is not None
        assert last.reason.startswith("it ends a residual branch")
        assert report[f"stages.{stage}.0.norm1.weight"].constant == 1.0
    first = report["stages.0.0.norm2.weight"].constant
    assert first == pytest.approx(math.sqrt(0.5 / 3.0), rel=1e-4)  # relu of a norm: mean square 1/2
    if shortcut == "B":
        assert "projection" in report["stages.1.0.shortcut.norm.weight"].reason
    # batch norm fixes every K, up to the spread of a stream of 32 channels that its 3 sums allow for
    sums = [check for name, check in predicted.items() if name.startswith("add")]
    assert len(sums) == 3
    for check in sums:
        assert check.ratio == pytest.approx(1.0, abs=5.0 * math.sqrt(2.0 / 32 / 3))


def test_preactivation_resnet_branches_are_scaled_by_their_last_convolution() -> None:
    model = models.PreActivationResNet(20, block="basic", width=16)
    report = critical_(model, IMAGES, generator=_seed())
    want = report["stages.0.1.branch.conv2.weight"]
    assert want.c_w == pytest.approx(2.0 / 9.0, rel=1e-4)  # nine branches; relu of a norm has mean square 1/2
    assert want.kernel == pytest.approx(1.0 / 9.0, rel=1e-4)
    assert report["stages.1.0.shortcut.weight"].c_w == pytest.approx(1.0)
    assert any("9 branches in a row" in note for note in report.notes)


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_gpt_blocks_measure_what_is_predicted(norm: str) -> None:
    """Attention's loss is measured on the sample; the mean over weights then agrees within five standard errors."""
    ratios: dict[str, list[float]] = {}
    for seed in range(8):
        model = models.GPT(40, context=16, depth=2, width=64, norm=norm, activation="gelu")  # type: ignore[arg-type]
        for table in (model.tokens, model.positions):
            nn.init.normal_(table.weight, generator=_seed(100 + seed))
        report = critical_(model, TOKENS, generator=_seed(seed), verify=True)
        for check in report.checks:
            assert check.ratio is not None
            ratios.setdefault(check.layer, []).append(check.ratio)
    for branch in ("attention.out", "mlp.down"):
        # four branches in a row on a stream that begins with tokens + positions, of mean square 2
        assert report[f"blocks.0.{branch}.weight"].kernel == pytest.approx(2.0 / 4.0, rel=0.1)
    for layer, found in ratios.items():
        values = torch.tensor(found)
        error = float(values.std()) / math.sqrt(len(found))
        assert abs(float(values.mean()) - 1.0) <= 5.0 * error + 1e-4, layer


def test_post_norm_transformer_layers() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, activation="gelu")
            self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
            self.head = nn.Linear(32, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.layers(x))
            return out

    model = Encoder()
    report = critical_(model, torch.randn(8, 12, 32, generator=_seed(3)), generator=_seed())
    for layer in range(3):
        attention = report[f"layers.layers.{layer}.self_attn.out_proj.weight"]
        feed_forward = report[f"layers.layers.{layer}.linear2.weight"]
        assert "one of 6 branches" in attention.reason
        assert feed_forward.kernel == pytest.approx(1.0 / 6.0, rel=1e-3)
        assert report[f"layers.layers.{layer}.linear1.weight"].kernel == pytest.approx(3.561552813)
        assert report[f"layers.layers.{layer}.norm1.weight"].action == "left"
    assert report["layers.layers.0.self_attn.in_proj_weight"].fan_in == 32


def test_pooling_is_measured_where_there_is_a_sample_and_assumed_where_not() -> None:
    model = models.CNN(3, 10, depth=3, width=32)
    assumed = critical_(model, generator=_seed())
    assert any("AdaptiveAvgPool2d" in note and "sample=" in note for note in assumed.notes)
    assert assumed["head.weight"].c_w == pytest.approx(2.0)
    measured = critical_(model, IMAGES, generator=_seed(), verify=True)
    assert not any("AdaptiveAvgPool2d" in note for note in measured.notes)
    assert measured["head.weight"].c_w > 2.0  # type: ignore[operator]
    before = next(c for c in measured.checks if c.layer == "layers.2.conv")
    with torch.no_grad():
        hidden = model.layers(IMAGES)
        kept = float(hidden.mean((2, 3)).pow(2).mean() / hidden.pow(2).mean())
    assert measured["head.weight"].c_w == pytest.approx(2.0 / kept, rel=1e-4)
    assert before.predicted == pytest.approx(1.0)


def test_zero_padding_and_dropout_are_spoken_of() -> None:
    model = nn.Sequential(models.CNN(3, 10, depth=2, padding_mode="zeros"), nn.Dropout(0.5), nn.Linear(10, 2))
    notes = " ".join(critical_(model, generator=_seed()).notes)
    assert "2 convolutions pad with zeros" in notes
    assert "dropout p=0.5" in notes


def _sparse(count: int, seed: int) -> Tensor:
    """Mostly black images with a few bright pixels: behind a norm these lie far outside a Gaussian."""
    source = _seed(seed)
    lit = torch.rand(count, 1, 16, 16, generator=source) < 0.02
    return lit * torch.rand(count, 1, 16, 16, generator=source)


def test_near_a_repelling_point_the_outliers_of_the_sample_set_the_scale() -> None:
    """On a stream that ends its blocks with an activation an outlier grows on its own, whatever the variance."""

    def behind_the_last_block(sample: Tensor | None) -> tuple[float, InitReport]:
        model = models.ResNet(20, width=8, channels=1, activation="mrepu(p=2)")
        report = critical_(model, sample, generator=_seed())
        predicted = report["norm.weight"].constant
        assert predicted is not None
        return second_moments(model, _sparse(64, 9))["stages.2.2.activation2"] / predicted**2, report

    blind, _ = behind_the_last_block(None)
    seen, report = behind_the_last_block(_sparse(64, 3))
    assert blind > 100.0  # theory follows the variance of a Gaussian alone
    assert 0.1 < seen < 3.0  # on other images than those of the sample
    assert any("outliers" in note for note in report.notes)


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_no_start_is_lowered_for_what_would_be_the_same_at_every_scale(common: float) -> None:
    """Gaussian inputs as theory wants them, and inputs with a mean, which breaks the prediction at any K0."""
    layers = [m for _ in range(6) for m in (nn.Linear(32, 32), ew_nn.MRePU())]
    report = critical_(
        nn.Sequential(*layers, nn.Linear(32, 2)), common + torch.randn(256, 32, generator=_seed(4)), generator=_seed()
    )
    assert not any("outliers" in note for note in report.notes)


def test_a_stream_that_nothing_can_hold_is_told_and_no_error() -> None:
    """RePU squares its stream nine times: no weights keep it in float32, and the report says where it is lost."""
    report = critical_(models.ResNet(20, width=8, activation="repu(p=2)"), IMAGES, generator=_seed())
    assert any("beyond what float32 holds" in note for note in report.notes)
    assert all(math.isfinite(r.constant) for r in report.parameters if r.constant is not None)
