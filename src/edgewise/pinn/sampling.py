"""Collocation points: designs on a box and on its faces, and points drawn where a residual is large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from edgewise.errors import DomainError

Design = Literal["uniform", "latin_hypercube", "sobol", "grid"]
Box = tuple[tuple[float, ...], tuple[float, ...]]
"""The lowest and the highest value of every coordinate."""


def sample(
    box: Box, count: int, *, design: Design = "sobol", generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Points inside a box; [count, coordinate].

    design: "uniform", independent points; "latin_hypercube", one in every slice of 1/count along each coordinate
    (McKay et al. 1979); "sobol", a scrambled low-discrepancy sequence; "grid", the centres of equal cells, which may be
    fewer than `count` in more than one dimension and needs no random numbers. Raises DomainError for a count below 1,
    an empty box or another design.
    """
    lows, highs = _corners(box, dtype)
    _positive(count, "count")
    dimension = len(lows)
    if design == "uniform":
        unit = torch.rand(count, dimension, generator=generator, dtype=dtype)
    elif design == "latin_hypercube":
        slices = torch.stack([torch.randperm(count, generator=generator) for _ in range(dimension)], dim=-1)
        unit = (slices + torch.rand(count, dimension, generator=generator, dtype=dtype)) / count
    elif design == "sobol":
        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        unit = SobolEngine(dimension, scramble=True, seed=seed).draw(count, dtype=dtype)  # type: ignore[no-untyped-call]
    elif design == "grid":
        a_side = max(1, int(count ** (1.0 / dimension) + 1e-9))
        centres = (torch.arange(a_side, dtype=dtype) + 0.5) / a_side
        unit = torch.cartesian_prod(*[centres] * dimension).reshape(-1, dimension)
    else:
        raise DomainError(f"design={design!r} given, expected one of {', '.join(get_args(Design))}")
    return lows + (highs - lows) * unit


def sample_face(
    box: Box,
    axis: int,
    side: Literal["low", "high"],
    count: int,
    *,
    design: Design = "sobol",
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Points on the face of a box where coordinate `axis` has its lowest or highest value; [count, coordinate].

    The face of an interval is one point, repeated. Raises DomainError as `sample` does.
    """
    lows, highs = box
    value = lows[axis] if side == "low" else highs[axis]
    if len(lows) == 1:
        return torch.full((count, 1), value, dtype=dtype)
    rest = tuple(v for i, v in enumerate(lows) if i != axis), tuple(v for i, v in enumerate(highs) if i != axis)
    inside = sample(rest, count, design=design, generator=generator, dtype=dtype)
    fixed = torch.full((len(inside), 1), value, dtype=dtype)
    return torch.cat([inside[:, :axis], fixed, inside[:, axis:]], dim=1)


def adaptive(
    residual: Callable[[Tensor], Tensor],
    box: Box,
    count: int,
    *,
    power: float = 1.0,
    floor: float = 1.0,
    candidates: int = 10,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Points drawn in proportion to |residual|^power / mean(|residual|^power) + floor; [count, coordinate].

    Residual-based adaptive distribution (RAD, Wu et al. 2023, eq. 2; power 1 and floor 1 are what it recommends): drawn
    without repetition from candidates * count uniform ones. residual: points [point, coordinate] -> [point] or
    [member, point]; members are averaged by their mean square. Raises DomainError where it is not finite anywhere.
    """
    _positive(count, "count")
    _positive(candidates, "candidates")
    pool = sample(box, candidates * count, design="uniform", generator=generator, dtype=dtype)
    size = residual(pool).detach().to(device="cpu", dtype=torch.float64)
    size = size.abs() if size.dim() == 1 else size.square().mean(dim=0).sqrt()
    weight = torch.nan_to_num(size, nan=0.0, posinf=0.0).pow(power)
    if not bool(torch.isfinite(size).any()):
        raise DomainError("a residual that is finite at no point given, expected numbers; sample uniformly instead")
    mean = weight.mean()
    density = weight / mean + floor if float(mean) > 0.0 else torch.ones_like(weight)
    if int((density > 0.0).sum()) < count:
        density = density + torch.finfo(torch.float64).tiny
    # the largest `count` of log(density) + Gumbel noise: drawing without replacement at any number of candidates
    noise = -torch.log(-torch.log(torch.rand(len(pool), generator=generator, dtype=torch.float64).clamp_min(1e-300)))
    return pool[torch.topk(density.log() + noise, count).indices]


def towards(points: Tensor, box: Box, axis: int, centre: float, power: float = 2.0) -> Tensor:
    """The points moved along one coordinate towards `centre`; [point, coordinate].

    Each keeps its side and its rank: a fraction s of the way from the centre to the edge becomes s^power, so that the
    density there grows like distance^(1/power - 1): power 2 puts half of all points into a quarter of the width.
    Raises DomainError for a centre outside the box or a power below 1.
    """
    low, high = box[0][axis], box[1][axis]
    if not low <= centre <= high or not power >= 1.0:
        raise DomainError(
            f"centre={centre!r}, power={power!r} given, expected a centre in [{low}, {high}] and a power >= 1"
        )
    away = points[:, axis] - centre
    # the map of ranks: a share (centre - low) / width of the points lies on the low side before and after
    width = torch.where(away < 0.0, centre - low, high - centre).clamp_min(torch.finfo(points.dtype).tiny)
    moved = centre + torch.sign(away) * width * (away.abs() / width).pow(power)
    return torch.cat([points[:, :axis], moved[:, None], points[:, axis + 1 :]], dim=1)


def _corners(box: Box, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    lows, highs = box
    if not lows or len(lows) != len(highs) or not all(low < high for low, high in zip(lows, highs, strict=True)):
        raise DomainError(f"box {box!r} given, expected lows and highs of every coordinate, each low below its high")
    return torch.tensor(lows, dtype=dtype), torch.tensor(highs, dtype=dtype)


def _positive(count: int, name: str) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise DomainError(f"{name}={count!r} given, expected an integer >= 1; try {name}=1000")
