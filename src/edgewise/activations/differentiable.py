"""How torch differentiates an activation: one autograd Function for all of them, chaining closed forms.

``d/dx sigma^(k)`` is evaluated as ``sigma^(k+1)``, again through the same Function, so first and second derivatives
(and double backward, jvp, vmap, torch.func.hessian) all use the closed forms and save one tensor: x. Beyond the last
closed form torch differentiates that form itself. Under `torch.compile` and export the plain formula runs, so that it
fuses and exports; elsewhere value and gradient of a larger tensor come from compiled kernels (`kernels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from edgewise.activations.elementary import keep_nan
from edgewise.activations.forward_mode import along_x, forward_mode
from edgewise.activations.kernels import choice
from edgewise.errors import DomainError

if TYPE_CHECKING:
    from edgewise.activations.definition import Activation

_HALF = (torch.float16, torch.bfloat16)


def evaluate(activation: Activation, x: Tensor, order: int) -> Tensor:
    """sigma^(order)(x), differentiable. Raises DomainError when x is not a floating-point tensor."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        given = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise DomainError(f"{activation.name} was given {given}, expected a floating-point tensor; try x.float()")
    if torch.compiler.is_compiling():
        surrogate = (
            activation.definition.surrogate if order == 0 and x.requires_grad and torch.is_grad_enabled() else None
        )
        value = closed_form(activation, x, order)
        return value if surrogate is None else _with_slope(value, surrogate(x, **activation.parameters), x)
    result: Tensor = _Jet.apply(x, activation, order)  # type: ignore[no-untyped-call]
    return result


def closed_form(activation: Activation, x: Tensor, order: int) -> Tensor:
    """sigma^(order)(x) by its formula, float16 and bfloat16 computed in float32; differentiable only as plain torch."""
    forms = activation.definition.derivatives
    if order >= len(forms):
        return _differentiated(activation, x, order)
    if x.dtype in _HALF:
        return forms[order](x.float(), **activation.parameters).to(x.dtype)
    return forms[order](x, **activation.parameters)


def _with_slope(value: Tensor, slope: Tensor, x: Tensor) -> Tensor:
    """`value`, whose gradient with respect to x is `slope`, in operations that torch.compile can trace."""
    line = slope.detach() * torch.where(torch.isfinite(x), x, 0.0)
    return value.detach() + (line - line.detach())


def _differentiated(activation: Activation, x: Tensor, order: int) -> Tensor:
    """Orders beyond the closed forms: the last closed form, differentiated by torch."""
    return along_x(lambda t: closed_form(activation, t, order - 1), x)


class _Jet(torch.autograd.Function):
    """x -> sigma^(order)(x), whose derivative is the same Function at order + 1."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, activation: Activation, order: int) -> Tensor:
        compiled = choice.value(activation, x) if order == 0 else None
        return closed_form(activation, x, order) if compiled is None else compiled

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Activation, int], output: Tensor) -> None:
        x, ctx.activation, ctx.order = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def _slope(ctx: Any, x: Tensor) -> Tensor:
        surrogate = ctx.activation.definition.surrogate
        if surrogate is not None and ctx.order == 0:
            return surrogate(x, **ctx.activation.parameters)  # type: ignore[no-any-return]
        return evaluate(ctx.activation, x, ctx.order + 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if ctx.order == 0 and not torch.is_grad_enabled():
            compiled = choice.gradient(ctx.activation, x, grads[0])
            if compiled is not None:
                return compiled, None, None
            fused = ctx.activation.definition.backward
            if fused is not None:
                result = fused(grads[0], x, **ctx.activation.parameters)
                return keep_nan(x, result), None, None  # torch passes gradients through nan
        return grads[0] * _Jet._slope(ctx, x), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        # torch switches forward mode off in here, so that an outer jvp would silently see a constant slope
        (x,) = ctx.saved_tensors
        with forward_mode(True):
            at: Tensor = unpack_dual(x).primal  # type: ignore[no-untyped-call]
            slope: Tensor = _Jet._slope(ctx, at)
            return tangents[0] * slope  # type: ignore[no-any-return]
