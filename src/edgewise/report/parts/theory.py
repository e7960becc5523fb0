"""What the theory says: critical points, class, and the initialisation it recommends at each depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.theory.analysis import analyze, as_json
from edgewise.theory.flow import kernel_flow
from edgewise.theory.kernels import kernel as g
from edgewise.theory.recommendation import Initialisation, recommend


def theory(a: Activation, *, depths: Sequence[int], width: int) -> dict[str, Any]:
    """The analysis of `a` and, by depth, the recommended initialisation of a plain network of this width.

    Raises AverageError where sigma has no finite Gaussian average. A depth that nothing can be recommended for has
    None, and
    "recommendation_reason" says why.
    """
    found: dict[str, Any] = analyze(a).to_dict()
    recommended: dict[str, Any] = {}
    why_not = ""
    for depth in depths:
        try:
            recommended[str(depth)] = _start(a, recommend(a, depth, width=width), depth)
        except EdgewiseError as error:
            recommended[str(depth)], why_not = None, str(error)
    return {**found, "width": width, "recommended": recommended, "recommendation_reason": why_not}


def _start(a: Activation, made: Initialisation, depth: int) -> dict[str, Any]:
    """An initialisation with C_W of the first layer (inputs of mean square 1) and the last (outputs of variance 1)."""
    c_w, c_b = made.first_layer(1.0)
    last = float(kernel_flow(a, depth, c_w=made.c_w, c_b=made.c_b, k0=made.k0).kernel[-1])
    output = 1.0 / float(g(a, last)) if 0.0 < last < float("inf") else None
    plain: dict[str, Any] = as_json(made.to_dict())
    return {**plain, "first_layer": {"c_w": c_w, "c_b": c_b}, "output_c_w": output}
