"""The kernel from layer to layer: theory, random networks, their predicted spread, the usual initialisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.measure.jsonable import jsonable
from edgewise.measure.simulate import simulate
from edgewise.theory.finite_width import VALID_UP_TO, four_point_vertex
from edgewise.theory.flow import kernel_flow


def flow(
    a: Activation,
    *,
    depth: int,
    width: int,
    members: int,
    seed: int,
    initialisation: Mapping[str, Any],
    usual: Mapping[str, Mapping[str, float]],
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Kernel and gradient of `members` networks of this depth and width against theory, all started as recommended.

    initialisation: c_w, c_b and k0 as recommended; usual: the same of other initialisations by name, followed in
    theory only.
    """
    c_w, c_b, k0 = (float(initialisation[name]) for name in ("c_w", "c_b", "k0"))
    start = {"c_w": c_w, "c_b": c_b, "k0": k0}
    predicted = kernel_flow(a, depth, c_w=c_w, c_b=c_b, k0=k0)
    measured = simulate(
        a, depth, width, members, c_w=c_w, c_b=c_b, k0=k0, gradients=True, seed=seed, on_progress=on_progress
    )
    return {
        "depth": depth,
        "width": width,
        "members": members,
        **start,
        "theory": _plain(predicted),
        "measured": measured.to_dict(),
        "band": _band(a, depth, width, start),
        "usual": {name: {**values, **_plain(kernel_flow(a, depth, **values))} for name, values in usual.items()},
    }


def _plain(flow: Any) -> dict[str, Any]:
    names = ("kernel", "chi_parallel", "chi_perp", "diverged_at", "vanished_at", "horizon", "reason")
    return {name: jsonable(getattr(flow, name)) for name in names}


def _band(a: Activation, depth: int, width: int, start: Mapping[str, float]) -> dict[str, Any]:
    """Mean and variance of the empirical kernel to first order in 1/width, and up to which layer that holds."""
    try:
        finite = four_point_vertex(a, depth, width=width, **start)
    except EdgewiseError as error:  # a missing correction leaves the rest of the picture worth showing
        return {"reason": str(error)}
    holds = finite.relative_vertex / width <= VALID_UP_TO  # False where V is nan
    plain: dict[str, Any] = jsonable(finite.to_dict())
    return {**plain, "holds": holds.tolist(), "holds_until": int(holds.to(torch.int64).cumprod(0).sum())}
