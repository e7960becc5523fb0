"""Under torch.compile: the closed form of the slope, no graph break, and the accuracy of eager mode."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.testing.rounding import allowed_rounding

SPECS = ["gelu", "silu", "mish", "snake", "lisht", "rescu_gaussian", "mrepu(p=2)", "relu", "identity"]


def _compiled(function: object) -> object:
    torch.compiler.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_as_exact_as_the_closed_forms(dtype: torch.dtype) -> None:
    """Not to an absolute error: far out on the left gelu and its slope are small, and have all their digits."""
    activations = [ew.activation(spec) for spec in SPECS]
    leaves = [torch.linspace(-9.0, 9.0, 1801, dtype=dtype).requires_grad_() for _ in activations]
    values = _compiled(lambda xs: [a(x) for a, x in zip(activations, xs, strict=True)])(leaves)  # type: ignore[operator]
    slopes = torch.autograd.grad([v.sum() for v in values], leaves)
    for a, leaf, value, slope in zip(activations, leaves, values, slopes, strict=True):
        x = leaf.detach()
        smooth = torch.ones_like(x, dtype=torch.bool)
        for kink in a.kinks:
            smooth &= (x - kink).abs() > 1e-3
        for order, found in enumerate((value.detach(), slope)):
            error = (found.double() - a.derivative(x.double(), order)).abs()
            allowed = allowed_rounding(a, x, order) + torch.finfo(dtype).smallest_normal
            assert bool((error <= allowed)[smooth].all()), f"{a.spec}, order {order}"


def test_transforms_inside_a_compiled_function_see_the_slope() -> None:
    a = ew.activation("gelu")
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    expected = a.derivative(x, 1), a.derivative(x, 2)

    def slope(t: Tensor) -> Tensor:
        return torch.vmap(torch.func.grad(lambda u: a(u)))(t)

    def curvature(t: Tensor) -> Tensor:
        return torch.func.jvp(slope, (t,), (torch.ones_like(t),))[1]

    torch.testing.assert_close(_compiled(slope)(x), expected[0], rtol=1e-12, atol=1e-14)  # type: ignore[operator]
    torch.testing.assert_close(_compiled(curvature)(x), expected[1], rtol=1e-12, atol=1e-14)  # type: ignore[operator]


def test_a_derivative_is_differentiated_by_the_next_closed_form() -> None:
    a = ew.activation("snake(a=2)")
    x = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(_compiled(lambda t: a.derivative(t, 1))(x).sum(), x)  # type: ignore[operator]
    torch.testing.assert_close(found, a.derivative(x.detach(), 2), rtol=1e-14, atol=1e-14)
