"""Memory order and low precision of a training step: ``python -m benchmarks.image_steps`` (about three minutes)."""

from __future__ import annotations

import os
import platform
import statistics
import time

import click
import torch
from torch import Tensor

from edgewise.studies.images import image_network
from edgewise.train import Network

KINDS: dict[str, tuple[bool, torch.dtype | None]] = {
    "float32": (False, None),
    "float32, channels last": (True, None),
    "bfloat16": (False, torch.bfloat16),
    "bfloat16, channels last": (True, torch.bfloat16),
}
"""Channels last; what autocast computes in. The first is what the others are compared with."""


@click.command()
@click.option("--threads", default=1, show_default=True, help="Of torch.")
@click.option("--batch", default=64, show_default=True, help="Images a step, 3x32x32.")
@click.option("--rounds", default=11, show_default=True, help="In each, every kind makes a step in turn.")
@click.option("--activation", default="relu", show_default=True)
@click.argument("models", nargs=-1)
def main(threads: int, batch: int, rounds: int, activation: str, models: tuple[str, ...]) -> None:
    """Prints, for each model, the time of forward and backward pass of each kind over that of plain float32.

    Of processor time where there is one thread, else of wall time; pair by pair, median (range).
    """
    torch.set_num_threads(threads)
    clock = time.thread_time if threads == 1 else time.perf_counter
    click.echo(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {threads} threads of "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; batches of {batch}, {activation}, {rounds} rounds"
    )
    click.echo("\n| model | kind | time / float32: median (range) | ms a step |\n|---|---|---|---|")
    for model in models or ("resnet20", "fastcnn(width=8)", "fastcnn(width=32)"):
        problems = {kind: _problem(model, activation, batch, *how) for kind, how in KINDS.items()}
        taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for turn in range(rounds + 1):
            for kind, problem in problems.items():
                begin = clock()
                problem.losses_and_gradients(1)
                if turn:  # the first is a warm-up
                    taken[kind].append(clock() - begin)
        plain = taken["float32"]
        for kind, seconds in taken.items():
            ratios = [own / base for own, base in zip(seconds, plain, strict=True)]
            click.echo(
                f"| {model} | {kind} | {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) | "
                f"{1e3 * statistics.median(seconds):.0f} |"
            )


def _problem(model: str, activation: str, batch: int, channels_last: bool, autocast: torch.dtype | None) -> Network:
    """One batch of noise, again and again."""
    inputs = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = image_network(model, activation, shape=(3, 32, 32), classes=10, init="paper", sample=inputs)
    if channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        inputs = inputs.to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10

    def batches(_: int) -> list[tuple[Tensor, Tensor]]:
        return [(inputs, labels)]

    return Network(network, batches, autocast=autocast)


if __name__ == "__main__":
    main()
