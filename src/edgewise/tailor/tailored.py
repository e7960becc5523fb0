"""The results of tailoring: what was asked, what was found, what it was chosen from and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from edgewise.activations import Activation
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.survival import Survival
from edgewise.tailor.transformed import transformed

if TYPE_CHECKING:
    from rich.console import RenderableType

Method = Literal["dks", "tat", "leaky", "shift"]


@dataclass(frozen=True)
class Condition:
    """One number that was aimed at: its symbol, what was wanted and what the result has.

    met: equal to within 1e-8 of what the condition is about (the deviation from 1 where that is small).
    """

    name: str
    wanted: float
    found: float
    met: bool


@dataclass(frozen=True)
class Candidate:
    """One transformation that was looked at.

    zeta: the largest slope of a sub-network's correlation map (DKS, shift); for TAT its tau, for the leaky form its c0.
    parallel, perp: chi_parallel and chi_perp at K = 1; parallel_slope: dchi_parallel/dK there. survival: of random
    networks of the wanted depth and width; None where it was not needed.
    """

    method: Method
    zeta: float
    alpha: float
    beta: float
    gamma: float
    delta: float
    parallel: float
    perp: float
    parallel_slope: float
    survival: Survival
    chosen: bool = False


@dataclass(frozen=True)
class Tailoring:
    """How an activation was tailored.

    base: the activation that is transformed (for the leaky form a leaky ReLU, not what was given). stack: the network.
    conditions: what was aimed at, met or missed. candidates: all that were ranked, best first. rounding: what float32
    loses of sigma~ (half precision is computed in it): root mean square error over that of sigma~, at K = 1.
    """

    given: str
    base: Activation
    method: Method
    depth: int
    width: int
    stack: Stack
    alpha: float
    beta: float
    gamma: float
    delta: float
    conditions: tuple[Condition, ...]
    candidates: tuple[Candidate, ...]
    rounding: float
    reason: str

    @property
    def formula(self) -> str:
        """sigma~ in plain text, its numbers to six digits."""
        inner = "x" if self.alpha == 1.0 else f"{self.alpha:.6g} x"
        inner += f" {'+' if self.beta > 0 else '-'} {abs(self.beta):.6g}" if self.beta else ""
        shift = f" {'+' if self.delta > 0 else '-'} {abs(self.delta):.6g}" if self.delta else ""
        value = f"σ({inner}){shift}"
        return f"{self.gamma:.6g} ({value})" if shift else f"{self.gamma:.6g} {value}"

    @property
    def missed(self) -> tuple[Condition, ...]:
        """The conditions that the result does not meet."""
        return tuple(c for c in self.conditions if not c.met)

    @property
    def chosen(self) -> Candidate:
        """The candidate that was taken."""
        return next(c for c in self.candidates if c.chosen)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        plain = {name: getattr(self, name) for name in ("given", "method", "depth", "width", "rounding", "reason")}
        numbers = {name: getattr(self, name) for name in ("alpha", "beta", "gamma", "delta")}
        return {
            **plain,
            "base": self.base.spec,
            "stack": asdict(self.stack),
            **numbers,
            "conditions": [asdict(c) for c in self.conditions],
            "candidates": [asdict(c) for c in self.candidates],
        }

    def __rich__(self) -> RenderableType:
        from edgewise.tailor.view import panel

        return panel(self)


@dataclass(frozen=True, eq=False, repr=False)
class Tailored(Activation):
    """An activation made for K = 1, C_W = 1 and C_b = 0: sigma~(x) = gamma (sigma(alpha x + beta) + delta).

    Everything that takes an activation takes it; `tailoring` says how it was made.
    """

    tailoring: Tailoring = field(kw_only=True)

    @property
    def spec(self) -> str:
        """Its name; unlike a formula's, this text does not make it again."""
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """The tailoring as plain numbers and strings."""
        return self.tailoring.to_dict()

    def __rich__(self) -> RenderableType:
        return self.tailoring.__rich__()


def made(tailoring: Tailoring) -> Tailored:
    """The activation that a tailoring describes; what pickle calls."""
    t = tailoring
    definition = transformed(
        t.base, alpha=t.alpha, beta=t.beta, gamma=t.gamma, delta=t.delta, name=f"tailored {t.given}",
        remake=partial(made, tailoring),
    )  # fmt: skip
    values = {p.name: p.default for p in definition.parameters}
    return Tailored(definition, values, tailoring=tailoring)
