"""Every floating-point dtype and every layout of a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgewise.testing import points
from edgewise.testing.outcome import ConformanceError
from edgewise.testing.rounding import allowed_rounding

if TYPE_CHECKING:
    from edgewise.activations import Activation


def check_dtypes(activation: Activation) -> None:
    """All four floating-point dtypes come out as they went in, sigma and its gradient rounded from the float64 result.

    Half precision may be off by its own last rounding and by a float32 evaluation. Raises ConformanceError.
    """
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x = torch.unique(points.core(torch.float32, activation.kinks).to(dtype))
        x = x[~torch.isin(x.double(), torch.tensor(_ambiguous(activation, dtype), dtype=torch.float64))]
        leaf = x.clone().requires_grad_()
        value = activation(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        for order, (symbol, found) in enumerate((("sigma", value.detach()), ("the gradient", gradient))):
            if found.dtype != dtype:
                raise ConformanceError(f"{activation.spec}: {symbol} of a {dtype} tensor has dtype {found.dtype}")
            if order == 1 and activation.definition.surrogate is not None:
                continue
            _near(activation, symbol, x, found, order)


def check_layouts(activation: Activation) -> None:
    """Strided, transposed, expanded, channels_last, 0-dimensional and empty tensors, and their gradients.

    Raises ConformanceError.
    """
    base = points.smooth(activation.kinks, margin=1e-3, count=48)
    image = base.reshape(2, 3, 2, 4)
    layouts: dict[str, Tensor] = {
        "a strided tensor": base[::3],
        "a transposed tensor": base.reshape(6, 8).T,
        "an expanded tensor": base[:4, None].expand(4, 3),
        "a channels_last tensor": image.to(memory_format=torch.channels_last),
        "a 0-dimensional tensor": base[0],
        "an empty tensor": base[:0].reshape(0, 3),
    }
    for name, x in layouts.items():
        before = x.clone()
        found = activation(x)
        expected = activation(x.contiguous().clone().flatten()).reshape(x.shape)
        if found.shape != x.shape:
            raise ConformanceError(
                f"{activation.spec}: sigma of {name} has shape {tuple(found.shape)}, not {tuple(x.shape)}"
            )
        if bool(((found - expected).abs() > allowed_rounding(activation, x, 0)).any()):
            raise ConformanceError(f"{activation.spec}: sigma of {name} differs from sigma of its contiguous copy")
        if not torch.equal(x, before):
            raise ConformanceError(f"{activation.spec}: sigma changed its input, {name}, in place")
        leaf = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(activation(leaf).sum(), leaf)
        if gradient.shape != x.shape:
            raise ConformanceError(
                f"{activation.spec}: the gradient of {name} has shape {tuple(gradient.shape)}, not {tuple(x.shape)}"
            )
    if not activation(layouts["a channels_last tensor"]).is_contiguous(memory_format=torch.channels_last):
        raise ConformanceError(f"{activation.spec}: channels_last memory format is lost")


def _ambiguous(activation: Activation, dtype: torch.dtype) -> list[float]:
    """Kinks as numbers of `dtype`: where the kink itself is none, that number may count as either side of it."""
    return [torch.tensor(k, dtype=torch.float64).to(dtype).double().item() for k in activation.kinks]


def _near(activation: Activation, symbol: str, x: Tensor, found: Tensor, order: int) -> None:
    info = torch.finfo(x.dtype)
    exact = activation.derivative(x.double(), order)
    compute = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    allowed = allowed_rounding(activation, x, order, dtype=compute)
    if compute != x.dtype:
        allowed = allowed + 0.51 * info.eps * exact.abs() + info.smallest_normal * info.eps
    allowed = allowed + torch.finfo(compute).smallest_normal
    overflows = exact.abs() >= info.max * (1 - info.eps)
    wrong = ~((found.double() - exact).abs() <= allowed) & ~overflows
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ConformanceError(
            f"{activation.spec}: {symbol}({x[i].item()!r}) in {x.dtype} is {found[i].item()!r}, "
            f"in float64 {exact[i].item()!r}"
        )
