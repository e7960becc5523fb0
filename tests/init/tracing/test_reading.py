"""What the nodes of a model are, by torch.fx and by running it: both must say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import edgewise as ew
from edgewise import models
from edgewise.errors import TraceError
from edgewise.init import trace
from edgewise.init.graph import ModelGraph
from edgewise.init.tracing.recorder import record


def model_of(forward: Callable[..., Any], **modules: Any) -> nn.Module:
    """A module with these attributes and this forward."""
    made = type("Made", (nn.Module,), {"forward": forward})()
    for name, module in modules.items():
        setattr(made, name, module)
    return made


def layers(*names: str, width: int = 4) -> dict[str, nn.Module]:
    return {name: nn.Linear(width, width) for name in names}


def both(model: nn.Module, *batch: Tensor) -> ModelGraph:
    """The graph that both front ends agree on."""
    traced = trace(model)
    assert traced.source == "torch.fx"
    recorded = record(model, batch).graph
    assert traced.nodes == recorded.nodes
    return traced


def activations(graph: ModelGraph) -> list[str]:
    return [node.activation.spec for node in graph.of_kind("activation") if node.activation is not None]


X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))

REGIONS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "function": (F.relu, "relu"),
    "torch": (torch.tanh, "tanh"),
    "method": (lambda h: h.sigmoid(), "sigmoid"),
    "in place": (lambda h: h.relu_(), "relu"),
    "argument": (lambda h: F.leaky_relu(h, 0.2), "leaky_relu(a=0.2)"),
    "keyword": (lambda h: F.gelu(h, approximate="tanh"), "gelu_tanh"),
    "elu": (lambda h: F.elu(h, alpha=0.5, inplace=False), "elu(alpha=0.5)"),
    "squared": (lambda h: F.relu(h) ** 2, "relu2"),
    "squared by itself": (lambda h: F.relu(h) * F.relu(h), "relu2"),
    "gated by itself": (lambda h: h * torch.sigmoid(1.5 * h), "swish(beta=1.5)"),
    "gelu by hand": (lambda h: 0.5 * h * (1 + torch.erf(h / 2**0.5)), "gelu"),
    "gelu_tanh by hand": (
        lambda h: 0.5 * h * (1.0 + torch.tanh(0.7978845608 * (h + 0.044715 * torch.pow(h, 3.0)))),
        "gelu_tanh",
    ),
    "mrepu by hand": (lambda h: h * F.relu(h + 1) ** 3, "mrepu(p=3)"),
    "clamped": (lambda h: h.clamp(min=0), "relu"),
    "clamped twice": (lambda h: torch.clamp(h, 0, 6), "relu6"),
    "maximum": (lambda h: torch.maximum(h, 0.3 * h), "leaky_relu(a=0.3)"),
    "where": (lambda h: torch.where(h > 0, h, 0.1 * h), "leaky_relu(a=0.1)"),
    "mask": (lambda h: h * (h > 0), "relu"),
    "masked fill": (lambda h: h.masked_fill(h < 0, 0.0), "relu"),
    "casts": (lambda h: h.double().float().contiguous().clone().tanh(), "tanh"),
    "reversed": (lambda h: 1 - torch.exp(-h), "1-exp(-x)"),
    "object": (ew.activation("mrepu(p=2)"), "mrepu(p=2)"),
}


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_of_elementwise_functions_is_one_activation(name: str) -> None:
    function, spec = REGIONS[name]
    model = model_of(lambda self, x: self.b(function(self.a(x))), **layers("a", "b"))
    graph = both(model, X)
    assert [node.kind for node in graph.nodes] == ["input", "linear", "activation", "linear", "output"]
    assert activations(graph) == [spec]
    assert graph["b"].inputs == (graph.nodes[2].name,)
    assert graph.notes == ()


def test_an_expression_that_no_name_fits_keeps_its_formula() -> None:
    graph = both(
        model_of(lambda self, x: torch.tanh(self.a(x)) + self.two, two=nn.Buffer(torch.tensor(2.0)), **layers("a")), X
    )
    (node,) = graph.of_kind("activation")
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    assert node.activation is not None
    torch.testing.assert_close(node.activation(x), torch.tanh(x) + 2)
    assert "tanh(x)" in node.detail


def test_factors_and_shifts() -> None:
    graph = both(model_of(lambda self, x: self.a(x / 255.0) * 0.5, **layers("a")), X)
    assert [n.factor for n in graph.of_kind("scale")] == [pytest.approx(1 / 255), 0.5]
    graph = both(model_of(lambda self, x: -self.a(x - 0.5), **layers("a")), X)
    assert activations(graph) == ["x-0.5"]  # no linear layer sees zero mean behind it
    assert graph.of_kind("scale")[0].factor == -1


def test_a_learned_number_is_read_as_it_is_now() -> None:
    model = model_of(
        lambda self, x: x + self.alpha * self.a(x), alpha=nn.Parameter(torch.tensor([0.25])), **layers("a")
    )
    (scale,) = both(model, X).of_kind("scale")
    assert (scale.factor, scale.parameters) == (0.25, ("alpha",))
    vector = model_of(
        lambda self, x: x + self.g * self.a(x), g=nn.Parameter(torch.tensor([1.0, 1, 1, 5])), **layers("a")
    )
    (scale,) = both(vector, X).of_kind("scale")
    assert scale.factor == pytest.approx(7**0.5)
    assert scale.parameters == ("g",)


def test_sums_gates_and_concatenation() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.a(x)
        h += x
        gate = F.silu(self.b(h)) * self.c(h)
        return torch.cat([torch.add(gate, h, alpha=0.5), x], dim=-1)

    graph = both(model_of(forward, **layers("a", "b", "c")), X)
    assert graph["add_1"].inputs == ("a", "x")
    assert graph["mul_1"].kind == "multiply"
    assert graph["mul_1"].inputs == ("silu_1", "c")
    assert graph[graph["add_2"].inputs[1]].factor == 0.5
    assert graph["cat_1"].kind == "concatenate"
    assert graph["cat_1"].inputs == ("add_2", "x")


def test_glu_is_a_gate_with_its_sigmoid() -> None:
    for model in (
        model_of(lambda self, x: F.glu(self.a(x)), a=nn.Linear(4, 8)),
        nn.Sequential(nn.Linear(4, 8), nn.GLU()),
    ):
        graph = both(model, X)
        (gate,) = graph.of_kind("activation")
        (product,) = graph.of_kind("multiply")
        assert activations(graph) == ["sigmoid"]
        assert product.inputs == (*gate.inputs, gate.name)


def test_pieces_of_one_tensor_are_different_tensors() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        gate, value = self.a(x).chunk(2, dim=-1)
        return self.b(F.silu(gate) * value + gate * torch.sigmoid(gate))

    graph = both(model_of(forward, a=nn.Linear(4, 8), b=nn.Linear(4, 4)), X)
    assert activations(graph) == ["swish(beta=1)", "swish(beta=1)"]
    assert [n.inputs for n in graph.of_kind("multiply")] == [("silu_1", "chunk_1")]
    assert len(graph.of_kind("add")) == 1


def test_an_activation_module_gated_by_its_own_input_is_one_activation() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.b(h * self.gate(h))

    graph = both(model_of(forward, gate=nn.Sigmoid(), **layers("a", "b")), X)
    assert graph[graph["b"].inputs[0]].activation == ew.activation("silu")


def test_attention_by_hand() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) * 0.5
        scores = scores.masked_fill(self.mask, float("-inf"))
        weights = F.dropout(scores.softmax(-1), 0.1, self.training)
        return self.out(weights @ v)

    mask = torch.ones(3, 3, dtype=torch.bool).triu(1)
    model = model_of(forward, qkv=nn.Linear(4, 12), mask=nn.Buffer(mask), out=nn.Linear(4, 4))
    graph = both(model, torch.randn(2, 3, 4))
    assert [n.kind for n in graph.nodes if n.kind != "reshape"] == [
        *("input", "linear", "matmul", "scale", "weights", "dropout", "attention", "linear", "output"),
    ]
    assert graph["matmul_2"].inputs == ("dropout_1", "chunk_1")
    assert not graph.notes


def test_attention_as_a_function_and_as_a_module() -> None:
    fused = model_of(lambda self, x: F.scaled_dot_product_attention(self.a(x), x, self.b(x)), **layers("a", "b"))
    assert both(fused, torch.randn(2, 3, 4)).of_kind("attention")[0].inputs == ("a", "x", "b")
    whole = model_of(
        lambda self, x: x + self.attend(x, x, x, need_weights=False)[0],
        attend=nn.MultiheadAttention(4, 2, batch_first=True),
    )
    graph = both(whole, torch.randn(2, 3, 4))
    assert graph["attend"].inputs == ("x", "x", "x")
    assert set(graph["attend"].parameters) == {f"attend.{name}" for name, _ in whole.attend.named_parameters()}
    assert graph["add_1"].inputs == ("x", "attend")


@pytest.mark.parametrize("training", [True, False])
def test_torch_transformer_layers_are_looked_into(training: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train(training)
    with torch.no_grad():  # where torch would take its fused path
        graph = record(stack, torch.randn(2, 3, 8)).graph
    assert len(graph.of_kind("attention")) == 2
    assert len(graph.of_kind("add")) == 4
    assert activations(graph) == ["gelu", "gelu"]
    assert not graph.of_kind("unknown")
    assert trace(stack, torch.randn(2, 3, 8)).nodes == graph.nodes


def test_a_layer_and_an_activation_called_twice() -> None:
    shared, act = nn.Linear(4, 4), nn.ReLU()
    graph = both(nn.Sequential(shared, act, shared, act), X)
    assert [n.name for n in graph.nodes] == ["input", "0", "1", "0#2", "1#2", "output"]
    assert graph["0#2"].module == graph["0"].module == "0"
    assert graph["0#2"].parameters == ("0.weight", "0.bias")


def test_tied_weights_have_one_name() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 4)
            self.head = nn.Linear(4, 9, bias=False)
            self.head.weight = self.table.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.table(tokens)) + F.linear(self.table(tokens), self.table.weight)

    graph = both(Tied(), torch.randint(0, 9, (2, 3)))
    assert graph["head"].parameters == graph["linear_1"].parameters == ("table.weight",)
    assert graph["linear_1"].kind == "linear"
    assert graph["table"].inputs == ("tokens",)


def test_positions_are_added_without_being_nodes() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.register_buffer("waves", torch.randn(9, 4))
            self.learned = nn.Parameter(torch.randn(5, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) + self.waves[: x.size(0)] + self.learned

    graph = both(Positions(), X)
    first, second = graph.of_kind("add")
    assert (first.inputs, first.parameters) == (("a",), ())
    assert (second.inputs, second.parameters) == ((first.name,), ("learned",))


def test_parametrised_weights_name_the_parameters_behind_them() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.ReLU())
    graph = both(model, X)
    assert graph["0"].kind == "linear"
    assert "0.parametrizations.weight.original1" in graph["0"].parameters
    assert graph.notes == ("0: its parameters are computed by torch.nn.utils.parametrize",)


def test_convolutions_pooling_and_flatten() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Dropout(0.1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5), nn.LogSoftmax(-1),
    )  # fmt: skip
    graph = both(model, torch.randn(2, 3, 8, 8))
    kinds = ["linear", "norm", "activation", "pool", "dropout", "pool", "reshape", "linear", "weights"]
    assert [n.kind for n in graph.nodes[1:-1]] == kinds
    assert graph["0"].detail == "Conv2d(3 -> 8, 3x3)"
    functional = model_of(
        lambda self, x: torch.flatten(F.adaptive_avg_pool2d(F.max_pool2d(self.c(x), 2), 1), 1), c=nn.Conv2d(3, 4, 3)
    )
    assert [n.kind for n in both(functional, torch.randn(2, 3, 8, 8)).nodes[2:-1]] == ["pool", "pool", "reshape"]


def test_normalisation_of_every_writing() -> None:
    class OwnRMSNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight * x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6)

    graph = both(nn.Sequential(nn.Linear(4, 4), OwnRMSNorm()), X)
    assert (graph["1"].kind, graph["1"].parameters) == ("norm", ("1.weight",))
    by_hand = model_of(
        lambda self, x: self.a(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)) , **layers("a")
    )  # fmt: skip
    assert [n.kind for n in both(by_hand, X).nodes] == ["input", "norm", "linear", "output"]
    function = model_of(lambda self, x: F.layer_norm(self.a(x), (4,)), **layers("a"))
    assert both(function, X).nodes[2].kind == "norm"


def test_activation_modules_with_several_slopes_are_read_at_their_mean() -> None:
    slopes = nn.PReLU(4)
    with torch.no_grad():
        slopes.weight.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    graph = both(nn.Sequential(nn.Linear(4, 4), slopes), X)
    assert activations(graph) == ["prelu(a=0.25)"]
    assert graph["1"].parameters == ("1.weight",)
    assert graph.notes == ("1: its slopes differ between channels and are taken at their mean",)
    functional = model_of(lambda self, x: F.prelu(self.a(x), self.slopes), slopes=slopes.weight, **layers("a"))
    graph = both(functional, X)
    assert activations(graph) == ["prelu(a=0.25)"]
    assert graph.of_kind("activation")[0].parameters == ("slopes",)


def test_modules_that_others_wrote() -> None:
    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.square(F.relu(x))

    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    class Reverse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flip(-1)

    class Lecun(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1.7159 * torch.tanh(2 * x / 3)

    graph = both(nn.Sequential(nn.Linear(4, 4), Square(), Nothing(), Reverse(), Lecun()), X)
    kinds = [(n.name, n.kind) for n in graph.nodes[2:-1]]
    assert kinds == [("1", "activation"), ("2", "reshape"), ("flip_1", "reshape"), ("4", "activation")]
    assert graph["1"].activation == ew.activation("relu2")
    x = torch.linspace(-2, 2, 5, dtype=torch.float64)
    assert graph["4"].activation is not None
    torch.testing.assert_close(graph["4"].activation(x), 1.7159 * torch.tanh(2 * x / 3))


def test_what_is_not_understood_is_a_node_and_a_note() -> None:
    model = model_of(lambda self, x: self.a(torch.cumsum(self.rnn(x)[0], 0)), rnn=nn.LSTM(4, 4), **layers("a"))
    graph = both(model, X)
    assert [(n.name, n.inputs) for n in graph.of_kind("unknown")] == [("rnn", ("x",)), ("cumsum_1", ("rnn",))]
    assert graph.notes == ("rnn: LSTM is not understood", "cumsum is not understood")
    graph = both(model_of(lambda self, x: torch.log(self.a(x)), **layers("a")), X)
    assert graph.of_kind("unknown")[0].inputs == ("a",)
    assert "not finite" in graph.notes[0]


def test_several_inputs_and_outputs() -> None:
    model = model_of(lambda self, x, y: {"u": self.a(x), "v": [y, (x * y,)]}, **layers("a"))
    graph = both(model, X, X + 1)
    assert [n.name for n in graph.of_kind("input")] == ["x", "y"]
    assert graph["output"].inputs == ("a", "y", "mul_1")


def test_arguments_at_their_defaults_are_constants() -> None:
    def forward(self: Any, x: Tensor, mask: Tensor | None = None, factor: float = 2.0) -> Tensor:
        h = self.a(x) * factor
        return h if mask is None else h * mask

    model = model_of(forward, **layers("a"))
    assert both(model, X).of_kind("scale")[0].factor == 2.0
    masked = trace(model, {"x": X, "mask": torch.ones(4)})
    assert masked.source == "torch.fx"
    assert [n.name for n in masked.of_kind("input")] == ["x", "mask"]
    assert masked.of_kind("multiply")


REFERENCE = {
    "mlp": (lambda: models.MLP(4, 3, depth=3, width=8, activation="relu2", norm="rms"), (2, 4)),
    "mlp batch norm": (lambda: models.MLP(4, 3, depth=2, width=8, norm="batch"), (2, 4)),
    "cnn": (lambda: models.CNN(3, 5, depth=2, width=4), (2, 3, 8, 8)),
    "resnet A": (lambda: models.ResNet(8, width=4), (2, 3, 8, 8)),
    "resnet B": (lambda: models.ResNet(8, width=4, shortcut="B"), (2, 3, 8, 8)),
    "preactivation": (lambda: models.PreActivationResNet(11, width=4), (2, 3, 8, 8)),
    "gpt": (lambda: models.GPT(11, context=8, depth=2, width=8, heads=2), None),
    "gpt tied": (lambda: models.GPT(11, context=8, depth=1, width=8, heads=2, norm="layer", tied=True), None),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_models_are_read_without_gaps(name: str) -> None:
    make, shape = REFERENCE[name]
    graph = both(make(), torch.randint(0, 11, (2, 8)) if shape is None else torch.randn(shape))
    assert not graph.of_kind("unknown")
    assert not graph.notes
    named = {parameter for node in graph.nodes for parameter in node.parameters}
    assert named == {parameter for parameter, _ in make().named_parameters()}


def test_a_model_that_is_one_layer() -> None:
    graph = both(nn.Linear(3, 4), torch.randn(2, 3))
    assert [(n.name, n.kind, n.parameters) for n in graph.nodes[1:2]] == [("Linear", "linear", ("weight", "bias"))]


def test_a_view_written_to_in_place_is_not_followed_silently() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.a(x)
        h.view(-1).relu_()
        return self.b(h)

    model = model_of(forward, **layers("a", "b"))
    with pytest.raises(TraceError, match="in place through a view"):
        trace(model)
    graph = trace(model, X)
    assert graph.source == "recorded"
    assert graph[graph["b"].inputs[0]].kind == "unknown"
    assert "changed in place through a view" in graph.notes[0]
