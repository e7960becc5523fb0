"""The phase diagram over (C_W, C_b): where signals die, keep or explode, and where gradients do (PDLT chapter 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError
from edgewise.theory import domain
from edgewise.theory.flow import next_kernel, susceptibilities
from edgewise.theory.interpolant import kernel_functions

PHASES = ("ordered", "chaotic", "diverges", "vanishes")
LOST = 1e6
"""A kernel is called diverged or vanished once it is this factor above or below k0."""


@dataclass(frozen=True)
class CriticalLine:
    """Where chi_perp = 1 at a fixed point K of the kernel: C_W = 1/<sigma'**2>_K and C_b = K - C_W g(K) >= 0.

    All float64 of one shape; where chi_parallel is 1 too, the network is critical.
    """

    kernel: Tensor
    c_w: Tensor
    c_b: Tensor
    chi_parallel: Tensor


@dataclass(frozen=True)
class PhaseDiagram:
    """What a network of `depth` layers does at every (C_b, C_W) of a grid.

    c_w: shape (columns,); c_b: shape (rows,); all others have shape (rows, columns).
    kernel, chi_parallel, chi_perp: at the last layer. phase: index into PHASES: "diverges" and "vanishes" where K has
    left [k0/1e6, 1e6 k0], else "ordered" where chi_perp < 1 and "chaotic" where it is >= 1. survived: how many
    layers, from the first, have K in that range.
    """

    activation: Activation
    depth: int
    k0: float
    skip: float
    c_w: Tensor
    c_b: Tensor
    kernel: Tensor
    chi_parallel: Tensor
    chi_perp: Tensor
    phase: Tensor
    survived: Tensor
    line: CriticalLine
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers; phases by name."""
        plain = {n: v.tolist() if isinstance(v, Tensor) else v for n, v in vars(self).items()}
        plain["activation"] = self.activation.spec
        plain["phase"] = [[PHASES[i] for i in row] for row in self.phase.tolist()]
        plain["line"] = {n: v.tolist() for n, v in vars(self.line).items()}
        return plain


def phase_diagram(
    a: Activation | object,
    *,
    c_w: Tensor | list[float],
    c_b: Tensor | list[float],
    depth: int = 64,
    k0: float = 1.0,
    skip: float = 0.0,
) -> PhaseDiagram:
    """The state of networks of `depth` layers over a grid of C_W (columns) and C_b (rows), all flows at once.

    Raises DomainError when an entry is out of range (c_w <= 0, c_b < 0, k0 <= 0, depth < 1) or a grid is not
    one-dimensional.
    """
    a = activation(a)
    depth = domain.layers(depth)
    gamma = domain.skip_strength(skip)
    columns, rows = domain.positive("c_w", c_w), domain.not_negative("c_b", c_b)
    if columns.ndim != 1 or rows.ndim != 1:
        raise DomainError(
            f"c_w of shape {tuple(columns.shape)} and c_b of shape {tuple(rows.shape)} given, "
            "expected one-dimensional grids; try c_w=torch.linspace(0.1, 4, 64), c_b=torch.linspace(0, 1, 64)"
        )
    start = domain.one_positive("k0", k0)
    functions = kernel_functions(a)
    w, b = columns.expand(rows.numel(), -1), rows[:, None].expand(-1, columns.numel())
    kernel = torch.full(w.shape, start, dtype=torch.float64)
    survived = torch.ones(w.shape, dtype=torch.int64)
    alive = torch.ones(w.shape, dtype=torch.bool)
    for _ in range(depth - 1):
        kernel = next_kernel(functions, kernel, w, b, gamma)
        alive &= (kernel <= start * LOST) & (kernel >= start / LOST)
        survived += alive
    parallel, perp = susceptibilities(functions, kernel, w, gamma)
    phase = torch.where(perp < 1.0, 0, 1)
    phase = torch.where(kernel > start * LOST, 2, torch.where(kernel < start / LOST, 3, phase))
    return PhaseDiagram(
        activation=a,
        depth=depth,
        k0=start,
        skip=gamma,
        c_w=columns,
        c_b=rows,
        kernel=kernel,
        chi_parallel=parallel,
        chi_perp=perp,
        phase=phase,
        survived=survived,
        line=critical_line(a, skip=gamma),
        reason=_reason(a, depth, phase),
    )


def critical_line(a: Activation | object, kernels: Tensor | None = None, *, skip: float = 0.0) -> CriticalLine:
    """The curve chi_perp = 1 in the (C_W, C_b) plane, one point for each kernel K > 0 that has C_b >= 0.

    kernels: where to evaluate; 400 of them from 1e-6 to 1e6 unless given.
    Raises DomainError when |skip| > 1 or a K <= 0.
    """
    functions = kernel_functions(activation(a))
    room = 1.0 - domain.skip_strength(skip) ** 2
    grid = torch.logspace(-6, 6, 400, dtype=torch.float64) if kernels is None else domain.positive("kernels", kernels)
    c_w = room / functions.chi_perp(grid)
    c_b = room * grid - c_w * functions.kernel(grid)
    c_b = torch.where(c_b.abs() <= 1e-12 * grid, 0.0, c_b)  # on scale-invariant lines C_b is 0 up to rounding
    on = (c_b >= 0) & torch.isfinite(c_w) & (c_w > 0)
    parallel = c_w * functions.chi_parallel(grid) + 1.0 - room
    return CriticalLine(grid[on], c_w[on], c_b[on], parallel[on])


def _reason(a: Activation, depth: int, phase: Tensor) -> str:
    shares = ", ".join(f"{100 * float((phase == i).double().mean()):.0f} % {name}" for i, name in enumerate(PHASES))
    return f"{a.spec}, {depth} layers, over this grid: {shares}"
