"""Learning rates per layer: every layer the same share of the kernel, by theory, by measurement, and in closed form."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import DomainError, ModelError, TraceError
from edgewise.init.contributions import measured, predicted
from edgewise.init.parameter_groups import parameter_groups
from edgewise.theory import learning_rates


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _chain(spec: str, depth: int, width: int, *, c_w: float, c_b: float, k0: float) -> nn.Sequential:
    """`depth` linear layers, the last one with a single output, as PDLT has them; inputs of mean square 1."""
    layers: list[nn.Module] = []
    for i in range(depth):
        linear = nn.Linear(width, 1 if i == depth - 1 else width)
        with torch.no_grad():
            linear.weight.normal_(std=math.sqrt((k0 - c_b if i == 0 else c_w) / width), generator=_seeded(i))
            linear.weight.mul_(math.sqrt((k0 - c_b if i == 0 else c_w) / width / float((linear.weight**2).mean())))
            linear.bias.normal_(std=math.sqrt(c_b), generator=_seeded(100 + i))
            if c_b:
                linear.bias.mul_(math.sqrt(c_b / float((linear.bias**2).mean())))
        layers += [linear, ew.activation(spec).module()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("spec", ["relu", "tanh", "gelu", "mrepu(p=2)"])
def test_theory_reduces_to_the_rule_of_a_plain_network(spec: str) -> None:
    """The graph's rates are lambda_W / fan-in and lambda_b of `theory.learning_rates`, up to one factor."""
    depth, width = 6, 32
    start = ew.theory.recommend(spec, depth)
    model = _chain(spec, depth, width, c_w=start.c_w, c_b=start.c_b, k0=start.k0)
    rule = learning_rates(spec, depth, c_w=start.c_w, c_b=start.c_b, k0=start.k0, input_square=1.0)
    rates = {group["name"]: group["lr"] for group in parameter_groups(model, 0.1, bias_share=1.0)}
    weights = torch.tensor([rates[f"{2 * i}.weight"] for i in range(depth)], dtype=torch.float64)
    biases = torch.tensor([rates[f"{2 * i}.bias"] for i in range(depth)], dtype=torch.float64)
    factor = weights[0] / (rule.lambda_w[0] / width)
    # c_b of the last layer's one bias is exact as well; float32 weights leave about 1e-6
    torch.testing.assert_close(weights, factor * rule.lambda_w / width, rtol=1e-4, atol=0)
    torch.testing.assert_close(biases, factor * rule.lambda_b, rtol=1e-4, atol=0)


def test_closed_forms() -> None:
    """Scale-invariant: all layers alike. K*=0: lambda_W = (L/l)**(p-1), lambda_b = 1/l at p = 1."""
    relu = parameter_groups(_chain("relu", 8, 16, c_w=2.0, c_b=0.0, k0=1.0), 0.1)
    rates = {g["name"]: g["lr"] for g in relu}
    assert [rates[f"{2 * i}.weight"] for i in range(1, 8)] == pytest.approx([rates["2.weight"]] * 7, rel=1e-5)
    assert [rates[f"{2 * i}.bias"] for i in range(8)] == pytest.approx([rates["0.bias"]] * 8, rel=1e-5)
    depth = 80
    tanh = {g["name"]: g["lr"] for g in parameter_groups(_chain("tanh", depth, 4, c_w=1.0, c_b=0.0, k0=1.0), 0.1)}
    # corrections are of order log(l)/l
    assert tanh["60.weight"] / tanh["120.weight"] == pytest.approx(1.0, abs=0.1)
    assert tanh["60.bias"] / tanh["120.bias"] == pytest.approx(61 / 31, rel=0.1)


def test_shares_are_what_the_plain_rate_gives_a_layer_of_unit_scales() -> None:
    model = _chain("tanh", 5, 64, c_w=1.0, c_b=0.0, k0=1.0)
    x = torch.randn(16, 64, generator=_seeded())
    contributions = measured(model, x)

    def shares(kind: str, **options: float) -> list[float]:
        groups = parameter_groups(model, 0.3, sample=x, **options)  # type: ignore[arg-type]
        return [g["lr"] * contributions[g["name"]] for g in groups if g["name"].endswith(kind)]

    assert shares("weight") == pytest.approx([0.3 * 64] * 5)
    assert shares("bias") == pytest.approx([0.3] * 5)
    assert shares("bias", bias_share=0.5) == pytest.approx([0.15 * 64] * 5)
    held = {g["name"]: g["lr"] for g in parameter_groups(model, 0.3, sample=x, bias_share=1.0, limit=2.0)}
    assert held["4.bias"] == pytest.approx(0.6)


def test_one_rate_serves_every_scale_of_the_kernel() -> None:
    """A linear network keeps its function when one layer is halved and another doubled; its rates see to the rest."""
    model = _chain("identity", 3, 16, c_w=1.0, c_b=0.0, k0=1.0)
    x = torch.randn(32, 16, generator=_seeded())
    moved = []
    for scale in (1.0, 30.0):
        with torch.no_grad():
            model[0].weight.mul_(scale)  # type: ignore[operator]
            model[4].weight.div_(scale)  # type: ignore[operator]
        optimizer = torch.optim.SGD(parameter_groups(model, 1e-5))
        before = model(x).detach()
        state = {k: v.clone() for k, v in model.state_dict().items()}
        model(x).square().mean().backward()
        optimizer.step()
        moved.append(model(x).detach() - before)
        optimizer.zero_grad()
        model.load_state_dict(state)
    torch.testing.assert_close(moved[0], moved[1], rtol=0.02, atol=0.02 * float(moved[0].abs().max()))


def test_a_measurement_is_the_sum_of_squared_gradients() -> None:
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
    x = torch.randn(1, 5, generator=_seeded())
    model(x).backward()
    found = measured(model, x)  # one output of one sample: every sign gives the same square
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert found[name] == pytest.approx(float((parameter.grad**2).sum()), rel=1e-5)


@pytest.mark.parametrize("kind", ["tanh", "layer", "batch", "residual"])
def test_theory_agrees_with_measurement(kind: str) -> None:
    """Within 1/sqrt(width) per layer of chance and 1/batch of theory; layers differ by up to a factor of 5 here."""
    width = 256
    x = torch.randn(128, 64, generator=_seeded(2))
    model: nn.Module
    if kind == "residual":
        model = _Residual(width)
        ew.init.he_(model, generator=_seeded(3))
    else:
        norm = None if kind == "tanh" else kind
        model = ew.models.MLP(64, 16, depth=5, width=width, activation="tanh" if norm is None else "relu", norm=norm)
        (ew.init.lecun_ if norm is None else ew.init.he_)(model, generator=_seeded(3))
    theory, truth = predicted(model, 1.0), measured(model, x)
    names = [n for n in truth if truth[n] > 1e-9 * max(truth.values())]
    assert {n for n in truth if n not in names} == {n for n, c in theory.items() if c == 0.0}
    if kind == "batch":  # the norms' own parameters are known up to a factor of two only
        names = [n for n in names if "norm" not in n]
    logs = torch.tensor([math.log(theory[n] / truth[n]) for n in names])
    assert float((logs - logs.mean()).abs().max()) < 0.35, dict(zip(names, logs.tolist(), strict=True))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(64, width), nn.Linear(width, 16)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + 0.5 * block(x.relu())
        return self.head(x)  # type: ignore[no-any-return]


def test_every_parameter_is_in_one_group_and_frozen_ones_in_none() -> None:
    model = ew.models.GPT(17, context=8, depth=1, width=16, heads=2, tied=True)
    model.get_parameter(next(n for n, _ in model.named_parameters() if "norm" in n)).requires_grad_(False)
    tokens = torch.randint(0, 17, (2, 8), generator=_seeded())
    for optimizer in ("sgd", "adam", "adamw"):
        groups = parameter_groups(model, 1e-3, optimizer, tokens)
        inside = [id(p) for group in groups for p in group["params"]]
        assert sorted(inside) == sorted(id(p) for p in model.parameters() if p.requires_grad)
        assert "left out, frozen" in groups.notes[0]
        getattr(torch.optim, {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[optimizer])(groups)
        json.dumps(groups.to_dict())
    assert {g["lr"] for g in parameter_groups(model, 1e-3, "adam")} == {1e-3}
    groups = parameter_groups(model, 1e-3, "sgd", tokens)
    assert next(g for g in groups if g["name"].startswith("tokens"))["lr"] == 1e-3
    assert "no rule" in parameter_groups(model, 1e-3, "adam").reason


def test_a_bias_that_a_batch_norm_subtracts_keeps_the_plain_rate() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    for sample in (None, torch.randn(16, 8, generator=_seeded())):
        rates = {g["name"]: g for g in parameter_groups(model, 0.1, sample=sample)}
        assert rates["0.bias"]["lr"] == 0.1
        assert "does not reach" in rates["0.bias"]["reason"]


def test_measuring_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    parameter_groups(model, 0.1, sample=torch.randn(8, 4, generator=_seeded()))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_what_cannot_be_done_is_said() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(DomainError, match="lr"):
        parameter_groups(model, -1.0)
    with pytest.raises(DomainError, match="optimizer"):
        parameter_groups(model, 0.1, "lion")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="try sample="):
        parameter_groups(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1)), 0.1)
    with pytest.raises(ModelError, match="cannot be run on this batch"):
        parameter_groups(model, 0.1, sample=torch.randn(2, 9))
    with pytest.raises(ModelError, match="not finite"):
        parameter_groups(model, 0.1, sample=torch.full((2, 4), math.inf))
    with pytest.raises(ModelError, match="requires_grad"):
        parameter_groups(nn.Linear(2, 2).requires_grad_(False), 0.1)
    with pytest.raises(TraceError):
        parameter_groups(_Branching(), 0.1)


class _Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) if float(x.sum()) > 0 else x
