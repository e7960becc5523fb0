"""The rectified power units a network can be built of, and what one of them computes where it is switched on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from edgewise.activations import Activation, activation
from edgewise.errors import ConstructionError

_MOST = 12
_TRY = "try activation='repu(p=2)' or activation='mrepu(p=2)'"


@dataclass(frozen=True)
class Unit:
    """One hidden unit, scaled so that its kink lies at y = -1.

    For y >= -1 it is a polynomial in y: (1 + y)**p for RePU, y (1 + y)**p for MRePU; `taylor` holds its coefficients,
    the constant first. The preactivation is ``slope * y + offset`` and the value ``gain`` times the activation's.
    mirrored: a second unit of the opposite preactivation makes it that polynomial for every real y (RePU only).
    """

    activation: Activation
    taylor: tuple[int, ...]
    slope: float
    offset: float
    gain: float
    mirrored: bool

    @property
    def degree(self) -> int:
        """The largest degree that one hidden layer reaches."""
        return len(self.taylor) - 1

    @property
    def mirror_sign(self) -> float:
        """The sign with which the mirrored unit enters: (-y)**p = mirror_sign * y**p."""
        return -1.0 if self.degree % 2 else 1.0

    def at(self, y: Fraction) -> Fraction:
        """The polynomial that the unit is for y >= -1."""
        return sum((c * y**k for k, c in enumerate(self.taylor)), Fraction(0))


def unit_of(spec: object, everywhere: bool | None) -> Unit:
    """The unit that an activation makes; everywhere=None mirrors it where that is possible.

    Raises ConstructionError for an activation that is no rectified power of whole p, SpecError for what is none at all.
    """
    a = activation(spec)
    if a.name not in {"repu", "relu2", "mrepu"}:
        raise ConstructionError(
            f"activation {a.spec!r} given, expected a rectified power unit: repu, relu2, mrepu; {_TRY}"
        )
    power = a.parameters.get("p", 2.0)
    p = int(power)
    if p != power or p > _MOST:
        raise ConstructionError(f"{a.spec} given, expected a whole power p of at most {_MOST}; {_TRY}")
    if a.name == "mrepu":
        if everywhere:
            raise ConstructionError(
                f"everywhere=True given with {a.spec}, which is a polynomial only right of its kink; "
                "leave everywhere out, or take activation='repu(p=2)'"
            )
        shift = a.parameters["shift"]
        gain = shift ** -(p + 1)
        return Unit(a, (0, *(math.comb(p, k) for k in range(p + 1))), shift, 0.0, gain, False)
    if p == 1:
        raise ConstructionError(f"{a.spec} given, which is ReLU and makes piecewise linear networks only; {_TRY}")
    mirrored = everywhere is None or everywhere
    return Unit(a, tuple(math.comb(p, k) for k in range(p + 1)), 1.0, 1.0, 1.0, mirrored)
