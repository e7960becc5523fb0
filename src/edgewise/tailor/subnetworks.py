"""How deep a network is for the purposes of tailoring: the largest value over its sub-networks, by recursion.

A stack of residual blocks ``z' = skip z + sqrt(1 - skip**2) branch(z)`` keeps K = 1, and its correlation map is
``c -> skip**2 c + (1 - skip**2) C_branch(c)`` (Martens et al., arXiv 2110.01765). A sub-network
starts where a block starts and ends at the end of a block or of a branch; the worst runs through all blocks and leaves
through the last one's branch. A plain chain is the case of one layer a branch and no skip.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edgewise.errors import DomainError


@dataclass(frozen=True)
class Stack:
    """`blocks` residual blocks whose branches hold `layers` activations each; skip: weight of the identity, in [0, 1).

    A plain chain of `depth` activations is Stack(depth, 1, 0.0).
    """

    blocks: int
    layers: int = 1
    skip: float = 0.0

    @classmethod
    def of(cls, depth: int, branches: int | None, skip: float | None) -> Stack:
        """A plain chain, or `branches` blocks that share `depth` activations evenly.

        skip: sqrt(1 - 1/branches) unless given: every branch brings 1/branches of the stream that it gives. With
        identity skips and branches scaled by 1/sqrt(branches) it is a little less, as the stream grows.
        Raises DomainError unless branches divides depth and 0 <= skip < 1.
        """
        if branches is None:
            if skip is not None:
                raise DomainError(f"skip={skip!r} given without branches=; try branches={depth}, one for each layer")
            return cls(depth)
        if isinstance(branches, bool) or not isinstance(branches, int) or branches < 1 or depth % branches:
            raise DomainError(
                f"branches={branches!r} given for depth {depth}, expected a whole number that divides it; "
                f"try branches={depth}"
            )
        weight = math.sqrt(1.0 - 1.0 / branches) if skip is None else float(skip)
        if not 0.0 <= weight < 1.0:
            raise DomainError(f"skip={skip!r} given, expected a weight in [0, 1); try skip=0.9")
        return cls(branches, depth // branches, weight)

    @property
    def share(self) -> float:
        """Of the kernel after a block, what its branch brings: 1 - skip**2."""
        return 1.0 - self.skip**2

    def slope(self, layer: float) -> float:
        """The largest slope at c = 1 of a sub-network's correlation map when one layer has slope `layer` >= 1."""
        branch = layer**self.layers
        return float((self.skip**2 + self.share * branch) ** (self.blocks - 1) * branch)

    def curvature(self, layer: float) -> float:
        """The largest second derivative at c = 1 where one layer has slope 1 and second derivative `layer`.

        (f o g)'' = f'' + g'' where both slopes are 1, so that they add up.
        """
        return ((self.blocks - 1) * self.share + 1.0) * self.layers * layer

    def correlation(self, layer: Callable[[float], float], start: float) -> float:
        """What the map of one layer, composed through the worst sub-network, makes of the correlation `start`."""

        def branch(c: float) -> float:
            for _ in range(self.layers):
                c = layer(c)
            return c

        c = start
        for _ in range(self.blocks - 1):
            c = self.skip**2 * c + self.share * branch(c)
        return branch(c)

    def layer_slope(self, target: float) -> float:
        """The slope of one layer that gives the worst sub-network the slope `target` > 1."""
        low, high = 0.0, math.log(target) / self.layers  # of its logarithm; the last branch alone bounds it
        for _ in range(200):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.slope(math.exp(middle)) < target else (low, middle)
        return math.exp(0.5 * (low + high))

    def layer_curvature(self, target: float) -> float:
        """The second derivative of one layer that gives the worst sub-network `target`."""
        return target / self.curvature(1.0)

    def __str__(self) -> str:
        if self.skip == 0.0 and self.layers == 1:
            return f"a chain of {self.blocks} layers"
        return f"{self.blocks} residual blocks of {self.layers} layers with skip weight {self.skip:.4g}"
