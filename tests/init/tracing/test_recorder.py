"""Running a model to read it: what is observed, and that it is left as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import edgewise as ew
from edgewise.errors import ModelError, TraceError
from edgewise.init import trace
from edgewise.init.graph import Node
from edgewise.init.tracing.recorder import record


class Dynamic(nn.Module):
    """Control flow that depends on values, which torch.fx cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x) if float(x.sum()) > -1e9 else x
        return self.drop(self.norm(self.b(F.relu(h, inplace=True) ** 2)))


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_every_node_is_observed_with_its_output_before_it_is_overwritten() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    x = torch.randn(3, 4)
    seen: dict[str, Tensor] = {}
    recording = record(model, x, observe=lambda node, tensor: seen.update({node.name: tensor.detach().clone()}))
    torch.testing.assert_close(seen["0"], model[0](x))
    assert bool((seen["0"] < 0).any())
    torch.testing.assert_close(seen["1"], model[0](x).relu())
    torch.testing.assert_close(seen["2"], recording.output)
    torch.testing.assert_close(seen["input"], x)


def test_a_region_is_observed_once_as_a_whole() -> None:
    model = Dynamic().eval()
    seen: list[tuple[Node, Tensor]] = []
    x = torch.randn(3, 4)
    graph = record(model, x, observe=lambda node, tensor: seen.append((node, tensor.clone()))).graph
    (found,) = [tensor for node, tensor in seen if node.kind == "activation"]
    torch.testing.assert_close(found, model.a(x).relu() ** 2)
    observed = [node for node, _ in seen if node.name != "sum_1"]  # which nothing takes: it is not in the graph
    assert observed == [node for node in graph.nodes if node.kind != "output"]


def test_the_observer_can_follow_gradients() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    gradients: dict[str, Tensor] = {}

    def observe(node: Node, tensor: Tensor) -> None:
        if tensor.requires_grad:
            tensor.register_hook(lambda grad, name=node.name: gradients.update({name: grad}))

    x = torch.randn(3, 4)
    record(model, x, observe=observe).output.sum().backward()
    torch.testing.assert_close(gradients["1"], model[2].weight.expand(3, 4))
    with torch.no_grad():
        assert not record(model, x).output.requires_grad


def test_the_observer_is_not_recorded_and_the_output_is_the_model_s() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    x = torch.randn(3, 4)
    plain = record(model, x).graph
    watched = record(model, x, observe=lambda node, tensor: tensor.square().mean().item())
    assert watched.graph.nodes == plain.nodes
    torch.testing.assert_close(watched.output, model(x))


def test_no_hook_and_no_patch_is_left_behind() -> None:
    apply = torch.autograd.Function.__dict__["apply"]
    fast = torch.backends.mha.get_fastpath_enabled()
    model = Dynamic()
    record(model, torch.randn(3, 4))
    with pytest.raises(ModelError, match="stopped in a with RuntimeError"):
        record(model, torch.randn(3, 5))

    def fail(node: Node, tensor: Tensor) -> None:
        if node.name == "drop":
            raise KeyError(node.name)

    with pytest.raises(KeyError, match="drop"):
        record(model, torch.randn(3, 4), observe=fail)
    assert hooks(model) == 0
    assert torch.autograd.Function.__dict__["apply"] is apply
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert len(record(model, torch.randn(3, 4)).graph.nodes) == 7


def test_tracing_restores_buffers_random_state_and_mode() -> None:
    model = Dynamic()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    graph = trace(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert graph.source == "recorded"
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(p.grad is None for p in model.parameters())


def test_without_a_batch_the_error_says_what_to_pass() -> None:
    with pytest.raises(TraceError, match=r"cannot follow Dynamic .*pass a batch .*fed_by="):
        trace(Dynamic())


def test_custom_autograd_functions_are_seen() -> None:
    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad

    class Softmax(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.softmax(-1)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return Softmax.apply(self.a(Swish.apply(self.a(x))))  # type: ignore[no-any-return]

    graph = record(Net(), torch.randn(3, 4)).graph
    assert graph["Swish_1"].activation == ew.activation("silu")
    assert graph["Softmax_1"].kind == "unknown"
    assert graph.notes == ("Softmax is not understood",)


def test_what_cannot_be_watched_is_said() -> None:
    hidden = torch.jit.script(_fused)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(hidden(self.a(x)))

    graph = record(Net(), torch.randn(3, 4)).graph
    assert graph[graph["b"].inputs[0]].kind == "unknown"
    assert "cannot be watched" in graph.notes[0]


def _fused(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_parts_are_seen(reentrant: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(lambda t: self.a(t).tanh(), x, use_reentrant=reentrant)  # type: ignore[no-any-return]

    recording = record(Net(), torch.randn(3, 4, requires_grad=True))
    assert [n.kind for n in recording.graph.nodes] == ["input", "linear", "activation", "output"]
    recording.output.sum().backward()


def test_wrapped_and_compiled_models_are_unwrapped_and_it_is_said() -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    for wrapped, name in (
        (nn.DataParallel(inner), "DataParallel"),
        (torch.compile(inner, backend="eager"), "Optimized"),
    ):
        graph = trace(wrapped)
        assert [n.name for n in graph.nodes] == ["input", "0", "1", "output"]
        assert name in graph.notes[0]
    inner[0] = torch.compile(inner[0], backend="eager")
    graph = trace(inner, torch.randn(2, 4))
    assert [n.kind for n in graph.nodes] == ["input", "linear", "activation", "output"]


def test_inputs_in_containers_and_keywords() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, pair: dict[str, Tensor], **more: Tensor) -> Tensor:
            return self.a(pair["u"]) + more["v"]

    graph = record(Net(), {"pair": {"u": torch.randn(2, 4)}, "v": torch.randn(2, 4)}).graph
    assert [n.name for n in graph.of_kind("input")] == ["pair['u']", "v"]
    with pytest.raises(ModelError, match="does not take this batch: missing a required argument: 'pair'"):
        record(Net(), {"v": torch.randn(2, 4)})


def test_half_precision_and_inference_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.GELU()).to(torch.bfloat16)
    with torch.inference_mode():
        recording = record(model, torch.randn(2, 4, dtype=torch.bfloat16))
    assert [n.kind for n in recording.graph.nodes] == ["input", "linear", "activation", "output"]
