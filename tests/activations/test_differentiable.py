"""How torch differentiates an activation: every order and transform through the closed forms, one saved tensor."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.errors import DomainError

SPECS = ["gelu", "mrepu(p=3)", "swish(beta=2)", "tanh", "sinc", "squareplus", "softsign"]


def _points(a: ew.Activation) -> Tensor:
    return torch.tensor([-2.3, -0.7, -0.2, 0.4, 1.1, 2.9], dtype=torch.float64)


@pytest.mark.parametrize("spec", SPECS)
def test_double_and_third_backward_chain_the_closed_forms(spec: str) -> None:
    a = ew.activation(spec)
    x = _points(a).requires_grad_()
    current = a(x)
    for order in (1, 2, 3, 4):
        (current,) = torch.autograd.grad(current.sum(), x, create_graph=True)
        torch.testing.assert_close(current, a.derivative(x, order), rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda t: a.derivative(t, 3), (x,))


@pytest.mark.parametrize("spec", SPECS)
def test_forward_over_reverse_reverse_over_forward_and_vmap_agree(spec: str) -> None:
    a = ew.activation(spec)
    x = _points(a)

    def slope_by_vjp(t: Tensor) -> Tensor:
        return torch.func.grad(lambda u: a(u))(t)

    def slope_by_jvp(t: Tensor) -> Tensor:
        return torch.func.jvp(a, (t,), (torch.ones_like(t),))[1]

    expected = a.derivative(x, 2)
    second = [
        torch.vmap(lambda t: torch.func.jvp(slope_by_vjp, (t,), (torch.ones_like(t),))[1])(x),
        torch.vmap(torch.func.grad(slope_by_jvp))(x),
        torch.vmap(torch.func.jacrev(torch.func.jacrev(a)))(x),
        torch.vmap(torch.func.jacfwd(torch.func.jacfwd(a)))(x),
        torch.func.hessian(lambda t: a(t).sum())(x).diagonal(),
    ]
    for value in second:
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    third = torch.vmap(torch.func.jacfwd(torch.func.jacrev(torch.func.jacrev(a))))(x)
    torch.testing.assert_close(third, a.derivative(x, 3), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", ["gelu", "mish", "mrepu(p=2)"])
def test_one_tensor_is_saved(spec: str) -> None:
    x = torch.randn(7, requires_grad=True)
    saved: list[Tensor] = []

    def pack(t: Tensor) -> Tensor:
        saved.append(t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        ew.activation(spec)(x)
    assert len({t.data_ptr() for t in saved}) == 1


@pytest.mark.parametrize("spec", SPECS)
def test_shapes_and_layouts(spec: str) -> None:
    a = ew.activation(spec)
    x = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(4, 6)
    assert torch.equal(a(x.t()), a(x).t())
    assert torch.equal(a(x[:, ::2]), a(x)[:, ::2])
    for empty in (torch.zeros(0), torch.zeros(3, 0, requires_grad=True)):
        assert a(empty).shape == empty.shape
        assert a.derivative(empty, 3).shape == empty.shape
    assert a(x[0, 0]).shape == ()
    expanded = x[:1].expand(3, 6).requires_grad_()
    a(expanded).sum().backward()
    assert torch.equal(expanded.grad[2], a.derivative(x[0], 1))


def test_helu_passes_gradients_left_of_zero_also_when_compiled() -> None:
    a = ew.activation("helu(alpha=0.5)")
    for function in (a, torch.compile(a, fullgraph=True, backend="aot_eager")):
        x = torch.tensor([-1.0, -0.5, -0.4, 0.0, 2.0], requires_grad=True)
        y = function(x)
        y.sum().backward()
        assert y.tolist() == [0.0, 0.0, 0.0, 0.0, 2.0]
        assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert a.derivative(torch.tensor([-0.4, 0.1]), 1).tolist() == [0.0, 1.0]


def test_the_result_is_a_new_tensor() -> None:
    x = torch.ones(3, requires_grad=True)
    y = ew.activation("identity")(x)
    y.add_(1.0)
    assert x.tolist() == [1.0, 1.0, 1.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_mistakes_are_told() -> None:
    a = ew.activation("gelu")
    with pytest.raises(DomainError, match=r"try x\.float\(\)"):
        a(torch.arange(3))
    with pytest.raises(DomainError, match="given float"):
        a(1.0)  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="expected an integer >= 0"):
        a.derivative(torch.ones(2), -1)


def test_forward_mode_without_transforms() -> None:
    a = ew.activation("gelu")
    x = _points(a)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.full_like(x, 2.0))
        tangent = torch.autograd.forward_ad.unpack_dual(a(dual)).tangent
    assert tangent is not None
    assert torch.equal(tangent, 2 * a.derivative(x, 1))


FUSED = ["relu", "leaky_relu(0.2)", "relu6", "hardtanh", "hardswish", "elu(2)", "softplus(3)"]


@pytest.mark.parametrize("spec", FUSED)
def test_the_fused_backward_is_the_closed_form(spec: str) -> None:
    a = ew.activation(spec)
    points = [
        -math.inf,
        math.nan,
        -400.0,
        -50.0,
        -3.0,
        -1.0,
        -0.3,
        -1e-30,
        0.0,
        1e-30,
        0.7,
        1.0,
        3.0,
        6.0,
        13.0,
        50.0,
        math.inf,
    ]
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    grad = torch.linspace(-2.0, 3.0, len(points), dtype=torch.float64)
    (plain,) = torch.autograd.grad(a(x), x, grad)
    torch.testing.assert_close(plain, grad * a.derivative(x.detach()), rtol=1e-14, atol=0.0, equal_nan=True)


@pytest.mark.parametrize("spec", FUSED)
def test_forward_mode_through_a_fused_backward_has_the_curvature(spec: str) -> None:
    a = ew.activation(spec)
    with torch.autograd.forward_ad.dual_level():
        x = torch.linspace(-7, 7, 90, dtype=torch.float64, requires_grad=True)
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        (slope,) = torch.autograd.grad(a(dual).sum(), x)
        tangent = torch.autograd.forward_ad.unpack_dual(slope).tangent
    assert tangent is not None
    torch.testing.assert_close(tangent, a.derivative(x.detach(), 2), rtol=1e-12, atol=1e-14)


def test_the_first_use_of_forward_mode_is_quiet() -> None:
    code = (
        "import warnings; warnings.simplefilter('error'); import torch, edgewise as ew; "
        "a = ew.activation('tanhshrink'); print(float(a.derivative(torch.zeros(1), 5)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) == pytest.approx(-16.0)
