"""Which C_W and C_b a layer gets, from what feeds it and what it feeds: the rules, with their reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from edgewise import theory
from edgewise.activations import Activation
from edgewise.errors import AverageError, NoInitialisationError
from edgewise.init.roles import Part, Residual, Roles
from edgewise.init.signals import Signal, moments
from edgewise.theory import Initialisation, kernel_functions

REPELS = "k_star_zero_unstable"
"""The principle of a start from which K grows by itself."""


@dataclass(frozen=True)
class Choice:
    """Weight variance x fan-in and bias variance of one layer; kernel: the second moment its output then has."""

    c_w: float
    c_b: float
    kernel: float
    reason: str


@dataclass(frozen=True)
class Wanted:
    """What an activation wants in this network: the hidden layers' C_W and C_b, the kernel K0, and why."""

    c_w: float
    c_b: float
    k0: float
    principle: str
    reason: str


class Rules:
    """The choices for one network: its depth, width and residual strength decide what each activation wants.

    caution: what the K0 of an activation whose critical point repels is multiplied by (`init.outliers`).
    """

    def __init__(self, roles: Roles, *, width: int | None, output_variance: float, caution: float = 1.0) -> None:
        self.depth, self.width, self.output_variance, self.caution = roles.depth, width, output_variance, caution
        bare = [abs(r.gamma) for r in roles.residuals.values() if not r.normalised]
        self.skip = min(1.0, max(bare, default=0.0))
        self.advice: list[str] = []
        self._wanted: dict[Activation, Wanted] = {}

    def wanted(self, a: Activation) -> Wanted:
        """`theory.recommend` at this depth and width; on a stream without norms K0 leaves room for its growth."""
        if a not in self._wanted:
            found = self._ask(a)
            if found.principle == REPELS and self.caution != 1.0:
                why = f"times {self.caution:.4g} for the outliers of the sample"
                found = replace(found, k0=self.caution * found.k0, reason=f"{found.reason}; {why}")
            self._wanted[a] = found
        return self._wanted[a]

    @property
    def repelled(self) -> tuple[Activation, ...]:
        """Those asked about so far that start near a critical point which repels."""
        return tuple(a for a, wanted in self._wanted.items() if wanted.principle == REPELS)

    def _ask(self, a: Activation) -> Wanted:
        try:
            plain = _recommended(a, self.depth, self.width, 0.0)
            if plain.principle == "least_bad" and plain.layers < self.depth:
                self.advice.append(
                    f"{a.spec} has no critical point, and no weights carry it through {self.depth} layers: "
                    f"ew.tailor({a.spec!r}, depth={self.depth}) makes one of it that has, ew.swap_ puts it in"
                )
            if self.skip == 0.0:
                return Wanted(plain.c_w, plain.c_b, plain.k0, plain.principle, plain.reason)
            k0 = _recommended(a, self.depth, self.width, self.skip).k0
        except (NoInitialisationError, AverageError) as problem:
            return Wanted(1.0, 0.0, 1.0, "none", f"{problem}; mean square 1 is kept instead")
        if plain.principle == "least_bad" and k0 != plain.k0:
            return Wanted(k0 / float(theory.kernel(a, k0)), 0.0, k0, plain.principle, plain.reason)
        return Wanted(plain.c_w, plain.c_b, k0, plain.principle, plain.reason)

    def linear(self, part: Part, x: Signal, skip: Signal | None, *, bias: bool) -> Choice:
        """(C_W, C_b) of a layer fed by x. skip: the stream, for a layer that ends a branch or a projection."""
        m = x.second
        if not 0.0 < m < math.inf:
            return Choice(1.0, 0.0, m, f"what feeds it has mean square {m:.3g}, so C_W=1 is taken")
        if part.branch is not None and skip is not None:
            return self._branch(part, part.branch, x, skip, bias=bias)
        if part.projection is not None:
            k = skip.second if skip is not None else m
            return Choice(k / m, 0.0, k, "a projection on the skip path: it keeps the stream's mean square")
        if part.feeds == "output":
            k = self.output_variance / part.share
            return Choice(k / m, 0.0, k, f"the last layer: its outputs have mean square {k:.4g}{_parts(part.share)}")
        return _divided(self._natural(part.feeds, part.activation, x, bias=bias), part.share)

    def norm_weight(self, part: Part, skip: Signal | None) -> tuple[float, str] | None:
        """The square of a norm's weight, with the reason; None where any will do."""
        if part.branch is not None and skip is not None:
            scale = _stream(skip)
            target, why = self._target(part.branch, part, scale)
            if part.through is not None:
                target = _kernel_giving(part.through, target) or target
            return target, f"it ends a residual branch, whose scale it alone sets: {why}"
        if part.projection is not None and skip is not None:
            return (
                skip.second,
                f"it ends a projection on the skip path: the stream keeps its mean square {skip.second:.4g}",
            )
        if part.feeds == "activation" and part.activation is not None:
            want = self.wanted(part.activation)
            return want.k0, f"it feeds {part.activation.spec} directly, which wants K={want.k0:.4g}: {want.reason}"
        return None

    # the parts a layer can play

    def _natural(self, feeds: str, to: Activation | None, x: Signal, *, bias: bool) -> Choice:
        m, source = x.second, x.activation
        if to is None:
            why = {
                "norm": "a norm follows, to which any scale is the same",
                "attention": "it feeds attention: queries, keys and values of mean square 1 give logits of variance 1",
                "linear": "a linear layer follows",
            }.get(feeds, "nothing that edgewise can read follows")
            return Choice(1.0 / m, 0.0, 1.0, f"{why}: mean square 1")
        want = self.wanted(to)
        if source is None:
            c_b = want.c_b if bias and want.c_b < want.k0 else 0.0
            first = f"fed by no activation, it alone sets K={want.k0:.4g} for {to.spec}"
            return Choice((want.k0 - c_b) / m, c_b, want.k0, f"{first}: {want.reason}")
        if source == to and (bias or want.c_b == 0.0):
            return _critical(want, x)
        return _mixed(source, to, want, x, bias=bias)

    def _branch(self, part: Part, residual: Residual, x: Signal, skip: Signal, *, bias: bool) -> Choice:
        m, scale = x.second, _stream(skip)
        target, why = self._target(residual, part, scale)
        if part.through is not None:  # the branch ends in sigma(z): K with g(K) = target
            kernel = _kernel_giving(part.through, target)
            if kernel is None:
                natural = self._natural("activation", part.through, x, bias=bias)
                return Choice(
                    natural.c_w, natural.c_b, natural.kernel,
                    f"{part.through.spec} at the end of its branch cannot give its share; {natural.reason}",
                )  # fmt: skip
            return Choice(kernel / m, 0.0, kernel, f"behind {part.through.spec} its branch then {why}")
        if residual.normalised or part.activation is None:
            return Choice(target / m, 0.0, target, f"the last layer of its branch, which {why}")
        natural = self._natural(part.feeds, part.activation, x, bias=bias)
        factor = target / scale
        if x.activation != part.activation:  # on another scale than the stream's own map would have
            factor *= scale / natural.kernel
        return Choice(
            factor * natural.c_w, factor * natural.c_b, factor * natural.kernel,
            f"the last layer of its branch, which {why}; without that, {natural.reason}",
        )  # fmt: skip

    def _target(self, residual: Residual, part: Part, scale: float) -> tuple[float, str]:
        """The second moment a layer at the end of a branch should give, before the model's own factor alpha."""
        if residual.gamma < 1.0:
            room = 1.0 - residual.gamma**2
            why = f"adds 1 - gamma**2 = {room:.4g} of the stream's mean square (PDLT appendix B)"
            share = room / part.alpha_square if part.alpha_square else room
        else:
            count = residual.chained
            wanted = 1.0 / count
            why = f"adds 1/{count} of the stream's mean square, as one of {count} branches in a row"
            if part.alpha_square != 1.0:
                why += f" (the model itself multiplies it by {math.sqrt(part.alpha_square):.4g})"
            share = 1.0 if part.alpha_square <= wanted else wanted / part.alpha_square
        return share * scale / part.share, why


@lru_cache(maxsize=64)
def _recommended(a: Activation, depth: int, width: int | None, skip: float) -> Initialisation:
    """The theory's answer; the last 64 are kept, since finding critical points takes longer than all else here."""
    return theory.recommend(a, depth, width=width, skip=skip)


def _stream(skip: Signal) -> float:
    scale = skip.stream if skip.stream is not None else skip.second
    return scale if 0.0 < scale < math.inf else 1.0


def _critical(want: Wanted, x: Signal) -> Choice:
    """The theory's own (C_W, C_b), with C_W corrected for what came between the activation and this layer."""
    assert x.activation is not None
    assert x.kernel is not None
    g, _ = moments(x.activation, x.kernel)
    ratio = g / x.second
    reason = want.reason
    if not math.isclose(ratio, 1.0, rel_tol=1e-12):
        reason += f"; C_W is multiplied by {ratio:.4g} for what lies between (dropout, pooling)"
    c_w = want.c_w if math.isclose(ratio, 1.0, rel_tol=1e-12) else want.c_w * ratio
    return Choice(c_w, want.c_b, want.c_b + c_w * x.second, reason)


def _mixed(source: Activation, to: Activation, want: Wanted, x: Signal, *, bias: bool) -> Choice:
    """Between two activations: the kernel and the bias that the next one wants, C_W = (K - C_b)/<sigma**2>.

    chi_perp is not 1 at such a layer, but where each activation is critical the product of chi_perp telescopes to 1
    from one use of an activation to the next use of the same: prod (K_i - C_b,i)/g_j <sigma_j'**2> = prod C_W,j
    <sigma_j'**2> [derived].
    """
    assert x.kernel is not None
    m, k = x.second, want.k0
    c_b = want.c_b if bias and want.c_b < k else 0.0
    c_w = (k - c_b) / m
    at = theory.kernels.as_kernel(x.kernel)
    slope = float(kernel_functions(source).chi_perp(at)) * m / moments(source, x.kernel)[0]
    if source == to:
        return Choice(
            c_w, 0.0, k,
            f"{to.spec} wants C_b={want.c_b:.4g}, but these layers have no bias: C_W=K/<sigma^2> keeps K={k:.4g}, and "
            f"gradients change by {c_w * slope:.4g} a layer",
        )  # fmt: skip
    return Choice(
        c_w, c_b, k,
        f"between {source.spec} and {to.spec}, which wants K={k:.4g}: gradients change by {c_w * slope:.4g} here, "
        "which is undone on the way back to the first activation's kernel",
    )  # fmt: skip


def _divided(choice: Choice, share: int) -> Choice:
    if share == 1:
        return choice
    return Choice(choice.c_w / share, choice.c_b / share, choice.kernel / share, f"{choice.reason}{_parts(share)}")


def _parts(share: int) -> str:
    return f", shared by {share} layers that are added up" if share > 1 else ""


def _kernel_giving(a: Activation, target: float) -> float | None:
    """K with g(K) = target, by bisection in log K; None where g does not pass through it."""
    functions = kernel_functions(a)
    low, high = 1e-12, 1e12
    if not functions.kernel_at(low) < target < functions.kernel_at(high):
        return None
    while high / low > 1.0 + 1e-9:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if functions.kernel_at(middle) < target else (low, middle)
    return math.sqrt(low * high)
