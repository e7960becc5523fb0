"""What the hyper-parameters of a network may be: the checks that every flow shares."""

from __future__ import annotations

import operator

import torch
from torch import Tensor

from edgewise.errors import DomainError

_SHOWN = 60

Number = float | Tensor
"""A float, or a float64 tensor of many values that broadcast against each other (one flow each)."""


def numbers(name: str, value: object, suggestion: str) -> Tensor:
    """`value` as float64, whatever its numbers. Raises DomainError where it holds none."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise DomainError(
            f"{name}={_shown(value)} given, expected a number or a tensor; try {name}={suggestion}"
        ) from None


def positive(name: str, value: object, suggestion: str = "1.0") -> Tensor:
    """`value` as float64. Raises DomainError unless every entry is finite and > 0."""
    tensor = numbers(name, value, suggestion)
    if not bool(((tensor > 0) & torch.isfinite(tensor)).all()):
        raise DomainError(f"{name}={_shown(value)} given, expected finite numbers > 0; try {name}={suggestion}")
    return tensor


def not_negative(name: str, value: object, suggestion: str = "0.0") -> Tensor:
    """`value` as float64. Raises DomainError unless every entry is finite and >= 0."""
    tensor = numbers(name, value, suggestion)
    if not bool(((tensor >= 0) & torch.isfinite(tensor)).all()):
        raise DomainError(f"{name}={_shown(value)} given, expected finite numbers >= 0; try {name}={suggestion}")
    return tensor


def one(name: str, value: object, suggestion: str = "0.0") -> float:
    """`value` as a float. Raises DomainError unless it is a single number."""
    tensor = numbers(name, value, suggestion)
    if tensor.numel() != 1:
        raise DomainError(f"{name}={_shown(value)} given, expected a single number; try {name}={suggestion}")
    return float(tensor)


def one_positive(name: str, value: object, suggestion: str = "1.0") -> float:
    """`value` as a float. Raises DomainError unless it is a single finite number > 0."""
    return one(name, positive(name, value, suggestion), suggestion)


def one_not_negative(name: str, value: object, suggestion: str = "0.0") -> float:
    """`value` as a float. Raises DomainError unless it is a single finite number >= 0."""
    return one(name, not_negative(name, value, suggestion), suggestion)


def skip_strength(skip: object) -> float:
    """The residual strength gamma. Raises DomainError unless it is a single number in [-1, 1]."""
    given = one("skip", skip)
    if not abs(given) <= 1:
        raise DomainError(f"skip={_shown(skip)} given, expected one number gamma with |gamma| <= 1; try skip=0.0")
    return given


def layers(depth: object, name: str = "depth") -> int:
    """A number of layers. Raises DomainError unless it is an integer >= 1."""
    return _count(name, depth, "50")


def neurons(width: object) -> int:
    """A layer width. Raises DomainError unless it is an integer >= 1."""
    return _count("width", width, "128")


def broadcast(*tensors: Tensor) -> list[Tensor]:
    """The tensors at their common shape. Raises DomainError where they have none."""
    try:
        return list(torch.broadcast_tensors(*tensors))  # type: ignore[no-untyped-call]
    except RuntimeError:
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors)
        raise DomainError(f"shapes {shapes} given, expected shapes that broadcast; try scalars") from None


def _count(name: str, value: object, suggestion: str) -> int:
    try:
        count = 0 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if count < 1:
        raise DomainError(f"{name}={_shown(value)} given, expected an integer >= 1; try {name}={suggestion}")
    return count


def _shown(value: object) -> str:
    if isinstance(value, Tensor) and value.numel() > 3:
        return f"a tensor of {value.numel()} values in [{value.min().item():g}, {value.max().item():g}]"
    shown = repr(value.tolist()) if isinstance(value, Tensor) else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
