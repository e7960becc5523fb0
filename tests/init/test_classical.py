"""The classical initialisations: their variances, their gains, what they leave; torch's own where torch is right."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import DomainError, EdgewiseError, ModelError
from edgewise.init.classical import delta_orthogonal_, he_, lecun_, orthogonal_, xavier_
from edgewise.init.drawing import independent
from edgewise.init.report import InitReport

ALL = (he_, xavier_, lecun_, orthogonal_, delta_orthogonal_)


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _mlp(activation: str = "relu", width: int = 256) -> nn.Sequential:
    sigma = ew.activation(activation).module
    return nn.Sequential(nn.Linear(64, width), sigma(), nn.Linear(width, 2 * width), sigma(), nn.Linear(2 * width, 10))


def _variance(tensor: Tensor) -> float:
    return float((tensor.detach().double() ** 2).mean())


def _relative_error(count: int) -> float:
    """Four standard errors of the mean square of `count` normal numbers."""
    return 4 * math.sqrt(2 / count)


@pytest.mark.parametrize("scheme", [he_, xavier_, lecun_])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated"])
def test_variances_are_gain_squared_over_the_fan(scheme: Callable[..., InitReport], distribution: str) -> None:
    model = _mlp()
    report = scheme(model, distribution=distribution, generator=_seeded())
    expected = {
        "he": lambda i, _: 2 / i,
        "xavier": lambda i, o: 2 / (i + o),
        "lecun": lambda i, _: 1 / i,
    }[report.scheme]
    for name, i, o in (("0", 64, 256), ("2", 256, 512), ("4", 512, 10)):
        weight = model.get_parameter(f"{name}.weight")
        assert _variance(weight) == pytest.approx(expected(i, o), rel=_relative_error(i * o))
        assert report[f"{name}.weight"].std == pytest.approx(math.sqrt(expected(i, o)))
        assert report[f"{name}.weight"].c_w == pytest.approx(expected(i, o) * i)
        assert not model.get_parameter(f"{name}.bias").any()
    limit = {"uniform": math.sqrt(3), "truncated": 2 / 0.8796256610342398, "normal": math.inf}[distribution]
    std = report["2.weight"].std
    assert std is not None
    assert float(model.get_parameter("2.weight").detach().abs().max()) <= limit * std * 1.000001


def test_he_and_xavier_are_torchs_for_a_relu_network() -> None:
    layer = nn.Linear(300, 200)
    he_(nn.Sequential(layer), generator=_seeded())
    ours = _variance(layer.weight)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=_seeded(1))
    assert ours == pytest.approx(_variance(layer.weight), rel=2 * _relative_error(60_000))
    xavier_(nn.Sequential(layer), generator=_seeded())
    bound = float(layer.weight.detach().abs().max())
    nn.init.xavier_uniform_(layer.weight, generator=_seeded(1))
    assert bound == pytest.approx(float(layer.weight.detach().abs().max()), rel=1e-3)


def test_gains_follow_the_graph() -> None:
    model = nn.Sequential(
        nn.Linear(8, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 4)
    )
    report = he_(model, generator=_seeded())
    assert report["0.weight"].c_w == pytest.approx(2.0)
    assert report["0.weight"].fed_by == "the input"
    assert report["3.weight"].c_w == pytest.approx(ew.gain("tanh", principle="forward").c_w)
    assert report["3.weight"].fed_by == "tanh (1)"
    assert report["6.weight"].c_w == pytest.approx(2.0)
    backward = he_(model, mode="fan_out", generator=_seeded())
    assert backward["3.weight"].std == pytest.approx(float(ew.gain("gelu", principle="backward")) / math.sqrt(32))
    critical = orthogonal_(model, generator=_seeded())
    assert critical["3.weight"].c_w == pytest.approx(1.0)
    for scheme in (xavier_, lecun_):
        assert scheme(model, mode="fan_in", generator=_seeded())["3.weight"].c_w == pytest.approx(1.0)


def test_a_stated_activation_or_gain_holds_everywhere() -> None:
    model = _mlp()
    given_c_w = ew.gain("tanh", principle="forward").c_w
    assert [r.c_w for r in he_(model, activation="tanh").initialised] == pytest.approx([given_c_w] * 6)
    assert he_(model, gain=3.0)["2.weight"].c_w == pytest.approx(9.0)
    given = lecun_(model, gain=ew.gain("gelu"), generator=_seeded())
    assert given["2.weight"].c_w == pytest.approx(1.983058257438)
    assert _variance(model.get_parameter("2.bias")) == pytest.approx(0.17292239, rel=_relative_error(512))
    he_(model, activation="gelu", principle="critical", generator=_seeded())
    assert _variance(model.get_parameter("2.bias")) == pytest.approx(0.17292239, rel=_relative_error(512))


@pytest.mark.parametrize("shape", [(64, 64), (128, 32), (32, 128)])
def test_orthogonal_matrices_are(shape: tuple[int, int]) -> None:
    rows, columns = shape
    layer = nn.Linear(columns, rows)
    orthogonal_(nn.Sequential(layer), generator=_seeded())
    w = layer.weight.detach().double()
    gram = w @ w.T if rows <= columns else w.T @ w
    torch.testing.assert_close(
        gram, torch.eye(len(gram), dtype=torch.float64) * rows / min(rows, columns), atol=1e-5, rtol=0
    )
    assert float((w**2).sum(1).mean()) == pytest.approx(1.0, rel=1e-5)  # rows have norm 1: K is kept


def test_orthogonal_convolutions_groups_and_stacks() -> None:
    grouped = nn.Conv2d(8, 12, 3, groups=4)
    transposed = nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2)
    attention = nn.MultiheadAttention(16, 2)
    orthogonal_(nn.ModuleList([grouped, transposed, attention]), generator=_seeded())
    for block in grouped.weight.detach().reshape(4, 3, 18):
        torch.testing.assert_close(block @ block.T, torch.eye(3), atol=1e-5, rtol=0)
    for block in transposed.weight.detach().reshape(2, 4, 2, 4):
        matrix = block.transpose(0, 1).reshape(2, 16)
        # each output meets one tap of four, in/groups = 4 terms: the norm of all taps together is 2
        torch.testing.assert_close(matrix @ matrix.T, 4 * torch.eye(2), atol=1e-5, rtol=0)
    for block in attention.in_proj_weight.detach().reshape(3, 16, 16):
        torch.testing.assert_close(block @ block.T, torch.eye(16), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d, nn.Conv3d])
def test_a_delta_orthogonal_convolution_is_an_isometry(kind: type[nn.Conv2d]) -> None:
    """With circular padding it keeps every norm, as an orthogonal matrix at each position does (Xiao et al. 2018)."""
    spatial = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}[kind]
    layer = kind(6, 6, 3, padding=1, padding_mode="circular")
    report = delta_orthogonal_(nn.Sequential(layer), generator=_seeded())
    x = torch.randn(2, 6, *[7] * spatial, generator=_seeded(1))
    torch.testing.assert_close(layer(x).norm(), x.norm(), rtol=1e-5, atol=0)
    assert int((layer.weight != 0).sum()) == 36
    assert report["0.weight"].fan_in == 6
    relu = nn.Sequential(nn.Conv2d(4, 8, 5), nn.ReLU(), nn.Conv2d(8, 4, 5))
    assert delta_orthogonal_(relu)["2.weight"].c_w == pytest.approx(2.0)


def test_a_deep_relu_convolution_keeps_its_signal() -> None:
    """He's of 20 layers: the log of K moves by the sum of relative fluctuations, sqrt(20 x 5/(channels)) at most."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1, padding_mode="circular")]
    for _ in range(19):
        layers += [nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular")]
    he_(nn.Sequential(*layers), generator=_seeded(4))
    x = torch.randn(8, 3, 8, 8, generator=_seeded(5))
    kernels = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            kernels.append(_variance(x))
    assert abs(math.log(kernels[-1] / kernels[0])) < 3 * math.sqrt(20 * 5 / 64)
    xavier_(nn.Sequential(*layers), generator=_seeded(4))
    assert (
        _variance(nn.Sequential(*layers)(x[:, :3])) < 1e-3 * kernels[-1]
    )  # halved in each of the 19 layers behind a ReLU


class _Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.one(x).tanh()
        return self.two(hidden) if float(hidden.sum()) > -1e9 else hidden


def test_without_a_graph_the_classical_gain_and_a_note() -> None:
    model = _Untraceable()
    blind = he_(model, generator=_seeded())
    assert blind.source == "modules"
    assert blind["two.weight"].c_w == pytest.approx(2.0)
    assert "the order of the layers is not known" in blind.notes[0]
    seen = he_(model, torch.randn(3, 4), generator=_seeded())
    assert seen.source == "recorded"
    assert seen["two.weight"].c_w == pytest.approx(ew.gain("tanh", principle="forward").c_w)


class _Odd(nn.Module):
    """One of everything that is not initialised, and a tied weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.token = nn.Parameter(torch.ones(8))
        self.norm = nn.LayerNorm(8)
        self.slope = nn.PReLU()
        self.frozen = nn.Linear(8, 8)
        self.frozen.requires_grad_(False)
        self.again = nn.Linear(8, 8)
        self.same = nn.Linear(8, 8)
        self.same.weight = self.again.weight
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        self.recurrent = nn.GRU(8, 8)
        self.head = nn.Linear(8, 11)
        self.head.weight = self.table.weight
        self.functional = nn.Parameter(torch.ones(8, 8))

    def forward(self, i: Tensor) -> Tensor:
        x = self.norm(self.table(i)) + self.token
        x = self.same(self.again(self.slope(self.frozen(x))))
        x = self.recurrent(self.normed(x))[0]
        return self.head(nn.functional.linear(x, self.functional))  # type: ignore[no-any-return]


@pytest.mark.parametrize("scheme", ALL)
def test_every_parameter_is_reported_and_what_is_left_is_untouched(scheme: Callable[..., InitReport]) -> None:
    model = _Odd()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    report = scheme(model, generator=_seeded())
    assert [r.parameter for r in report.parameters] == list(before)
    assert {r.parameter for r in report.initialised} == {"again.weight", "again.bias", "same.bias", "functional"}
    assert "whose weight is left" in report["head.bias"].reason
    assert report["same.weight"].parameter == "again.weight"
    for record in report.parameters:
        changed = not torch.equal(before[record.parameter], model.get_parameter(record.parameter))
        assert changed == (record.action == "initialised"), record
        assert record.reason
    words = {name: report[name].reason for name in before}
    assert "frozen" in words["frozen.weight"]
    assert "embedding" in words["table.weight"]
    assert report["head.weight"].action == "left"
    assert "normalisation" in words["norm.weight"]
    assert "PReLU" in words["slope.weight"]
    assert "comput" in words["normed.parametrizations.weight.original0"]
    assert "recurrent" in words["recurrent.weight_ih_l0"]
    assert "does not know" in words["token"]
    assert json.loads(json.dumps(report.to_dict()))["scheme"] == report.scheme


@pytest.mark.parametrize("scheme", ALL)
def test_a_seed_gives_one_model_in_any_precision(scheme: Callable[..., InitReport]) -> None:
    one, two, half = _mlp("gelu", 16), _mlp("gelu", 16), _mlp("gelu", 16).bfloat16()
    for model in (one, two, half):
        assert scheme(model, generator=_seeded(9)).seed == 9
    for a, b, c in zip(one.parameters(), two.parameters(), half.parameters(), strict=True):
        assert torch.equal(a, b)
        assert c.dtype == torch.bfloat16
        assert torch.equal(a.bfloat16(), c)


@pytest.mark.parametrize(
    "bad",
    [
        {"mode": "fan"},
        {"gain": -1.0},
        {"gain": 1.0, "activation": "relu"},
        {"principle": "he"},
        {"activation": "no such thing"},
        {"generator": 3},
    ],
)
def test_bad_options_leave_the_model_as_it_was(bad: dict[str, object]) -> None:
    model = _mlp(width=16)
    before = copy.deepcopy(model.state_dict())
    for scheme in ALL:
        with pytest.raises(EdgewiseError):
            scheme(model, **bad)  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="distribution"):
        he_(model, distribution="cauchy")  # type: ignore[arg-type]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_models_that_cannot_be_initialised_are_refused() -> None:
    with pytest.raises(ModelError, match="lazy"):
        he_(nn.Sequential(nn.LazyLinear(4)))
    with pytest.raises(ModelError, match="meta"):
        he_(nn.Linear(4, 4, device="meta"))


def test_an_activation_without_an_answer_falls_back_to_the_classical_gain() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Hardshrink(), nn.Linear(8, 4))
    report = he_(model, mode="fan_out", generator=_seeded())
    assert report["0.weight"].std == pytest.approx(math.sqrt(2 / 8))
    assert "He's sqrt(2), since hardshrink" in report["0.weight"].reason


def test_truncated_normal_numbers_keep_their_standard_deviation() -> None:
    drawn = independent(torch.Size([100_000]), 0.3, "truncated", _seeded())
    assert float(drawn.std()) == pytest.approx(0.3, rel=_relative_error(100_000))
    assert float(drawn.abs().max()) < 0.3 * 2.2737


def test_a_gain_that_is_no_number_is_refused_and_a_frozen_model_is_called_frozen() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with pytest.raises(DomainError, match="gain='x' given, expected a number"):
        ew.init.he_(model, gain="x")  # type: ignore[arg-type]
    assert "is frozen: model.requires_grad_" in ew.init.he_(model.requires_grad_(False)).reason
