"""Learning rates per layer for plain gradient descent, by PDLT's equivalence principle (chapter 9)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError
from edgewise.theory import domain
from edgewise.theory.flow import kernel_flow
from edgewise.theory.interpolant import kernel_functions


class LearningRates(NamedTuple):
    """Factors on the learning rate in every layer (entry 0 = layer 1); weights use lambda_w/fan_in, biases lambda_b."""

    lambda_w: Tensor
    lambda_b: Tensor


def learning_rates(
    a: Activation | object,
    depth: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float = 1.0,
    input_square: float | None = None,
    skip: float = 0.0,
) -> LearningRates:
    """Factors that make every layer contribute 1/depth to the output's NTK, its weights and its biases alike.

    The weights of layer l contribute lambda_W g(K_(l-1)) prod_(l' >= l) chi_perp and its biases lambda_b prod
    chi_perp, l' running over the hidden layers from l on; so lambda_W = 1/(depth g prod) and lambda_b = 1/(depth
    prod). At criticality: 1/L in the scale-invariant class (over g for weights), l**-p L**(p-1) and (L/l)**(p-1) in
    the K*=0 class, p = p_perp.
    For SGD alone: under Adam an update does not scale with its gradient, and these factors would be wrong.

    The last of the `depth` layers is the output. input_square: x.x/n_0, in place of g for the first layer;
    (k0 - c_b)/c_w unless given. Raises DomainError as `kernel_flow` does, when the kernel vanishes or diverges within
    the depth, or when chi_perp is 0 or infinite there.
    """
    a = activation(a)
    depth = domain.layers(depth)
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    start = domain.one_positive("k0", k0)
    flow = kernel_flow(a, depth, c_w=w, c_b=b, k0=start, skip=skip)
    if flow.diverged_at or flow.vanished_at:
        raise DomainError(
            f"no learning rates: {flow.reason}; expected a kernel that stays finite; try theory.recommend"
        )
    carried = flow.chi_perp[:-1]
    if not bool(((carried > 0) & torch.isfinite(carried)).all()):
        raise DomainError(
            f"{a.spec}: no learning rates where chi_perp runs from {float(carried.min()):g} to "
            f"{float(carried.max()):g}, expected finite numbers > 0; try another activation"
        )
    if input_square is None:
        if start <= b:
            raise DomainError(f"k0={start:g} with c_b={b:g} given, expected k0 > c_b; try input_square=1.0 as well")
        input_square = (start - b) / w
    square = torch.tensor([domain.one_positive("input_square", input_square)], dtype=torch.float64)
    g = torch.cat([square, kernel_functions(a).kernel(flow.kernel[:-1])])
    after = torch.cat([carried.log().flip(0).cumsum(0).flip(0), torch.zeros(1, dtype=torch.float64)])
    bias = torch.exp(-after) / depth
    return LearningRates(bias / g, bias)
