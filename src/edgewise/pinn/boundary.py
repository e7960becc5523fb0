"""Initial and boundary conditions, and their penalties in a loss (soft conditions; `hard` makes them exact)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.sampling import Box, Design, sample_face
from edgewise.pinn.separable import Index

Kind = Literal["value", "derivative", "periodic"]


@dataclass(frozen=True)
class Condition:
    """What u does on one face of the domain.

    name: such as "initial" or "x = -1". axis, side: the face across that coordinate. kind: "value" and "derivative"
    prescribe the derivative of that `order` along the axis (0: u itself); "periodic" asks that it is the same on both
    faces. value: points [..., coordinate] -> [...], what is prescribed; None is 0.
    """

    name: str
    kind: Kind
    axis: int
    side: Literal["low", "high", "both"]
    order: int = 0
    value: Callable[[Tensor], Tensor] | None = None

    @property
    def index(self) -> Index:
        """The derivative it speaks of."""
        return (self.axis,) * self.order

    def target(self, points: Tensor) -> Tensor:
        """What is prescribed at points [..., coordinate]; [...]."""
        return torch.zeros_like(points[..., 0]) if self.value is None else self.value(points)


@dataclass(frozen=True)
class Penalty:
    """Conditions on the same derivatives, checked together at fixed points.

    points: [point, coordinate]; where paired, the first half lies on the low face and the second half opposite.
    wanted: the derivatives the network must be asked for. targets, weights: [wanted, point or pair]; a weight is that
    of its condition divided by its number of points. spans: (condition, number of wanted, slice of points).
    """

    points: Tensor
    wanted: tuple[Index, ...]
    targets: Tensor
    weights: Tensor
    paired: bool
    spans: tuple[tuple[str, int, slice], ...]

    def error(self, u: Mapping[Index, Tensor]) -> Tensor:
        """How far u is from its conditions, for derivatives [member, point, 1]; [wanted, member, point or pair]."""
        found = torch.stack([u[index][..., 0] for index in self.wanted])
        if self.paired:
            half = found.shape[-1] // 2
            return found[..., half:] - found[..., :half]
        return found - self.targets[:, None]

    def loss(self, u: Mapping[Index, Tensor]) -> Tensor:
        """The weighted mean square of the errors, summed over conditions; [member]."""
        return (self.weights[:, None] * self.error(u).square()).sum(dim=(0, 2))

    def losses(self, u: Mapping[Index, Tensor]) -> dict[str, Tensor]:
        """The mean square error of each condition by its name, without its weight; [member]."""
        squares = self.error(u).square()
        return {name: squares[row][:, span].mean(dim=-1) for name, row, span in self.spans}

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Penalty:
        """The same elsewhere."""
        points, targets, weights = (t.to(device=device, dtype=dtype) for t in (self.points, self.targets, self.weights))
        return Penalty(points, self.wanted, targets, weights, self.paired, self.spans)


def penalties(
    conditions: Sequence[Condition],
    box: Box,
    points: int | Mapping[str, int],
    *,
    weights: float | Mapping[str, float] = 1.0,
    design: Design = "sobol",
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> tuple[Penalty, ...]:
    """Points on the faces and what must hold there: as few groups as there are derivatives to ask a network for.

    points, weights: for every condition, or by its name (then all names must be there). Conditions on opposite faces
    that are periodic share their points. Raises DomainError for a name that is missing or of no condition.
    """
    counts = _by_name(points, conditions, "points")
    shares = _by_name(weights, conditions, "weights")
    groups: dict[tuple[bool, Index | int], list[Condition]] = {}
    for condition in conditions:
        periodic = condition.kind == "periodic"
        groups.setdefault((periodic, condition.axis if periodic else condition.index), []).append(condition)
    return tuple(
        _paired(group, box, counts, shares, design, generator, dtype)
        if periodic
        else _prescribed(group, box, counts, shares, design, generator, dtype)
        for (periodic, _), group in groups.items()
    )


def _prescribed(
    group: Sequence[Condition],
    box: Box,
    counts: Mapping[str, float],
    shares: Mapping[str, float],
    design: Design,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> Penalty:
    points, targets, weights, spans, start = [], [], [], [], 0
    for condition in group:
        side: Literal["low", "high"] = "low" if condition.side == "low" else "high"
        found = sample_face(
            box, condition.axis, side, int(counts[condition.name]), design=design, generator=generator, dtype=dtype
        )
        points.append(found)
        targets.append(condition.target(found))
        weights.append(torch.full((len(found),), shares[condition.name] / len(found), dtype=dtype))
        spans.append((condition.name, 0, slice(start, start + len(found))))
        start += len(found)
    return Penalty(
        torch.cat(points), (group[0].index,), torch.cat(targets)[None], torch.cat(weights)[None], False, tuple(spans)
    )


def _paired(
    group: Sequence[Condition],
    box: Box,
    counts: Mapping[str, float],
    shares: Mapping[str, float],
    design: Design,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> Penalty:
    axis, count = group[0].axis, max(int(counts[c.name]) for c in group)
    low = sample_face(box, axis, "low", count, design=design, generator=generator, dtype=dtype)
    high = low.clone()
    high[:, axis] = box[1][axis]
    weights = torch.stack([torch.full((len(low),), shares[c.name] / len(low), dtype=dtype) for c in group])
    spans = tuple((c.name, row, slice(None)) for row, c in enumerate(group))
    return Penalty(
        torch.cat([low, high]), tuple(c.index for c in group), torch.zeros_like(weights), weights, True, spans
    )


def _by_name(
    given: float | Mapping[str, int] | Mapping[str, float], conditions: Sequence[Condition], what: str
) -> dict[str, float]:
    names = [c.name for c in conditions]
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given)
    if set(given) != set(names):
        raise DomainError(f"{what} for {', '.join(sorted(given))} given, expected them for {', '.join(names)}")
    return dict(given)
