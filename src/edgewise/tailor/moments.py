"""Gaussian averages of sigma(alpha z + beta) for many (alpha, beta) at once: what the solvers look at.

One panel rule for all of them, cut where each one's kinks fall: exact to rounding where sigma is smooth on the scale of
1/alpha, which the solutions found with it are checked for through `edgewise.theory`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.activations.differentiable import closed_form
from edgewise.theory.averages.resolution import legendre

REACH = 12.0
"""Standard deviations covered; exp(-REACH**2/2) = 5e-32 leaves room for the growth of any useful activation."""


@dataclass(frozen=True)
class Moments:
    """Of s = sigma(alpha z + beta) with z standard normal, d = ds/dz and c = d2s/dz2; float64, shape [candidate].

    mean: <s>. variance: <(s - <s>)**2>. zd: <z (s - <s>) d>; with an offset mu of the mean it is zd + mu * zslope.
    zslope: <z d>. slope: <d**2>. curvature: <c**2>, without what a jump of sigma' would add.
    s2, s4, d4: <(s + o)**2>, <(s + o)**4> and <d**4>, with the offset o that was asked for.
    """

    mean: Tensor
    variance: Tensor
    zd: Tensor
    zslope: Tensor
    slope: Tensor
    curvature: Tensor
    s2: Tensor
    s4: Tensor
    d4: Tensor

    @cached_property
    def parallel(self) -> Tensor:
        """chi_parallel at K = 1 once the mean is 0 and the variance 1."""
        return self.zd / self.variance

    @cached_property
    def perp(self) -> Tensor:
        """chi_perp at K = 1 once the mean is 0 and the variance 1."""
        return self.slope / self.variance


def moments(
    a: Activation, alpha: Tensor, beta: Tensor, *, offset: Tensor | None = None, panels: int = 48, nodes: int = 16
) -> Moments:
    """The moments of `a` at each pair (alpha, beta), 1-d float64 tensors; nan where sigma is not finite.

    offset: o of s2 and s4, minus the mean unless given. panels, nodes: equal panels on [-REACH, REACH] and the Legendre
    nodes of each.
    """
    z, weight = _rule(a, alpha, beta, panels, nodes)
    x = alpha[:, None] * z + beta[:, None]
    with torch.no_grad():
        s, d, c = (closed_form(a, x, order).detach() * alpha[:, None] ** order for order in range(3))

    def average(value: Tensor) -> Tensor:
        return (weight * value).sum(1)

    anchor = s[:, s.shape[1] // 2, None]  # near the mean, so that little is lost when it is subtracted
    s = s - anchor
    mean = average(s)
    centred = s - mean[:, None]
    shifted = centred if offset is None else s + (anchor + offset[:, None])
    d2, shifted2 = d * d, shifted * shifted
    zd = z * d
    return Moments(
        mean=mean + anchor[:, 0],
        variance=average(centred * centred),
        zd=average(zd * centred),
        zslope=average(zd),
        slope=average(d2),
        curvature=average(c * c),
        s2=average(shifted2),
        s4=average(shifted2 * shifted2),
        d4=average(d2 * d2),
    )


def _rule(a: Activation, alpha: Tensor, beta: Tensor, panels: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes z and Gaussian weights, [candidate, node]."""
    edges = torch.linspace(-REACH, REACH, panels + 1, dtype=torch.float64).expand(len(alpha), -1)
    if a.kinks:
        kinks = torch.tensor(a.kinks, dtype=torch.float64)
        at = ((kinks - beta[:, None]) / alpha[:, None]).clamp(-REACH, REACH)
        edges = torch.cat([edges, at], 1).sort(1).values
    x, w = legendre(nodes)
    low, half = edges[:, :-1, None], 0.5 * edges.diff(dim=1)[..., None]
    z = low + half * (1.0 + x)
    weight = half * w * torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z.flatten(1), weight.flatten(1)
