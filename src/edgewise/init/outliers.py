"""Near a critical point that repels, outliers decide: how small K0 has to be for those of a batch.

Theory follows the variance of a Gaussian. Behind a batch norm the pixels of a sparse image (MNIST) have tails far above
it, and on a residual stream that ends its blocks with an activation these pass from one to the next unmixed: with
sigma(z) = z + p z**2 + ... such a number grows by itself after about 1/(p z) layers, whatever the variance is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from edgewise.init.graph import ModelGraph
from edgewise.init.plan import Plan
from edgewise.init.roles import is_activation
from edgewise.theory.flow import BAND

Settle = Callable[[float], tuple[Plan, Mapping[str, float]]]
"""Writes the model's parameters for a K0 times this; what was planned, and the second moments then measured."""

STEP = 0.25
"""K0 is lowered by this factor: outliers then last for twice as many layers."""
SMALLEST = STEP**20
"""Where the search ends: no batch has outliers of a million standard deviations."""
_HELPS = 0.9
"""A step that leaves more than this of the excess says that it is not of the outliers' making."""


def tamed(settle: Settle, graph: ModelGraph) -> tuple[Plan, tuple[str, ...]]:
    """The plan whose measured second moments stay within BAND of the prediction behind every activation, and a note.

    Where K0 had to be lowered it is lowered once more, since other batches have larger outliers. What does not come
    nearer as K0 falls (a mean of the data, correlated positions) is not their doing, and K0 then stays as it was.
    """
    made, measured = settle(1.0)
    first = excess = _excess(made, measured, graph)
    caution = 1.0
    while excess > BAND and caution > SMALLEST:
        lower, measured = settle(STEP * caution)
        found = _excess(lower, measured, graph)
        if found > _HELPS * excess:
            break
        caution, excess = STEP * caution, found
    if first <= BAND:
        return made, ()
    if caution < 1.0:
        caution *= STEP
    made, _ = settle(caution)
    return made, (_said(made, first, caution),) if caution < 1.0 else ()


def _excess(made: Plan, measured: Mapping[str, float], graph: ModelGraph) -> float:
    """The largest ratio of a second moment behind an activation to its prediction; inf where one overflowed."""
    found = [
        measured[node.name] / made.signals[node.name].second
        for node in graph.nodes
        if is_activation(node) and node.name in measured and made.signals[node.name].second > 0.0
    ]
    return max((ratio if math.isfinite(ratio) else math.inf for ratio in found), default=1.0)


def _said(made: Plan, excess: float, caution: float) -> str:
    times = f"{excess:.3g} times the prediction" if math.isfinite(excess) else "beyond all bounds"
    return (
        f"{', '.join(made.repelled)}: on this sample outliers drive the second moment to {times}; K0 is {caution:.3g} "
        "of what the depth alone asks for, which keeps them down"
    )
