"""Everything that is chosen when networks are trained on an equation."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from edgewise.errors import DomainError
from edgewise.pinn.sampling import Design
from edgewise.pinn.start import Init

Boundary = Literal["soft", "hard"]


@dataclass(frozen=True)
class Settings:
    """Shape, points, loss and steps of a run; the defaults of `solve`.

    width, depth: units and hidden layers. points: collocation points of each member; batch: how many of them a step of
    Adam sees, None for all. condition_points: points on boundary and start together, for soft conditions.
    boundary: "soft", conditions as terms of the loss with the weight `condition_weight`; "hard", built into the output.
    sampling: how points are laid; resample_every: steps of Adam after which new ones are drawn, 0 for never; adaptive:
    whether they are then drawn where the residual is large. learning_rate: Adam's; it falls along half a cosine to
    `final_rate` of it. history: pairs of vectors that L-BFGS keeps.
    """

    width: int = 20
    depth: int = 8
    members: int = 1
    adam_steps: int = 3000
    lbfgs_steps: int = 3000
    points: int = 10_000
    batch: int | None = 1000
    condition_points: int = 200
    boundary: Boundary = "soft"
    condition_weight: float = 1.0
    sampling: Design = "sobol"
    resample_every: int = 0
    adaptive: bool = False
    init: Init = "recommended"
    learning_rate: float = 1e-3
    final_rate: float = 0.1
    history: int = 50
    dtype: str = "float64"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise DomainError(f"{name}={value!r} given, expected an integer >= {least}")
        if self.batch is not None and (isinstance(self.batch, bool) or not self.batch >= 1):
            raise DomainError(f"batch={self.batch!r} given, expected an integer >= 1, or None for all points")
        if self.adam_steps + self.lbfgs_steps == 0:
            raise DomainError("adam_steps=0, lbfgs_steps=0 given, expected steps of at least one; try adam_steps=3000")
        for name in ("condition_weight", "learning_rate"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise DomainError(f"{name}={getattr(self, name)!r} given, expected a finite number > 0")
        if not 0.0 <= self.final_rate <= 1.0:
            raise DomainError(f"final_rate={self.final_rate!r} given, expected a share of the learning rate, 0 to 1")
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise DomainError(f"{name}={getattr(self, name)!r} given, expected one of {', '.join(known)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


_COUNTS = {
    "width": 1, "depth": 1, "members": 1, "adam_steps": 0, "lbfgs_steps": 0, "points": 1, "condition_points": 1,
    "resample_every": 0, "history": 1, "seed": 0,
}  # fmt: skip
_WORDS: dict[str, tuple[str, ...]] = {
    "boundary": get_args(Boundary),
    "sampling": get_args(Design),
    "init": get_args(Init),
    "dtype": ("float32", "float64"),
}
