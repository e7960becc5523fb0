"""`critical_` takes the theory's numbers, leaves what it must, and is atomic and reproducible."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from edgewise import theory
from edgewise.activations import activation
from edgewise.errors import DomainError, ModelError, TraceError
from edgewise.init import critical_


def _seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def _chain(spec: str, depth: int = 5, width: int = 64, *, bias: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(width if i else 16, width, bias=bias), activation(spec).module()]
    return nn.Sequential(*layers, nn.Linear(width, 10, bias=bias))


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _same(model: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("spec", ["relu", "gelu", "tanh", "mrepu(p=2)", "elu", "relu2"])
def test_a_plain_chain_has_exactly_the_theorys_numbers(spec: str) -> None:
    model = _chain(spec)
    report = critical_(model, mean_square=0.25, output_variance=2.0, generator=_seed())
    want = theory.recommend(spec, 5, width=64)
    first = report["0.weight"]
    assert (first.c_w, first.c_b) == pytest.approx(want.first_layer(0.25), rel=1e-12)
    flow = theory.kernel_flow(spec, 5, c_w=want.c_w, c_b=want.c_b, k0=want.k0)
    for layer in range(1, 5):
        record = report[f"{2 * layer}.weight"]
        assert (record.c_w, record.c_b) == pytest.approx((want.c_w, want.c_b), rel=1e-9)
        assert record.kernel == pytest.approx(float(flow.kernel[layer]), rel=1e-7)
        assert record.std == pytest.approx(math.sqrt(want.c_w / 64), rel=1e-9)
    last = report["10.weight"]
    assert last.c_w == pytest.approx(2.0 / float(theory.kernel(spec, flow.kernel[-1])), rel=1e-7)
    assert report.output_kernel == pytest.approx(2.0)


def test_weights_have_the_variance_that_the_report_says() -> None:
    model = _chain("gelu", width=256)
    report = critical_(model, generator=_seed())
    for name, parameter in model.named_parameters():
        std, n = report[name].std, parameter.numel()
        assert std is not None
        found = float(parameter.detach().double().pow(2).mean())
        assert found == pytest.approx(std**2, rel=5.0 * math.sqrt(2.0 / n), abs=1e-30)


def test_one_seed_gives_one_model_and_the_global_generator_is_not_touched() -> None:
    models = [_chain("gelu") for _ in range(3)]
    state = torch.get_rng_state()
    for model, seed in zip(models, (1, 1, 2), strict=True):
        assert critical_(model, generator=_seed(seed), verify=torch.ones(4, 16)).seed == seed
    assert torch.equal(state, torch.get_rng_state())
    assert _same(models[0], _state(models[1]))
    assert not _same(models[0], _state(models[2]))


def test_the_sample_sets_the_first_layer_and_its_mean_is_spoken_of() -> None:
    data = 3.0 + torch.randn(64, 16, generator=_seed())
    report = critical_(_chain("relu"), data, generator=_seed())
    assert report["0.weight"].c_w == pytest.approx(1.0 / float(data.double().pow(2).mean()), rel=1e-6)
    assert any("centre the inputs" in note for note in report.notes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_get_the_same_draws_cast(dtype: torch.dtype) -> None:
    model, single = _chain("gelu").to(dtype), _chain("gelu")
    critical_(model, generator=_seed())
    critical_(single, generator=_seed())
    for mine, other in zip(model.parameters(), single.parameters(), strict=True):
        assert mine.dtype == dtype
        assert torch.equal(mine, other.to(dtype))


class _Language(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32)
        self.fc = nn.Linear(32, 32)
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.head(torch.tanh(self.fc(self.table(tokens))))
        return out


def test_embeddings_and_what_is_tied_to_them_are_left() -> None:
    model = _Language()
    before = model.table.weight.detach().clone()
    report = critical_(model, generator=_seed())
    assert torch.equal(model.table.weight, before)
    record = report["head.weight"]
    assert record.action == "left"
    assert record.shared_with == ("head.weight",)
    assert "embedding" in record.reason
    table = float(before.double().pow(2).mean())
    assert report["fc.weight"].c_w == pytest.approx(1.0 / table, rel=1e-6)
    # the tied head is predicted from the values it has
    g = float(theory.kernel("tanh", 1.0))
    assert report.output_kernel == pytest.approx(32 * table * g, rel=1e-6)


def test_frozen_parameters_are_left_and_predicted_from_their_values() -> None:
    model = _chain("relu", depth=2)
    model[0].weight.requires_grad_(False)
    before = model[0].weight.detach().clone()
    report = critical_(model, generator=_seed())
    assert torch.equal(model[0].weight, before)
    assert report["0.weight"].reason.startswith("frozen")
    # its K follows from its values and its bias, and the next layers from that K
    assert report.output_kernel == pytest.approx(1.0)
    assert report["2.weight"].c_w == pytest.approx(2.0)


def test_weights_shared_by_two_layers_are_drawn_once() -> None:
    model = _chain("relu", depth=3)
    model[4].weight = model[2].weight
    report = critical_(model, generator=_seed())
    assert report["4.weight"].shared_with == ("4.weight",)
    assert any("used several times" in note for note in report.notes)


def test_dropout_is_made_up_for() -> None:
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    report = critical_(model, generator=_seed())
    assert report["3.weight"].c_w == pytest.approx(2.0 * 0.8)
    assert report["3.weight"].kernel == pytest.approx(1.0)


def test_gradients_telescope_between_different_critical_activations() -> None:
    """chi_perp differs from 1 at each change of activation, and its product over a cycle is 1."""
    specs = ["relu", "gelu", "tanh", "gelu", "relu"]
    layers: list[nn.Module] = [nn.Linear(16, 64)]
    for spec in specs:
        layers += [activation(spec).module(), nn.Linear(64, 64)]
    model = nn.Sequential(*layers, nn.ReLU(), nn.Linear(64, 4))
    report = critical_(model, generator=_seed())
    product = 1.0
    for i, spec in enumerate(specs):
        source, target = report[f"{2 * i}.weight"], report[f"{2 * i + 2}.weight"]
        assert source.kernel is not None
        assert target.c_w is not None
        product *= float(theory.chi_perp(spec, source.kernel, c_w=target.c_w))
    # tanh alone is not at its fixed point K*=0 but on its way there, at K=1
    tanh = float(theory.chi_perp("tanh", 1.0)) / float(theory.kernel("tanh", 1.0))
    assert product == pytest.approx(tanh, rel=1e-6)


def test_an_unknown_layer_is_reported_and_left() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.LSTM(8, 8, batch_first=True)
            self.out = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.out(self.inner(x)[0])
            return found

    model = Odd()
    before = _state(model.inner)
    report = critical_(model, generator=_seed())
    assert _same(model.inner, before)
    assert {r.parameter for r in report.left} == {f"inner.{name}" for name in before}
    assert any("LSTM" in note for note in report.notes)


def test_every_parameter_has_a_record() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    report = critical_(model, torch.randn(4, 3, 8, 8, generator=_seed()), generator=_seed())
    assert [r.parameter for r in report.parameters] == [name for name, _ in model.named_parameters()]
    assert all(record.reason for record in report.parameters)


def test_norms_before_an_activation_are_scaled_or_left() -> None:
    for norms, expected in (("scale", math.sqrt(3.561552813)), ("leave", 1.0)):
        model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 2))
        report = critical_(model, generator=_seed(), norms=norms)  # type: ignore[arg-type]
        assert float(model[1].weight.detach()[0]) == pytest.approx(expected, rel=1e-6)
        g = float(theory.kernel("gelu", expected**2 / (1.0 + 1e-5)))
        assert report["3.weight"].c_w == pytest.approx(1.0 / g, rel=1e-6)
        assert any("layer norm and gelu" in note for note in report.notes)


class _Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.nn.functional.gelu(self.a(x))
        out: Tensor = self.b(h) if float(h.sum()) > -1e9 else h
        return out


def test_what_cannot_be_traced_is_recorded_or_said_by_hand() -> None:
    model = _Untraceable()
    with pytest.raises(TraceError, match="fed_by"):
        critical_(model)
    recorded = critical_(model, torch.randn(16, 8, generator=_seed()), generator=_seed())
    assert recorded.source == "recorded"
    by_hand = critical_(model, generator=_seed(), fed_by={"a": "input", "b": "gelu"})
    assert by_hand.source == "by hand"
    assert by_hand["a.weight"].kernel == pytest.approx(3.561552813)
    assert by_hand["b.weight"].c_w == pytest.approx(recorded["b.weight"].c_w)


@pytest.mark.parametrize(
    ("fed_by", "message"),
    [({"c": "input"}, "no module"), ({"a": "nonsense"}, "expected 'input'"), ({}, "a layer at least")],
)
def test_what_is_said_by_hand_is_checked(fed_by: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        critical_(_Untraceable(), fed_by=fed_by)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"sample": torch.ones(4, 7)}, ModelError),
        ({"sample": torch.full((4, 16), torch.nan)}, ModelError),
        ({"verify": torch.ones(4, 7)}, ModelError),
        ({"mean_square": 0.0}, DomainError),
        ({"output_variance": -1.0}, DomainError),
        ({"norms": "reset"}, DomainError),
        ({"correct": True}, DomainError),
        ({"verify": True}, DomainError),
        ({"mean_square": 1.0, "sample": torch.ones(4, 16)}, DomainError),
    ],
)
def test_errors_leave_the_model_as_it_was(given: dict[str, object], error: type[Exception]) -> None:
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 2)).eval()
    before = _state(model)
    with pytest.raises(error):
        critical_(model, generator=_seed(), **given)  # type: ignore[arg-type]
    assert _same(model, before)
    assert not any(module.training for module in model.modules())


def test_verify_leaves_mode_buffers_hooks_and_random_state() -> None:
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 2)).eval()
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state = torch.get_rng_state()
    batch = torch.randn(32, 16, generator=_seed())
    report = critical_(model, generator=_seed(), verify=batch, correct=True)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(buffers[name], buffer) for name, buffer in model.named_buffers())
    assert not any(module.training or module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert {check.layer for check in report.checks} >= {"0", "1", "4"}


def test_correction_makes_measured_equal_wanted_and_keeps_biases() -> None:
    model, plain = _chain("gelu", depth=8), _chain("gelu", depth=8)
    batch = torch.randn(64, 16, generator=_seed(3))
    critical_(plain, batch, generator=_seed())
    report = critical_(model, batch, generator=_seed(), verify=True, correct=True)
    for check in report.checks:
        assert check.ratio == pytest.approx(1.0, rel=1e-4)  # float32 weights and sums
    assert torch.equal(model[2].bias, plain[2].bias)
    record = report["2.weight"]
    assert record.std is not None
    n = model[2].weight.numel()
    found = float(model[2].weight.detach().double().pow(2).mean())
    assert found == pytest.approx(record.std**2, rel=5.0 * math.sqrt(2.0 / n))


def test_a_frozen_batch_norm_applies_its_statistics() -> None:
    """In evaluation mode inside a model that trains it is an affine map: K/(running variance + eps)."""
    model = nn.Sequential(nn.Linear(16, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 2))
    model[1].running_var.fill_(4.0)
    model[1].eval()
    report = critical_(model, generator=_seed(), norms="leave")
    assert report["3.weight"].c_w == pytest.approx(1.0 / (0.5 * 1.0 / (4.0 + 1e-5)), rel=1e-2)  # by draws
    assert any("running statistics" in note for note in report.notes)


def test_a_net_too_deep_for_its_activation_is_sent_to_tailor() -> None:
    shallow = critical_(_chain("relu2", depth=2), generator=_seed())
    assert not any("ew.tailor" in note for note in shallow.notes)
    deep = critical_(_chain("relu2", depth=50), generator=_seed())
    assert any("ew.tailor('relu2', depth=50)" in note for note in deep.notes)


def test_what_is_no_mapping_says_nothing_of_what_feeds_a_layer() -> None:
    with pytest.raises(ModelError, match="fed_by=3 given, expected a mapping"):
        critical_(nn.Linear(2, 2), fed_by=3)  # type: ignore[arg-type]


def test_a_mask_is_not_measured_as_if_it_were_a_layer() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = torch.full((5, 5), -math.inf).triu(1)
            scores = self.q(x) @ self.k(x).transpose(1, 2) / 8**0.5 + mask * torch.ones_like(x[:, :5, :5])
            return x + torch.softmax(scores.nan_to_num(nan=0.0, neginf=-math.inf), -1) @ self.v(x)

    sample = torch.randn(16, 5, 8)
    report = critical_(Masked(), sample, verify=True)
    assert {"q", "k", "v"} <= {check.layer for check in report.checks}
    assert all(math.isfinite(check.measured) for check in report.checks)
