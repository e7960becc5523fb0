"""A formula as piecewise trigonometric polynomial, where it is one: the door to closed-form averages at any K."""

from __future__ import annotations

import cmath
import itertools
import math

import torch

from edgewise.activations.formula.evaluate import Program, at_defaults
from edgewise.activations.formula.tree import BUILTIN, Node, affine
from edgewise.activations.pieces import Piece, Pieces, Term

MAX_TERMS = 64
MAX_POWER = 40

Sum = dict[tuple[int, float], complex]
"""Amplitudes by (power, frequency)."""


def pieces_of(root: Node, breaks: tuple[float, ...], formula: Program) -> Pieces | None:
    """The pieces between the given candidate points, or None where the formula is not of that form.

    formula: `root`, ready to run.

    The result is compared with the formula itself; one that has lost more than 1e-12 to expanding (such as
    relu(x-1000)**12) is not returned.
    """
    found: list[Piece] = []
    edges = (-math.inf, *breaks, math.inf)
    for low, high in itertools.pairwise(edges):
        try:
            terms = _expanded(root, _inside(low, high))
        except OverflowError:  # x**98 at 1e9: no sum of terms is of use there
            return None
        if terms is None:
            return None
        piece = Piece(low, high, tuple(Term(c, n, w) for (n, w), c in sorted(terms.items()) if c != 0))
        if found and _same(found[-1], piece):
            found[-1] = Piece(found[-1].low, high, found[-1].terms)
        else:
            found.append(piece)
    return tuple(found) if _faithful(found, formula) else None


def _inside(low: float, high: float) -> float:
    """A point of the interval, off any round number."""
    if math.isinf(low) and math.isinf(high):
        return 0.6180339887
    if math.isinf(low):
        return high - 0.6180339887 * max(1.0, abs(high))
    if math.isinf(high):
        return low + 0.6180339887 * max(1.0, abs(low))
    return low + 0.4142135623 * (high - low)


def _same(a: Piece, b: Piece) -> bool:
    first, second = ({(t.power, t.frequency): t.amplitude for t in p.terms} for p in (a, b))
    scale = max([abs(c) for c in (*first.values(), *second.values())], default=0.0)
    return all(abs(first.get(k, 0) - second.get(k, 0)) <= 4e-16 * scale for k in {*first, *second})


def _faithful(found: list[Piece], formula: Program) -> bool:
    for piece in found:
        low, high = max(piece.low, min(-30.0, piece.high - 1)), min(piece.high, max(30.0, piece.low + 1))
        x = torch.linspace(low, high, 33, dtype=torch.float64)[1:-1]
        total = torch.zeros_like(x, dtype=torch.complex128)
        for t in piece.terms:
            total = total + t.amplitude * x**t.power * torch.exp(1j * t.frequency * x)
        truth = formula(x)
        if bool(((total - truth).abs() > 1e-12 * truth.abs().max()).any()):
            return False
    return True


def _clean(terms: Sum) -> Sum | None:
    """Terms without zeros; frequencies that agree but for rounding merged. None when there are too many."""
    merged: Sum = {}
    for (power, frequency), amplitude in sorted(terms.items()):
        near = next(
            (k for k in merged if k[0] == power and abs(k[1] - frequency) <= 1e-14 * max(abs(frequency), 1e-300)), None
        )
        key = near or (power, frequency + 0.0)
        merged[key] = merged.get(key, 0) + amplitude
    merged = {k: c for k, c in merged.items() if c != 0}
    if len(merged) > MAX_TERMS or any(k[0] > MAX_POWER for k in merged):
        return None
    return merged if all(cmath.isfinite(c) for c in merged.values()) else None


def _added(a: Sum, b: Sum, sign: float = 1.0) -> Sum | None:
    total = dict(a)
    for key, amplitude in b.items():
        total[key] = total.get(key, 0) + sign * amplitude
    return _clean(total)


def _multiplied(a: Sum | None, b: Sum) -> Sum | None:
    if a is None or len(a) * len(b) > 16 * MAX_TERMS:
        return None
    total: Sum = {}
    for (n, v), c in a.items():
        for (m, w), d in b.items():
            key = (n + m, _difference_is_zero(v + w, v))
            total[key] = total.get(key, 0) + c * d
    return _clean(total)


def _difference_is_zero(total: float, part: float) -> float:
    return 0.0 if abs(total) <= 1e-14 * abs(part) else total


def _raised(base: Sum, exponent: int) -> Sum | None:
    result: Sum | None = {(0, 0.0): 1.0}
    for _ in range(exponent):
        result = _multiplied(result, base)
        if result is None:
            return None
    return result


def _expanded(node: Node, at: float) -> Sum | None:
    """The node as a sum of terms on the piece that holds the point `at`."""
    match node.op:
        case "number":
            return {(0, 0.0): complex(node.value)} if node.value else {}
        case "x":
            return {(1, 0.0): 1.0 + 0j}
        case "sin" | "cos":
            line = affine(node.args[0])
            return _wave(node.op, *line) if line else None
    parts = [_expanded(arg, at) for arg in node.args]
    arguments = [p for p in parts if p is not None]
    if len(arguments) < len(parts):
        return None
    match node.op, arguments:
        case "add", [a, b]:
            return _added(a, b)
        case "sub", [a, b]:
            return _added(a, b, -1.0)
        case "neg", [a]:
            return {k: -c for k, c in a.items()}
        case "mul", [a, b]:
            return _multiplied(a, b)
        case "div", [a, b] if set(b) == {(0, 0.0)}:
            return {k: c / b[0, 0.0] for k, c in a.items()}
        case "pow", [a, _]:
            exponent = node.args[1].value
            return _raised(a, int(exponent)) if 0 <= exponent <= MAX_POWER and exponent == int(exponent) else None
        case "relu", [a]:
            return a if _value(a, at) > 0 else {}
        case "abs", [a]:
            return a if _value(a, at) >= 0 else {k: -c for k, c in a.items()}
        case "max", [a, b]:
            return a if _value(a, at) >= _value(b, at) else b
        case "min", [a, b]:
            return a if _value(a, at) <= _value(b, at) else b
        case op, [_] if op not in BUILTIN:
            return _substituted(op, node.args[0], at)
        case _:
            return None


def _value(terms: Sum, at: float) -> float:
    return sum(c * at**n * cmath.exp(1j * w * at) for (n, w), c in terms.items()).real if terms else 0.0


def _wave(op: str, frequency: float, phase: float) -> Sum | None:
    turned = cmath.exp(1j * phase)
    if frequency == 0:
        return {(0, 0.0): complex(turned.imag if op == "sin" else turned.real)}
    factor = -0.5j if op == "sin" else 0.5
    return _clean({(0, frequency): factor * turned, (0, -frequency): (factor * turned).conjugate()})


def _substituted(op: str, inner: Node, at: float) -> Sum | None:
    """A registered activation of an affine argument: its own pieces at a*x + b."""
    line, outer = affine(inner), at_defaults(op).pieces
    if line is None or outer is None or line[0] == 0:
        return None
    slope, offset = line
    piece = next(p for p in outer if p.low <= slope * at + offset <= p.high)
    total: Sum | None = {}
    for t in piece.terms:
        power = _raised(_clean({(1, 0.0): complex(slope), (0, 0.0): complex(offset)}) or {}, t.power)
        wave: Sum = {(0, t.frequency * slope + 0.0): t.amplitude * cmath.exp(1j * t.frequency * offset)}
        product = _multiplied(power, wave) if power is not None else None
        total = _added(total, product) if total is not None and product is not None else None
    return total
