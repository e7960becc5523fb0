"""Finite width to first order in 1/n: the four-point vertex, the mean kernel, the spread of the empirical kernel.

Given the activations of one layer, the preactivations of the next are z'_i = gamma z_i + sqrt(F) xi_i with
independent normal xi_i and one common random variance F = C_b + C_W (1/n) sum_j sigma(z_j)**2 (one input, equal
widths n, residual strength gamma). What two neurons i != j of a layer share is therefore of order 1/n; write it in
Hermite polynomials of u = z/sqrt(K),

    n Cov(He_a(u_i), He_b(u_j)) = m_ab,    phi_b = <(sigma**2 - g) He_b(u)>,    r = gamma sqrt(K/K').

Expanding one layer to first order in 1/n gives, m_ab being 0 unless a or b is 2 (since only the common variance
couples),

    w'_b = r**b (K/K') (chi_parallel w_b + C_W phi_b/K)                               for w_b = m_2b, b != 2,
    V' = chi_parallel**2 V + C_W**2 (<sigma**4> - g**2)
         + 4 gamma**2 C_W K**2 g' + 2 K C_W chi_parallel sum_b phi_b w_b/b!           for V = K**2 m_22,
    G1' = chi_parallel G1 + (1/2) C_W g'' V + (1/2) C_W sum_b phi_(b+2) w_b/b!,

all zero in the first layer, which is exactly Gaussian. Without a skip w = 0 and the first two terms of V' and G1' are
PDLT's (chapter 4). With one, w_1 is the three-point correlator <z_i z_j**2> that PDLT appendix B leaves out. The mean
of the empirical kernel (1/n) sum z_i**2 is K + G1/n, its variance (V + 2 K**2)/n.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import PrecisionWarning
from edgewise.theory import domain, kernels
from edgewise.theory.averages import average
from edgewise.theory.flow import kernel_flow
from edgewise.theory.interpolant import Answer, evaluate, kernel_functions

VALID_UP_TO = 0.2
"""First order in 1/n is used where V/(n K**2), about nu L/n, is at most this."""

_HERMITE = 16


@dataclass(frozen=True)
class FiniteWidth:
    """First-order finite-width statistics of one input: float64 tensors of shape (depth,), entry 0 = layer 1.

    vertex: V, with connected four-point correlator V/n. ntl_metric: G1, the mean of the empirical kernel being K +
        G1/n.
    relative_vertex: V/K**2, about nu (l-1); nu: its growth per layer at the last layer.
    With a width: kernel_mean = K + G1/n, kernel_variance = (V + 2 K**2)/n, emergent_scale = depth/n and in_range,
    whether V/(n K**2) <= 0.2 in all layers; None without.
    """

    activation: Activation
    kernel: Tensor
    vertex: Tensor
    ntl_metric: Tensor
    relative_vertex: Tensor
    nu: float
    width: int | None
    kernel_mean: Tensor | None
    kernel_variance: Tensor | None
    emergent_scale: float | None
    in_range: bool | None
    reason: str

    def optimal_aspect_ratio(self, outputs: int = 1) -> float:
        """PDLT's optimal depth-to-width ratio at this network's nu, for a last layer of `outputs` neurons."""
        return optimal_aspect_ratio(self.nu, outputs=outputs)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        plain = {n: v.tolist() if isinstance(v, Tensor) else v for n, v in vars(self).items() if n != "activation"}
        return {"activation": self.activation.spec, **plain}


def four_point_vertex(
    a: Activation | object,
    depth: int,
    *,
    c_w: float,
    c_b: float = 0.0,
    k0: float = 1.0,
    width: int | None = None,
    skip: float = 0.0,
) -> FiniteWidth:
    """V, G1 and the spread of the empirical kernel in each of `depth` layers, to first order in 1/width.

    The kernels are those of `kernel_flow`; from the layer on where K or V has no finite value, V and G1 are nan, and
    `reason` says so.
    Raises DomainError as `kernel_flow` does, or when width < 1.
    """
    a = activation(a)
    n = None if width is None else domain.neurons(width)
    w, b = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b)
    flow = kernel_flow(a, depth, c_w=w, c_b=b, k0=domain.one_positive("k0", k0), skip=skip)
    held = flow.kernel[(flow.kernel > 0) & torch.isfinite(flow.kernel)]
    vertex, metric = _recursion(a, held, flow.chi_parallel, w, flow.skip)
    known = int((torch.isfinite(vertex) & torch.isfinite(metric)).long().cumprod(0).sum())
    lost = torch.full((depth - known,), math.nan, dtype=torch.float64)
    vertex, metric = torch.cat([vertex[:known], lost]), torch.cat([metric[:known], lost])
    relative = vertex / flow.kernel**2
    nu = float(relative[known - 1] - relative[known - 2]) if known > 1 else math.nan
    in_range = None if n is None else bool((relative / n <= VALID_UP_TO).all())
    return FiniteWidth(
        activation=a,
        kernel=flow.kernel,
        vertex=vertex,
        ntl_metric=metric,
        relative_vertex=relative,
        nu=nu,
        width=n,
        kernel_mean=None if n is None else flow.kernel + metric / n,
        kernel_variance=None if n is None else (vertex + 2 * flow.kernel**2) / n,
        emergent_scale=None if n is None else depth / n,
        in_range=in_range,
        reason=_reason(a, known, float(relative[:known].max()), nu, n, depth),
    )


def optimal_aspect_ratio(nu: float, *, outputs: int = 1) -> float:
    """r* = 4/((20 + 3 n_L) nu), the optimal depth-to-width ratio for n_L outputs (PDLT appendix A).

    nu: growth of V/K**2 per layer (2/3 in the K*=0 class, 3 A4/A2**2 - 1 in the scale-invariant one).
    Raises DomainError when nu <= 0 or outputs < 1.
    """
    return 4.0 / ((20.0 + 3.0 * domain.layers(outputs, "outputs")) * domain.one_positive("nu", nu, "0.6667"))


def _recursion(a: Activation, k: Tensor, chi: Tensor, c_w: float, gamma: float) -> tuple[Tensor, Tensor]:
    depth = k.numel()
    vertex, metric = torch.zeros(depth, dtype=torch.float64), torch.zeros(depth, dtype=torch.float64)
    before = k[:-1]
    if before.numel() == 0:
        return vertex, metric
    g = kernel_functions(a).kernel(before)
    bend, _ = evaluate(lambda x: kernels.kernel_derivative(a, x, 2, with_error=True), before)
    fourth, _ = evaluate(lambda x: kernels.fourth_moment(a, x, with_error=True), before)
    slope = (chi[: depth - 1] - gamma * gamma) / c_w
    source = c_w**2 * (fourth - g * g) + 4.0 * gamma**2 * c_w * before**2 * slope
    to_vertex, to_metric = _through_the_skip(a, k, chi, c_w, gamma) if gamma else (torch.zeros_like(k),) * 2
    for layer in range(depth - 1):
        x, v = float(chi[layer]), float(vertex[layer])
        vertex[layer + 1] = x * x * v + float(source[layer] + to_vertex[layer])
        metric[layer + 1] = x * float(metric[layer]) + 0.5 * c_w * float(bend[layer]) * v + float(to_metric[layer])
    return vertex, metric


def _through_the_skip(a: Activation, k: Tensor, chi: Tensor, c_w: float, gamma: float) -> tuple[Tensor, Tensor]:
    """What w adds to V' and to G1' at every layer; shape (layers,).

    The sums over b end at _HERMITE; a PrecisionWarning says so where their last terms are not small.
    """
    phi = _hermite_coefficients(a, k[:-1], _HERMITE + 2)
    b = torch.arange(1, _HERMITE + 1, dtype=torch.float64)
    factorial = torch.exp(torch.lgamma(b + 1.0))
    w = torch.zeros(_HERMITE, dtype=torch.float64)
    to_vertex, to_metric = torch.zeros_like(k), torch.zeros_like(k)
    for layer in range(k.numel() - 1):
        here, ratio, x = k[layer], k[layer] / k[layer + 1], chi[layer]
        own, shifted = phi[layer, 1:-2], phi[layer, 3:]
        terms = 2.0 * here * c_w * x * own * w / factorial
        to_vertex[layer], to_metric[layer] = terms.sum(), 0.5 * c_w * (shifted * w / factorial).sum()
        if float(terms[-2:].abs().sum()) > 1e-4 * float(terms.abs().sum() + here * here):
            message = f"{a.spec}: the sum for V through the skip converges slowly at K={float(here):.3g}"
            warnings.warn(message, PrecisionWarning, stacklevel=4)
        w = (gamma * ratio.sqrt()) ** b * ratio * (x * w + c_w * own / here)
        w[1] = 0.0  # b = 2 is the vertex itself
    return to_vertex, to_metric


def _hermite_coefficients(a: Activation, k: Tensor, highest: int) -> Tensor:
    """<sigma**2 He_b(z/sqrt(K))> for b = 0..highest; shape (*k.shape, highest + 1)."""
    distinct, where = torch.unique(k, return_inverse=True)
    moments = torch.stack([_moment(a, distinct, m) / distinct ** (0.5 * m) for m in range(highest + 1)], dim=-1)
    to_powers = np.zeros((highest + 1, highest + 1))
    for b in range(highest + 1):
        to_powers[b, : b + 1] = np.polynomial.hermite_e.herme2poly(np.eye(highest + 1)[b])[: b + 1]
    return (moments @ torch.from_numpy(to_powers).T)[where]


def _moment(a: Activation, k: Tensor, power: int) -> Tensor:
    """<z**power sigma**2>, inf where it has no finite value."""

    def moment(x: Tensor) -> Answer:
        found = average(a, x, (0, 0), power)
        return found.value, found.error

    return evaluate(moment, k)[0]


def _reason(a: Activation, known: int, relative: float, nu: float, width: int | None, depth: int) -> str:
    if known < depth:
        return f"{a.spec}: V or K has no finite float64 value from layer {known + 1} on"
    if depth == 1:
        return f"{a.spec}: the first layer is exactly Gaussian: V = G1 = 0"
    if width is None:
        return f"{a.spec}: V/K^2 is {relative:.4g} after {depth} layers and grows by {nu:.4g} per layer"
    share = relative / width
    said = f"{a.spec}: V/(n K^2) is {share:.3g} after {depth} layers of width {width}"
    if share <= VALID_UP_TO:
        return f"{said}: first-order corrections hold (up to {VALID_UP_TO:g})"
    return (
        f"{said}, beyond {VALID_UP_TO:g}, where first-order corrections no longer hold; "
        f"a width of {math.ceil(relative / VALID_UP_TO)} would bring it in range"
    )
