"""How a network on an equation starts: variances of its weights and biases, and inputs scaled to [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import DomainError, SpecError
from edgewise.theory.flow import kernel_flow
from edgewise.theory.kernels import kernel
from edgewise.theory.recommendation import recommend
from edgewise.train.ensemble import Initial, Shape

Init = Literal["recommended", "xavier", "he", "pytorch"]

INPUT_SQUARE = 1.0 / 3.0
"""Mean square of a coordinate that is uniform on [-1, 1]."""


@dataclass(frozen=True)
class Start:
    """How every network of a run starts; reason: why, in a sentence."""

    name: Init
    initial: Initial
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def start(init: Init, a: Activation, shape: Shape) -> Start:
    """The variances at initialisation of this scheme, for inputs that are uniform on [-1, 1].

    "xavier": weight variance 2/(fan-in + fan-out), no bias (Glorot & Bengio 2010, eq. 16), what the literature on
    physics-informed networks uses. "he": 2/fan-in, no bias. "pytorch": weights and biases uniform within
    1/sqrt(fan-in). "recommended": `theory.recommend`, the first layer putting K(1) where the activation wants it and
    the last giving outputs of variance 1.

    Raises SpecError for another name, NoInitialisationError where theory has no answer for the activation.
    """
    if init == "xavier":
        between = 2.0 / (shape.width + shape.width) * shape.width
        first = 2.0 * shape.inputs / (shape.inputs + shape.width)
        last = 2.0 * shape.width / (shape.width + shape.outputs)
        return Start(init, Initial(between, 0.0, first, 0.0, last), "Xavier: weights of variance 2/(fan-in + fan-out)")
    if init == "he":
        return Start(init, Initial(2.0, 0.0, 2.0, 0.0, 2.0), "He: weights of variance 2/fan-in, made for ReLU")
    if init == "pytorch":
        third = 1.0 / 3.0
        variances = Initial(
            third, third / shape.width, third, third / shape.inputs, third, third / shape.width, distribution="uniform"
        )
        return Start(init, variances, "PyTorch's default: weights and biases uniform within 1/sqrt(fan-in)")
    if init != "recommended":
        raise SpecError(f"init={init!r} given, expected one of {', '.join(get_args(Init))}; try init='recommended'")
    return _recommended(a, shape)


def _recommended(a: Activation, shape: Shape) -> Start:
    made = recommend(a, shape.depth, width=shape.width)
    first_c_w, first_c_b = made.first_layer(INPUT_SQUARE)
    try:
        end = kernel_flow(a, shape.depth, c_w=made.c_w, c_b=made.c_b, k0=made.k0).kernel[-1]
        last_c_w = 1.0 / float(kernel(a, end))
        output = "outputs of variance 1"
    except DomainError:  # the kernel leaves the range of floating point on its way
        last_c_w, output = made.c_w, "the last layer as the hidden ones"
    initial = Initial(made.c_w, made.c_b, first_c_w, first_c_b, last_c_w)
    return Start("recommended", initial, f"{made.reason}; {output}")


@dataclass(frozen=True)
class InputScale:
    """The affine map of a box of inputs onto [-1, 1] in each, folded into the first layer.

    Folded, so that derivatives are with respect to the inputs themselves. slope, middle: [input].
    """

    slope: Tensor
    middle: Tensor

    @classmethod
    def of(
        cls, lows: Sequence[float], highs: Sequence[float], *, dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> InputScale:
        low = torch.tensor(lows, dtype=torch.float64)
        high = torch.tensor(highs, dtype=torch.float64)
        slope, middle = 2.0 / (high - low), 0.5 * (high + low)
        return cls(slope.to(device=device, dtype=dtype), middle.to(device=device, dtype=dtype))

    def folded(self, layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The same network for unscaled coordinates, differentiable in `layers` (as `Parameters.layers()`)."""
        depth = len(layers) // 2
        first = self.slope[:, None] * layers[0]
        bias = layers[depth] - (self.middle @ first)[:, None, :]
        return (first, *layers[1:depth], bias, *layers[depth + 1 :])
