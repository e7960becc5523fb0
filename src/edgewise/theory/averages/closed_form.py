"""Gaussian averages of piecewise trigonometric polynomials, in closed form.

With x = z/sqrt(K), s = w sqrt(K) everything is a sum of ``T_n(a, s) = int_a^inf x**n phi(x) exp(i s x) dx``: error
functions (the Faddeeva function where s != 0) and a recurrence in n, or an asymptotic series where s is large. A
closed form is exact in principle and worthless where its terms cancel (sin at K = 1e-8, hardtanh at K = 1e8), so
every term carries its rounding error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.activations.pieces import Piece, Pieces

Real = npt.NDArray[np.float64]
Complex = npt.NDArray[Any]

_EPS = 2.0**-52
_SQRT_2PI = math.sqrt(2 * math.pi)
_ASYMPTOTIC_TERMS = 24
_FAR = 20.0


@dataclass(frozen=True)
class Moment:
    """A moment at several K (complex where it oscillates) and its absolute rounding error."""

    value: Complex
    error: Real


def closed_form_average(pieces: Pieces, kernel: Real) -> tuple[Real, Real] | None:
    """(value, error) of the Gaussian average of a piecewise trigonometric polynomial at each K, shape [K].

    None where there is no closed form: negative powers on anything but the whole line. The rounding error counts the
    cancellation between the terms, and the error of the exponent in ``exp(i w z)``.
    """
    value = np.zeros_like(kernel)
    error = np.zeros_like(kernel)
    root = np.sqrt(kernel)
    for piece in pieces:
        whole = piece.low == -math.inf and piece.high == math.inf
        powers = [t.power for t in piece.terms]
        if min(powers) < 0 and not whole:
            return None
        for frequency in sorted({t.frequency for t in piece.terms}):
            terms = [t for t in piece.terms if t.frequency == frequency]
            top = max(t.power for t in terms)
            lowest = min(t.power for t in terms)
            s = frequency * root
            moments = _moments(piece, root, s, top)
            negative = _negative_moments(s, -lowest) if lowest < 0 else {}
            for t in terms:
                m = negative[-t.power] if t.power < 0 else moments[t.power]
                scale = _power(kernel, root, t.power)
                with np.errstate(over="ignore", invalid="ignore"):
                    term = np.real(t.amplitude * m.value) * scale
                    value = value + np.where(m.value == 0, 0.0, term)
                    error = error + abs(t.amplitude) * scale * (m.error + 2 * _EPS * np.abs(m.value))
    return value, error + _EPS * np.abs(value)


def _power(kernel: Real, root: Real, power: int) -> Real:
    """K**(power/2), exact for power 2: <relu**2> is K/2 to the last bit."""
    half, odd = divmod(power, 2)
    with np.errstate(over="ignore"):
        scale: Real = kernel ** float(half) * (root if odd else 1.0)
    return scale


def _moments(piece: Piece, root: Real, s: Real, top: int) -> list[Moment]:
    """``int x**n phi(x) exp(i s x) dx`` over the piece in units of sqrt(K), for n = 0..top."""
    if piece.low == -math.inf and piece.high == math.inf:
        return _full(s, top)
    if piece.high == math.inf:
        return _above(piece.low / root, s, top)
    if piece.low == -math.inf:
        return _reflected(_above(-piece.high / root, -s, top))
    if piece.high <= 0:  # both edges on the left: work with the small tails, not with 1 minus them
        return _reflected(_difference(_above(-piece.high / root, -s, top), _above(-piece.low / root, -s, top)))
    return _difference(_above(piece.low / root, s, top), _above(piece.high / root, s, top))


def _difference(left: list[Moment], right: list[Moment]) -> list[Moment]:
    return [Moment(a.value - b.value, a.error + b.error) for a, b in zip(left, right, strict=True)]


def _reflected(moments: list[Moment]) -> list[Moment]:
    """The moments of x -> -x."""
    return [Moment(-m.value, m.error) if n % 2 else m for n, m in enumerate(moments)]


def _full(s: Real, top: int) -> list[Moment]:
    """<x**n exp(i s x)> = i**n He_n(s) exp(-s**2/2) (probabilists' Hermite polynomials)."""
    decay = np.exp(-0.5 * s * s)
    hermite = [np.ones_like(s), s]
    size = [np.ones_like(s), np.abs(s)]
    for n in range(1, top + 1):
        hermite.append(s * hermite[n] - n * hermite[n - 1])
        size.append(np.abs(s) * size[n] + n * size[n - 1])
    with np.errstate(over="ignore", invalid="ignore"):
        return [
            Moment(
                1j**n * np.where(decay == 0, 0.0, hermite[n] * decay),
                np.where(decay == 0, 0.0, _EPS * (1 + 0.5 * s * s) * size[n] * decay) if s.any() else 0.0 * s,
            )
            for n in range(top + 1)
        ]


def _above(a: Real, s: Real, top: int) -> list[Moment]:
    """T_n(a, s) for n = 0..top, the better of recurrence and asymptotic series for every K."""
    a = np.broadcast_to(np.asarray(a, dtype=np.float64), s.shape)
    forward = _recurrence(a, s, top)
    if not s.any():
        return forward
    far = np.abs(s) > _FAR
    if far.any():
        for near, series in zip(forward, _asymptotic(a[far], s[far], top), strict=True):
            better = series.error < near.error[far]
            near.value[far] = np.where(better, series.value, near.value[far])
            near.error[far] = np.where(better, series.error, near.error[far])
    return forward


def _recurrence(a: Real, s: Real, top: int) -> list[Moment]:
    """T_n = a**(n-1) phi(a) exp(i s a) + (n-1) T_{n-2} + i s T_{n-1}, from T_0 (integration by parts)."""
    density = np.exp(-0.5 * a * a) / _SQRT_2PI
    if not s.any():
        from scipy.special import ndtr

        edge: Complex = density
        start: Complex = ndtr(-a)
        start_error: Real = 2 * _EPS * (1 + 0.5 * np.minimum(a * a, 1500.0) * (a > 0)) * start
    else:
        from scipy.special import wofz

        edge = density * np.exp(1j * s * a)
        # the tail beyond |a| on a's own side; below 0 it is subtracted from the whole line
        tail = 0.5 * _SQRT_2PI * edge * wofz((np.where(a < 0, -s, s) + 1j * np.abs(a)) / math.sqrt(2))
        whole = np.exp(-0.5 * s * s)
        start = np.where(a < 0, whole - tail, tail)
        start_error = _EPS * ((4 + np.abs(s * a) + 0.5 * a * a) * np.abs(tail) + (1 + s * s) * whole)
    edge_error = _EPS * (1 + np.abs(s * a) + 0.5 * a * a) * density
    moments = [Moment(start, start_error)]
    for n in range(1, top + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            boundary = np.where(density == 0, 0.0, a ** float(n - 1) * edge)
            boundary_error = np.where(density == 0, 0.0, np.abs(a) ** float(n - 1) * edge_error)
        previous = moments[n - 2] if n > 1 else Moment(np.zeros_like(start), np.zeros_like(s))
        value = boundary + (n - 1) * previous.value
        if s.any():
            value = value + 1j * s * moments[n - 1].value
        error = boundary_error + (n - 1) * previous.error + np.abs(s) * moments[n - 1].error
        moments.append(Moment(value, error + _EPS * np.abs(value)))
    return moments


def _asymptotic(a: Real, s: Real, top: int) -> list[Moment]:
    """T_n ~ sum_k (i/s)**(k+1) f^(k)(a) exp(i s a), f = x**n phi, for large s; cut at the smallest term, which is its
    error.

    f^(k) = q_k phi with q_{k+1} = q_k' - x q_k. On the left of 0 the smooth Gaussian contributes exp(-s**2/2) more,
    which is below the error wherever this series is the better choice.
    """
    density = np.exp(-0.5 * a * a) / _SQRT_2PI
    with np.errstate(all="ignore"):
        inverse = np.where(s == 0, np.inf, 1j / np.where(s == 0, 1.0, s))
        edge = density * np.exp(1j * s * a)
        edge_error = _EPS * (4 + np.abs(s * a) + 0.5 * a * a)
        whole = np.abs(np.exp(-0.5 * s * s))
        results = []
        for n in range(top + 1):
            q = np.polynomial.Polynomial([0.0] * n + [1.0])
            total = np.zeros_like(inverse)
            size = np.zeros_like(a)
            last = np.full_like(a, np.inf)
            running = np.ones_like(a, dtype=bool)
            factor = inverse
            for k in range(_ASYMPTOTIC_TERMS):
                term = factor * q(a)
                bound = np.abs(factor) * np.polynomial.Polynomial(np.abs(q.coef))(np.abs(a))
                running &= (bound < last) | (k <= n)
                total = total + np.where(running, term, 0.0)
                size = size + np.where(running, np.abs(term), 0.0)
                last = np.where(running, bound, last)
                factor = factor * inverse
                q = q.deriv() - np.polynomial.Polynomial([0.0, 1.0]) * q
            error = density * (last + edge_error * size) + whole * (1 + np.abs(s)) ** n
            dead = density == 0  # the edge is out of reach: nothing above it, everything above a far negative one
            value = np.where(dead, 0.0, total * edge)
            error = np.where(dead, np.where(a > 0, 0.0, whole * (1 + np.abs(s)) ** n), error)
            results.append(Moment(value, np.where(np.isfinite(error), error, np.inf)))
    return results


def _negative_moments(s: Real, top: int) -> dict[int, Moment]:
    """``int x**-n phi(x) exp(i s x) dx`` for n = 1..top along a line just above the real axis.

    Equal to ``(-i)**n sqrt(2 pi) R_n(s)`` with the repeated integrals of the Gaussian tail, ``R_0 = phi``, ``R_1 =
    Q`` and ``n R_{n+1} = R_{n-1} - s R_n`` (Abramowitz & Stegun 7.2.5). Only sums that are regular at 0 mean
    anything.
    """
    from scipy.special import ndtr

    repeated = [np.exp(-0.5 * s * s) / _SQRT_2PI, ndtr(-s)]
    error = [_EPS * (1 + 0.5 * s * s) * repeated[0], 2 * _EPS * repeated[1]]
    for n in range(1, top):
        repeated.append((repeated[n - 1] - s * repeated[n]) / n)
        error.append((error[n - 1] + np.abs(s) * error[n]) / n + _EPS * np.abs(repeated[n + 1]))
    return {n: Moment((-1j) ** n * _SQRT_2PI * repeated[n], _SQRT_2PI * error[n]) for n in range(1, top + 1)}
