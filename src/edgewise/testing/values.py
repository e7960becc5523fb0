"""sigma, sigma' and sigma'' against an mpmath reference, in the middle and in the tails.

What is allowed. The input is a float, so it is exact; a formula of some thirty roundings that is *stable* returns the
exact value at an input perturbed by some tens of units in the last place, perturbed once more by as many. So the error
of f, at machine precision eps, may reach

    32 eps (|f(x)| + |x f'(x)|)

plus what gradual underflow costs: 32 of the smallest subnormals, times (1 + x)**2 for a factor that multiplies an
exponential in a tail. This is a relative criterion: sigma'' = 1e-290 must come out with its digits. Where f crosses 0
the second term is the one that counts. Derivatives of a formula or callable come from automatic differentiation, whose
terms may cancel: there the bound is that of the intermediate results, 32 eps max(1, |x|, |sigma|), unless the caller
asks for the strict one (floor=0).
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import torch

from edgewise.testing import points
from edgewise.testing.exact import ExactJet, Reference, exact_jets
from edgewise.testing.outcome import ConformanceError, NotApplicable, Worst
from edgewise.testing.rounding import is_automatic

if TYPE_CHECKING:
    from edgewise.activations import Activation

ULPS = 32.0
_SYMBOLS = ("sigma", "sigma'", "sigma''")


def check_values(
    activation: Activation,
    reference: Reference | None,
    *,
    dtype: torch.dtype = torch.float64,
    floor: float | None = None,
) -> Worst:
    """sigma, sigma', sigma'' within [-10, 10] and beside every kink agree with the reference.

    The module says how closely. floor: size of intermediate results relative to max(1, |x|, |sigma|); None is 1 for
    formulas and callables and 0 where the derivatives were written down.

    Raises ConformanceError, NotApplicable without a reference.
    """
    return _compare(activation, reference, points.core(dtype, activation.kinks), floor)


def check_tails(
    activation: Activation,
    reference: Reference | None,
    *,
    dtype: torch.dtype = torch.float64,
    floor: float | None = None,
) -> Worst:
    """The same from |x| = 10 to 1e200 (float32: 1e30): no early overflow, no nan, no normal number flushed to 0."""
    return _compare(activation, reference, points.tails(dtype, activation.kinks), floor)


def _compare(activation: Activation, reference: Reference | None, x: torch.Tensor, floor: float | None) -> Worst:
    if importlib.util.find_spec("mpmath") is None:
        raise NotApplicable("mpmath is not installed: pip install 'edgewise[testing]'")
    if reference is None:
        raise NotApplicable("no reference was given: pass reference=, a function of one mpmath number")
    info = torch.finfo(x.dtype)
    smallest = info.smallest_normal * info.eps
    jets = exact_jets(reference, x.tolist(), activation.kinks, smallest=smallest)
    if floor is None:
        floor = 1.0 if is_automatic(activation) else 0.0
    worst = Worst(0.0, 0.0)
    for order in range(3):
        found = activation.derivative(x, order).tolist()
        for jet, got in zip(jets, found, strict=True):
            fraction = _fraction(jet, order, got, x.dtype, floor)
            if not fraction <= 1:
                raise ConformanceError(_message(activation, jet, order, got, fraction, x.dtype))
            worst = max(worst, Worst(fraction, jet.x), key=lambda w: w.fraction)
    return worst


def _fraction(jet: ExactJet, order: int, got: float, dtype: torch.dtype, floor: float) -> float:
    """The error as a fraction of what is allowed; nan where the result is nan."""
    from mpmath import mp

    info = torch.finfo(dtype)
    exact, size = jet.values[order], abs(jet.values[order])
    if got != got:
        return float("nan")
    if abs(got) == float("inf"):
        near_overflow = size >= info.max * (1 - ULPS * info.eps)
        return 0.0 if near_overflow and (got > 0) == (exact > 0) else float("inf")
    with mp.workdps(50):
        x = mp.mpf(abs(jet.x))
        subnormal = info.smallest_normal * info.eps
        intermediate = floor * max(1, x, abs(jet.values[0]))
        allowed = ULPS * info.eps * (size + x * abs(jet.values[order + 1]) + intermediate)
        allowed += ULPS * subnormal * (1 + min(x, 1000)) ** 2 + jet.errors[order]
        if size < info.smallest_normal:
            allowed += info.smallest_normal  # a subnormal result may be flushed
        return float(min(abs(mp.mpf(got) - exact) / allowed, mp.mpf(info.max)))


def _message(activation: Activation, jet: ExactJet, order: int, got: float, fraction: float, dtype: torch.dtype) -> str:
    from mpmath import mp

    exact: Any = mp.nstr(jet.values[order], 17)
    flushed = " (flushed to 0)" if got == 0.0 and jet.values[order] != 0 else ""
    return (
        f"{activation.spec}: {_SYMBOLS[order]}({jet.x!r}) in {str(dtype).removeprefix('torch.')} is {got!r}{flushed}, "
        f"expected {exact}: {fraction:.3g} times the allowed error"
    )
