"""ReLU smoothed by a kernel: closed forms against quadrature in mpmath, and given densities against closed forms."""

from __future__ import annotations

import math
import pickle

import mpmath
import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.activations import rescu, rescu_from_slope
from edgewise.errors import SpecError

DENSITIES = {
    "triangle": (lambda t, b: (1 - abs(t) / b) / b, lambda b: [-b, 0, b]),
    "epanechnikov": (lambda t, b: mpmath.mpf(3) / 4 * (1 - (t / b) ** 2) / b, lambda b: [-b, b]),
    "box": (lambda t, b: 1 / (2 * b), lambda b: [-b, b]),
    "gaussian": (lambda t, b: mpmath.npdf(t / b) / b, lambda b: [-40 * b, -8 * b, 0, 8 * b, 40 * b]),
    "logistic": (
        lambda t, b: mpmath.sech(t / (2 * b)) ** 2 / (4 * b),
        lambda b: [-200 * b, -20 * b, 0, 20 * b, 200 * b],
    ),
}


def _box(t: Tensor) -> Tensor:
    return torch.full_like(t, 0.5)


def _triangle(t: Tensor) -> Tensor:
    return 1 - t.abs()


def _ramp(t: Tensor) -> Tensor:
    return ((t + 1) / 2).clamp(0.0, 1.0)


@pytest.mark.parametrize("kernel", DENSITIES)
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_named_kernels_are_the_convolution_with_relu(kernel: str, beta: float) -> None:
    density, edges = DENSITIES[kernel]
    a = rescu(kernel, beta=beta)
    with mpmath.workdps(30):
        *_, high = edges(mpmath.mpf(beta))
        for x in (-2.5 * beta, -0.7 * beta, 0.0, 0.3 * beta, 1.9 * beta):
            limits = [*(e for e in edges(mpmath.mpf(beta)) if e < x), min(mpmath.mpf(x), high)]
            expected = mpmath.quad(lambda t, x=x: (x - t) * density(t, mpmath.mpf(beta)), limits) if limits[1:] else 0
            value = a(torch.tensor(x, dtype=torch.float64)).item()
            assert value == pytest.approx(float(expected), rel=1e-13, abs=1e-300)


def test_the_gaussian_kernels_left_tail_keeps_its_digits() -> None:
    x = [-36.0, -10.0, -3.6, -3.4, -1.0]
    values = ew.activation("rescu_gaussian")(torch.tensor(x, dtype=torch.float64)).tolist()
    with mpmath.workdps(40):
        for point, value in zip(map(mpmath.mpf, x), values, strict=True):
            expected = point * mpmath.ncdf(point) + mpmath.npdf(point)
            # exp(-x**2/2) amplifies the rounding of its argument by x**2/2, the difference below 3.5 by x**2 more
            assert abs(value / expected - 1) < 2**-52 * (8 + 2 * point**2 + (point**4 if point > -3.5 else 0))


@pytest.mark.parametrize(
    ("density", "kinks", "name", "smoothness"), [(_box, (), "smelu", 1), (_triangle, (0.0,), "rescu_triangle", 2)]
)
def test_a_given_density_makes_the_closed_form(density, kinks, name: str, smoothness: int) -> None:  # type: ignore[no-untyped-def]
    a, closed = rescu(density, kinks=kinks), ew.activation(name)
    x = torch.linspace(-2.03, 2.01, 203, dtype=torch.float64)
    for order in range(3):
        torch.testing.assert_close(a.derivative(x, order), closed.derivative(x, order), rtol=0, atol=1e-14)
    assert a.smoothness == smoothness
    assert torch.autograd.gradcheck(a, (x[60:140].clone().requires_grad_(),))
    assert torch.equal(torch.vmap(a)(x.reshape(7, 29)), a(x).reshape(7, 29))


def test_a_skew_density_rises_to_x_minus_its_mean() -> None:
    a = rescu(lambda t: 2 * t, support=(0.0, 1.0))
    assert a(torch.tensor([5.0, -1.0], dtype=torch.float64)).tolist() == pytest.approx([5 - 2 / 3, 0.0], abs=1e-15)
    assert a(torch.tensor([-math.inf, math.inf])).tolist() == [0.0, math.inf]


def test_a_rising_slope_makes_smelu_and_lines_of_any_slope() -> None:
    x = torch.linspace(-2, 2, 101, dtype=torch.float64)
    torch.testing.assert_close(rescu_from_slope(_ramp)(x), ew.activation("smelu")(x), rtol=0, atol=1e-15)
    bent = rescu_from_slope(lambda t: 0.1 + 0.9 * (t + 1) / 2)
    closed = ew.activation("gsmelu(alpha=1, beta=1, g_minus=0.1)")
    for order in range(3):
        torch.testing.assert_close(
            bent.derivative(x, order)[1:-1], closed.derivative(x, order)[1:-1], rtol=0, atol=1e-14
        )


def test_it_survives_pickling() -> None:
    a = rescu(_triangle, kinks=(0.0,))
    x = torch.linspace(-2, 2, 11)
    assert torch.equal(pickle.loads(pickle.dumps(a))(x), a(x))
    assert torch.equal(pickle.loads(pickle.dumps(a.module()))(x), a(x))


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(SpecError, match="no kernel named 'gausian'"):
        rescu("gausian")
    with pytest.raises(SpecError, match="integrates to 2"):
        rescu(torch.ones_like)
    with pytest.raises(SpecError, match="negative"):
        rescu(lambda t: 0.5 + t)
    with pytest.raises(SpecError, match="falls"):
        rescu_from_slope(lambda t: -t)
    with pytest.raises(SpecError, match="support"):
        rescu(_box, support=(1.0, -1.0))


def test_the_same_recipe_makes_equal_activations() -> None:
    one = rescu_from_slope(torch.sigmoid, support=(-2.0, 2.0))
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(pickle.loads(pickle.dumps(one))) == hash(one)
    assert rescu_from_slope(torch.sigmoid, support=(-2.0, 2.5)) != one
