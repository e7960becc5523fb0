"""The tailored activation: what was chosen and why, its shape beside the original's, its kernel through the layers."""

from __future__ import annotations

from typing import Any

import torch

from edgewise.activations import Activation
from edgewise.errors import TailoringError
from edgewise.measure.jsonable import jsonable
from edgewise.tailor import tailor
from edgewise.theory.flow import kernel_flow

_HALF_WIDTH = 4.0
_POINTS = 401
_STARTS = (0.5, 1.0, 2.0)


def tailored(a: Activation, *, depth: int, width: int) -> dict[str, Any]:
    """`ew.tailor` for plain networks of this depth and width.

    Raises TailoringError where it has no answer, or where `a` is tailored already.
    """
    if a.facts.operating_point is not None:
        raise TailoringError(f"{a.spec} is tailored already")
    made = tailor(a, depth=depth, width=width)
    x = torch.linspace(-_HALF_WIDTH, _HALF_WIDTH, _POINTS, dtype=torch.float64)
    flow = kernel_flow(made, depth, c_w=1.0, k0=torch.tensor(_STARTS, dtype=torch.float64))
    plain: dict[str, Any] = jsonable(made.to_dict())
    return {
        **plain,
        "call": call(a, depth, width),
        "formula": made.tailoring.formula,
        "x": jsonable(x),
        "original": jsonable(a(x)),
        "shape": jsonable(made(x)),
        "starts": list(_STARTS),
        "kernel": jsonable(flow.kernel.T),
    }


def call(a: Activation, depth: int, width: int) -> str:
    """The line of Python that tailors `a`."""
    return f'ew.tailor("{a.spec}", depth={depth}, width={width})'
