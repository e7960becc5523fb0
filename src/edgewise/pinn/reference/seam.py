"""What diffusion makes of the kink in periodic initial data, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.pinn.separable import Index

_TINY = 1e-100


@dataclass(frozen=True)
class HealedSquare:
    """W(x, t), x in [-1, 1]: diffusion of the function that is x^2 on [-1, 1] and goes on periodically.

    W_t = diffusion W_xx, W(x, 0) = x^2, and W_x = 0 at x = -1 and 1 as soon as t > 0. On the real line the function is
    x^2 with a kink of slope -4 at every odd number s, and a kink diffuses into sqrt(D t) ierfc(|x - s| / sqrt(4 D t))
    (Carslaw & Jaeger 1959, chapter 2):
    W = x^2 + 2 D t - 4 sqrt(D t) times the sum of these.
    """

    diffusion: float

    def derivative(self, x: Tensor, index: Index) -> Tensor:
        """A derivative at points (x, t) [..., 2]; time derivatives through the heat equation."""
        space, t = x[..., 0], x[..., 1]
        times = index.count(1)
        order = index.count(0) + 2 * times
        width = torch.sqrt(4.0 * self.diffusion * t).clamp_min(_TINY)
        found = self._square(space, t, order)
        for side in (-1.0, 1.0):
            for s in range(1, self._images() + 1, 2):
                away = s + side * space
                # d/dx of |x - s| is the side; the n-th derivative of the ierfc term carries width^(1 - n)
                kink = _ierfc(away / width, order) * 0.5 * width ** (1 - order)
                found = found - 4.0 * side**order * kink
        return self.diffusion**times * found

    def vanishes(self, index: Index) -> bool:
        return False

    def _square(self, x: Tensor, t: Tensor, order: int) -> Tensor:
        if order == 0:
            return x * x + 2.0 * self.diffusion * t
        return 2.0 * x if order == 1 else torch.full_like(x, 2.0 if order == 2 else 0.0)

    def _images(self) -> int:
        """The farthest kink that is felt at t = 1: ierfc(6) is below 1e-17."""
        return 1 + 2 * math.ceil(6.0 * math.sqrt(self.diffusion))


def _ierfc(z: Tensor, order: int) -> Tensor:
    """Derivatives of ierfc(z) = exp(-z^2)/sqrt(pi) - z erfc(z) (Abramowitz & Stegun 7.2.5)."""
    gauss = torch.exp(-z * z)
    if order < 2:
        tail: Tensor = torch.special.erfc(z)
        return gauss / math.sqrt(math.pi) - z * tail if order == 0 else -tail
    before, hermite = torch.zeros_like(z), torch.ones_like(z)
    for n in range(order - 2):
        before, hermite = hermite, 2.0 * z * hermite - 2.0 * n * before
    # where the Gaussian is zero the polynomial may be infinite
    bell = torch.where(gauss > 0.0, gauss * torch.where(gauss > 0.0, hermite, 0.0), 0.0)
    return (-1.0) ** order * 2.0 / math.sqrt(math.pi) * bell
