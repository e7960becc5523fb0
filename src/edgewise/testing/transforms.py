"""torch.func transforms and torch.compile give what plain evaluation gives."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from edgewise.testing import points
from edgewise.testing.calculus import slope
from edgewise.testing.outcome import ConformanceError, NotApplicable
from edgewise.testing.rounding import allowed_rounding

if TYPE_CHECKING:
    from edgewise.activations import Activation


def check_vmap(activation: Activation) -> None:
    """torch.vmap over rows, of sigma and of its per-element gradient. Raises ConformanceError."""
    x = _points(activation).reshape(8, -1)
    _same(activation, "vmap", x, torch.vmap(activation)(x), activation(x), 0)
    gradients = torch.vmap(torch.func.grad(lambda row: activation(row).sum()))(x)
    _same(activation, "vmap of the gradient", x, gradients, slope(activation, x), 1)


def check_jvp(activation: Activation) -> None:
    """torch.func.jvp: the value and sigma' times the tangent. Raises ConformanceError."""
    x = _points(activation)
    value, tangent, *_ = torch.func.jvp(activation, (x,), (torch.full_like(x, 2.0),))
    _same(activation, "jvp's value", x, value, activation(x), 0)
    _same(activation, "jvp", x, 0.5 * tangent, slope(activation, x), 1)


def check_jacobians(activation: Activation) -> None:
    """torch.func.jacrev and jacfwd are diagonal with sigma' there. Raises ConformanceError."""
    x = _points(activation)
    expected = slope(activation, x)
    for transform in (torch.func.jacrev, torch.func.jacfwd):
        _diagonal(activation, transform.__name__, x, transform(activation)(x), expected, 1)


def check_hessian(activation: Activation) -> None:
    """torch.func.hessian of the sum is diagonal with sigma'' there, and so is reverse mode twice.

    Raises ConformanceError, NotApplicable where a surrogate slope is declared.
    """
    if activation.definition.surrogate is not None:
        raise NotApplicable("a surrogate slope is declared, which has no second derivative to agree with")
    x = _points(activation)
    expected = activation.derivative(x, 2)

    def total(t: Tensor) -> Tensor:
        return activation(t).sum()

    _diagonal(activation, "torch.func.hessian", x, torch.func.hessian(total)(x), expected, 2)
    _diagonal(activation, "jacrev of jacrev", x, torch.func.jacrev(torch.func.jacrev(total))(x), expected, 2)


def check_compile(activation: Activation, *, backend: str = "aot_eager") -> None:
    """torch.compile(fullgraph=True): value and gradient equal those of eager mode; see `check_compile_all`."""
    check_compile_all([activation], backend=backend)


def check_compile_all(activations: Sequence[Activation], *, backend: str = "aot_eager") -> None:
    """One compiled function that evaluates all of these activations, value and gradient against eager mode.

    Compiled, some formulas are differentiated by torch, so the gradient need not have the closed form's relative
    accuracy: both may differ by sqrt(eps) (1 + |value|). The backend "aot_eager" captures the graph, forward and
    backward, as inductor does, but needs no C++ compiler and no seconds; "inductor" generates code. Clears torch's
    cache of compiled functions.

    Raises ConformanceError, NotApplicable where inductor finds no C++ compiler.
    """
    if backend == "inductor" and not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        raise NotApplicable("torch.compile needs a C++ compiler and found none")
    inputs = [_compile_points(a) for a in activations]
    torch.compiler.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's own
            compiled = torch.compile(
                lambda xs: [a(x) for a, x in zip(activations, xs, strict=True)], fullgraph=True, backend=backend
            )
            found = _values_and_gradients(compiled, inputs)
    except Exception as error:
        names = ", ".join(a.spec for a in activations)
        raise ConformanceError(f"{names}: torch.compile failed: {type(error).__name__}: {str(error)[:600]}") from error
    finally:
        torch.compiler.reset()
    for activation, x, value, gradient in zip(activations, inputs, *found, strict=True):
        _close(activation, "the compiled value", x, value, activation(x))
        _close(activation, "the compiled gradient", x, gradient, slope(activation, x))


def _values_and_gradients(function: Any, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    leaves = [x.clone().requires_grad_() for x in inputs]
    values = function(leaves)
    gradients = torch.autograd.grad([v.sum() for v in values], leaves)
    return [v.detach() for v in values], list(gradients)


def _points(activation: Activation) -> Tensor:
    return points.smooth(activation.kinks, margin=1e-3, count=32)


def _compile_points(activation: Activation) -> Tensor:
    kinks = torch.tensor(activation.kinks, dtype=torch.float64)
    far = torch.tensor([-1e4, -100.0, -30.0, 0.0, 30.0, 100.0, 1e4], dtype=torch.float64)
    return torch.cat([points.smooth(activation.kinks, margin=1e-6, count=64), far, kinks])


def _close(activation: Activation, what: str, x: Tensor, found: Tensor, expected: Tensor) -> None:
    tolerance = torch.finfo(x.dtype).eps ** 0.5 * (1 + expected.abs())
    _refuse(activation, what, x, found, expected, tolerance)


def _same(activation: Activation, what: str, x: Tensor, found: Tensor, expected: Tensor, order: int) -> None:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise ConformanceError(
            f"{activation.spec}: {what} has shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
        )
    _refuse(activation, what, x, found, expected, allowed_rounding(activation, x, order))


def _diagonal(activation: Activation, what: str, x: Tensor, found: Tensor, expected: Tensor, order: int) -> None:
    off = found - torch.diag(torch.diagonal(found))
    if bool((off != 0).any()):
        raise ConformanceError(f"{activation.spec}: {what} is not diagonal: one element influences another")
    _same(activation, what, x, torch.diagonal(found), expected, order)


def _refuse(activation: Activation, what: str, x: Tensor, found: Tensor, expected: Tensor, tolerance: Tensor) -> None:
    wrong = ~((found - expected).abs() <= tolerance) & ~(found == expected)
    if wrong.any():
        at = wrong.nonzero()[0]
        i = tuple(at.tolist())
        raise ConformanceError(
            f"{activation.spec}: {what} at x={x[i]:.17g} is {found[i]:.17g}, expected {expected[i]:.17g}"
        )
