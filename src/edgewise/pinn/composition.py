"""An activation applied to a series: sigma(z0 + rest) = sigma(z0) + sigma'(z0) rest + sigma''(z0)/2 rest**2 + ....

Twice: once in plain, differentiable operations of torch, and once by hand with its back-propagation, in place. What is
back-propagated through is another such series: d sigma(z) = sigma'(z) dz, so that the gradient of the parts of z is the
transposed product of sigma'(z) with the gradient of the parts of sigma(z).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.pinn.algebra import Algebra
from edgewise.pinn.series import riccati_of, taylor


def composed(sigma: Activation, parts: list[Tensor], algebra: Algebra) -> list[Tensor]:
    """The parts of sigma(z) from those of z, differentiable."""
    order = algebra.order
    series = [sigma(parts[0])] if order == 0 else taylor(sigma, parts[0], order)
    value, slope = series[0], series[1] if order else None
    assert value is not None
    if sigma.definition.surrogate is not None:
        value = sigma(parts[0])
    result: list[Tensor] = [value]
    result += [torch.zeros_like(z) if slope is None else slope * z for z in parts[1:]]
    for m, power in _powers(parts, algebra):
        factor = series[m]
        if factor is not None:
            for k, p in power.items():
                result[k] = torch.addcmul(result[k], factor, p)
    return result


def _powers(parts: list[Tensor], algebra: Algebra) -> list[tuple[int, dict[int, Tensor]]]:
    """(m, the parts of the m-th power of the series without its value), m = 2, 3, ...."""
    found = []
    before = dict(enumerate(parts))
    del before[0]
    for m, present in enumerate(algebra.powers[1:], 2):
        power: dict[int, Tensor] = {}
        for k in present:
            total: Tensor | None = None
            for i, j, c in algebra.products[k]:
                if i not in before or (m == 2 and i > j):
                    continue
                factor = 2 * c if m == 2 and i < j else c
                if total is None:
                    total = before[i] * parts[j]
                    total = total if factor == 1.0 else total * factor
                else:
                    total = torch.addcmul(total, before[i], parts[j], value=factor)
            assert total is not None
            power[k] = total
        found.append((m, power))
        before = power
    return found


@dataclass(frozen=True)
class ByHand:
    """The same by hand, on tensors [member, part, example, unit]."""

    sigma: Activation
    algebra: Algebra

    def forward(self, z: Tensor, y: Tensor, *, keep: bool) -> Tensor | None:
        """Writes sigma(z) into y; returns what `backward` needs besides y, where it is asked to keep something."""
        order, riccati = self.algebra.order, riccati_of(self.sigma)
        needs = keep and riccati is None
        series = taylor(self.sigma, z[:, 0], order + needs)
        value = series[0]
        assert value is not None
        y[:, 0] = value
        slopes = torch.empty_like(z) if needs else None
        bends = order >= 1 and len(series) > 2 and series[2] is not None
        if slopes is not None:
            slopes = slopes if bends else slopes[:, :1]
            self._scaled(series[1], None, slopes[:, 0], 1.0)
        if order == 0:
            return slopes
        self._scaled(series[1], z[:, 1:], y[:, 1:], 1.0)
        if slopes is not None and bends:
            self._scaled(series[2], z[:, 1:], slopes[:, 1:], 2.0)
        if not any(s is not None for s in series[2:]):
            return slopes
        for m, power in _powers(list(z.unbind(1)), self.algebra):
            factor = series[m]
            further = series[m + 1] if slopes is not None and bends else None
            for k, p in power.items():
                if factor is not None:
                    y[:, k].addcmul_(factor, p)
                if further is not None and slopes is not None:
                    slopes[:, k].addcmul_(further, p, value=m + 1)
        return slopes

    @staticmethod
    def _scaled(factor: Tensor | None, parts: Tensor | None, out: Tensor, scale: float) -> None:
        """out = scale * factor * parts; a missing factor is 0."""
        if factor is None:
            out.zero_()
        elif parts is None:
            torch.mul(factor, scale, out=out) if scale != 1.0 else out.copy_(factor)
        else:
            torch.mul(parts, (factor * scale if scale != 1.0 else factor)[:, None], out=out)

    def backward(self, gradient: Tensor, y: Tensor, slopes: Tensor | None, out: Tensor) -> None:
        """Writes the gradient of the parts of z into `out`, from that of the parts of sigma(z)."""
        p = self._from_value(y) if slopes is None else slopes
        torch.mul(gradient, p[:, :1], out=out)
        if p.shape[1] == 1:
            return
        first = out[:, 0]
        for k in range(1, self.algebra.parts):
            first.addcmul_(p[:, k], gradient[:, k])
        for k, row in enumerate(self.algebra.products):
            for i, j, c in row:
                out[:, j].addcmul_(p[:, i], gradient[:, k], value=c)

    def _from_value(self, y: Tensor) -> Tensor:
        """sigma'(z) where it is a + b y + c y**2."""
        riccati = riccati_of(self.sigma)
        assert riccati is not None
        a, b, c = riccati
        p = torch.empty_like(y)
        value = y[:, 0]
        line = value * (2 * c) if b == 0 else value * (2 * c) + b
        torch.mul(y[:, 1:], line[:, None], out=p[:, 1:])
        torch.addcmul(value.new_full((), a), value, value, value=c, out=p[:, 0])
        if b:
            p[:, 0].add_(value, alpha=b)
        for k, row in enumerate(self.algebra.products):
            for i, j, weight in row:
                if i <= j:
                    p[:, k].addcmul_(y[:, i], y[:, j], value=c * weight * (1 if i == j else 2))
        return p
