"""One activation for an ensemble whose members each shift and scale it by constants of their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import DomainError
from edgewise.tailor.tailored import Tailored
from edgewise.train.ensemble import Elementwise, Member

Constants = tuple[float, float, float, float]
"""alpha, beta, gamma, delta."""
NONE: Constants = (1.0, 0.0, 1.0, 0.0)


class MemberActivation:
    """gamma (sigma(alpha x + beta) + delta) of x [member, ...], every constant one number a member."""

    def __init__(self, base: Elementwise, constants: Sequence[Constants] | Tensor) -> None:
        self.base = base
        self.constants = torch.as_tensor(constants, dtype=torch.float64)
        self._ready: dict[tuple[torch.dtype, torch.device, int], tuple[Tensor, ...]] = {}

    @property
    def spec(self) -> str:
        """In words, with all numbers, so that a checkpoint knows it again."""
        base = str(getattr(self.base, "spec", self.base))
        return f"gamma ({base}(alpha x + beta) + delta), {self.constants.tolist()}"

    def __call__(self, x: Tensor) -> Tensor:
        """x: [member, ...]."""
        alpha, beta, gamma, delta = self.columns(x)
        return gamma * (self.base(alpha * x + beta) + delta)

    def columns(self, x: Tensor) -> tuple[Tensor, ...]:
        """alpha, beta, gamma, delta, each [member, 1, ...] as x [member, ...] needs them."""
        key = (x.dtype, x.device, x.dim())
        if key not in self._ready:
            columns = self.constants.to(device=x.device, dtype=x.dtype).unbind(1)
            self._ready[key] = tuple(c.reshape(-1, *[1] * (x.dim() - 1)) for c in columns)
        return self._ready[key]

    def select(self, members: Tensor) -> MemberActivation:
        """That of these members alone, by index."""
        return MemberActivation(self.base, self.constants[members.to(self.constants.device)])


def tailored_members(activations: Sequence[Activation]) -> MemberActivation:
    """The activation of an ensemble whose members each have a tailored form of the same activation, or that itself.

    Source of the form: Martens et al., arXiv 2110.01765, section 4. Raises DomainError where they differ in more than
    the constants.
    """
    if not activations:
        raise DomainError("no activation given, expected one a member; try [ew.tailor(a, depth=20)] * 4")
    bases = [a.tailoring.base if isinstance(a, Tailored) else a for a in activations]
    other = next((b.spec for b in bases if b.spec != bases[0].spec), None)
    if other is not None:
        raise DomainError(
            f"activations made from {bases[0].spec} and from {other} given, expected one for all; try one ensemble each"
        )
    return MemberActivation(bases[0], [_constants(a) for a in activations])


def _constants(a: Activation) -> Constants:
    if not isinstance(a, Tailored):
        return NONE
    t = a.tailoring
    return t.alpha, t.beta, t.gamma, t.delta


def of_members(activation: Elementwise, members: Sequence[Member]) -> Elementwise:
    """The ensemble's activation: as given, or with the members' constants where any states some.

    Raises DomainError where the constants of members meet an activation that has its own for each.
    """
    several = isinstance(activation, MemberActivation)
    if isinstance(activation, MemberActivation) and len(activation.constants) != len(members):
        raise DomainError(
            f"an activation for {len(activation.constants)} members given to {len(members)}, expected the same number"
        )
    if all(m.constants is None for m in members):
        return activation
    if several:
        raise DomainError("constants given twice, by the activation and by members; expected one of them")
    return MemberActivation(activation, [m.constants or NONE for m in members])
