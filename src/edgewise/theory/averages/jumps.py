"""What happens at the kinks: one-sided values of sigma's derivatives and the delta functions they leave behind."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from edgewise.activations.definition import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory.averages.average import Average

_STEP = 1e-14
_ZERO_STEP = 1e-16
_JUMP = 1e-6
_RELATIVE_ERROR = 1e-11

Side = Callable[[int], Tensor]
"""``side(order)``: sigma^(order) just beside every kink, shape [kink]."""


def jumps(activation: Activation, quantity: Callable[[Side], Tensor]) -> Tensor:
    """``quantity`` just right of every kink minus just left of it, shape [kink].

    The quantity is a function of sigma's one-sided derivatives: ``lambda s: s(0) * s(1)`` for the jump of sigma sigma'.
    """
    kinks = torch.tensor(activation.kinks, dtype=torch.float64)
    step = torch.where(kinks == 0, _ZERO_STEP, _STEP * kinks.abs())

    def beside(sign: float) -> Tensor:
        return quantity(lambda order: closed_form(activation, kinks + sign * step, order).detach())

    return beside(1.0) - beside(-1.0)


def is_discontinuous(activation: Activation) -> bool:
    """Whether sigma itself jumps somewhere, so that <sigma'**2> is infinite (a squared delta function)."""
    if not activation.kinks or activation.smoothness >= 0:
        return False
    size = jumps(activation, lambda s: s(0)).abs()
    return bool((size > _JUMP * (1 + torch.tensor(activation.kinks, dtype=torch.float64).abs())).any())


def delta_terms(
    activation: Activation, kernel: Tensor, jump: Tensor, weight: Callable[[Tensor, Tensor], Tensor]
) -> Average:
    """``sum_c weight(c, K) jump_c N(c; 0, K)``: what the delta functions at the kinks contribute; shape of K."""
    k = kernel[..., None]
    c = torch.tensor(activation.kinks, dtype=torch.float64)
    density = torch.exp(-0.5 * c * c / k) / torch.sqrt(2 * math.pi * k)
    terms = weight(c, k) * jump * density
    size = terms.abs().sum(-1)
    return Average(terms.sum(-1), _RELATIVE_ERROR * size, size)
