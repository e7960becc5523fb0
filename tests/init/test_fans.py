"""Fans are what a layer of ones does to an input of ones: it counts the terms of its sums."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from edgewise.errors import ModelError
from edgewise.init.fans import fan, matrix_fan, weights


def _inner(x: Tensor, spatial: int) -> Tensor:
    """Without 6 positions at each border; what is left is a whole number of periods of any stride <= 3."""
    for axis in range(x.ndim - spatial, x.ndim):
        x = x.detach().narrow(axis, 6, (x.shape[axis] - 12) // 6 * 6)
    return x


LAYERS = {
    "conv1d": (nn.Conv1d(4, 6, 3, padding=1), 1),
    "conv2d": (nn.Conv2d(4, 6, 3, padding=1), 2),
    "conv2d strided": (nn.Conv2d(4, 6, (3, 5), stride=(2, 3)), 2),
    "conv2d grouped": (nn.Conv2d(8, 12, 3, groups=4, dilation=2), 2),
    "conv2d depthwise": (nn.Conv2d(6, 6, 7, groups=6, padding="same"), 2),
    "conv3d": (nn.Conv3d(2, 3, (1, 2, 3)), 3),
    "transposed 1d": (nn.ConvTranspose1d(4, 6, 3, stride=2), 1),
    "transposed 2d": (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), 2),
    "transposed 2d grouped": (nn.ConvTranspose2d(4, 8, 3, stride=(1, 3), groups=2, output_padding=(0, 1)), 2),
    "transposed 3d": (nn.ConvTranspose3d(2, 3, 2, stride=2), 3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_convolution_of_ones_counts_its_terms(name: str) -> None:
    layer, spatial = LAYERS[name]
    for parameter in layer.parameters():
        nn.init.constant_(parameter, 1.0 if parameter.ndim > 1 else 0.0)
    size = {1: 90, 2: 90, 3: 44}[spatial]
    x = torch.ones(1, layer.in_channels, *[size] * spatial, requires_grad=True)  # type: ignore[arg-type]
    y = layer(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    (of,) = weights(layer)
    assert of.fan_in == pytest.approx(float(_inner(y, spatial).mean()), rel=1e-6)
    assert of.fan_out == pytest.approx(float(_inner(gradient, spatial).mean()), rel=1e-6)
    assert of.blocks == layer.groups
    assert layer.weight.shape[of.output_axis] * (of.blocks if of.output_axis else 1) == layer.out_channels


def test_a_linear_layer_and_a_bilinear_one() -> None:
    assert (fan(nn.Linear(3, 5)).fan_in, fan(nn.Linear(3, 5)).fan_out) == (3, 5)
    assert fan(nn.Linear(3, 5)).bias == "bias"
    assert fan(nn.Linear(3, 5, bias=False)).bias is None
    bilinear = nn.Bilinear(3, 4, 5, bias=False)
    nn.init.ones_(bilinear.weight)
    first, second = torch.ones(1, 3, requires_grad=True), torch.ones(1, 4, requires_grad=True)
    y = bilinear(first, second)
    assert fan(bilinear).fan_in == y[0, 0].detach().item() == 12
    counts = torch.autograd.grad(y.sum(), (first, second))  # each output reached once a partner
    assert fan(bilinear).fan_out == pytest.approx((counts[0][0, 0].item() + counts[1][0, 0].item()) / 2)


def test_stacked_matrices_count_one_by_one() -> None:
    attention = nn.MultiheadAttention(8, 2)
    (of,) = weights(attention)
    assert (of.name, of.bias, of.fan_in, of.fan_out, of.blocks) == ("in_proj_weight", "in_proj_bias", 8, 8, 3)
    assert fan(attention, "out_proj.weight").fan_in == 8
    uneven = nn.MultiheadAttention(8, 2, kdim=6, vdim=4)
    assert [(w.name, w.fan_in, w.fan_out) for w in weights(uneven)] == [
        ("q_proj_weight", 8, 8),
        ("k_proj_weight", 6, 8),
        ("v_proj_weight", 4, 8),
    ]
    lstm = nn.LSTM(5, 8, num_layers=2, proj_size=3)
    assert [(w.name, w.fan_in, w.fan_out, w.blocks) for w in weights(lstm)][:3] == [
        ("weight_ih_l0", 5, 8, 4),
        ("weight_hh_l0", 3, 8, 4),
        ("weight_hr_l0", 8, 3, 1),
    ]
    assert [w.bias for w in weights(lstm)][:3] == ["bias_ih_l0", "bias_hh_l0", None]
    assert weights(nn.GRUCell(4, 6))[0].fan_out == 6


def test_weights_of_variance_one_over_fan_in_keep_the_mean_square() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = nn.ConvTranspose2d(16, 16, 3, stride=2, groups=4, bias=False)
    x = torch.randn(16, 16, 16, 16, generator=generator)
    kernels = []
    for _ in range(60):
        nn.init.normal_(layer.weight, std=math.sqrt(1 / fan(layer).fan_in), generator=generator)
        kernels.append(float((_inner(layer(x), 2) ** 2).mean()))
    mean, error = torch.tensor(kernels).mean(), torch.tensor(kernels).std() / math.sqrt(60)
    assert abs(float(mean) - 1.0) < 4 * float(error) < 0.05


def test_what_is_no_linear_layer_has_no_fan() -> None:
    assert weights(nn.LayerNorm(4)) == weights(nn.Embedding(3, 4)) == weights(nn.PReLU()) == ()
    with pytest.raises(ModelError, match="LayerNorm has no weight 'weight'"):
        fan(nn.LayerNorm(4))
    with pytest.raises(ModelError, match="expected \\(out, in\\)"):
        matrix_fan(torch.ones(3))
    assert matrix_fan(torch.ones(5, 3, 2, 2)).fan_in == 12
