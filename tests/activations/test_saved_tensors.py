"""What is kept for back-propagation: y where it tells the slope to the last bit, x elsewhere; of a line nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import edgewise as ew
from edgewise.activations.kernels import choice

Function = Callable[[Tensor], Tensor]

OF_VALUE: dict[str, Function] = {
    "relu": F.relu,
    "leaky_relu(a=0.2)": lambda x: F.leaky_relu(x, 0.2),
    "leaky_relu(a=0)": lambda x: F.leaky_relu(x, 0.0),
    "prelu(a=0.25)": lambda x: F.leaky_relu(x, 0.25),
    "relu6": F.relu6,
    "hardtanh": F.hardtanh,
    "hardshrink(lam=0.5)": lambda x: F.hardshrink(x, 0.5),
    "softshrink(lam=0.5)": lambda x: F.softshrink(x, 0.5),
}
"""Those whose value says which line it lies on, and torch's own."""

OF_X = ("tanh", "sigmoid", "softplus", "elu", "hardsigmoid", "leaky_relu(a=-0.5)", "gelu", "abs")


def _saved(function: Callable[[], object]) -> list[Tensor]:
    kept: list[Tensor] = []

    def pack(t: Tensor) -> Tensor:
        kept.append(t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        function()
    return kept


def _addresses(function: Callable[[], object]) -> set[int]:
    return {t.data_ptr() for t in _saved(function)}


@pytest.mark.parametrize("spec", OF_VALUE)
@pytest.mark.parametrize("elements", [7, 2 * choice.SMALLEST])
def test_the_value_is_kept_where_it_tells_the_slope(spec: str, elements: int) -> None:
    a = ew.activation(spec)
    x = torch.randn(elements, requires_grad=True)
    values: list[Tensor] = []
    assert _addresses(lambda: values.append(a(x))) == {values[0].data_ptr()}


@pytest.mark.parametrize("spec", OF_X)
def test_x_is_kept_where_the_value_would_cost_accuracy(spec: str) -> None:
    x = torch.randn(7, requires_grad=True)
    assert _addresses(lambda: ew.activation(spec)(x)) == {x.data_ptr()}


def test_softshrink_in_half_precision_keeps_x() -> None:
    """x - lambda may be too small for float16, and the value then 0 outside the threshold."""
    x = torch.tensor([0.5, 0.25], dtype=torch.float16, requires_grad=True)
    a = ew.activation("softshrink(lam=0.49999998)")
    assert _addresses(lambda: a(x)) == {x.data_ptr()}
    y = a(x)
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0]
    assert x.grad.tolist() == [1.0, 0.0]


def test_the_identity_keeps_nothing_and_makes_a_tensor_of_its_own() -> None:
    a = ew.activation("identity")
    x = torch.randn(7, requires_grad=True)
    assert _saved(lambda: a(x)) == []
    y = a(x)
    assert y.data_ptr() != x.data_ptr()
    (slope,) = torch.autograd.grad(y, x, torch.full_like(x, 2.0))
    assert torch.equal(slope, torch.full_like(x, 2.0))
    assert torch.equal(torch.func.jvp(a, (x.detach(),), (torch.ones(7),))[1], torch.ones(7))


@pytest.mark.parametrize(("spec", "tensors"), [("relu", 1), ("hardtanh", 1), ("identity", 1), ("gelu", 2)])
def test_between_two_layers_the_value_is_kept_once(spec: str, tensors: int) -> None:
    network = nn.Sequential(nn.Linear(3, 17), ew.activation(spec).module(), nn.Linear(17, 2))
    kept = _saved(lambda: network(torch.randn(5, 3)))
    assert len({t.untyped_storage().data_ptr() for t in kept if t.shape == (5, 17)}) == tensors


@pytest.mark.parametrize("spec", OF_VALUE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("elements", [1, choice.SMALLEST])
def test_gradients_are_torchs_at_the_kinks_and_beside_them(spec: str, dtype: torch.dtype, elements: int) -> None:
    a = ew.activation(spec)
    kinks = torch.tensor(a.kinks, dtype=torch.float64).to(dtype)
    high, low = (torch.nextafter(kinks, torch.full_like(kinks, side)) for side in (math.inf, -math.inf))
    small = torch.finfo(dtype).smallest_normal
    ends = torch.tensor([-math.inf, -20.0, -small, 0.0, -0.0, small, 0.1, 20.0, math.inf], dtype=dtype)
    x = torch.cat([kinks, high, low, ends]).repeat(elements).requires_grad_()
    of_value = a.definition.value_suffices
    assert of_value is not None
    for size in (0.75, math.inf) if of_value(dtype, **a.parameters) else (0.75,):
        grad = torch.full_like(x, size)
        (ours,) = torch.autograd.grad(a(x), x, grad)
        (torchs,) = torch.autograd.grad(OF_VALUE[spec](x), x, grad)
        assert torch.equal(ours.nan_to_num(nan=7.0), torchs.nan_to_num(nan=7.0))


@pytest.mark.parametrize("spec", OF_VALUE)
def test_second_derivatives_through_a_kept_value(spec: str) -> None:
    """(sigma**3)'' = 6 sigma sigma'**2 where sigma is linear in pieces."""
    a = ew.activation(spec)
    x = torch.tensor([-2.3, -0.7, -0.2, 0.4, 0.9, 2.9, 7.0], dtype=torch.float64)
    expected = 6 * a(x) * a.derivative(x, 1) ** 2

    def cube(t: Tensor) -> Tensor:
        return a(t) ** 3

    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(cube(leaf).sum(), leaf, create_graph=True)
    found = {"backward twice": torch.autograd.grad(slope.sum(), leaf)[0]}
    for outer in (torch.func.jacfwd, torch.func.jacrev):
        for inner in (torch.func.jacfwd, torch.func.jacrev):
            found[f"{outer.__name__} of {inner.__name__}"] = torch.vmap(outer(inner(cube)))(x)
    found["hessian"] = torch.func.hessian(lambda t: cube(t).sum())(x).diagonal()
    for how, second in found.items():
        torch.testing.assert_close(second, expected, rtol=1e-14, atol=1e-14, msg=lambda m, how=how: f"{how}: {m}")
    assert torch.autograd.gradgradcheck(cube, (leaf,))


def test_a_kept_value_that_was_changed_is_noticed() -> None:
    x = torch.randn(5, requires_grad=True)
    y = ew.activation("relu")(x)
    y.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("spec", ["gelu", "relu", "mrepu(p=2)", "identity"])
@pytest.mark.parametrize("elements", [9, 2 * choice.SMALLEST])
def test_values_are_the_same_whether_differentiated_or_not(spec: str, elements: int) -> None:
    a = ew.activation(spec)
    x = torch.randn(elements)
    plain = a(x)
    assert not plain.requires_grad
    assert torch.equal(a(x.clone().requires_grad_()), plain)
    with torch.no_grad():
        assert torch.equal(a(x.clone().requires_grad_()), plain)
    with torch.inference_mode():
        assert torch.equal(a(x), plain)
