"""Functions and modules as activations: what is accepted, how they are differentiated, which kinks are found."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import NotElementwiseError, PrecisionWarning, SpecError


class _OldStyleSilu(torch.autograd.Function):
    """Differentiable backward, no forward mode, no setup_context: as in much published code."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return grad * (gate + x * gate * (1 - gate))


class _OnceSilu(torch.autograd.Function):
    """A backward that cannot be differentiated again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return grad * (gate + x * gate * (1 - gate))


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.relu(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Gated(nn.Module):
    def __init__(self, steepness: float) -> None:
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(steepness))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.steepness * x)


def plain_silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def _with(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function behind a lambda, so that torch's own is not recognised."""
    return lambda x: function(x)


@pytest.mark.parametrize(
    ("function", "kinks", "smoothness"),
    [
        (_with(torch.relu), (0.0,), 0),
        (_with(F.hardswish), (-3.0, 3.0), 0),
        (_with(F.elu), (0.0,), 1),
        (_with(F.selu), (0.0,), 0),
        (nn.Hardtanh(-0.3, 1.7), (-0.3, 1.7), 0),
        (lambda x: x.clamp(-0.01, 0.01), (-0.01, 0.01), 0),
        (lambda x: torch.where(x > 0.123, x - 0.123, 0.2 * (x - 0.123)), (0.123,), 0),
        (lambda x: torch.relu(x - torch.pi) ** 2, (math.pi,), 1),
        (lambda x: torch.relu(x) ** 3, (0.0,), 2),
        (lambda x: torch.sqrt(x**2), (0.0,), 0),
        (lambda x: torch.relu(x**2 - 2), (-math.sqrt(2), math.sqrt(2)), 0),
        (_with(F.softsign), (0.0,), 1),
        (_with(torch.sign), (0.0,), -1),
        (lambda x: F.hardshrink(x, 0.5), (-0.5, 0.5), -1),
        (nn.Threshold(0.1, 0.1), (0.1,), 0),
        (lambda x: torch.relu(x - 700) + torch.relu(-x - 0.001), (-0.001, 700.0), 0),
    ],
)
def test_kinks_are_found_by_scanning(
    function: Callable[[Tensor], Tensor], kinks: tuple[float, ...], smoothness: float
) -> None:
    a = ew.activation(function)
    assert len(a.kinks) == len(kinks)
    for found, exact in zip(a.kinks, kinks, strict=True):
        assert abs(found - exact) <= 2 * math.ulp(exact)
    assert a.smoothness == smoothness


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.tanh(50 * x),
        lambda x: torch.sin(30 * x),
        torch.exp,
        lambda x: torch.exp(x**2),
        lambda x: 1 / torch.cosh(x),
        lambda x: x * torch.tanh(torch.exp(x)),
        lambda x: torch.sigmoid(1000 * x),
        lambda x: 1e-3 * x**5 - 40 * x,
        lambda x: x / torch.sqrt(1e-6 + x**2),
        lambda x: F.softplus(x),
        plain_silu,
    ],
)
def test_smooth_functions_have_no_kinks_however_steep(function: Callable[[Tensor], Tensor]) -> None:
    a = ew.activation(function)
    assert a.kinks == ()
    assert a.smoothness == math.inf


def test_kinks_without_end_are_warned_of() -> None:
    with pytest.warns(PrecisionWarning, match="kinks without end"):
        a = ew.activation(lambda x: torch.relu(torch.sin(x)))
    assert a.kinks == pytest.approx([k * math.pi for k in range(-318, 319)], rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("function", [plain_silu, _OldStyleSilu.apply, _Gated(1.0)])
def test_derivatives_of_a_function_are_those_of_its_formula(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-9, 9, 61, dtype=torch.float64)
    a, known = ew.activation(function), ew.activation("silu")
    for order in range(4):
        assert torch.allclose(a.derivative(x, order), known.derivative(x, order), rtol=1e-11, atol=1e-13)


def test_derivatives_that_torch_lacks_come_from_local_polynomials_with_a_warning() -> None:
    x = torch.linspace(-6, 6, 41, dtype=torch.float64)
    with pytest.warns(PrecisionWarning, match="order 1 only"):
        once = ew.activation(_OnceSilu.apply)
    for order, error in [(0, 1e-15), (1, 1e-14), (2, 1e-11), (3, 1e-9)]:
        assert torch.allclose(once.derivative(x, order), ew.activation("silu").derivative(x, order), rtol=0, atol=error)
    with pytest.warns(PrecisionWarning, match="order 0 only"):
        outside = ew.activation(lambda t: torch.from_numpy(abs(t.numpy() - 1)))
    assert outside.kinks == pytest.approx((1.0,), abs=1e-9)
    away = x[(x - 1).abs() > 1e-6]
    assert torch.allclose(outside.derivative(away), torch.sign(away - 1), rtol=0, atol=1e-9)


def test_a_surrogate_gradient_is_told_from_the_derivative() -> None:
    with pytest.warns(PrecisionWarning, match="serves training alone"):
        a = ew.activation(_StraightThrough.apply)
    x = torch.tensor([-2.0, 3.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(a(x).sum(), x)
    assert slope.tolist() == [1.0, 1.0]
    assert a.derivative(x).tolist() == pytest.approx([0.0, 1.0], abs=1e-9)
    assert a.kinks == pytest.approx((0.0,), abs=1e-9)


def test_a_missing_derivative_at_a_kink_is_the_mean_of_its_sides() -> None:
    a = ew.activation(lambda x: torch.sqrt(x**2))
    assert a.derivative(torch.zeros(3, dtype=torch.float64)).tolist() == [0.0] * 3


def test_averages_of_a_callable_are_those_of_mpmath() -> None:
    a = ew.activation(lambda x: torch.where(x > 0.123, x - 0.123, 0.2 * (x - 0.123)))
    with mpmath.workdps(30):

        def square(z: mpmath.mpf) -> mpmath.mpf:
            value = (z - 0.123) * (1 if z > 0.123 else mpmath.mpf(0.2))
            return value**2 * mpmath.npdf(z)

        exact = float(mpmath.quad(square, [-12, -3, 0, 0.123, 3, 12]))
    assert float(ew.theory.kernel(a, 1.0)) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (nn.Softmax(-1), "expected an elementwise function"),
        (nn.LayerNorm(8), "LayerNorm cannot be applied"),
        (nn.Dropout(), r"\.eval\(\)"),
        (nn.RReLU(), r"\.eval\(\)"),
        (nn.GLU(), r"shape \(48,\) into \(24,\)"),
        (nn.Linear(8, 8), "cannot be applied"),
        (nn.PReLU(3), "cannot be applied"),
        (lambda x: x - x.mean(), "one element influence another"),
        (lambda x: x.cumsum(-1), "expected an elementwise function"),
        (lambda x: x.flip(0), "stands|influence|shape"),
        (lambda x: x.tolist(), "returns list"),
        (lambda x: x.float(), "float64 into torch.float32"),
        (lambda x: x.mul_(2), "in place"),
        (lambda x: x.sum(), r"into \(\)"),
        (lambda x: x / 0 + undefined, "NameError"),  # noqa: F821
        (lambda x, y: x, "missing 1 required"),
    ],
)
def test_what_is_not_elementwise_is_refused(given: Any, said: str) -> None:
    with pytest.raises(NotElementwiseError, match=said):
        ew.activation(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda x: 1 / x, "not finite at x = 0"),
        (lambda x: 1 / (x - 0.3), "x = 0.3"),
        (torch.log, "not (finite|defined) at x = "),
        (torch.tan, "not finite at x = (-)?1.5708"),
        (torch.sqrt, "not defined at x = -"),
        (nn.ReLU, r"try ReLU\(\)"),
        (3, "from int"),
        (None, "from NoneType"),
    ],
)
def test_what_is_no_activation_is_refused(given: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ew.activation(given)


def test_a_module_is_a_snapshot_in_every_precision() -> None:
    module = _Gated(1.3)
    a = ew.activation(module)
    with torch.no_grad():
        module.steepness.fill_(99.0)
    x = torch.linspace(-3, 3, 7)
    steepness = float(torch.tensor(1.3))
    for dtype in (torch.float32, torch.float64):
        expected = x.to(dtype) * torch.sigmoid(steepness * x.to(dtype))
        assert a(x.to(dtype)).dtype == dtype
        assert torch.allclose(a(x.to(dtype)), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)
    assert module.steepness.requires_grad
    assert a(x.bfloat16()).dtype == torch.bfloat16


def test_given_kinks_and_names_are_taken() -> None:
    a = ew.activation(torch.relu, kinks=[0, 2.5], name="mine")
    assert (a.kinks, a.name, a.spec) == ((0.0, 2.5), "mine", "mine")


def test_a_callable_pickles_when_its_function_does() -> None:
    a = ew.activation(plain_silu)
    again = pickle.loads(pickle.dumps(a))
    assert again == a
    assert hash(again) == hash(a)
    module = ew.activation(_Gated(0.7))
    x = torch.linspace(-2, 2, 5)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), module(x))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(ew.activation(lambda x: x * torch.sigmoid(x)))


def test_facts_are_read_off_a_callable() -> None:
    a = ew.activation(_with(torch.relu))
    assert (a.homogeneity, a.parity, a.limits) == (1.0, None, (0.0, math.inf))
    assert ew.activation(lambda x: torch.atan(x) * 2).parity == "odd"
    assert ew.activation(lambda x: torch.atan(x) * 2).limits == pytest.approx((-math.pi, math.pi), rel=1e-9)


def test_a_branch_on_the_whole_tensor_is_not_elementwise() -> None:
    with pytest.raises(NotElementwiseError, match="influence"):
        ew.activation(lambda x: x if x.abs().max() < 1e5 else 0 * x)


def test_a_sparse_result_is_refused() -> None:
    with pytest.raises(NotElementwiseError, match="sparse"):
        ew.activation(lambda x: x.to_sparse())
