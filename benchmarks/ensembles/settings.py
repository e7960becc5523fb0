"""What is measured: 100 plain networks of width 64, one whole training step of each contender."""

from __future__ import annotations

from dataclasses import dataclass

MEMBERS, WIDTH, FEATURES, CLASSES = 100, 64, 64, 10
ACTIVATIONS = ("relu", "tanh", "mrepu(p=2)")
REACH = {512: 0.7, 128: 0.55, 32: 0.4}
"""By batch size: the share of the batched-product rate that a step is to reach."""
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """One row of the table; depth: hidden layers."""

    threads: int
    depth: int
    batch: int
    activation: str

    @property
    def product_flops(self) -> int:
        """Of the reference: one batched product [100, batch, 64] x [100, 64, 64]."""
        return 2 * MEMBERS * self.batch * WIDTH * WIDTH

    @property
    def step_flops(self) -> int:
        """Of the products of a step: each layer's forward, weight and input gradient, but the first's input gradient.

        Loss, activations, biases and Adam count for nothing: they are what keeps the share below 1.
        """
        first, last = FEATURES * WIDTH, WIDTH * CLASSES
        weights = first + (self.depth - 1) * WIDTH * WIDTH + last
        return 2 * MEMBERS * self.batch * (3 * weights - first)


def cases(*, quick: bool, threads: tuple[int, ...]) -> list[Case]:
    """Those of a quick look, or all."""
    depths, activations = ((3,), ACTIVATIONS[:1]) if quick else ((3, 10), ACTIVATIONS)
    return [Case(t, d, b, a) for t in threads for d in depths for b in REACH for a in activations]
