"""Figure 2: the mean of the empirical kernels over many networks at x0 = (1, 0) while they train, RePU(2) and MRePU(2).

What the paper's networks learned, and how, is not known; here it is the polynomial x y, by Adam.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import activation
from edgewise.data.dataset import Split
from edgewise.studies import evidence
from edgewise.studies.claim import Check, Claim
from edgewise.studies.repu.contenders import start_at
from edgewise.studies.repu.fitting import digits
from edgewise.studies.repu.kernels import X0
from edgewise.studies.study import Context, Part
from edgewise.train import Adam, Member, Shape, WarmupCosine, empirical_kernels, train

BAND = 0.1
"""The paper's band: log10(mean -+ 0.1 standard deviations)."""


@dataclass(frozen=True)
class Settings:
    """looks: how often the kernels are recorded, the start and the end included."""

    width: int
    depth: int
    networks: int
    steps: int
    batch: int = 64
    examples: int = 2048
    looks: int = 60
    learning_rate: float = 1e-3


SMOKE = Settings(width=32, depth=5, networks=24, steps=240, looks=25)
FULL = Settings(width=64, depth=5, networks=100, steps=4000)


def run(settings: Settings, context: Context) -> Claim:
    """Trains both ensembles on x y and follows K at x0 through all hidden layers."""
    points = torch.rand(settings.examples, 2, generator=torch.Generator().manual_seed(context.seed)) * 2.0 - 1.0
    targets = 3.0 * points.prod(1, keepdim=True)  # variance 1
    data = Split(points, targets)
    panels = []
    for index, spec in enumerate(("repu(p=2)", "mrepu(p=2)")):

        def tick(step: int, before: int = index) -> None:
            context.progress(before * settings.steps + step, 2 * settings.steps)

        panels.append(_panel(spec, settings, context, data, tick))
    return _claim(settings, *panels)


PART = Part(
    key="training",
    title="Kernels while networks train",
    run=run,
    settings={"smoke": SMOKE, "full": FULL},
    seconds={"smoke": 6.0, "full": 240.0},
)


def _panel(spec: str, s: Settings, context: Context, data: Split, tick: Callable[[int], None]) -> dict[str, Any]:
    shape = Shape(inputs=2, width=s.width, depth=s.depth, outputs=1)
    initial = start_at(spec, shape, mean_square=0.5)
    members = [Member(context.seed + i, s.learning_rate, initial) for i in range(s.networks)]
    looks = sorted({round(s.steps * (k / (s.looks - 1)) ** 2) for k in range(s.looks)})  # dense where most changes
    trained = train(
        activation(spec), shape, members, data, steps=s.steps, batch=s.batch, loss="mse", optimiser=Adam(),
        schedule=WarmupCosine(warmup=s.steps // 20), record={"kernels": empirical_kernels(torch.tensor(X0))},
        record_every=looks, device=context.device, dtype=context.dtype, on_step=tick,
    )  # fmt: skip
    kernels = trained.run.records["kernels"][..., 0].double()  # [look, member, layer]
    return {
        "activation": spec,
        "initial": initial,
        "steps": list(trained.run.recorded_at),
        "kernels": kernels,
        "decades": _decades(kernels[:, :, :-1]),
        "loss": trained.loss[-max(1, s.steps // 50) :].mean(0).double(),
        "diverged": int(trained.diverged.sum()),
    }


def _decades(hidden: Tensor) -> Tensor:
    """Between the largest and the smallest hidden kernel of a network, [look, member]; inf where one is lost."""
    logs = torch.log10(hidden)
    apart = logs.amax(-1) - logs.amin(-1)
    return torch.where(torch.isfinite(apart), apart, torch.inf)


def _claim(s: Settings, repu: dict[str, Any], mrepu: dict[str, Any]) -> Claim:
    ends = {panel["activation"]: evidence.median(panel["decades"][-1].tolist()) for panel in (repu, mrepu)}
    begins = {panel["activation"]: evidence.median(panel["decades"][0].tolist()) for panel in (repu, mrepu)}
    bad, good = ends["repu(p=2)"], ends["mrepu(p=2)"]
    rows = [
        {
            "activation": panel["activation"],
            "decades_at_start": begins[panel["activation"]].to_dict(),
            "decades_at_end": ends[panel["activation"]].to_dict(),
            "loss_median": float(panel["loss"].nan_to_num(nan=torch.inf).quantile(0.5, interpolation="lower")),
            "diverged": panel["diverged"],
            "first_c_w": panel["initial"].first_c_w,
            "c_w": panel["initial"].c_w,
            "last_c_w": panel["initial"].last_c_w,
        }
        for panel in (repu, mrepu)
    ]  # fmt: skip
    return Claim(
        key="kernels-in-training",
        title="Training does not bring RePU's kernels back together; MRePU's stay together",
        says=(
            "The paper follows the mean empirical kernel of 100 RePU networks at x₀ = (1, 0) while they train. What we "
            "expect of such a figure, from the paper's analysis: RePU's kernels stay spread over an order of magnitude "
            "and more from layer to layer, MRePU's stay within one."
        ),
        where="Figure 2, our reading",
        of_paper=False,
        checks=(
            Check("RePU(2), at the end of training: decades between the largest and the smallest hidden kernel of the "
                  "median network, at least 1", bad, (1.0, math.inf), "decades"),
            Check("MRePU(2): the same, at most 1", good, (0.0, 1.0), "decades"),
        ),
        measured=(
            f"in the median of {s.networks} networks ({s.depth} hidden layers of {s.width}) the hidden kernels at x₀ "
            f"lie {bad.estimate:.2f} decades apart after {s.steps} steps for RePU "
            f"({begins['repu(p=2)'].estimate:.2f} before the first) and {good.estimate:.2f} for MRePU "
            f"({begins['mrepu(p=2)'].estimate:.2f} before); "
            f"{repu['diverged']} and {mrepu['diverged']} networks diverged; median training error at the end "
            f"{digits(rows[0]['loss_median'])} and {digits(rows[1]['loss_median'])} of the target's variance"
        ),
        n=2 * s.networks,
        settings={
            "target": "x y on [−1, 1]², variance 1",
            "optimiser": "Adam, warm-up 5 %, cosine to 0",
            "repu_start": "C_W = 2/√3 in every layer: K₁(x₀) = K_c",
            "mrepu_start": f"C_W = 1, first layer {mrepu['initial'].first_c_w:.3g}: K₁(x₀) as recommended by depth",
        },
        numbers={"rows": rows},
        figures=("kernels_in_training.means",),
        data={"panels": [_drawn(panel) for panel in (repu, mrepu)], "band": BAND},
        remarks=(
            "The mean over networks, which the figure shows, is the largest network's kernel where the spread between "
            "networks is heavy-tailed, as it is for RePU; the checks rest on the median network.",
        ),
    )  # fmt: skip


def _drawn(panel: dict[str, Any]) -> dict[str, Any]:
    """Mean and standard deviation over the networks that did not diverge, [look][layer], the output last."""
    kernels: Tensor = panel["kernels"]
    alive = torch.isfinite(kernels[-1]).all(-1)
    kept = kernels[:, alive]
    return {
        "activation": panel["activation"],
        "steps": panel["steps"],
        "networks": int(alive.sum()),
        "mean": _rounded(kept.mean(1)),
        "deviation": _rounded(kept.std(1)),
        "median": _rounded(kept.median(1).values),
    }


def _rounded(lines: Tensor) -> list[list[float]]:
    """Five significant digits: what a picture can show."""
    return [[float(f"{value:.4e}") for value in line] for line in lines.tolist()]
