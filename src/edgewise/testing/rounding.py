"""How much two evaluations of the same derivative may differ, where no mpmath reference is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from edgewise.activations import Activation

ULPS = 32.0


def is_automatic(activation: Activation) -> bool:
    """Whether the derivatives were made from a formula or callable, not written down and so not written with care."""
    definition = activation.definition
    return definition.made_from is not None or len(definition.derivatives) < 3


def allowed_rounding(activation: Activation, x: Tensor, order: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """``32 eps (|f| + |x f'|)`` of the derivative f of that order at x, in float64; `values` derives the bound.

    dtype: whose eps, x's unless given. Where the derivatives come from automatic differentiation the intermediate
    results, of size max(1, |x|, |sigma|), round as well.
    """
    eps = torch.finfo(dtype or x.dtype).eps
    t = x.detach().double()
    size = activation.derivative(t, order).abs() + (t * activation.derivative(t, order + 1)).abs()
    if is_automatic(activation):
        size = size + torch.maximum(t.abs(), activation(t).abs()).clamp_min(1.0)
    return ULPS * eps * size.nan_to_num(nan=0.0, posinf=torch.finfo(torch.float64).max)
