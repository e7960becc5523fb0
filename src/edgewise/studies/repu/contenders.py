"""The activations that this study trains against each other, each from the best start that edgewise knows for it."""

from __future__ import annotations

import math

from edgewise.activations import Activation, activation
from edgewise.studies.schemes import recommended
from edgewise.tailor import tailor
from edgewise.theory import kernel, kernel_flow, recommend
from edgewise.train.ensemble import Initial, Shape

TAILORED = "tailored "
"""Before the name of an activation: transformed for the depth by `ew.tailor`."""


def contender(name: str, shape: Shape) -> tuple[Activation, Initial]:
    """The activation that "tailored repu(p=2)" or "gelu" names, and how its networks of this shape start.

    Variances are those of `studies.schemes.recommended`: at the critical point where there is one, for inputs of mean
    square 1 and outputs of variance 1. Raises TailoringError where there is no tailored form.
    """
    sigma: Activation = activation(name.removeprefix(TAILORED))
    if name.startswith(TAILORED):
        sigma = tailor(sigma, depth=shape.depth, width=shape.width)
    return sigma, recommended(sigma, shape).initial


def start_at(spec: str, shape: Shape, *, mean_square: float) -> Initial:
    """RePU(2) or MRePU from the best kernel it has, for inputs of this mean square; outputs of variance 1 in theory.

    RePU(2) as the paper initialises it, with one C_W in every layer, chosen so that the first layer's kernel
    C_W mean_square is the (unstable) fixed point 2/(3 C_W) at which an infinitely wide network would stay. MRePU with
    the C_W = 1 of its critical point and a first layer that gives the K0 recommended for the depth.
    """
    sigma = activation(spec)
    if spec.startswith("repu"):
        c_w = math.sqrt(2.0 / (3.0 * mean_square))
        first, end = c_w, c_w * mean_square
    else:
        start = recommend(sigma, shape.depth, width=shape.width)
        c_w, first = start.c_w, start.k0 / mean_square
        end = float(kernel_flow(sigma, shape.depth, c_w=c_w, k0=start.k0).kernel[-1])
    return Initial(c_w=c_w, c_b=0.0, first_c_w=first, first_c_b=0.0, last_c_w=1.0 / float(kernel(sigma, end)))
