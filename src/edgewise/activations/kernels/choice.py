"""Whether a tensor takes the compiled route, and the kernels already compiled.

The compiled route is for plain tensors of some size; under a transform, a trace or a mode, for an activation
that holds a function of the user's, and wherever a kernel cannot be had, the plain formula runs. The choice looks at
the tensor alone, never at the past, so that one seed keeps giving the same numbers. A new kernel is first compared
with its formula at a few hundred points, and dropped if it differs by more than rounding.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from edgewise.activations.elementary import keep_nan
from edgewise.activations.kernels import cuda, llvm
from edgewise.activations.kernels.program import NotRecordable, Program, record

if TYPE_CHECKING:
    from edgewise.activations.definition import Activation

Role = Literal["value", "gradient", "gradient_of_value"]
"""sigma(x); grad * sigma'(x), a function of x and grad; the same as a function of sigma(x) and grad."""

SMALLEST = 4096
"""Elements from which on a tensor takes the compiled route: below, a formula costs little and needs no compiling."""

SWITCH = "EDGEWISE_KERNELS"
"""The environment variable that turns the compiled route off when it is 0 as edgewise is imported."""

ACTIVE = os.environ.get(SWITCH) != "0"

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_compiling = threading.Lock()


class Kernel(Protocol):
    """``kernel(x)`` or ``kernel(x, grad)``: a new tensor, or `out`, written, where the device's compiler can."""

    def __call__(self, x: Tensor, grad: Tensor | None = None, out: Tensor | None = None) -> Tensor: ...


def value(activation: Activation, x: Tensor) -> Tensor | None:
    """sigma(x) by a kernel, or None where the formula is to run."""
    if not _eligible(x):
        return None
    kernel = _kernel(activation, "value", x.dtype, x.device.type)
    return None if kernel is None else kernel(x)


def gradient(activation: Activation, kept: Tensor, grad: Tensor, *, of_value: bool) -> Tensor | None:
    """grad * sigma'(x), or grad * the surrogate slope, by a kernel; None where the formula is to run.

    kept: x, or sigma(x) where `of_value`.
    """
    if not _eligible(kept) or not plain(grad) or grad.dtype != kept.dtype or grad.device != kept.device:
        return None
    kernel = _kernel(activation, "gradient_of_value" if of_value else "gradient", kept.dtype, kept.device.type)
    return None if kernel is None else kernel(kept, grad)


def kernel(activation: Activation, role: Role, dtype: torch.dtype, device: str) -> Kernel | None:
    """The kernel for plain tensors of whatever size on a device of that type; None where the formula is to run.

    For a caller with many tensors, whose sizes are not to decide what the numbers in them become.
    """
    if dtype not in _DTYPES or device not in ("cpu", "cuda") or os.environ.get(SWITCH) == "0":
        return None
    return _kernel(activation, role, dtype, device)


def status() -> tuple[bool, str]:
    """Whether activations are compiled on this CPU, and by what, or why not."""
    if not ACTIVE:
        return False, f"switched off by {SWITCH}=0"
    return llvm.available()


def plain(x: Tensor) -> bool:
    """Whether the tensor is its memory: no subclass, transform or tangent, no lazy sign, no missing storage."""
    return (
        type(x) in (Tensor, nn.Parameter)
        and x.layout is torch.strided
        and not x.is_neg()
        and not x._is_zerotensor()
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        and unpack_dual(x).tangent is None  # type: ignore[no-untyped-call]
        and x.data_ptr() != 0
    )


def _eligible(x: Tensor) -> bool:
    return (
        ACTIVE
        and torch._C._get_tracing_state() is None  # first: while it traces, even a number of elements is a tensor
        and x.numel() >= SMALLEST
        and x.dtype in _DTYPES
        and x.device.type in ("cpu", "cuda")
        and torch._C._len_torch_dispatch_stack() == 0
        and plain(x)
    )


def _kernel(activation: Activation, role: Role, dtype: torch.dtype, device: str) -> Kernel | None:
    with _compiling:
        return _compiled(activation, role, dtype, device)


def fresh(activation: Activation, role: Role, dtype: torch.dtype, device: str) -> Kernel | None:
    """The kernel, compiled now, or None where there is none to be had."""
    compute = torch.float64 if dtype == torch.float64 else torch.float32
    try:
        program = recorded(activation, role, compute)
        kernel: Kernel = cuda.compiled(program) if device == "cuda" else llvm.compiled(program, dtype)
        return kernel if _agrees(kernel, activation, role, dtype, device) else None
    except (NotRecordable, llvm.NotCompilable, cuda.NotCompilable):
        return None


_compiled = lru_cache(maxsize=512)(fresh)


def recorded(activation: Activation, role: Role, dtype: torch.dtype) -> Program:
    """The activation's value, or its gradient (a function of x and of the gradient arriving), as a program.

    Raises NotRecordable.
    """
    if activation.definition.opaque:
        raise NotRecordable(f"{activation.name} holds a function of the user's")
    return record(formula(activation, role), 1 if role == "value" else 2, dtype)


def formula(activation: Activation, role: Role) -> Callable[..., Tensor]:
    """The plain formula of a kernel, in its dtype of computation."""
    definition, parameters = activation.definition, activation.parameters
    if role == "value":
        return lambda x: definition.derivatives[0](x, **parameters)
    if role == "gradient_of_value":
        of_value = definition.backward_of_value
        if of_value is None:
            raise NotRecordable(f"the value of {activation.name} does not tell its slope")
        return lambda y, grad: keep_nan(y, of_value(grad, y, **parameters))
    if definition.surrogate is not None:
        surrogate = definition.surrogate
        return lambda x, grad: grad * surrogate(x, **parameters)
    if definition.backward is not None:
        backward = definition.backward
        return lambda x, grad: keep_nan(x, backward(grad, x, **parameters))
    if len(definition.derivatives) < 2:
        raise NotRecordable(f"{activation.name} has no closed form of its slope")
    return lambda x, grad: grad * definition.derivatives[1](x, **parameters)


# --- trust, but verify

_TOLERANCE = 64


def _agrees(kernel: Kernel, activation: Activation, role: Role, dtype: torch.dtype, device: str) -> bool:
    """Whether the kernel gives the formula's results but for rounding, on a grid, beside the kinks and far out."""
    exact = formula(activation, role)
    compute = torch.float64 if dtype == torch.float64 else torch.float32
    x = _points(activation).to(device=device, dtype=dtype)
    if role == "gradient_of_value":
        x = formula(activation, "value")(x.to(compute)).to(dtype)
    grads = [] if role == "value" else [torch.full_like(x, 0.75)]
    found = kernel(x, *grads).to(compute)
    wide, widened = x.to(compute), [g.to(compute) for g in grads]
    expected = exact(wide, *widened)
    # what a change of x by some units in its last place does, rounding inside the formula does too
    spread = torch.zeros_like(expected)
    for factor in (1 - 1e-6, 1 + 1e-6) if compute == torch.float32 else (1 - 2e-15, 1 + 2e-15):
        spread = torch.maximum(spread, (exact(wide * factor, *widened) - expected).abs())
    info = torch.finfo(dtype)
    allowed = _TOLERANCE * (info.eps * expected.abs() + info.smallest_normal + torch.finfo(compute).eps) + 4 * spread
    ends = ~(expected.abs() < 0.01 * info.max) | ~torch.isfinite(spread)  # at overflow and nan a unit decides
    both_nan = torch.isnan(found) & torch.isnan(expected)
    return bool((((found - expected).abs() <= allowed) | both_nan | (ends & ~torch.isnan(wide))).all())


def _points(activation: Activation) -> Tensor:
    far = torch.logspace(-30, 30, 61, dtype=torch.float64)
    beside = [k + e for k in activation.kinks for e in (-1e-3, 0.0, 1e-3)]
    ends = [math.nan, math.inf, -math.inf, 0.0, -0.0]
    grid = torch.linspace(-15.0, 15.0, 301, dtype=torch.float64)
    return torch.cat([grid, far, -far, torch.tensor([*beside, *ends], dtype=torch.float64)])
