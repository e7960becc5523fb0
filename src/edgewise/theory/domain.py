"""What the hyper-parameters of a network may be: the checks that every flow shares."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from edgewise.errors import DomainError

Number = float | Tensor
"""A float, or a float64 tensor of many values that broadcast against each other (one flow each)."""


def positive(name: str, value: object, suggestion: str = "1.0") -> Tensor:
    """`value` as float64. Raises DomainError unless every entry is finite and > 0."""
    tensor = _tensor(name, value, suggestion)
    if not bool(((tensor > 0) & torch.isfinite(tensor)).all()):
        raise DomainError(f"{name}={_shown(value)} given, expected finite numbers > 0; try {name}={suggestion}")
    return tensor


def not_negative(name: str, value: object, suggestion: str = "0.0") -> Tensor:
    """`value` as float64. Raises DomainError unless every entry is finite and >= 0."""
    tensor = _tensor(name, value, suggestion)
    if not bool(((tensor >= 0) & torch.isfinite(tensor)).all()):
        raise DomainError(f"{name}={_shown(value)} given, expected finite numbers >= 0; try {name}={suggestion}")
    return tensor


def skip_strength(skip: object) -> float:
    """The residual strength gamma. Raises DomainError unless it is a single number in [-1, 1]."""
    if isinstance(skip, bool) or not isinstance(skip, int | float) or not math.isfinite(skip) or abs(skip) > 1:
        raise DomainError(f"skip={_shown(skip)} given, expected one number gamma with |gamma| <= 1; try skip=0.0")
    return float(skip)


def layers(depth: object, name: str = "depth") -> int:
    """A number of layers. Raises DomainError unless it is an integer >= 1."""
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise DomainError(f"{name}={_shown(depth)} given, expected an integer >= 1; try {name}=50")
    return depth


def neurons(width: object) -> int:
    """A layer width. Raises DomainError unless it is an integer >= 1."""
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise DomainError(f"width={_shown(width)} given, expected an integer >= 1; try width=128")
    return width


def broadcast(*tensors: Tensor) -> list[Tensor]:
    """The tensors at their common shape. Raises DomainError where they have none."""
    try:
        return list(torch.broadcast_tensors(*tensors))  # type: ignore[no-untyped-call]
    except RuntimeError:
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors)
        raise DomainError(f"shapes {shapes} given, expected shapes that broadcast; try scalars") from None


def _tensor(name: str, value: object, suggestion: str) -> Tensor:
    try:
        return torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise DomainError(f"{name}={value!r} given, expected a number or a tensor; try {name}={suggestion}") from None


def _shown(value: object) -> str:
    if isinstance(value, Tensor) and value.numel() > 3:
        return f"a tensor of {value.numel()} values in [{value.min().item():g}, {value.max().item():g}]"
    return repr(value.tolist()) if isinstance(value, Tensor) else repr(value)
