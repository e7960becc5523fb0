"""What an initialisation knows of the data before it starts, and what it is going to do to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from edgewise.init.book import Fill
from edgewise.init.report import ParameterRecord
from edgewise.init.signals import Signal

Norms = Literal["scale", "leave"]


@dataclass(frozen=True)
class Plan:
    """What an initialisation will do, before anything is written.

    fills: by first parameter name. signals: the predicted law of every node. records: of parameters the graph reaches.
    uncertain: the nodes whose second moment had to be assumed. repelled: specs of activations that start near a
    critical point which repels, where what is large grows by itself.
    """

    fills: Mapping[str, Fill]
    signals: Mapping[str, Signal]
    records: Mapping[str, ParameterRecord]
    notes: tuple[str, ...]
    output_kernel: float | None
    uncertain: frozenset[str]
    repelled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """What is known of the data. mean_square: of every input that has no sample; samples: by the name of the node."""

    mean_square: float = 1.0
    samples: Mapping[str, Tensor] = field(default_factory=dict)
