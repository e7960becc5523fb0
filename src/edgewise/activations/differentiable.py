"""How torch differentiates an activation: one autograd Function for all of them, chaining closed forms.

``d/dx sigma^(k)`` is evaluated as ``sigma^(k+1)``, again through the same Function, so first and second derivatives
(and double backward, jvp, vmap, torch.func.hessian) all use the closed forms and save one tensor. That is x, or y =
sigma(x) where y tells sigma' as well as x does: the next layer keeps y anyway, so it then costs nothing. Beyond the
last closed form torch differentiates that form itself. Value and gradient of a larger tensor come from compiled kernels
(`kernels`); under `torch.compile` and export the formulas run, so that they fuse and export.
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
    from edgewise.activations.definition import Activation, Definition

_HALF = (torch.float16, torch.bfloat16)


def evaluate(activation: Activation, x: Tensor, order: int) -> Tensor:
    """sigma^(order)(x), differentiable. Raises DomainError when x is not a floating-point tensor."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        given = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise DomainError(f"{activation.name} was given {given}, expected a floating-point tensor; try x.float()")
    if order == 0 and activation.definition.native:
        return activation.definition.derivatives[0](x, **activation.parameters)
    differentiated = x.requires_grad and torch.is_grad_enabled()
    result: Tensor
    if torch.compiler.is_compiling():
        if not differentiated or not _has_slope(activation, order):
            return closed_form(activation, x, order)
        result = _Traced.apply(x, activation, order)  # type: ignore[no-untyped-call]
    elif _watched(x):
        result = _Jet.apply(x, activation, order)  # type: ignore[no-untyped-call]
    elif not differentiated and choice.plain(x):
        return _Jet.forward(x, activation, order)
    else:  # what `apply` comes to, without a look at the signature that costs as much as 1e5 elements
        result = super(torch.autograd.Function, _Jet).apply(x, activation, order)  # type: ignore[no-untyped-call]
    return result


def _watched(x: Tensor) -> bool:
    """Whether a transform of torch.func, or a mode such as the one that records a model, follows what is called."""
    return bool(
        torch._C._are_functorch_transforms_active()
        or torch._C._functorch.is_functorch_wrapped_tensor(x)
        or torch._C._len_torch_function_stack()
    )


def _slope(activation: Activation, x: Tensor, order: int) -> Tensor:
    """What a gradient on its way back through sigma^(order) is multiplied by at x."""
    surrogate = activation.definition.surrogate
    if surrogate is not None and order == 0:
        return surrogate(x, **activation.parameters)
    return evaluate(activation, x, order + 1)


def closed_form(activation: Activation, x: Tensor, order: int) -> Tensor:
    """sigma^(order)(x) by its formula, float16 and bfloat16 computed in float32; differentiable only as plain torch."""
    forms = activation.definition.derivatives
    if order >= len(forms):
        return _differentiated(activation, x, order)
    if x.dtype in _HALF:
        return forms[order](x.float(), **activation.parameters).to(x.dtype)
    return forms[order](x, **activation.parameters)


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
        suffices = ctx.activation.definition.value_suffices if ctx.order == 0 else None
        ctx.of_value = suffices is not None and suffices(x.dtype, **ctx.activation.parameters)
        kept = output if ctx.of_value else x
        ctx.save_for_backward(kept)
        ctx.save_for_forward(kept)

    @staticmethod
    def _times_slope(ctx: Any, given: Tensor, kept: Tensor) -> Tensor:
        """`given` times the slope, differentiable in x and in y alike: a value that was kept is part of the graph."""
        definition: Definition = ctx.activation.definition
        if ctx.of_value and definition.backward_of_value is not None:
            return keep_nan(kept, definition.backward_of_value(given, kept, **ctx.activation.parameters))
        return given * _slope(ctx.activation, kept, ctx.order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        if ctx.order == 0 and not torch.is_grad_enabled():
            compiled = choice.gradient(ctx.activation, kept, grads[0], of_value=ctx.of_value)
            if compiled is not None:
                return compiled, None, None
            fused = ctx.activation.definition.backward
            if fused is not None and not ctx.of_value:
                result = fused(grads[0], kept, **ctx.activation.parameters)
                return keep_nan(kept, result), None, None  # torch passes gradients through nan
        return _Jet._times_slope(ctx, grads[0], kept), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        # torch switches forward mode off in here, so that an outer jvp would silently see a constant slope
        (kept,) = ctx.saved_tensors
        with forward_mode(True):
            at: Tensor = unpack_dual(kept).primal  # type: ignore[no-untyped-call]
            return _Jet._times_slope(ctx, tangents[0], at)


# --- under torch.compile


def _has_slope(activation: Activation, order: int) -> bool:
    """Whether a compiled backward pass is to use the closed form of the slope.

    Else torch differentiates the formula, operation by operation, and chooses itself what to keep: where it has a
    derivative of its own for the activation, and where derivatives were made by differentiating (formulas, functions).
    """
    definition = activation.definition
    if order == 0 and definition.surrogate is not None:
        return True
    if order == 0 and (definition.backward is not None or definition.backward_of_value is not None):
        return False
    made = definition.opaque or definition.made_from is not None or definition.remake is not None
    return order + 1 < len(definition.derivatives) and not made


class _Traced(torch.autograd.Function):
    """`_Jet` in the form that torch.compile traces: the formula's value, and one multiplication by the slope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Activation, order: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.activation, ctx.order = activation, order
        return closed_form(activation, x, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return grads[0] * _slope(ctx.activation, x, ctx.order), None, None
