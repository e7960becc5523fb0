"""What `critical_` predicts is what random networks do: measured second moments over many seeds, layer by layer.

Where the map of kernels is linear (ReLU without bias) or its input is normalised, the prediction holds for the mean
over weights at any width, so that the only tolerance is five standard errors over seeds; where a stream is not
Gaussian, five standard errors of the draws that its law is made of come on top.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgewise import theory
from edgewise.activations import activation
from edgewise.init import InitReport, critical_
from edgewise.init.signals import DRAWS


def _seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def _data(*shape: int) -> Tensor:
    """Every sample has mean square 1 exactly, so that all of them have the K that is predicted."""
    x = torch.randn(*shape, generator=_seed(99))
    return x / x.flatten(1).pow(2).mean(1).sqrt().reshape(-1, *[1] * (len(shape) - 1))


def _measured(make: Callable[[], nn.Module], batch: Tensor, seeds: int) -> tuple[InitReport, dict[str, Tensor]]:
    """The last report, and measured over predicted for each layer and seed."""
    reports = [critical_(make(), generator=_seed(seed), verify=batch) for seed in range(seeds)]
    ratios = {
        check.layer: torch.tensor([next(c for c in r.checks if c.layer == check.layer).ratio for r in reports])
        for check in reports[0].checks
    }
    return reports[-1], ratios


def _agree(ratios: dict[str, Tensor], extra: float = 0.0, expected: dict[str, float] | None = None) -> None:
    for layer, ratio in ratios.items():
        error = float(ratio.std()) / math.sqrt(len(ratio))
        wanted = 1.0 if expected is None else expected[layer]
        assert abs(float(ratio.mean()) - wanted) <= 5.0 * error + extra + 1e-5, (layer, float(ratio.mean()), error)


def test_a_relu_mlp() -> None:
    def make() -> nn.Module:
        layers = [m for _ in range(5) for m in (nn.Linear(64, 64), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(64, 8))

    report, ratios = _measured(make, _data(8, 64), 120)  # K is skewed after five layers
    assert [r.kernel for r in report.parameters if r.parameter.endswith("weight")] == pytest.approx([1.0] * 6)
    _agree(ratios)


@pytest.mark.parametrize("mode", ["circular", "zeros"])
def test_convolutions_with_their_borders(mode: str) -> None:
    """With zeros outside, K of a position is the mean of g over the taps that lie inside: a linear recursion."""

    def make() -> nn.Module:
        layers = [
            m for i in range(4) for m in (nn.Conv2d(24 if i else 3, 24, 3, padding=1, padding_mode=mode), nn.ReLU())
        ]
        return nn.Sequential(*layers, nn.Conv2d(24, 4, 1))

    images = torch.randn(4, 3, 6, 6, generator=_seed(98)).sign()  # mean square 1 at every position
    _, ratios = _measured(make, images, 24)
    k, expected = torch.ones(1, 1, 6, 6), {}
    for layer in range(4):
        k = F.conv2d(
            F.pad(k, (1, 1, 1, 1), mode="constant" if mode == "zeros" else mode), torch.full((1, 1, 3, 3), 1 / 9)
        )
        expected[str(2 * layer)] = float(k.mean())
    expected["8"] = expected["output"] = float(k.mean())
    _agree({name: r for name, r in ratios.items() if name in expected}, expected=expected)


class _Residual(nn.Module):
    """z' = gamma z + W relu(z)."""

    def __init__(self, gamma: float, depth: int = 8, width: int = 64) -> None:
        super().__init__()
        self.gamma = gamma
        self.first, self.last = nn.Linear(32, width), nn.Linear(width, 4)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        for layer in self.layers:
            z = (self.gamma * z if self.gamma != 1.0 else z) + layer(torch.relu(z))
        out: Tensor = self.last(torch.relu(z))
        return out


@pytest.mark.parametrize("gamma", [0.8, 1.0])
def test_residual_networks_without_norms(gamma: float) -> None:
    report, ratios = _measured(lambda: _Residual(gamma), _data(8, 32), 24)
    last = report["last.weight"]
    assert last.c_w is not None
    growth = 1.0 if gamma < 1.0 else (1.0 + 1.0 / 8.0) ** 8
    assert last.c_w == pytest.approx(2.0 / growth)  # outputs of mean square 1 from a stream of mean square `growth`
    share = 1.0 - gamma**2 if gamma < 1.0 else 1.0 / 8.0
    assert report["layers.3.weight"].c_w == pytest.approx(2.0 * share)
    _agree(ratios)


class _Gated(nn.Module):
    """x + down(silu(gate h) * up(h)), h = rms(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        out: Tensor = x + self.down(F.silu(self.gate(h)) * self.up(h))
        return out


def test_pre_norm_gated_blocks() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(32, 48), *[_Gated(48) for _ in range(4)], nn.RMSNorm(48), nn.Linear(48, 6))

    report, ratios = _measured(make, _data(8, 32), 24)
    assert report["1.down.weight"].kernel == pytest.approx(0.25)
    assert report["1.gate.weight"].kernel == pytest.approx(14.32017362)
    assert any("from 1 to 2" in note for note in report.notes)
    _agree(ratios)


class _PostActivation(nn.Module):
    """relu(x + norm(W relu(norm(W x)))): the block of ResNet v1, fully connected."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.norm_a, self.norm_b = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.relu(x + self.norm_b(self.b(torch.relu(self.norm_a(self.a(x))))))
        return out


def test_branches_that_end_in_a_norm_and_a_stream_that_is_not_gaussian() -> None:
    def make() -> nn.Module:
        stem = [nn.Linear(32, 96), nn.LayerNorm(96), nn.ReLU()]
        return nn.Sequential(*stem, *[_PostActivation(96) for _ in range(4)], nn.Linear(96, 6))

    report, ratios = _measured(make, _data(8, 32), 24)
    assert report["3.norm_b.weight"].constant == pytest.approx(
        math.sqrt(0.5 / 4.0), rel=1e-4
    )  # eps moves 1 to 1 - 1e-5
    assert report["3.norm_b.bias"].constant == 0.0
    # draws: <x**4>/<x**2>**2 of a half-Gaussian mixture is at most 6; layer norm ties the units of a layer: O(1/width)
    _agree(ratios, extra=5.0 * math.sqrt(5.0 / DRAWS) + 1.0 / 96)


@pytest.mark.parametrize("spec", ["relu", "gelu", "tanh"])
def test_fifty_layers_keep_their_kernel_and_their_gradients(spec: str) -> None:
    """Over 50 layers K and the gradient norm follow the flow of infinitely wide networks, within five standard errors
    over networks and the order L/n of what finite width adds to it."""
    width, depth, networks = 192, 50, 12
    a = activation(spec)
    batch = _data(4, 32)
    kernels, gradients = [], []
    for network in range(networks):
        model = nn.Sequential(
            nn.Linear(32, width),
            *[m for _ in range(depth - 1) for m in (a.module(), nn.Linear(width, width))],
        )
        full = nn.Sequential(model, a.module(), nn.Linear(width, 1))
        report = critical_(full, generator=_seed(network))
        z = model[0](batch)
        first, k_first = z, float(z.detach().pow(2).mean())
        for layer in model[1:]:
            z = layer(z)
        u = torch.randn(z.shape, generator=_seed(1000 + network))
        gradient = torch.autograd.grad((u * z).sum(), first)[0]
        kernels.append(float(z.detach().pow(2).mean()) / k_first)
        gradients.append(float(gradient.pow(2).sum() / u.pow(2).sum()))
    first_record, second = report["0.0.weight"], report["0.2.weight"]
    assert first_record.kernel is not None
    flow = theory.kernel_flow(
        a, depth, c_w=second.c_w or 0.0, c_b=second.c_b or 0.0, k0=first_record.kernel
    )  # fmt: skip
    for found, wanted in (
        (kernels, float(flow.kernel[-1] / flow.kernel[0])),
        (gradients, float(flow.chi_perp[:-1].prod())),
    ):
        values = torch.tensor(found, dtype=torch.float64)
        error = float(values.std()) / math.sqrt(networks)
        assert abs(float(values.mean()) - wanted) <= 5.0 * error + wanted * depth / width, (spec, values, wanted)
    if spec != "tanh":  # at a critical point with K* > 0 both are kept; K of tanh falls like 1/(2 l)
        assert float(flow.kernel[-1] / flow.kernel[0]) == pytest.approx(1.0, rel=1e-6)
        assert float(flow.chi_perp[:-1].prod()) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(("distribution", "wanted"), [("orthogonal", 3.0), ("normal", 7.0)])
def test_orthogonal_weights_leave_the_fluctuations_of_the_activation(
    distribution: Literal["orthogonal", "normal"], wanted: float
) -> None:
    """n Var K / K**2 of one sample behind a ReLU. Normal weights: <relu**4>/<relu**2>**2 - 1 = 5, and 2 for the chi
    square of the second matrix. Orthogonal ones keep lengths: 5 less the 2 that the length of z brought."""
    width, seeds, x = 64, 250, _data(1, 64)
    found = []
    for seed in range(seeds):
        model = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        critical_(model, mean_square=1.0, generator=_seed(seed), distribution=distribution)
        with torch.no_grad():
            found.append(float(model(x).pow(2).mean()))
    kernels = torch.tensor(found, dtype=torch.float64)
    spread = float(width * kernels.var() / kernels.mean() ** 2)
    # the matrices' fluctuations multiply those of the activation, an error of 1/n; the rest is 250 seeds'
    assert spread == pytest.approx(wanted, rel=5.0 * math.sqrt(2.0 / seeds) + wanted / width)
