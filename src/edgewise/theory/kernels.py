"""The kernel and its susceptibilities at one layer: g, chi_parallel, chi_perp, h (PDLT chapters 4 and 5).

Every function takes K as a float, array or tensor and returns a float64 tensor of its shape; ``with_error=True`` gives
``(value, error)`` with an estimate of the absolute error. What underflows is 0. They raise DomainError for K or C_W
that are not finite and > 0, DivergentAverageError and AverageOverflowError where there is no finite float64 value,
and warn (PrecisionWarning) where the estimated error exceeds 1e-9 of the integrand's size.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Literal, overload

import numpy.typing as npt
import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DivergentAverageError, DomainError, PrecisionWarning
from edgewise.theory import domain
from edgewise.theory.averages import Average, average
from edgewise.theory.averages.average import best
from edgewise.theory.averages.jumps import delta_terms, is_discontinuous, jumps

Kernel = float | Tensor | npt.ArrayLike
_USUAL_ERROR = 1e-9
_RELATIVE_GOAL = 1e-12


def as_kernel(kernel: Kernel) -> Tensor:
    """K as a float64 tensor. Raises DomainError unless every entry is finite and > 0."""
    k = domain.numbers("K", kernel, "1.0")
    if not bool(((k > 0) & torch.isfinite(k)).all()):
        bad = k[~((k > 0) & torch.isfinite(k))].reshape(-1)[0].item()
        raise DomainError(f"kernel K={bad:g} given, expected finite numbers > 0; try K=1.0")
    return k


def answer(what: str, a: Activation, found: Average, with_error: bool) -> Tensor | tuple[Tensor, Tensor]:
    """The value, or value and error; warns when the error is larger than usual."""
    poor = ~(found.error <= _USUAL_ERROR * found.magnitude) & (found.error > 0)
    if bool(poor.any()):
        worst = float((found.error / found.magnitude)[poor].max())
        warnings.warn(
            f"{what} of {a.spec} has an estimated error of {worst:.1e} of its scale at {int(poor.sum())} of "
            f"{poor.numel()} points; sigma varies too fast there for the panel budget",
            PrecisionWarning,
            stacklevel=4,
        )
    return (found.value, found.error) if with_error else found.value


@overload
def kernel(a: Activation | object, K: Kernel, *, with_error: Literal[False] = ...) -> Tensor: ...
@overload
def kernel(a: Activation | object, K: Kernel, *, with_error: Literal[True]) -> tuple[Tensor, Tensor]: ...
def kernel(a: Activation | object, K: Kernel, *, with_error: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """g(K) = <sigma(z)**2> for z ~ N(0, K) (PDLT ch. 4); float64, shape of K."""
    sigma = activation(a)
    return answer("g", sigma, average(sigma, as_kernel(K), (0, 0)), with_error)


@overload
def mean(a: Activation | object, K: Kernel, *, with_error: Literal[False] = ...) -> Tensor: ...
@overload
def mean(a: Activation | object, K: Kernel, *, with_error: Literal[True]) -> tuple[Tensor, Tensor]: ...
def mean(a: Activation | object, K: Kernel, *, with_error: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """<sigma(z)> for z ~ N(0, K); float64, shape of K."""
    sigma = activation(a)
    return answer("the mean", sigma, average(sigma, as_kernel(K), (0,)), with_error)


@overload
def fourth_moment(a: Activation | object, K: Kernel, *, with_error: Literal[False] = ...) -> Tensor: ...
@overload
def fourth_moment(a: Activation | object, K: Kernel, *, with_error: Literal[True]) -> tuple[Tensor, Tensor]: ...
def fourth_moment(a: Activation | object, K: Kernel, *, with_error: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """<sigma(z)**4> for z ~ N(0, K), the source of the four-point vertex (PDLT ch. 4); float64, shape of K."""
    sigma = activation(a)
    return answer("the fourth moment", sigma, average(sigma, as_kernel(K), (0, 0, 0, 0)), with_error)


@overload
def chi_parallel(
    a: Activation | object, K: Kernel, c_w: float = ..., *, with_error: Literal[False] = ...
) -> Tensor: ...
@overload
def chi_parallel(
    a: Activation | object, K: Kernel, c_w: float = ..., *, with_error: Literal[True]
) -> tuple[Tensor, Tensor]: ...
def chi_parallel(
    a: Activation | object, K: Kernel, c_w: float = 1.0, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """chi_parallel(K) = C_W g'(K) = C_W <z sigma sigma'> / K (PDLT section 5.1); float64, shape of K."""
    sigma = activation(a)
    return answer("chi_parallel", sigma, _slope(sigma, as_kernel(K)) * domain.one_positive("c_w", c_w), with_error)


@overload
def chi_perp(a: Activation | object, K: Kernel, c_w: float = ..., *, with_error: Literal[False] = ...) -> Tensor: ...
@overload
def chi_perp(
    a: Activation | object, K: Kernel, c_w: float = ..., *, with_error: Literal[True]
) -> tuple[Tensor, Tensor]: ...
def chi_perp(
    a: Activation | object, K: Kernel, c_w: float = 1.0, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """chi_perp(K) = C_W <sigma'**2> (PDLT section 5.1); float64, shape of K.

    Where sigma jumps (hardshrink) or rises like sqrt|x| two nearby inputs are torn apart at an infinite rate: the value
    is +inf, its error 0.
    """
    sigma, k, weight = activation(a), as_kernel(K), domain.one_positive("c_w", c_w)
    if _is_torn(sigma):
        infinite = torch.full_like(k, math.inf)
        return (infinite, torch.zeros_like(k)) if with_error else infinite
    return answer("chi_perp", sigma, average(sigma, k, (1, 1)) * weight, with_error)


@overload
def h(a: Activation | object, K: Kernel, c_w: float = ..., *, with_error: Literal[False] = ...) -> Tensor: ...
@overload
def h(a: Activation | object, K: Kernel, c_w: float = ..., *, with_error: Literal[True]) -> tuple[Tensor, Tensor]: ...
def h(
    a: Activation | object, K: Kernel, c_w: float = 1.0, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """h(K) = (1/2) d chi_perp / dK (PDLT section 5.1); float64, shape of K.

    The better conditioned of C_W <z sigma' sigma''> / (2K), with the jumps of sigma'**2 at kinks, and
    C_W <(z**2 - K) sigma'**2> / (4K**2). Raises DivergentAverageError where sigma jumps, since chi_perp is infinite
    there.
    """
    sigma, k, weight = activation(a), as_kernel(K), domain.one_positive("c_w", c_w)
    if _is_torn(sigma):
        raise DivergentAverageError(f"h of {sigma.spec} does not exist: its chi_perp is infinite; try chi_parallel")
    outer = average(sigma, k, (1, 1), 2) * (0.25 / k**2) + average(sigma, k, (1, 1)) * (-0.25 / k)
    inner = average(sigma, k, (1, 2), 1) * (0.5 / k)
    if sigma.kinks:
        jump = jumps(sigma, lambda s: s(1) ** 2)
        inner = inner + delta_terms(sigma, k, jump, lambda c, kk: 0.25 * c / kk)
    return answer("h", sigma, best([inner, outer]) * weight, with_error)


@overload
def kernel_derivative(
    a: Activation | object, K: Kernel, order: int = ..., *, with_error: Literal[False] = ...
) -> Tensor: ...
@overload
def kernel_derivative(
    a: Activation | object, K: Kernel, order: int = ..., *, with_error: Literal[True]
) -> tuple[Tensor, Tensor]: ...
def kernel_derivative(
    a: Activation | object, K: Kernel, order: int = 1, *, with_error: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """g'(K) or g''(K); float64, shape of K. Raises DomainError for other orders."""
    sigma, k = activation(a), as_kernel(K)
    if order == 1:
        return answer("g'", sigma, _slope(sigma, k), with_error)
    if order == 2:
        return answer("g''", sigma, _curvature(sigma, k), with_error)
    raise DomainError(f"derivative order {order!r} of g given, expected 1 or 2; try order=1")


def _is_torn(a: Activation) -> bool:
    """Whether <sigma'**2> is infinite: sigma jumps, or is homogeneous of a degree p with 2p - 2 <= -1."""
    return is_discontinuous(a) or (a.homogeneity is not None and 0 < a.homogeneity <= 0.5)


def _slope(a: Activation, k: Tensor) -> Average:
    """g' = <z sigma sigma'>/K, or where that cancels <sigma'**2 + sigma sigma''>, each with its delta functions."""
    found = average(a, k, (0, 1), 1) * (1 / k)
    jumping = is_discontinuous(a)
    if jumping:
        found = found + delta_terms(a, k, jumps(a, lambda s: s(0) ** 2), lambda c, kk: 0.5 * c / kk)
    poor = found.error > _RELATIVE_GOAL * found.value.abs()
    if jumping or not bool(poor.any()):
        return found
    return _refined(found, poor, k, lambda kk: _direct_slope(a, kk))


def _direct_slope(a: Activation, k: Tensor) -> Average:
    found = average(a, k, (1, 1)) + average(a, k, (0, 2))
    if a.kinks:
        found = found + delta_terms(a, k, jumps(a, lambda s: s(0) * s(1)), lambda c, kk: torch.ones_like(kk))
    return found


def _refined(found: Average, poor: Tensor, k: Tensor, other: Callable[[Tensor], Average]) -> Average:
    """`found`, with the other form tried at the K where it is poor; the scale stays that of the first form."""
    second = other(k[poor])
    first = Average(found.value[poor], found.error[poor], found.magnitude[poor])
    chosen = best([first, second])
    value, error = found.value.clone(), found.error.clone()
    value[poor], error[poor] = chosen.value, chosen.error
    return Average(value, error, found.magnitude)


def _curvature(a: Activation, k: Tensor) -> Average:
    """g'' in the best conditioned of four forms; each differentiates <q>_K = <z q'>_K / (2K) once more (Gaussian by
    parts).

    With F = sigma sigma' and G = F': <z**3 F - 3 K z F>/(2K**3); <z**2 G - z F>/(2K**2); <z G'>/(2K); for a sigma
    that jumps only <(z**4 - 6 K z**2 + 3 K**2) sigma**2>/(4K**4) holds. Jumps of F and G at the kinks enter as delta
    functions.
    """
    if is_discontinuous(a):
        fourth, second = average(a, k, (0, 0), 4), average(a, k, (0, 0), 2)
        return fourth * (0.25 / k**4) + second * (-1.5 / k**3) + average(a, k, (0, 0)) * (0.75 / k**2)
    zf = average(a, k, (0, 1), 1)
    forms = [average(a, k, (0, 1), 3) * (0.5 / k**3) + zf * (-1.5 / k**2)]
    once = average(a, k, (1, 1), 2) + average(a, k, (0, 2), 2) + zf * -1.0
    twice = average(a, k, (1, 2), 1) * 3.0 + average(a, k, (0, 3), 1)
    if a.kinks:
        f = jumps(a, lambda s: s(0) * s(1))
        g = jumps(a, lambda s: s(1) ** 2 + s(0) * s(2))
        once = once + delta_terms(a, k, f, lambda c, kk: c * c)
        twice = twice + delta_terms(a, k, g, lambda c, kk: c)
        twice = twice + delta_terms(a, k, f, lambda c, kk: c * c / kk - 1)
    return best([*forms, once * (0.5 / k**2), twice * (0.5 / k)])
