"""Where a formula may fail to be smooth: zeros of the arguments of relu, abs, sqrt, quotients... on the whole line.

An affine argument is solved exactly. Any other is scanned on a grid that is graded toward 0, reaches out to |x| = 1e9
(1e3 where something oscillates, and there as finely as it oscillates), and bisected to the last bit; zeros that only
touch are found through the zeros of the argument's derivative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.activations.formula.effort import Effort
from edgewise.activations.formula.evaluate import Program, at_defaults, program
from edgewise.activations.formula.tree import (
    ARITHMETIC,
    BUILTIN,
    Node,
    affine,
    apply,
    is_number,
    mentions_x,
    number,
    walk,
)
from edgewise.activations.kinks import merged, rounded

REACH = 1e9
REACH_OSCILLATING = 1e3
MAX_GRID = 400_000
MAX_CANDIDATES = 1000

_OSCILLATING = frozenset({"sin", "cos", "tan"})


@dataclass(frozen=True)
class Candidates:
    """Points where the formula may have a kink or a pole, ascending.

    cut_at: |x| beyond which an oscillating formula was not searched.
    """

    points: tuple[float, ...]
    cut_at: float


def candidates(root: Node, effort: Effort) -> Candidates:
    """All points where some function in the tree is evaluated at a point where it is not smooth.

    Raises FormulaError where finding them takes more than `effort`.
    """
    points: set[float] = set()
    cut_at = math.inf
    arguments = dict.fromkeys(_critical_arguments(root))
    budget = MAX_GRID // max(1, sum(map(_oscillates, arguments)))
    for argument in arguments:
        line = affine(argument)
        if line is not None:
            slope, offset = line
            if slope != 0:
                points.add(-offset / slope + 0.0)
            continue
        points.update(zeros(argument, effort, budget))
        if _oscillates(argument):
            cut_at = min(cut_at, REACH_OSCILLATING)
    ordered = sorted(p for p in points if math.isfinite(p))
    if len(ordered) > MAX_CANDIDATES:
        ordered = sorted(sorted(ordered, key=abs)[:MAX_CANDIDATES])
        cut_at = min(cut_at, abs(ordered[0]), abs(ordered[-1]))
    return Candidates(tuple(ordered), cut_at)


def _critical_arguments(root: Node) -> list[Node]:
    """Expressions at whose zeros the formula may not be smooth."""
    found: list[Node] = []
    for node in walk(root):
        if not node.args or not mentions_x(node):
            continue
        u = node.args[0]
        match node.op:
            case "relu" | "abs" | "log" | "sqrt":
                found.append(u)
            case "log1p":
                found.append(apply("add", u, number(1.0)))
            case "min" | "max":
                found.append(apply("sub", u, node.args[1]))
            case "div" if mentions_x(node.args[1]):
                found.append(node.args[1])
            case "pow" if node.args[1].value < 0 or node.args[1].value % 1:
                found.append(u)
            case "asin" | "acos" | "atanh":
                found += [apply("add", u, number(1.0)), apply("sub", u, number(1.0))]
            case "acosh":
                found.append(apply("sub", u, number(1.0)))
            case "tan":
                found.append(apply("cos", u))
            case "add" | "sub" | "mul" | "neg" | "pow" | "div":
                pass
            case op if op not in _SMOOTH:
                found += [apply("sub", u, number(kink)) for kink in at_defaults(op).kinks]
    return found


_SMOOTH = BUILTIN - {"relu", "abs", "min", "max", "log", "log1p", "sqrt", "tan", "asin", "acos", "atanh", "acosh"}


def _oscillates(node: Node) -> bool:
    return any(n.op in _OSCILLATING or _wavy(n) for n in walk(node) if n.args and mentions_x(n))


def _wavy(node: Node) -> bool:
    """Whether the node is a registered activation that has no limit far out."""
    if not node.args or node.op in BUILTIN or node.op in ARITHMETIC:
        return False
    return any(math.isnan(limit) for limit in at_defaults(node.op).limits)


def zeros(node: Node, effort: Effort, budget: int = MAX_GRID) -> list[float]:
    """Real zeros of an expression, crossing or touching, to the last bit."""
    grid = _grid(node, effort, budget)
    effort.spend(40, len(grid))
    evaluate = program(node, effort=effort)
    value = evaluate(grid)
    if node.op in ("add", "sub"):  # what cancels to the last bits is zero: x - tanh(x) near 0 has no sign of its own
        size = torch.maximum(*(program(part, effort=effort)(grid).abs() for part in node.args))
        value = torch.where(value.abs() <= 4 * torch.finfo(torch.float64).eps * size, 0.0, value)
    slope = torch.where(value == 0, 0.0, evaluate(grid, 1))
    found = _exact(grid, value)
    found += _bisected(evaluate, 0, grid, value)
    found += _touching(evaluate, torch.tensor(_bisected(evaluate, 1, grid, slope), dtype=torch.float64))
    return merged(found, within=1e-9, nearest=1e-6)


def _exact(grid: Tensor, value: Tensor) -> list[float]:
    """Grid points where the value is exactly 0: the middle of a short run of them, the ends of a long one."""
    runs: list[tuple[float, float]] = []
    for point in grid[value == 0].tolist():
        reach = 0.5 if abs(point) < 1e-3 else 0.05  # rounding leaves gaps in a run
        step = max(reach * abs(point), 2e-12)
        if runs and point - runs[-1][1] <= max(step, 1 / 16 if abs(point) > 1 else 0.0):
            runs[-1] = runs[-1][0], point
        else:
            runs.append((point, point))
    ends = [[0.5 * (a + b)] if b - a <= 1e-4 * max(1.0, abs(a)) else [a, b] for a, b in runs]
    return [p for pair in ends for p in pair]


def _touching(evaluate: Program, turning: Tensor) -> list[float]:
    """The turning points at which the value vanishes but for rounding."""
    beside = evaluate(turning * (1 + 1e-6) + 1e-6).abs()
    there, curve = evaluate(turning).abs(), evaluate(turning, 2).abs()
    values = [jet[0] for jet in evaluate.run(turning, 0)]
    scale = torch.stack([v.abs() if isinstance(v, Tensor) else torch.full_like(turning, abs(v)) for v in values]).amax(
        0
    )
    zero = (there <= 1e-15 * torch.maximum(scale, curve * turning * turning)) & (beside > there)
    return [float(p) for p in turning[zero]]


def _bisected(evaluate: Program, order: int, grid: Tensor, value: Tensor) -> list[float]:
    """Zeros of the derivative of that order, one for every change of sign between neighbours on the grid."""
    change = torch.nonzero(value[:-1].sign() * value[1:].sign() < 0).reshape(-1)
    change = change[torch.argsort(grid[change].abs())[: MAX_CANDIDATES + 1]]
    if not len(change):
        return []
    low, high, sign = grid[change], grid[change + 1], value[change].sign()
    parts = max(2, min(64, 4096 // len(change)))  # few and wide evaluations are much quicker than many small ones
    share = torch.arange(1, parts, dtype=torch.float64) / parts
    for _ in range(math.ceil(80 / math.log2(parts))):
        inner = low[:, None] + (high - low)[:, None] * share
        edges = torch.cat([low[:, None], inner, high[:, None]], 1)
        same = evaluate(inner, order).sign() == sign[:, None]
        first = same.long().cumprod(1).sum(1, keepdim=True)  # how many points still have the sign of the left end
        moved = edges.gather(1, first)[:, 0], edges.gather(1, first + 1)[:, 0]
        if torch.equal(moved[0], low) and torch.equal(moved[1], high):
            break
        low, high = moved
    a, b = evaluate(low, order).abs(), evaluate(high, order).abs()
    best = torch.where(b <= a, high, low)
    return [rounded(v) for v in best.tolist()]


def _grid(node: Node, effort: Effort, budget: int) -> Tensor:
    oscillates = _oscillates(node)
    reach = REACH_OSCILLATING if oscillates else REACH
    near = torch.arange(0, 40, 1 / 64, dtype=torch.float64)
    graded = torch.logspace(-12, math.log10(reach), 4000, dtype=torch.float64)
    if oscillates:
        near = torch.arange(0, reach, 1 / 16, dtype=torch.float64)
    # a small irrational offset keeps simple zeros off the grid, where a change of sign shows them
    half = torch.unique(torch.cat([near[1:] + math.pi * 1e-7, graded]))
    grid = torch.cat([-half.flip(0), half])
    return _refined(node, grid, effort, budget) if oscillates else grid


def _refined(node: Node, grid: Tensor, effort: Effort, budget: int) -> Tensor:
    """The grid with every cell cut so that no oscillating function turns by more than 0.3 rad in a cell."""
    turns = torch.zeros(len(grid) - 1, dtype=torch.float64)
    for inner in {n.args[0] for n in walk(node) if n.op in _OSCILLATING or _wavy(n)}:
        if mentions_x(inner) and not is_number(inner):
            turns = torch.maximum(turns, program(inner, effort=effort)(grid).diff().abs().nan_to_num(0.0, 0.0, 0.0))
    cuts = (turns * 2 / 0.3).ceil().clamp(1, 1e6)
    by_distance = torch.argsort(0.5 * (grid[1:] + grid[:-1]).abs())
    affordable = torch.cumsum(cuts[by_distance], 0) <= budget
    cuts[by_distance[~affordable]] = 1
    counts = cuts.long()
    start = torch.repeat_interleave(grid[:-1], counts)
    step = torch.repeat_interleave(grid.diff() / cuts, counts)
    first = torch.repeat_interleave(torch.cumsum(counts, 0) - counts, counts)
    return start + step * (torch.arange(len(start)) - first)
