"""Compiled or not, the results are the same; where nothing can be compiled one line says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import EdgewiseWarning, TrainingError
from edgewise.train import Initial, Member, Network, Problem, Shape, compilation, minimise, train

SHAPE = Shape(inputs=3, width=8, depth=1, outputs=2)
INITIAL = Initial(1.0, 0.0, 1.0, 0.0, 1.0)


def trained(**options):
    g = torch.Generator().manual_seed(1)
    data = Split(torch.randn(16, 3, generator=g), torch.randint(0, 2, (16,), generator=g))
    members = [Member(1, 0.1, INITIAL), Member(2, 0.1, INITIAL)]
    return train(ew.activation("mrepu(p=2)"), SHAPE, members, data, steps=5, batch=8, **options)


def test_without_a_compiler_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "cpp_compiler", lambda: None)
    with pytest.warns(EdgewiseWarning, match="compile=True has no effect: no C\\+\\+ compiler") as caught:
        run = trained(compile=True)
    assert "\n" not in str(caught[0].message)
    assert torch.equal(run.loss, trained().loss)


def test_where_compiling_fails_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(function):
        def call(*args):
            raise torch._dynamo.exc.BackendCompilerFailed(function, RuntimeError("out of luck"), None)

        return call

    monkeypatch.setattr(torch, "compile", failing)
    monkeypatch.setattr(compilation, "cpp_compiler", lambda: "g++")
    with pytest.warns(EdgewiseWarning, match="compile=True has no effect"):
        run = trained(compile=True)
    torch.testing.assert_close(run.loss, trained().loss, rtol=1e-5, atol=1e-6)


def test_the_compiler_is_looked_for_where_torch_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compilation.cpp_compiler() is None
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert compilation.cpp_compiler() is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # torch's own imports
@pytest.mark.skipif(compilation.cpp_compiler() is None, reason="no C++ compiler")
def test_compiled_results_are_the_same_to_rounding() -> None:
    torch.testing.assert_close(trained(compile=True).loss, trained().loss, rtol=1e-5, atol=1e-6)

    def network(**options):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        batch = [(torch.ones(4, 3), torch.tensor([0, 1, 0, 1]))]
        return minimise(Network(module, lambda number: batch), steps=4, **options)

    torch.testing.assert_close(network(compile=True).losses, network().losses, rtol=1e-5, atol=1e-6)


def test_a_problem_that_cannot_be_compiled_says_so() -> None:
    class Plain(Problem):
        members = 1

        def tensors(self):
            return (torch.ones(1, 1, requires_grad=True),)

        def losses(self, step):
            return torch.zeros(1)

        def select(self, members):
            return self

    with pytest.raises(TrainingError, match="Plain cannot be compiled"):
        minimise(Plain(), steps=1, compile=True)
