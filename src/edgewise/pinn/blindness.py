"""What an equation's residual cannot see of a network with kinks."""

from __future__ import annotations

from itertools import pairwise

import torch

from edgewise.activations import Activation
from edgewise.pinn.problems.equation import Equation


def blind_spot(sigma: Activation, equation: Equation) -> str | None:
    """In a sentence, the derivatives that the residual misses; None where there are none.

    A network of an activation in C^k, not C^(k+1), has jumps in its derivatives of order k+1, so those of order k+2
    and more have parts concentrated where units kink. Collocation points almost surely miss all of them. A piecewise
    linear network is worse off: its second derivatives are concentrated there altogether, and 0 elsewhere.
    """
    if equation.order < 2:
        return None
    if _piecewise_linear(sigma):
        lost = _named(equation, 2)
        return f"a network of {sigma.spec} is piecewise linear, so that {lost} is 0 at every point the residual sees"
    seen = sigma.smoothness + 1
    if equation.order > seen:
        lost = _named(equation, int(seen) + 1)
        return f"{sigma.spec} is only C^{int(sigma.smoothness)}, so that the residual misses what {lost} has at kinks"
    return None


def _piecewise_linear(sigma: Activation) -> bool:
    """Whether sigma'' is 0 wherever it is defined, told from points between its kinks."""
    edges = sorted({-20.0, 20.0, *(k for k in sigma.kinks if abs(k) < 20.0)})
    points = [a + (b - a) * share for a, b in pairwise(edges) for share in (0.137, 0.444, 0.829)]
    at = torch.tensor(points, dtype=torch.float64)
    return bool(sigma.kinks) and bool((sigma.derivative(at, 2) == 0.0).all())


def _named(equation: Equation, least: int) -> str:
    """The derivatives in the equation of at least this order: "u_xx"."""
    found = [index for index in equation.wanted if len(index) >= least]
    return ", ".join("u_" + "".join(equation.coordinates[i] for i in index) for index in found)
