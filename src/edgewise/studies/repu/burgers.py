"""Physics-informed networks of 7 hidden layers on Burgers' equation: GELU before MRePU before ReLU, which fails.

Why ReLU must fail: its network is piecewise linear, so u_xx is 0 at every point that the residual is evaluated at, and
what is left, u_t + u u_x, is the equation without viscosity. The jumps of u_x, where all of u_xx sits, lie between the
points almost surely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edgewise.activations import Activation, activation
from edgewise.pinn import Settings as Run
from edgewise.pinn import Solution, derivatives, problem, solve
from edgewise.pinn.solve import Now
from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, Check, Claim
from edgewise.studies.evidence import Interval
from edgewise.studies.repu.contenders import TAILORED
from edgewise.studies.study import Context, Part
from edgewise.tailor import tailor

DEPTH = 7
"""Hidden layers, the paper's."""
RANKED = ("gelu", "mrepu(p=2)", "relu")
"""The paper's three, best first."""
FAILED = 0.3
"""A relative L2 error above this is a network that did not train; "u = 0 everywhere" has 1."""
WHERE_BLIND = 2000
"""Random points at which u_xx is looked at."""


@dataclass(frozen=True)
class Settings:
    """The paper tells the depth, but neither width, points, optimiser nor steps: these are the usual ones.

    seeds: networks of each activation, each with weights and points of its own. points, batch, condition_points,
    adam_steps, lbfgs_steps: as in `pinn.Settings`.
    """

    activations: tuple[str, ...]
    seeds: int
    width: int
    points: int
    batch: int
    condition_points: int
    adam_steps: int
    lbfgs_steps: int
    init: str = "recommended"


SMOKE = Settings(RANKED, seeds=3, width=16, points=400, batch=200, condition_points=90, adam_steps=150,
                 lbfgs_steps=80)  # fmt: skip
FULL = Settings((*RANKED, "tanh", "silu", f"{TAILORED}repu(p=2)"), seeds=8, width=20, points=1500, batch=400,
                condition_points=150, adam_steps=800, lbfgs_steps=700)  # fmt: skip


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Two claims: the ranking, and why ReLU cannot take part in it."""
    equation = problem("burgers")
    reference = equation.reference()
    chosen = Run(
        depth=DEPTH, width=settings.width, members=settings.seeds, points=settings.points, batch=settings.batch,
        condition_points=settings.condition_points, adam_steps=settings.adam_steps, lbfgs_steps=settings.lbfgs_steps,
        init="xavier" if settings.init == "xavier" else "recommended", seed=context.seed,
    )  # fmt: skip
    solutions: dict[str, Solution] = {}
    for i, name in enumerate(settings.activations):

        def tell(now: Now, before: int = i) -> None:
            context.progress(before * now.total + now.done, len(settings.activations) * now.total)

        solutions[name] = solve(
            equation, _contender(name, settings.width), settings=chosen, reference=reference, device=context.device,
            checkpoints=context.folder / f"burgers-{i}", on_step=tell,
        )  # fmt: skip
    return _ranking(solutions, settings), _blindness(solutions, settings, context)


PART = Part(
    key="burgers",
    title="Physics-informed networks on Burgers' equation",
    run=run,
    settings={"smoke": SMOKE, "full": FULL},
    seconds={"smoke": 25.0, "full": 1300.0},
)


def _contender(name: str, width: int) -> Activation:
    sigma: Activation = activation(name.removeprefix(TAILORED))
    return tailor(sigma, depth=DEPTH, width=width) if name.startswith(TAILORED) else sigma


def errors(solution: Solution) -> list[float]:
    """The relative L2 error of every network; one that diverged, or is worse than u = 0, counts as that: 1."""
    return [min(e, 1.0) if math.isfinite(e) else 1.0 for e in solution.relative_l2]


def decades(better: Sequence[float], worse: Sequence[float]) -> Interval:
    """By how many powers of ten the typical error of one is below that of the other; negative if it is above."""
    return evidence.difference_of_means([math.log10(e) for e in worse], [math.log10(e) for e in better])


def _ranking(solutions: dict[str, Solution], s: Settings) -> Claim:
    gelu, mrepu, relu = (errors(solutions[name]) for name in RANKED)
    failed = sum(e > FAILED for e in relu)
    first, second, lost = decades(gelu, mrepu), decades(mrepu, relu), evidence.proportion(failed, len(relu))
    checks = (
        Check("GELU's error is below MRePU(2)'s (difference of mean log10)", first, ABOVE_ZERO, "decades"),
        Check("MRePU(2)'s error is below ReLU's (difference of mean log10)", second, ABOVE_ZERO, "decades"),
        Check(f"ReLU does not train: more than half of its networks end with an error above {FAILED}", lost,
              (0.5, 1.0)),
    )  # fmt: skip
    rows = [_row(name, solution) for name, solution in solutions.items()]
    told = ", ".join(f"{row['activation']} {row['median']:.2g}" for row in rows)
    work = f"{s.adam_steps} steps of Adam and {s.lbfgs_steps} of L-BFGS"
    return Claim(
        key="burgers-ranking",
        title="Burgers' equation: GELU before MRePU before ReLU, which fails to train",
        says=(
            "A physics-informed network of 7 hidden layers solves Burgers' equation best with GELU, then with MRePU; "
            "with ReLU it fails to train."
        ),
        where="Experiments, physics-informed networks",
        checks=checks,
        measured=(
            f"median relative L2 errors of {s.seeds} networks each, {DEPTH} hidden layers of {s.width}, after {work}: "
            f"{told}. GELU is {_apart(first)} MRePU(2), MRePU(2) {_apart(second)} ReLU; {failed} of {len(relu)} ReLU "
            f"networks end above {FAILED}"
        ),
        n=s.seeds * len(solutions),
        settings={"depth": DEPTH, "boundary": "soft", "dtype": "float64", "learning_rate": 1e-3},
        numbers={"rows": rows},
        figures=("burgers.errors", "burgers.fields", "burgers.histories"),
        data=_drawn(solutions),
        remarks=(
            "the paper's width, points, optimiser and steps are not known to us: these are the usual ones of the "
            "literature, and every activation starts at the initialisation that theory recommends for it",
            "a network that diverges, or ends worse than u = 0 everywhere, counts with an error of 1",
        ),
    )


def _apart(gap: Interval) -> str:
    if not math.isfinite(gap.low):
        return "not told apart from"
    side = "below" if gap.estimate > 0.0 else "above"
    low, high = sorted((abs(gap.low), abs(gap.high))) if gap.low * gap.high > 0.0 else (0.0, 0.0)
    if low == high == 0.0:
        return f"not told apart (99 % interval {gap.low:+.2f} to {gap.high:+.2f} decades) from"
    return f"{low:.2f} to {high:.2f} decades {side}"


def _row(name: str, solution: Solution) -> dict[str, Any]:
    found = errors(solution)
    return {
        "activation": name,
        "error": found,
        "median": float(torch.tensor(found).median()) if len(found) % 2 else _middle(found),
        "loss": list(solution.loss),
        "diverged": sum(step > 0 for step in solution.diverged_at),
        "start": solution.start.reason,
        "seconds": sum(solution.seconds.values()),
    }


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _blindness(solutions: dict[str, Solution], s: Settings, context: Context) -> Claim:
    lows, highs = (torch.tensor(corner, dtype=torch.float64) for corner in solutions["relu"].equation.domain)
    unit = torch.rand(WHERE_BLIND, 2, generator=context.generator(7), device=context.device).double()
    points = lows.to(unit) + (highs - lows).to(unit) * unit
    seen = {name: _second(solutions[name], points) for name in RANKED}
    zero = int((seen["relu"] == 0.0).sum())
    alive = {name: float((seen[name] != 0.0).double().mean()) for name in RANKED[:2]}
    count = seen["relu"].numel()
    check = Check("u_xx of ReLU networks is exactly 0 at random points", evidence.proportion(zero, count), (0.999, 1.0))
    return Claim(
        key="burgers-relu-blind",
        title="Why: the residual of a ReLU network does not see the viscosity",
        says="u_xx of a ReLU network is 0 almost everywhere, so that its loss cannot contain the viscous term.",
        where="why ReLU fails to train there",
        of_paper=False,
        checks=(check,),
        measured=(
            f"u_xx is exactly 0 at {zero} of {count} point and network pairs for ReLU; it is not 0 at "
            f"{100 * alive['gelu']:.4g} % for GELU and {100 * alive['mrepu(p=2)']:.4g} % for MRePU(2). A ReLU network "
            "is piecewise linear, so that its loss is that of u_t + u u_x = 0, whatever the viscosity is"
        ),
        n=s.seeds,
        settings={"depth": DEPTH, "points": WHERE_BLIND},
        numbers={"zero": zero, "pairs": count, "not_zero": alive},
        figures=("burgers.viscosity",),
        data=_viscosity(solutions),
        remarks=("pairs within one network are not independent; the statement is exact, and one exception refutes it",),
    )


def _second(solution: Solution, points: torch.Tensor) -> torch.Tensor:
    """u_xx of every network, [network, point]."""
    found = derivatives(solution.activation, solution.parameters.layers(), points, [(0, 0)])
    return found[0, 0][..., 0].detach()


def _typical(solution: Solution) -> int:
    """The network of median error: the lower of the middle two."""
    found = errors(solution)
    return sorted(range(len(found)), key=found.__getitem__)[(len(found) - 1) // 2]


def _drawn(solutions: dict[str, Solution]) -> dict[str, Any]:
    """What the figures of the ranking draw; fields on every other point of the grid."""
    reference = solutions["relu"].reference
    axes = [axis[::2] for axis in reference.grid]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    fields = {
        name: _short(
            solutions[name].predict(points.reshape(-1, 2), _typical(solutions[name])).reshape(points.shape[:2])
        )
        for name in RANKED
    }
    return {
        "rows": [{"activation": name, "error": errors(sol)} for name, sol in solutions.items()],
        "failed": FAILED,
        "axes": [axis.tolist() for axis in axes],
        "reference": _short(reference.values[::2, ::2]),
        "fields": fields,
        "field_errors": {name: errors(solutions[name])[_typical(solutions[name])] for name in RANKED},
        "histories": [
            {
                "activation": name,
                "step": list(sol.history.step),
                "median": _short(_medians(sol)),
                "adam_steps": sol.settings.adam_steps,
            }
            for name, sol in solutions.items()
        ],
    }


def _medians(solution: Solution) -> torch.Tensor:
    """The median error of the networks at every look; a diverged one counts as 1."""
    return torch.nan_to_num(solution.history.relative_l2, nan=1.0).clamp(max=1.0).quantile(0.5, dim=1)


def _viscosity(solutions: dict[str, Solution]) -> dict[str, Any]:
    """u and u_xx along x at one time, of the typical networks and of the reference."""
    reference = solutions["relu"].reference
    x = reference.grid[0]
    time = 0.25
    at = torch.stack([x, torch.full_like(x, time)], -1)
    h = 1e-3
    left, right = at.clone(), at.clone()
    left[:, 0] -= h
    right[:, 0] += h
    inside = slice(1, -1)
    u = reference.interpolate(at)
    bent = (reference.interpolate(left[inside]) - 2 * u[inside] + reference.interpolate(right[inside])) / h**2
    lines = {
        name: {
            "u": _short(solutions[name].predict(at, _typical(solutions[name]))),
            "u_xx": _short(_second(solutions[name], at)[_typical(solutions[name])]),
        }
        for name in RANKED
    }
    return {
        "time": time,
        "viscosity": solutions["relu"].equation.settings["viscosity"],
        "x": _short(x),
        "reference": {"u": _short(u), "x_inside": _short(x[inside]), "u_xx": _short(bent)},
        "lines": lines,
    }


def _short(values: torch.Tensor) -> Any:
    """Nested lists of numbers with five significant digits."""

    def plain(value: Any) -> Any:
        return [plain(v) for v in value] if isinstance(value, list) else float(f"{value:.5g}")

    return plain(values.detach().cpu().double().tolist())
