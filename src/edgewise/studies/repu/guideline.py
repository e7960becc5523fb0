"""The phase diagram of MRePU and the initialisation that follows from it, and how far that carries.

MRePU's critical point is K* = 0 at (C_W, C_b) = (1, 0), and it repels: with g(K) = K (1 + a1 K + ...) the kernel grows
as K_1/(1 - a1 K_1 l). It has doubled after 1/(2 a1 K_1) layers and has no finite value after about 1/(a1 K_1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import activation
from edgewise.measure.jsonable import jsonable
from edgewise.measure.simulate import simulate
from edgewise.measure.wording import number
from edgewise.studies import evidence
from edgewise.studies.claim import Check, Claim
from edgewise.studies.repu.networks import empirical_kernels
from edgewise.studies.study import Context, Part
from edgewise.theory import expand_at_zero, kernel_flow, phase_diagram, recommend
from edgewise.theory.phase import LOST, PHASES

SPEC = "mrepu(p=2)"
SHOWN = 20
FATES = {"diverges": "explodes", "vanishes": "vanishes", "ordered": "stays", "chaotic": "stays"}
"""What a phase of the diagram says of the signal; ordered and chaotic differ in their gradients."""


@dataclass(frozen=True)
class Settings:
    """width, networks: of the horizons; kernels: K_1 of the first layer there, in descending order; depth: of the
    phase diagram, points: C_W and C_b at which random networks are held against it.
    """

    width: int
    networks: int
    point_networks: int
    kernels: tuple[float, ...] = (1e-2, 3e-3, 1e-3)
    depth: int = 32
    deep: int = 50
    grid: int = 72
    points: tuple[tuple[float, float], ...] = (
        (0.5, 0.0), (0.9, 0.0), (1.0, 0.0), (1.15, 0.0), (1.5, 0.0), (0.7, 5e-4), (1.0, 2e-3), (1.3, 4e-3),
    )  # fmt: skip


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Three claims: the phase diagram, the advice that follows from it taken to the letter, and the horizon."""
    s, total = settings, 1 + len(settings.kernels)
    diagram, fates = _diagram(s), _fates(s, context)
    context.progress(1, total)
    flows = {}
    for i, k0 in enumerate(s.kernels):
        x0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64, device=context.device)
        depth = max(_depth(k0), s.deep if i == 0 else 0)
        flows[k0] = empirical_kernels(
            activation(SPEC), x0, depth=depth, width=s.width, networks=s.networks, c_w=1.0, first_c_w=2.0 * k0,
            generator=context.generator(1, i),
        )[:, :, 0].cpu()  # fmt: skip
        context.progress(2 + i, total)
    return _phase(s, diagram, fates), _letter(s, flows), _horizon(s, flows)


PART = Part(
    key="guideline",
    title="Phase diagram and initialisation guideline",
    run=run,
    settings={
        "smoke": Settings(width=200, networks=48, point_networks=24),
        "full": Settings(width=600, networks=100, point_networks=60),
    },
    seconds={"smoke": 7.0, "full": 100.0},
)


def _depth(k0: float) -> int:
    """More layers than K has in theory, for networks that come late."""
    return math.ceil(1.6 / (_a1() * k0)) + 10


def _a1() -> float:
    found = expand_at_zero(activation(SPEC)).a1
    assert found is not None
    return found


def _first_kernel(s: Settings) -> float:
    """K_1 of the phase diagram: what is recommended for its depth, so that the critical point lies in it."""
    return recommend(activation(SPEC), s.depth, width=s.width).k0


def _diagram(s: Settings) -> dict[str, Any]:
    c_w = torch.linspace(0.0, 1.6, s.grid + 1, dtype=torch.float64)[1:]
    c_b = torch.linspace(0.0, 0.006, s.grid, dtype=torch.float64)
    found = phase_diagram(activation(SPEC), c_w=c_w, c_b=c_b, depth=s.depth, k0=_first_kernel(s))
    line = found.line
    shown = (line.c_w <= 2.4) & (line.c_b <= 0.009)
    return {
        "depth": s.depth,
        "k0": found.k0,
        "c_w": jsonable(c_w),
        "c_b": jsonable(c_b),
        "chi_perp": [[float(f"{x:.4e}") for x in row] for row in found.chi_perp.tolist()],
        "phase": found.phase.tolist(),
        "line": {name: jsonable(getattr(line, name)[shown]) for name in ("c_w", "c_b")},
        "marks": {},
        "guideline": [1.0, 0.0],
    }


def _fates(s: Settings, context: Context) -> list[dict[str, Any]]:
    """What random networks do at each point, beside what the diagram says there."""
    a, k0, found = activation(SPEC), _first_kernel(s), []
    for i, (c_w, c_b) in enumerate(s.points):
        said = phase_diagram(a, c_w=[c_w], c_b=[c_b], depth=s.depth, k0=k0)
        expected = FATES[PHASES[int(said.phase[0, 0])]]
        seen = simulate(
            a, s.depth, s.width, s.point_networks, c_w=c_w, c_b=c_b, k0=k0, generator=context.generator(0, i),
            device=context.device,
        )  # fmt: skip
        last = seen.kernel[-1, :, 0]
        fate = ["explodes" if k > k0 * LOST else "vanishes" if k < k0 / LOST else "stays" for k in last.tolist()]
        found.append(
            {
                "c_w": c_w, "c_b": c_b, "expected": expected, "agree": sum(f == expected for f in fate),
                "fates": {name: fate.count(name) for name in ("stays", "explodes", "vanishes")},
            }
        )  # fmt: skip
    return found


def _phase(s: Settings, diagram: dict[str, Any], fates: list[dict[str, Any]]) -> Claim:
    n = s.point_networks * len(fates)
    agree = sum(row["agree"] for row in fates)
    share = evidence.proportion(agree, n)
    return Claim(
        key="phase-diagram",
        title="MRePU(2): the phase diagram tells what becomes of the signal",
        says=(
            "A phase diagram of the kernel over C_W and C_b tells which initialisations keep the signal, and with it "
            "which initialisation to choose: (C_W, C_b) = (1, 0) for MRePU."
        ),
        where="phase diagram and choice of the initialisation",
        checks=(
            Check(
                f"at {len(fates)} points of the plane a random network of {s.depth} layers explodes, vanishes or stays "
                "as the diagram says (share of networks)",
                share,
                (0.9, 1.0),
            ),
        ),
        measured=(
            f"{agree} of {n} random networks of width {s.width} and {s.depth} layers at {len(fates)} points (C_W, C_b) "
            f"do what infinite width says, from K₁ = {number(diagram['k0'])}"
        ),
        n=n,
        settings={"k0": diagram["k0"], "lost_beyond": LOST},
        numbers={"points": fates},
        figures=("guideline.phase",),
        data={"diagram": diagram, "points": fates, "width": s.width, "networks": s.point_networks},
        remarks=(
            f"The first layer is set apart so that K₁ = {number(diagram['k0'])}, small enough for {s.depth} layers; "
            "from a larger K₁ the region that stays shrinks to C_W < 1.",
        ),
    )


def _letter(s: Settings, flows: dict[float, Tensor]) -> Claim:
    k0 = max(flows)
    last = flows[k0][:, s.deep - 1]
    kept = int(((last >= k0 / 10.0) & (last <= k0 * 10.0)).sum())
    lost = int((~torch.isfinite(last)).sum())
    share = evidence.proportion(kept, s.networks)
    return Claim(
        key="guideline-to-the-letter",
        title="(C_W, C_b) = (1, 0) is enough for a deep MRePU network to keep its kernel",
        says=(
            "MRePU meets the criticality condition at (C_W, C_b) = (1, 0) as K → 0, so this is how to initialise it; "
            "taken as advice for a small kernel and any depth."
        ),
        where="criticality of MRePU, taken to the letter",
        of_paper=False,
        checks=(
            Check(
                f"from K₁ = {k0:g}, at layer {s.deep}, K is within a factor of 10 of K₁ in at least half of the "
                "networks (share of networks)",
                share,
                (0.5, 1.0),
            ),
        ),
        measured=(
            f"of {s.networks} networks of width {s.width} started at K₁ = {k0:g}, {kept} have K within a factor of 10 "
            f"of it at layer {s.deep}, and in {lost} K has no finite float64 value any more"
        ),
        n=s.networks,
        settings={"first_c_w": 2.0 * k0},
        numbers={"kept": share.to_dict(), "not_finite": lost},
        figures=(),
        data={},
        remarks=(
            "Both susceptibilities are 1 at K = 0 and larger than 1 at every K > 0: the critical point repels. How far "
            "a given K₁ carries is the next claim; what to do instead follows after it.",
        ),
    )


def _horizon(s: Settings, flows: dict[float, Tensor]) -> Claim:
    a1 = _a1()
    checks: list[Check] = []
    rows: list[dict[str, Any]] = []
    for k0, lines in flows.items():
        doubled = evidence.median([_crossing(line, 2.0 * k0) for line in lines.tolist()])
        gone = evidence.median([_crossing(line, 1.0) for line in lines.tolist()])
        half, whole = 1.0 / (2.0 * a1 * k0), 1.0 / (a1 * k0)
        theory = kernel_flow(SPEC, lines.shape[1], c_w=1.0, k0=k0).kernel.tolist()
        checks += [
            Check(
                f"K₁ = {k0:g}: the median network doubles its K in 1/(2 a₁ K₁) = {half:.3g} layers, to a factor of 2",
                doubled, (half / 2.0, half * 2.0), "layers",
            ),
            Check(
                f"K₁ = {k0:g}: the median network has K > 1 after 1/(a₁ K₁) = {whole:.3g} layers, to a factor of 2",
                gone, (whole / 2.0, whole * 2.0), "layers",
            ),
        ]  # fmt: skip
        rows.append(
            {
                "k0": k0, "doubling": doubled.to_dict(), "doubling_predicted": half, "end": gone.to_dict(),
                "end_predicted": whole, "doubling_infinite_width": _crossing(theory, 2.0 * k0),
                "end_infinite_width": _crossing(theory, 1.0), "theory": theory,
                "lines": [[float(f"{x:.4e}") for x in line] for line in lines[:SHOWN].tolist()],
            }
        )  # fmt: skip
    told = "; ".join(
        f"K₁ = {row['k0']:g}: doubled after {row['doubling']['estimate']:.1f} (law {row['doubling_predicted']:.1f}), "
        f"beyond 1 after {row['end']['estimate']:.1f} (law {row['end_predicted']:.1f})"
        for row in rows
    )
    kept = [{name: row[name] for name in row if name not in ("lines", "theory")} for row in rows]
    return Claim(
        key="mrepu-horizon",
        title="MRePU(2) at criticality: K doubles after 1/(2 a₁ K₁) layers and is lost after 1/(a₁ K₁)",
        says=(
            "of its own sets K₁ and how deep a network can be: K stays within a factor of 2 for half of that depth."
            "of its own sets K₁, and with it how deep a network can be: K stays within a factor of 2 for half of that "
            "depth."
        ),
        where="what the guideline must be read with",
        of_paper=False,
        checks=tuple(checks),
        measured=f"layers of the median of {s.networks} networks of width {s.width}: {told}",
        n=s.networks * len(flows),
        settings={"a1": a1, "first_c_w": "2 K₁ on x₀ = (1, 0)"},
        numbers={"rows": kept},
        figures=("guideline.horizon",),
        data={"rows": rows, "a1": a1, "width": s.width, "networks": s.networks},
        remarks=(
            "Layers are counted from the first and interpolated between layers in log K. At finite width the median "
            "network grows more slowly than the mean, by about 1/n a layer in log K, which makes its horizon longer.",
        ),
    )


def _crossing(line: Sequence[float], bound: float) -> float:
    """Layers from the first until K passes `bound`, between layers by a straight line in log K; inf where it does not.

    Where K is infinite in the layer after, the crossing is put just before it.
    """
    for i in range(1, len(line)):
        if line[i] > bound:
            if math.isinf(line[i]) or line[i - 1] <= 0.0:
                return float(i)
            return i - 1 + math.log(bound / line[i - 1]) / math.log(line[i] / line[i - 1])
    return math.inf
