"""What float32 loses of a tailored activation.

sigma~ magnifies a short stretch of sigma: alpha x + beta and sigma + delta are differences of numbers that may be much
larger than what is left of them. Half precision loses no more, since it is computed in float32. The errors of layers
are independent and add up in squares.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.tailor.tailored import Candidate

WORTH_SAYING = 1e-3
_POINTS = 4001


def rounding(a: Activation, c: Candidate) -> float:
    """Root mean square error of sigma~ in float32 for inputs from N(0, 1), over that of sigma~ itself."""
    share = (torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS
    x = torch.special.ndtri(share).float()
    exact = _value(a, c, x.double())
    lost = _value(a, c, x).double() - exact
    return float((lost.square().mean() / exact.square().mean()).sqrt())


def said_of_rounding(loss: float, depth: int) -> str:
    """A clause for the reason, where the whole network loses enough to be told."""
    over = loss * math.sqrt(depth)
    if not over > WORTH_SAYING:
        return ""
    return f"; float32 rounds each layer by {100 * loss:.2g} % of its signal, {100 * over:.2g} % over the depth"


def _value(a: Activation, c: Candidate, x: Tensor) -> Tensor:
    with torch.no_grad():
        return c.gamma * (closed_form(a, c.alpha * x + c.beta, 0) + c.delta)
