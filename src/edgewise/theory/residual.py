"""Criticality with a skip connection: z' = b + W sigma(z) + gamma z (PDLT appendix B).

The kernel flows as K' = C_b + C_W g(K) + gamma**2 K, and both susceptibilities gain gamma**2. So the conditions
K' = K, chi_parallel = 1 and chi_perp = 1 are those of the plain network with C_W/(1 - gamma**2) and
C_b/(1 - gamma**2) in place of C_W and C_b: every solution keeps its K*, in every universality class. At gamma = 1
nothing is left to scale.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.errors import DomainError
from edgewise.theory import domain


@dataclass(frozen=True)
class BranchScaling:
    """How to scale the branches of a network whose skip connections are the identity.

    factor: multiply the output of every branch by it (or C_W and C_b of its last layer by factor**2). reason: why.
    """

    factor: float
    branches: int
    reason: str


def with_skip(c_w: float, c_b: float, skip: float) -> tuple[float, float]:
    """(C_W, C_b) that are critical with residual strength `skip` where (c_w, c_b) are critical without.

    K* stays the same. Raises DomainError when |skip| >= 1, where there is no such point: use `branch_scaling`.
    """
    gamma = domain.skip_strength(skip)
    if abs(gamma) == 1.0:
        raise DomainError(
            f"skip={gamma:g} given: with an identity skip no (C_b, C_W) is critical; expected |skip| < 1; "
            "try theory.branch_scaling(branches)"
        )
    room = 1.0 - gamma * gamma
    return room * domain.one_positive("c_w", c_w), room * domain.one_not_negative("c_b", c_b)


def branch_scaling(branches: int) -> BranchScaling:
    """The factor 1/sqrt(branches) for networks with identity skips (ResNets, transformers).

    Each branch adds C_W g(K) + C_b to the K of the stream, and chi_perp = 1 + C_W <sigma'**2>; with the factor,
    `branches` of them multiply K and the gradients by a number near e instead of 2**branches.
    """
    count = domain.layers(branches, "branches")
    return BranchScaling(
        count**-0.5,
        count,
        "with identity skips K grows by the branch's C_W g(K) + C_b at every block, so no (C_b, C_W) is critical; "
        f"branches scaled by 1/sqrt({count}) = {count**-0.5:.4g} let {count} of them multiply K by about e in all",
    )
