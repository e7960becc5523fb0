"""Replacing the activations of a model, and putting them back."""

from __future__ import annotations

import copy
import io
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import ModelError, SpecError, TraceError
from edgewise.init import trace
from edgewise.init.swap import swap_

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Activations as a module, as an attribute that holds a function, and as calls."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))
        self.act = F.relu
        self.p = 0.5

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        h = self.inner(x) + self.act(self.a(x))
        h = F.dropout(F.relu(self.b(h)), self.p, self.training)
        return self.c(torch.relu(h) ** 2)


def test_by_type() -> None:
    model = Net()
    report = swap_(model, nn.ReLU, "mrepu(p=2)")
    assert isinstance(model.inner[1], ew.nn.MRePU)
    assert isinstance(model.act, ew.nn.MRePU)
    assert [(c.names, c.how, c.was, c.now) for c in report.changes] == [
        (("act",), "attribute", "relu", "mrepu(p=2)"),
        (("inner.1",), "module", "relu", "mrepu(p=2)"),
    ]
    assert report.model is model
    assert report.reason == "2 activations replaced by mrepu(p=2)"
    assert "1 call of functions inside forward match" in report.notes[0]


def test_undo_brings_back_the_very_same() -> None:
    model = Net().eval()
    before, old, names = model(X), model.inner[1], list(model._modules)
    report = swap_(model, "relu", "gelu")
    assert not torch.equal(model(X), before)
    report.undo()
    assert model.inner[1] is old
    assert model.act is F.relu
    assert list(model._modules) == names
    assert torch.equal(model(X), before)
    report.undo()  # once is enough
    assert torch.equal(model(X), before)


def test_undo_refuses_where_the_model_has_changed_since() -> None:
    model = Net()
    first = swap_(model, "relu", "gelu")
    second = swap_(model, "gelu", "tanh")
    with pytest.raises(ModelError, match=r"no longer what swap_ put there; nothing was undone"):
        first.undo()
    assert isinstance(model.act, ew.nn.Tanh)
    second.undo()
    first.undo()
    assert model.act is F.relu


def test_by_spec_family_pattern_and_predicate() -> None:
    def fresh() -> nn.Module:
        return nn.Sequential(nn.LeakyReLU(0.2), nn.Sequential(nn.LeakyReLU(0.01), nn.GELU("tanh")), nn.GELU())

    def swapped(which: Any) -> list[str]:
        return [name for change in swap_(fresh(), which, "tanh").changes for name in change.names]

    assert swapped("leaky_relu") == ["0", "1.0"]
    assert swapped("leaky_relu(a=0.2)") == ["0"]
    assert swapped(ew.activation("gelu_tanh")) == ["1.1"]
    assert swapped("gelu") == ["2"]
    assert swapped(F.gelu) == ["2"]
    assert swapped("1.*") == ["1.0", "1.1"]
    assert swapped((nn.GELU, nn.ReLU)) == ["1.1", "2"]
    assert swapped(lambda name, module: isinstance(module, nn.GELU) and "." in name) == ["1.1"]


def test_everything_that_can_be_put_in() -> None:
    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sin()

    def fresh() -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU())

    cases: list[tuple[Any, type[nn.Module]]] = [
        ("x*sigmoid(1.5*x)", ew.nn.Elementwise),
        (ew.activation("relu2"), ew.nn.ReLU2),
        (torch.tanh, ew.nn.Tanh),
        (lambda x: x * torch.tanh(x), ew.nn.Elementwise),
        (nn.ELU, nn.ELU),
        (partial(nn.ELU, 0.3), nn.ELU),
        (lambda: nn.LeakyReLU(0.3), nn.LeakyReLU),
        (nn.PReLU(init=0.1), nn.PReLU),
        (Own(), Own),
    ]
    for to, kind in cases:
        model = fresh()
        swap_(model, nn.ReLU, to)
        assert type(model[1]) is kind
        assert model[1] is not model[3]
        assert model(X).shape == X.shape
    model = fresh()
    assert swap_(model, nn.ReLU, "swish(beta=2)", trainable=True).parameters == ("1.beta", "3.beta")


def test_place_keeps_device_precision_and_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU())).double().eval()
    model[1].training = True
    report = swap_(model, nn.ReLU, lambda: nn.PReLU(4))
    new = model[1][0]
    assert new.weight.dtype == torch.float64
    assert not model.training
    assert not new.training  # as what it replaces, not as its parent
    assert report.parameters == ("1.0.weight",)
    assert model(X.double()).dtype == torch.float64


def test_no_module_is_built_on_another_device() -> None:
    model = nn.Sequential(nn.Linear(4, 4, device="meta"), nn.PReLU(device="meta"))
    swap_(model, nn.PReLU, "prelu(a=0.1)")
    assert model[1].a.device.type == "meta"


def test_a_shared_instance_stays_one() -> None:
    act = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 4), act)
    report = swap_(model, nn.ReLU, nn.PReLU)
    assert model[1] is model[3]
    assert [change.names for change in report.changes] == [("1", "3")]
    assert report.reason == "2 activations replaced by PReLU"
    report.undo()
    assert model[1] is model[3] is act


def test_functional_calls_give_a_traced_model_with_the_same_parameters() -> None:
    model = Net()
    report = swap_(model, "relu", "softsign", functional=True)
    traced = report.model
    assert [change.how for change in report.changes] == ["attribute", "module", "call"]
    assert "use report.model" in report.reason
    assert {id(p) for p in traced.parameters()} == {id(p) for p in model.parameters()}
    traced.eval()
    h = F.softsign(model.inner[0](X)) + F.softsign(model.a(X))
    torch.testing.assert_close(traced(X), model.c(F.softsign(model.b(h)).relu() ** 2))
    traced.train()  # the dropout that was a call follows the mode
    torch.manual_seed(0)
    first = traced(X)
    assert not torch.equal(first, traced(X))
    assert specs(traced) == ["softsign", "softsign", "softsign", "relu2"]
    report.undo()
    assert model.act is F.relu


def specs(model: nn.Module) -> list[str]:
    return [node.activation.spec for node in trace(model).of_kind("activation") if node.activation is not None]


def test_a_whole_region_is_one_functional_call() -> None:
    model = Net().eval()
    report = swap_(model, "relu2", "tanh", functional=True)
    h = model.inner(X) + F.relu(model.a(X))
    torch.testing.assert_close(report.model(X), model.c(torch.tanh(F.relu(model.b(h)))))
    assert "** 2" not in report.model.code
    named = swap_(Net(), "pow_*", "tanh", functional=True)
    assert [change.names for change in named.changes] == [("pow_1",)]


def test_a_call_that_overwrites_what_is_read_elsewhere_is_refused() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            h = self.a(x)
            return self.a(F.relu(h, inplace=True)) + self.a(h)

    with pytest.raises(ModelError, match="relu_1 writes in place into a tensor that is read elsewhere"):
        swap_(InPlace(), "relu", "gelu", functional=True)


def test_functional_needs_a_model_that_can_be_traced() -> None:
    class Dynamic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(x) if float(x.sum()) > 0 else torch.relu(x)

    model = Dynamic()
    with pytest.raises(TraceError, match=r"torch\.fx cannot follow Dynamic"):
        swap_(model, "relu", "gelu", functional=True)
    assert isinstance(model.act, nn.ReLU)
    report = swap_(model, "relu", "gelu")
    assert report.notes[0].startswith("calls of functions inside forward, if there are any, stay: torch.fx cannot")


@pytest.mark.parametrize("training", [True, False])
def test_torch_transformer_layers_do_not_fall_back_to_their_fused_relu(training: bool) -> None:
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2)
    stack.train(training)
    x = torch.randn(2, 3, 8)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    before = stack(x, src_key_padding_mask=padding)
    report = swap_(stack, "relu", "relu2")
    with torch.no_grad():  # where torch would take its fused path
        fused = stack(x, src_key_padding_mask=padding)
    plain = stack(x, src_key_padding_mask=padding)
    torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(fused, before, atol=1e-3)
    report.undo()
    torch.testing.assert_close(stack(x, src_key_padding_mask=padding), before)


def test_nothing_matched_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(ModelError, match="nothing in Net matches 'tanh': its activation modules are relu"):
        swap_(Net(), "tanh", "gelu")
    with pytest.raises(ModelError, match="nothing in Linear matches ReLU: it has no activation modules"):
        swap_(nn.Linear(2, 2), nn.ReLU, "gelu")
    with pytest.raises(ModelError, match="1 call of functions inside forward match too and stay"):
        swap_(Net(), "relu2", "gelu")


def test_wrong_arguments_change_nothing() -> None:
    model = Net()
    before = copy.copy(model._modules), model.act
    with pytest.raises(ModelError, match=r"a \(Linear\) matches and is no activation; nothing was changed"):
        swap_(model, nn.Linear, "gelu")
    with pytest.raises(SpecError, match="nonsense"):
        swap_(model, "relu", "nonsense")
    with pytest.raises(ModelError, match=r"Linear\(\) cannot be made without arguments .*give lambda: Linear"):
        swap_(model, "relu", nn.Linear)
    with pytest.raises(ModelError, match="which=3 given; expected a module type"):
        swap_(model, 3, "gelu")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="trainable=True was given with a module"):
        swap_(model, "relu", nn.GELU(), trainable=True)
    with pytest.raises(ModelError, match="the model itself is the ReLU"):
        swap_(nn.ReLU(), nn.ReLU, "gelu")
    assert (model._modules, model.act) == before


def test_compiled_and_parallel_models_are_changed_inside() -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    compiled = torch.compile(inner, backend="eager")
    report = swap_(compiled, "relu", "tanh")
    torch.testing.assert_close(compiled(X), torch.tanh(inner[0](X)))
    assert report.notes == ("the model was taken out of its OptimizedModule wrapper",)
    report.undo()
    torch.testing.assert_close(compiled(X), torch.relu(inner[0](X)))


def test_a_report_says_it_in_a_terminal_and_as_json() -> None:
    from rich.console import Console

    report = swap_(Net(), "relu", "mrepu(p=2)")
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(report)
    text = console.export_text()
    assert "inner.1" in text
    assert "2 activations replaced by mrepu(p=2)" in text
    assert report.to_dict()["changes"][0] == {"names": ["act"], "how": "attribute", "was": "relu", "now": "mrepu(p=2)"}
    assert len(report) == 2


def test_what_the_user_gave_and_fails_is_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(ModelError, match=r"the predicate stopped at 'the model itself' with TypeError.*called with"):
        ew.swap_(model, lambda name: True, "gelu")  # type: ignore[arg-type,misc]
    with pytest.raises(ModelError, match="what `to` calls stopped with ZeroDivisionError"):
        ew.swap_(model, nn.ReLU, lambda: 1 / 0)
    assert isinstance(model[1], nn.ReLU)
