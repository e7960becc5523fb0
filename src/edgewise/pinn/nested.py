"""Derivatives of a network by nested automatic differentiation: for activations that nothing more is known of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edgewise.pinn.multi_index import Exponents


def nested_derivatives(
    network: Callable[[Tensor], Tensor], x: Tensor, wanted: Sequence[Exponents]
) -> dict[Exponents, Tensor]:
    """The derivatives of ``network(x)`` [member, example, output] at x [member, example, coordinate], differentiable.

    Members and examples do not influence one another, so that a gradient of the sum over them is each one's own.
    """
    with torch.enable_grad():
        at = x if x.requires_grad else x.detach().requires_grad_()
        value = network(at)
        outputs = value.unbind(-1)
        known: list[dict[Exponents, Tensor]] = [{(0,) * x.shape[-1]: u} for u in outputs]
        return {index: torch.stack([_derived(u, index, at) for u in known], -1) for index in wanted}


def _derived(known: dict[Exponents, Tensor], index: Exponents, at: Tensor) -> Tensor:
    """That derivative, from one of an order less; all derivatives of an order less by one coordinate come along."""
    if index not in known:
        last = max(i for i, e in enumerate(index) if e)
        below = _derived(known, tuple(e - (i == last) for i, e in enumerate(index)), at)
        slopes: Tensor | None = None
        if below.requires_grad:
            (slopes,) = torch.autograd.grad(below.sum(), at, create_graph=True, allow_unused=True)
        for i in range(len(index)):
            above = tuple(e - (j == last) + (j == i) for j, e in enumerate(index))
            known.setdefault(above, torch.zeros_like(below) if slopes is None else slopes[..., i])
    return known[index]
