"""Small trainings that the checkpoint tests interrupt; run as a program it is killed with SIGKILL at chosen moments.

python interrupted.py FOLDER MOMENT...: for every moment a forked process trains in FOLDER/MOMENT and is killed there:
"network-step-7" after step 7, "network-write-5" at the fifth call that touches the disk (fsync, rename or unlink).
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn

import edgewise as ew
from edgewise.data import Split
from edgewise.train import (
    SGD,
    Adam,
    Checkpoints,
    Initial,
    Member,
    MLPEnsemble,
    Network,
    Run,
    Shape,
    WarmupCosine,
    batch_losses,
    empirical_kernels,
    gradient_norms,
    lbfgs,
    minimise,
)  # fmt: skip

STEPS, EVERY = 23, 4
SHAPE = Shape(inputs=3, width=6, depth=2, outputs=2)


def data(examples: int = 20) -> Split:
    g = torch.Generator().manual_seed(5)
    return Split(torch.randn(examples, 3, generator=g), torch.randint(0, 2, (examples,), generator=g))


def ensemble(checkpoints, on_step) -> tuple[list[torch.Tensor], Run]:
    """Seven members that differ in everything; four of them diverge, at several steps, and are taken out."""
    calm = Initial(c_w=1.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)
    members = [
        *(Member(s, rate, calm, order_seed=1, input_scale=1.0 + s) for s, rate in enumerate((1e-2, 1e-1, 1e-3))),
        *(Member(s, rate, calm) for s, rate in ((3, 1e3), (10, 1e3), (12, 1e12), (30, 1e30))),
    ]
    problem = MLPEnsemble.drawn(ew.activation("relu2"), SHAPE, members, data(), batch=6)
    run = minimise(
        problem, steps=STEPS, optimiser=SGD(0.9), learning_rate=torch.tensor([m.learning_rate for m in members]),
        schedule=WarmupCosine(3), checkpoints=checkpoints, on_step=on_step, clip=10.0, record_every=3,
        record={"kernels": empirical_kernels(data().inputs[:2]), "gradients": gradient_norms(), "loss": batch_losses()},
    )  # fmt: skip
    return list(problem.tensors()), run


def network(checkpoints, on_step) -> tuple[list[torch.Tensor], Run]:
    """A module with a norm's statistics and dropout; batches in an order of their own in each pass."""
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))
    split = data()

    def batches(number: int):
        for rows in torch.randperm(20, generator=torch.Generator().manual_seed(number)).split(6):
            yield split.inputs[rows], split.labels[rows]

    run = minimise(
        Network(module, batches), steps=STEPS, optimiser=Adam(), learning_rate=1e-2, checkpoints=checkpoints,
        on_step=on_step, record_every=5, record={"kernels": empirical_kernels(split.inputs[:2])},
    )  # fmt: skip
    return list(module.state_dict().values()), run


def curvature(checkpoints, on_step) -> tuple[list[torch.Tensor], Run]:
    """A single network under L-BFGS with a history shorter than the run."""
    calm = Initial(c_w=1.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)
    split = data()
    smooth = Split(split.inputs, split.inputs[:, :2].sin())
    problem = MLPEnsemble.drawn(ew.activation("tanh"), SHAPE, [Member(1, 1.0, calm)], smooth, batch=20, loss="mse")
    run = lbfgs(
        problem, steps=STEPS, history=5, checkpoints=checkpoints, on_step=on_step, record_every=6,
        record={"gradients": gradient_norms()},
    )  # fmt: skip
    return list(problem.tensors()), run


KINDS = {"ensemble": ensemble, "network": network, "curvature": curvature}


def train(kind: str, folder: Path | None = None, on_step=None) -> tuple[list[torch.Tensor], Run]:
    return KINDS[kind](None if folder is None else Checkpoints(folder, every=EVERY), on_step)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_after(last: int, step: int) -> None:
    if step == last:
        _die()


def _die_writing(at: int) -> None:
    """The `at`-th fsync, rename or unlink of this process is its last moment; that call does not happen any more."""
    calls = 0

    def counted(name: str):
        original = getattr(os, name)

        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == at:
                _die()
            return original(*args, **kwargs)

        setattr(os, name, call)

    for name in ("fsync", "replace", "unlink"):
        counted(name)


def main(folder: Path, moments: list[str]) -> None:
    for kind in KINDS:
        train(kind)  # so that what torch imports at a first use is imported once, not in every process
    for moment in moments:
        child = os.fork()
        if child == 0:
            kind, what, number = moment.split("-")
            if what == "write":
                _die_writing(int(number))
            train(kind, folder / moment, partial(_die_after, int(number) if what == "step" else -1))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(moment, "killed" if os.WIFSIGNALED(status) else "survived")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2:])
