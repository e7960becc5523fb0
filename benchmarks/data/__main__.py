"""Images a second, with flips, crops and normalisation: ``python -m benchmarks.data`` (about half a minute)."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

import click
import torch

from benchmarks.data.routes import PEERS, Route, batched
from edgewise.data import Augment, Images
from edgewise.data.augment import Normalisation

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@click.command()
@click.option("--threads", default=2, show_default=True, help="Of torch.")
@click.option("--batch", default=500, show_default=True, help="Images a batch.")
@click.option("--images", default=50_000, show_default=True, help="Images in memory, random bytes of 3x32x32.")
@click.option("--pairs", default=15, show_default=True, help="Rounds; in each, every route makes batches in turn.")
def main(threads: int, batch: int, images: int, pairs: int) -> None:
    """Prints two tables: passes over the images as training sees them, and other routes to the same batches."""
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (images, 3, 32, 32), generator=generator, dtype=torch.uint8)
    data = Images(pixels, torch.zeros(images, dtype=torch.int64), MEAN, STD)
    click.echo(
        f"{images:,} images, batches of {batch}, {threads} threads of {os.cpu_count()} cores, torch {torch.__version__}"
    )
    click.echo(f"{platform.processor() or platform.machine()}, load {os.getloadavg()[0]:.1f} before")
    _passes(data, batch, pairs)
    _routes(pixels, batch, pairs)
    click.echo(f"\nload {os.getloadavg()[0]:.1f} after")


def _passes(data: Images, batch: int, rounds: int) -> None:
    """Images a second of whole passes, one kind after the other in each round."""
    generator = torch.Generator().manual_seed(0)
    kinds: dict[str, Callable[[], object]] = {}
    for name, augment in (
        ("normalised, in random order", None),
        ("flip and crop 4", Augment()),
        ("flip, crop 4 and cutout 8", Augment(cutout=8)),
    ):
        for ending, options in (
            ("float32", {}),
            ("float32, channels last", {"channels_last": True}),
            ("bfloat16", {"dtype": torch.bfloat16}),
        ):
            kinds[f"{name} | {ending}"] = lambda a=augment, o=options: _pass(data, batch, generator, a, o)
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    work_done: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(max(3, rounds // 3) + 1):
        for kind, work in kinds.items():
            busy = time.process_time()
            seconds = _seconds(work)
            if turn:  # the first is a warm-up
                rates[kind].append(len(data) / seconds)
                work_done[kind].append((time.process_time() - busy) / len(data) * 1e6)
    click.echo("\n| batches | as | images a second: median (range) | µs of CPU an image |\n|---|---|---|---|")
    for kind, found in rates.items():
        click.echo(
            f"| {kind} | {statistics.median(found):,.0f} ({min(found):,.0f}–{max(found):,.0f}) | "
            f"{statistics.median(work_done[kind]):.1f} |"
        )


def _pass(data: Images, batch: int, generator: torch.Generator, augment: Augment | None, options: dict) -> None:  # type: ignore[type-arg]
    for _ in data.batches(batch, generator, augment=augment, **options):
        pass


def _routes(pixels: torch.Tensor, batch: int, pairs: int) -> None:
    """Other routes' time over ours for equal batches, pair by pair."""
    augment, normalisation = Augment(), Normalisation(MEAN, STD)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(len(pixels), (batch,), generator=generator)
    drawn = augment.draw(batch, (3, 32, 32), generator)

    def make(route: Route) -> torch.Tensor:
        return route(pixels, rows, drawn, augment, normalisation)

    exact = make(batched)
    click.echo("\n| other route to the same batch | its time / ours: median (range) |\n|---|---|")
    for name, route in PEERS.items():
        if not torch.equal(make(route), exact):
            raise click.ClickException(f"{name} makes other batches")
        ratios = []
        for _ in range(pairs):
            ours = _seconds(lambda: [make(batched) for _ in range(10)]) / 10
            ratios.append(_seconds(lambda r=route: make(r)) / ours)  # type: ignore[misc]
        click.echo(f"| {name} | {statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f}) |")


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
