"""Candidates for a tailored activation, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from edgewise.activations import Activation
from edgewise.tailor import conditions
from edgewise.tailor.landscape import landscape
from edgewise.tailor.moments import Moments, moments
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.survival import Survival, Transform, survival
from edgewise.tailor.tailored import Candidate, Method

Found = tuple[Method, float, Transform]
"""Method, its target (zeta, tau or c0) and the transformation."""

_STEP = 1e-4


def dks(a: Activation, stack: Stack, zeta: float) -> list[Found]:
    """All DKS solutions."""
    roots = landscape(a).roots(conditions.dks(stack.layer_slope(zeta)))
    return [("dks", zeta, _centred(a, *root)) for root in roots]


def shift(a: Activation, stack: Stack, zeta: float) -> list[Found]:
    """The substitute, if sigma is straight enough anywhere."""
    pair = landscape(a).nearest(conditions.shift(stack.layer_slope(zeta)))
    return [] if pair is None else [("shift", zeta, _centred(a, *pair))]


def tat(a: Activation, stack: Stack, tau: float) -> list[Found]:
    """All solutions of TAT for smooth activations."""
    found: list[Found] = []
    for sign in (1.0, -1.0):
        for alpha, beta in landscape(a).roots(conditions.tat(stack.layer_curvature(tau), sign)):
            gamma, delta = conditions.unit_slope_scale(_at(a, alpha, beta), sign)
            found.append(("tat", tau, (alpha, beta, gamma, delta)))
    return found


def measured(a: Activation, found: Sequence[Found], stack: Stack, *, width: int) -> list[Candidate]:
    """The candidates with their susceptibilities and the networks that survive."""
    lasting = survival(a, [t for _, _, t in found], stack, width=width)
    return [_candidate(a, *f, s) for f, s in zip(found, lasting, strict=True)]


def _candidate(a: Activation, method: Method, target: float, transform: Transform, lasting: Survival) -> Candidate:
    alpha, beta, gamma, delta = transform
    kernel = torch.tensor([1.0, 1.0 - _STEP, 1.0 + _STEP], dtype=torch.float64)
    m = moments(a, alpha * kernel.sqrt(), torch.full_like(kernel, beta))
    parallel = gamma**2 * (m.zd + (m.mean + delta) * m.zslope) / kernel
    return Candidate(
        method, target, alpha, beta, gamma, delta,
        parallel=float(parallel[0]),
        perp=float(gamma**2 * m.slope[0]),
        parallel_slope=float((parallel[2] - parallel[1]) / (2 * _STEP)),
        survival=lasting,
    )  # fmt: skip


def ranked(candidates: Sequence[Candidate], enough: float) -> list[Candidate]:
    """Best first, the best one marked as chosen.

    Those whose networks survive (a share of at least `enough`) come first, the most nonlinear of them (largest target)
    leading; then those whose networks survive far from K = 1 too, then the smaller |dchi_parallel/dK|, then the smaller
    spread of kernels. Of those that fail, the one with more survivors.
    """

    def order(c: Candidate) -> tuple[float, ...]:
        lasts = c.survival.share >= enough
        target = -c.zeta if c.method != "leaky" else c.zeta
        rest = (-round(c.survival.far, 1), abs(round(c.parallel_slope, 6)), c.survival.spread)
        return (0.0, target, *rest) if lasts else (1.0, -round(c.survival.share, 2), target, *rest)

    first, *others = sorted(candidates, key=order)
    return [replace(first, chosen=True), *others]


def _centred(a: Activation, alpha: float, beta: float) -> Transform:
    return (alpha, beta, *conditions.centred_scale(_at(a, alpha, beta)))


def _at(a: Activation, alpha: float, beta: float) -> Moments:
    return moments(a, torch.tensor([alpha], dtype=torch.float64), torch.tensor([beta], dtype=torch.float64))
