"""What a tailored activation meets, and why it was taken, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from edgewise.activations import Activation
from edgewise.tailor.leaky import correlation_map
from edgewise.tailor.moments import moments
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.tailored import Candidate, Condition

MET = 1e-8


def conditions(a: Activation, c: Candidate, stack: Stack, tau: float) -> tuple[Condition, ...]:
    """What the method of `c` aims at, evaluated at the numbers of `c`."""
    m = moments(
        a, torch.tensor([c.alpha], dtype=torch.float64), torch.tensor([c.beta], dtype=torch.float64),
        offset=torch.tensor([c.delta], dtype=torch.float64),
    )  # fmt: skip
    square, mean = float(c.gamma**2 * m.s2[0]), float(c.gamma * (m.mean[0] + c.delta))
    rows: list[tuple[str, float, float, float]] = [("<s^2>", 1.0, square, 1.0)]
    if c.method in ("dks", "shift"):
        slope = stack.layer_slope(c.zeta)
        rows += [("<s>", 0.0, mean, 1.0), ("chi_parallel", 1.0, c.parallel, slope - 1.0)]
        if c.method == "dks":
            rows.append(("chi_perp", slope, c.perp, slope - 1.0))
        else:
            rows.append(("max(chi)", slope, max(c.perp, c.parallel, 1.0 / c.parallel), slope - 1.0))
    elif c.method == "tat":
        wanted = stack.layer_curvature(tau)
        found = float(c.gamma**2 * m.curvature[0])
        rows += [
            ("chi_parallel", 1.0, c.parallel, wanted),
            ("chi_perp", 1.0, c.perp, 1.0),
            ("<s''^2>", wanted, found, wanted),
        ]
    else:
        slope = a.parameters["a"]
        reached = stack.correlation(lambda x: correlation_map(slope, x), 0.0)
        rows += [("chi_parallel", 1.0, c.parallel, 1.0), ("chi_perp", 1.0, c.perp, 1.0), ("c(0)", c.zeta, reached, 1.0)]
    return tuple(Condition(n, wanted, found, abs(found - wanted) <= MET * size) for n, wanted, found, size in rows)


def reason(
    given: Activation,
    best: Candidate,
    ranking: Sequence[Candidate],
    missed: Sequence[Condition],
    stack: Stack,
    depth: int,
    width: int,
    enough: float,
) -> str:
    """Which candidate was taken and why."""
    name = given.spec
    rectified = given.homogeneity == 1.0
    share = best.survival.share
    networks = f"random networks of depth {depth} and width {width}"
    if best.method == "leaky":
        text = f"{name} is made of two half-lines, which no shift and scale can tailor: TAT's leaky form puts a leaky "
        text += "ReLU in its place, "
        if missed:
            return text + (
                f"here ReLU itself: it takes the correlation of unrelated inputs to {missed[0].found:.3g} only, short "
                f"of the {best.zeta:g} that was asked for"
            )
        return text + f"whose slope takes the correlation of unrelated inputs to {best.zeta:g} by the last layer"
    if best.method == "tat":
        text = f"TAT solves for {name}: χ∥ = χ⊥ = 1, the curvature of the whole network {best.zeta:g}"
    elif best.method == "dks":
        taken = f"a leaky ReLU in the place of {name}" if rectified else name
        text = f"DKS solves for {taken}: mean 0, variance 1, χ∥ = 1, the slope of the whole network {best.zeta:g}"
    else:
        text = (
            f"DKS has no solution for {name}: as a substitute mean 0 and variance 1 are met and χ∥ = "
            f"{best.parallel:.7g} at K = 1, so that a small deviation of K from 1 changes by a factor of "
            f"{stack.slope(best.parallel):.4g} from the first layer to the last"
        )
    if share < enough:
        return text + f"; even so only {_percent(share)} of {networks} carry a signal through"
    text += f"; {_percent(share)} of {networks} carry a signal through, forward and backward"
    larger = [c for c in ranking if c.zeta > best.zeta]
    if larger:
        nearest = max((c for c in larger), key=lambda c: (c.zeta == min(o.zeta for o in larger), c.survival.share))
        text += (
            f" (at slope {nearest.zeta:g} {_percent(nearest.survival.share)}, less than the {_percent(enough)} wanted)"
        )
    rivals = [c for c in ranking if c.zeta == best.zeta and c is not best]
    if rivals:
        text += f"; of {len(rivals) + 1} solutions the one at β = {best.beta:.4g} lasts best"
    return text


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
