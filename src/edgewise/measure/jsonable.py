"""Measured values as plain JSON: tensors become nested lists, numbers that are not finite become null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def jsonable(value: Any) -> Any:
    """`value` made of None, bool, int, finite float, str, list and dict. Raises TypeError for any other type."""
    if isinstance(value, Tensor):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} has no plain JSON form")
