"""`ew.tailor`: the transformation of an activation that a network of given depth and width trains best with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError, TailoringError
from edgewise.tailor import candidates as make
from edgewise.tailor.explanation import conditions, reason
from edgewise.tailor.leaky import centred_leaky, leaky
from edgewise.tailor.rounding import rounding, said_of_rounding
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.tailored import Candidate, Method, Tailored, Tailoring, made

ZETAS = (1.5, 1.35, 1.2, 1.1, 1.05, 1.025, 1.0125, 1.006, 1.003, 1.0015)
"""Slopes of the whole network tried in turn, from DKS's own to nearly linear, where none is given."""
ENOUGH = 0.998
"""The share of random networks that must survive. Set by training ReLU**2 and MRePU(2) at depth 100, width 128 (Adam,
300 steps on digits, two seeds a rate): from here on none was lost at 1e-4 and 3e-4, below 0.99 some were."""
USUAL_WIDTH = 128
MOST = 100_000
"""Layers, or units a layer, beyond which float64 slopes of one layer, zeta**(1/depth), say nothing more."""


def tailor(
    a: Activation | object,
    *,
    depth: int,
    width: int | None = None,
    method: Method | None = None,
    zeta: float | None = None,
    tau: float = 0.3,
    c0: float = 0.9,
    branches: int | None = None,
    skip: float | None = None,
) -> Tailored:
    """The activation ``gamma (sigma(alpha x + beta) + delta)`` made for K = 1, C_W = 1, C_b = 0 and this depth.

    depth: activations on the longest path. width: units a layer, 128 unless given: finite width decides how nonlinear
        a deep network may be.
    method: "dks" (mean 0, variance 1, chi_parallel = 1, chi_perp = zeta**(1/depth); a rectifier's slope below 0 is
        free for it); "tat" (chi_parallel = chi_perp =
        1, <sigma~**2> = 1, <sigma~''**2> = tau/depth; smooth sigma); "leaky" (a leaky ReLU in the place of a rectifier,
        the network's correlation map taking 0 to c0); "shift" (mean 0, variance 1, and as near to DKS as it gets).
        None: "leaky" for rectifiers, else "dks", and "shift" where DKS has no solution.
    zeta: slope of the network's correlation map, > 1; None: 1.5, or less where too few random networks of this depth
        and width would survive.
    branches: residual blocks ``z' = skip z + sqrt(1 - skip**2) branch(z)`` that share the depth; skip: their weight,
        sqrt(1 - 1/branches) unless given. The targets then hold for the worst sub-network.

    Raises TailoringError where the method has no solution for this activation, DomainError for numbers out of range.
    Source: Martens et al., arXiv 2110.01765 (DKS); Zhang et al., arXiv 2203.08120 (TAT).
    """
    sigma = activation(a)
    _check(depth, width, method, zeta, tau, c0)
    stack = Stack.of(depth, branches, skip)
    units = USUAL_WIDTH if width is None else width
    chosen = method or ("leaky" if is_rectifier(sigma) else None)
    zetas = ZETAS if zeta is None else (float(zeta),)
    base = sigma
    if chosen == "leaky":
        _refuse_unless_rectifier(sigma)
        base, transform = leaky(stack, c0)
        found: list[make.Found] = [("leaky", c0, transform)]
    elif chosen == "dks" and is_rectifier(sigma):
        exact = centred_leaky(stack, ZETAS[0] if zeta is None else float(zeta))
        if exact is None:
            raise TailoringError(_nothing(sigma, chosen, zeta, depth))
        base, transform = exact
        found = [("dks", ZETAS[0] if zeta is None else float(zeta), transform)]
    elif chosen == "tat":
        found = _tat(sigma, stack, tau)
        if not found:
            raise TailoringError(_nothing(sigma, chosen, zeta, depth))
    else:
        found = []
    tried = make.measured(base, found, stack, width=units) or _descended(sigma, chosen, stack, zetas, units)
    if not tried:
        raise TailoringError(_nothing(sigma, chosen, zeta, depth))
    ranking = make.ranked(tried, ENOUGH)
    return made(_tailoring(sigma, base, depth, units, stack, tau, ranking))


def _descended(
    a: Activation, method: Method | None, stack: Stack, zetas: Sequence[float], width: int
) -> list[Candidate]:
    """The candidates of DKS, or of the substitute where DKS has none, at the largest zeta at which networks survive.

    Found by bisection, with those at the zetas looked at on the way: the less nonlinear, the more survive.
    """
    for solve in ([make.dks] if method != "shift" else []) + ([make.shift] if method != "dks" else []):
        tried: list[Candidate] = []
        first, last = 0, len(zetas) - 1  # the first index not ruled out, and the last
        middle = 0
        while first <= last:
            found = make.measured(a, solve(a, stack, zetas[middle]), stack, width=width)
            tried += found
            survive = any(c.survival.share >= ENOUGH for c in found)
            first, last = (first, middle - 1) if survive else (middle + 1, last)
            middle = (first + last) // 2
        if tried:
            return tried
    return []


def is_rectifier(a: Activation) -> bool:
    """Whether `a` is two half-lines that meet at 0 (relu, leaky_relu, prelu, abs), which TAT's leaky form replaces."""
    return a.homogeneity == 1.0 and 0.0 in a.kinks


def _refuse_unless_rectifier(a: Activation) -> None:
    if not is_rectifier(a):
        raise TailoringError(
            f"{a.spec} is not made of two half-lines through 0, expected relu, leaky_relu, prelu or abs for "
            "method='leaky'; try method=None"
        )


def _tat(a: Activation, stack: Stack, tau: float) -> list[make.Found]:
    if a.smoothness < 1:
        raise TailoringError(
            f"the slope of {a.spec} jumps, so <sigma''**2> is infinite and TAT has no solution; "
            + ("try method='leaky'" if is_rectifier(a) else "try method='dks'")
        )
    return make.tat(a, stack, tau)


def _tailoring(
    given: Activation, base: Activation, depth: int, width: int, stack: Stack, tau: float, ranking: list[Candidate]
) -> Tailoring:
    best = ranking[0]
    met = conditions(base, best, stack, tau)
    missed = [c for c in met if not c.met]
    lost = rounding(base, best)
    return Tailoring(
        given=given.spec,
        base=base,
        method=best.method,
        depth=depth,
        width=width,
        stack=stack,
        alpha=best.alpha,
        beta=best.beta,
        gamma=best.gamma,
        delta=best.delta,
        conditions=met,
        candidates=tuple(ranking),
        rounding=lost,
        reason=reason(given, best, ranking, missed, stack, depth, width, ENOUGH) + said_of_rounding(lost, depth),
    )


def _check(depth: object, width: object, method: object, zeta: object, tau: object, c0: object) -> None:
    for name, count in (("depth", depth), ("width", 1 if width is None else width)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise DomainError(f"{name}={count!r} given, expected an integer >= 1; try {name}=100")
        if count > MOST:
            raise DomainError(f"{name}={count!r} given, expected at most {MOST}; try {name}=1000")
    if method is not None and method not in get_args(Method):
        raise DomainError(f"method={method!r} given, expected one of {', '.join(get_args(Method))}; try method=None")
    ranges = (
        ("zeta", 1.5 if zeta is None else zeta, 1.0, 1e6, "1.5"),
        ("tau", tau, 0.0, 1e6, "0.3"),
        ("c0", c0, 0.0, 1.0, "0.9"),
    )
    for name, value, low, high, usual in ranges:
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not low < number < high:
            raise DomainError(
                f"{name}={value!r} given, expected a number between {low:g} and {high:g}; try {name}={usual}"
            )


def _nothing(a: Activation, method: Method | None, zeta: float | None, depth: int) -> str:
    if method == "dks":
        target = "any slope" if zeta is None else f"zeta={zeta:g}"
        other = "leaky" if is_rectifier(a) else "shift"
        return f"DKS has no solution for {a.spec} at depth {depth} and {target}; try method={other!r}"
    if method == "tat":
        return f"TAT has no solution for {a.spec} at depth {depth}; try method='dks' or a smaller tau"
    if a.homogeneity == 1.0:
        return f"{a.spec} is linear: there is nothing to tailor, and C_W = 1, C_b = 0 keep every kernel"
    return (
        f"{a.spec} has no stretch straight enough for depth {depth}: no shift and scale of it keep a random network's "
        "signal; try an activation that is continuous and not constant"
    )
