"""What the theory says: critical points, class, and the initialisation it recommends at each depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.studies.schemes import recommended
from edgewise.theory.analysis import analyze, as_json
from edgewise.train.ensemble import Shape


def theory(a: Activation, *, depths: Sequence[int], width: int, inputs: int, outputs: int) -> dict[str, Any]:
    """The analysis of `a` and, by depth, the recommended start of a plain network of this width: the very one that is
    trained.

    Raises AverageError where sigma has no finite Gaussian average. A depth that nothing can be recommended for has
    None, and "recommendation_reason" says why.
    """
    found: dict[str, Any] = analyze(a).to_dict()
    starts: dict[str, Any] = {}
    why_not = ""
    for depth in depths:
        try:
            starts[str(depth)] = as_json(recommended(a, Shape(inputs, width, depth, outputs)).to_dict())
        except EdgewiseError as error:
            starts[str(depth)], why_not = None, str(error)
    return {**found, "width": width, "recommended": starts, "recommendation_reason": why_not}
