"""What a simulation measured, and its statistics over members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.measure.jsonable import jsonable
from edgewise.measure.provenance import Provenance


@dataclass(frozen=True)
class Simulation:
    """Empirical kernels (and correlations, gradient norms) of many random networks; entry 0 of the layers is layer 1.

    kernel: (1/n) sum_i z_i**2, float64 [layer, member, sample]; inf from the layer on where it overflowed, nan from the
        layer on where the activation itself was not a number.
    correlation: cosine between the preactivations of two samples, [layer, member, pair]; None for one sample. `pairs`
        names the samples of each pair. nan where a kernel has overflowed or is 0.
    gradient_norm: sum_i (d (u.z(L)) / d z_i(l))**2 for a random unit vector u, [layer, member, sample]; 1 at the last
        layer, the product of chi_perp from there down to here at infinite width. None unless asked for; nan for a
        sample that diverged.
    diverged_at: per member, the layer (from 1) whose kernel is the first not to be finite; 0 where none is.
    vanished_at: per member, the layer (from 1) whose kernel is the first to underflow to 0; 0 where none does.
    resample: "weights": members are networks with their own weights, all fed the same data; "inputs": members are
        random inputs, all fed to one and the same network.
    reason: a sentence on how many members diverged or vanished, and where.
    """

    activation: str
    depth: int
    width: int
    members: int
    samples: int
    c_w: float
    c_b: float
    k0: float
    skip: float
    rho0: float
    resample: str
    kernel: Tensor
    correlation: Tensor | None
    pairs: tuple[tuple[int, int], ...]
    gradient_norm: Tensor | None
    diverged_at: Tensor
    vanished_at: Tensor
    reason: str
    provenance: Provenance

    @property
    def diverged(self) -> int:
        """How many members diverged."""
        return int((self.diverged_at > 0).sum())

    @property
    def layers(self) -> Tensor:
        """The layer numbers 1 .. depth."""
        return torch.arange(1, self.depth + 1)

    @property
    def mean(self) -> Tensor:
        """Mean empirical kernel over members, [layer, sample]; inf, not the survivors' mean, after an overflow."""
        return self.kernel.mean(1)

    @property
    def variance(self) -> Tensor:
        """Unbiased variance of the empirical kernel over members, [layer, sample]; inf once a member overflowed."""
        return _variance(self.kernel)

    @property
    def standard_error(self) -> Tensor:
        """Standard error of `mean`, [layer, sample]; nan for a single member, inf once a member overflowed."""
        return (self.variance / self.members).sqrt()

    @property
    def variance_error(self) -> Tensor:
        """Standard error of `variance`: sqrt((m4 - s**4) / M), m4 the fourth central moment; inf after an overflow."""
        variance = self.variance
        centred = self.kernel - self.mean.unsqueeze(1)
        error = ((centred**4).mean(1) - variance**2).clamp(min=0.0).div(self.members).sqrt()
        return torch.where(torch.isinf(variance), torch.inf, error)

    def quantile(self, q: float) -> Tensor:
        """The q-quantile of the empirical kernel over members, [layer, sample]; an overflow counts as inf."""
        return torch.quantile(self.kernel, q, dim=1, interpolation="lower" if q < 0.5 else "higher")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; what is not finite becomes None (`diverged_at` says where that began)."""
        return {
            "activation": self.activation,
            "depth": self.depth,
            "width": self.width,
            "members": self.members,
            "samples": self.samples,
            "c_w": self.c_w,
            "c_b": self.c_b,
            "k0": self.k0,
            "skip": self.skip,
            "rho0": self.rho0,
            "resample": self.resample,
            "mean": jsonable(self.mean),
            "standard_error": jsonable(self.standard_error),
            "variance": jsonable(self.variance),
            "kernel": jsonable(self.kernel),
            "correlation": jsonable(self.correlation),
            "pairs": [list(pair) for pair in self.pairs],
            "gradient_norm": jsonable(self.gradient_norm),
            "diverged": self.diverged,
            "diverged_at": jsonable(self.diverged_at),
            "vanished_at": jsonable(self.vanished_at),
            "reason": self.reason,
            "provenance": self.provenance.to_dict(),
        }


def _variance(values: Tensor) -> Tensor:
    """Unbiased variance over members, written so that an overflowed member gives inf and not inf - inf."""
    overflowed = torch.isinf(values).any(1)
    finite = torch.where(torch.isinf(values), 0.0, values)
    variance = finite.var(1) if values.shape[1] > 1 else torch.full_like(finite[:, 0], torch.nan)
    return torch.where(overflowed, torch.inf, variance)
