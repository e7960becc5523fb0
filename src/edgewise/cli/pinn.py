"""`edgewise pinn`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewise.cli.group import CONTEXT
from edgewise.cli.terminal import console, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgewise.pinn import Equation, Now, Solution

SCALES: dict[str, dict[str, Any]] = {
    "default": {
        "depth": 4, "width": 20, "points": 2000, "batch": 500, "condition_points": 200, "adam_steps": 1500,
        "lbfgs_steps": 1500,
    },
    "full": {
        "depth": 8, "width": 20, "points": 10_000, "batch": 2000, "condition_points": 100, "adam_steps": 3000,
        "lbfgs_steps": 4000, "init": "xavier",
    },
}  # fmt: skip
"""The default takes about a minute; the other is the set-up of Raissi et al. (2019), with L-BFGS ended by its steps."""


@click.command(context_settings=CONTEXT)
@click.argument("problem", required=False)
@click.option(
    "--activation", "activations", multiple=True, metavar="SPEC",
    help="A registered name or a formula; several draw a comparison.  [default: tanh]",
)  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="The equations there are.")
@click.option("--full", is_flag=True, help="The standard set-up: 8 x 20 units, 10,000 points (some 12 minutes).")
@click.option("--width", type=click.IntRange(min=1), help="Units of each hidden layer.  [default: 20]")
@click.option("--depth", type=click.IntRange(min=1), help="Hidden layers.  [default: 4; --full 8]")
@click.option("--adam-steps", type=click.IntRange(min=0), help="Steps of Adam.  [default: 1500; --full 3000]")
@click.option(
    "--lbfgs-steps", type=click.IntRange(min=0), help="Steps of L-BFGS after it.  [default: 1500; --full 4000]"
)
@click.option("--points", type=click.IntRange(min=1), help="Collocation points.  [default: 2000; --full 10000]")
@click.option("--batch", type=click.IntRange(min=1), help="Points in a step of Adam.  [default: 500; --full 2000]")
@click.option("--resample", type=click.IntRange(min=0), help="Steps of Adam after which new points are drawn.")
@click.option("--adaptive", is_flag=True, help="Draw them where the residual is large.")
@click.option(
    "--boundary", type=click.Choice(["soft", "hard"]), default="soft", show_default=True,
    help="Conditions in the loss, or built into the output.",
)  # fmt: skip
@click.option("--weight", type=float, help="Weight of soft conditions in the loss.  [default: 1]")
@click.option(
    "--init", type=click.Choice(["recommended", "xavier", "he", "pytorch"]),
    help="Initialisation.  [default: recommended; --full xavier]",
)  # fmt: skip
@click.option("--members", type=click.IntRange(min=1), default=1, show_default=True, help="Networks, a seed each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the first.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default="edgewise-pinn", show_default=True,
    help="Folder for the page, pictures, numbers and trained networks.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (fields and history are in the .json file).")
def pinn(
    problem: str | None, activations: tuple[str, ...], listed: bool, full: bool, out: Path, resample: int | None,
    adaptive: bool, weight: float | None, quiet: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Trains a network on a differential equation and draws its solution beside the reference.

    An interrupted run goes on from its last checkpoint when it is started again with the same options.

    \b
    Examples:
      edgewise pinn burgers --activation "mrepu(p=2)"
      edgewise pinn burgers --activation tanh --activation gelu --members 3
      edgewise pinn --list
    """
    if listed:
        _list(as_json)
        return
    if problem is None:
        raise click.UsageError("give an equation, such as burgers; --list names them all")
    if adaptive and not resample:
        raise click.UsageError("--adaptive says where new points go: give --resample too, such as --resample 500")
    from edgewise.files import slug
    from edgewise.pinn import Settings, solve
    from edgewise.pinn import problem as named

    chosen = {**options, "resample_every": resample, "condition_weight": weight}
    settings = Settings(
        **SCALES["full" if full else "default"] | {k: v for k, v in chosen.items() if v is not None},
        adaptive=adaptive,
    )
    equation = named(problem)
    reference = equation.reference()
    specs = tuple(dict.fromkeys(activations)) or ("tanh",)
    solutions: list[Solution] = []
    try:
        for spec in specs:
            with _progress(f"{problem}, {spec}", quiet) as tell:
                kept = out / "checkpoints" / slug(f"{problem}-{spec}")
                made = solve(equation, spec, settings=settings, reference=reference, checkpoints=kept, on_step=tell)
                solutions.append(made)
    except KeyboardInterrupt:
        if solutions:
            _write(equation, solutions, out)
            told = ", ".join(s.activation.spec for s in solutions)
            print(f"edgewise: finished before the interruption: {told}; page in {out}", file=sys.stderr)
        raise
    files = _write(equation, solutions, out)
    _forget(out / "checkpoints")
    if as_json:
        print_json({"page": str(files[0]), "json": str(files[1]), "solutions": [s.summary() for s in solutions]})
        return
    terminal = console()
    for solution in solutions:
        terminal.print(solution)
    terminal.print(f"page: {files[0]}\npicture: {files[2]}", markup=False, soft_wrap=True)


def _list(as_json: bool) -> None:
    from edgewise.pinn import problem, problems

    equations = [problem(name) for name in problems()]
    if as_json:
        print_json([equation.to_dict() for equation in equations])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "equation", "conditions", "can be built in"):
        table.add_column(heading, overflow="fold")
    for e in equations:
        table.add_row(e.name, e.formula, ", ".join(c.name for c in e.conditions), "no" if e.hard is None else "yes")
    console().print(table)


def _write(equation: Equation, solutions: list[Solution], out: Path) -> tuple[Path, Path, Path]:
    """The page, the numbers, the pictures and the networks; the first three paths."""
    from edgewise.files import slug, write_json, write_text
    from edgewise.report import pinn_page
    from edgewise.report.drawing import save

    told = [solution.to_dict() for solution in solutions]
    page, numbers = out / f"{equation.name}.html", out / f"{equation.name}.json"
    drawn = pinn_page.pictures(told)
    files = []
    for i, solution in enumerate(solutions):
        name = slug(f"{equation.name}-{solution.activation.spec}")
        files.append(out / f"{name}.png")
        save(drawn[f"solution {i}"], files[-1])
        solution.save(out / f"{name}.safetensors")
    if len(told) > 1:
        files.insert(0, out / f"{equation.name}-comparison.png")
        save(drawn["gallery"], files[0])
    write_json(numbers, told[0] if len(told) == 1 else told)
    write_text(page, pinn_page.html(told, drawn))
    return page, numbers, files[0]


def _forget(folder: Path) -> None:
    """Removes the checkpoints of runs that are finished."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _progress(what: str, quiet: bool) -> Iterator[Callable[[Now], None] | None]:
    """A bar on stderr with loss and error; a line a tenth in a pipe; nothing when quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True), TextColumn("[dim]{task.fields[told]}"),
        )  # fmt: skip
        with Progress(*columns, console=console(stderr=True), speed_estimate_period=60.0) as bar:
            task = bar.add_task(what, total=1.0, told="")

            def advance(now: Now) -> None:
                bar.update(task, completed=now.done / now.total, told=_told(now))

            yield advance
            bar.update(task, completed=1.0)
    else:
        tenth = -1

        def line(now: Now) -> None:
            nonlocal tenth
            reached = 10 * now.done // now.total
            if reached > tenth:
                tenth = reached
                print(f"{what}: {10 * reached} %, {_told(now)}", file=sys.stderr, flush=True)

        yield line


def _told(now: Now) -> str:
    return f"{now.stage} {now.step}/{now.steps}  loss {now.loss:.2e}  error {now.relative_l2:.2e}"
