"""`edgewise report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewise.cli.group import SPEC, TAKES_SPEC
from edgewise.cli.terminal import console, print_json

if TYPE_CHECKING:
    from edgewise.report import Report

_QUICK: dict[str, Any] = {"depths": (5, 20), "seeds": 2, "epochs": 8, "members": 16}


class Depths(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on only
    """Layers as "5,20,50"."""

    name = "depths"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} given, expected whole numbers with commas between them; try 5,20,50", param, ctx)


@click.command(context_settings=TAKES_SPEC)
@click.argument("specs", type=SPEC, nargs=-1, metavar="SPEC...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="edgewise-report",
    show_default=True,
    help="Folder for report.html, report.json and figures/.",
)
@click.option(
    "--depths", type=Depths(), default=None, metavar="N,N,...", help="Layers of the networks.  [default: 5,20,50]"
)
@click.option("--width", type=click.IntRange(min=2), default=64, show_default=True, help="Units of each layer.")
@click.option("--seeds", type=click.IntRange(min=1), default=None, help="Networks for each setting.  [default: 4]")
@click.option("--epochs", type=click.IntRange(min=1), default=None, help="Passes over the training data.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--quick", is_flag=True, help="Fewer depths, seeds and epochs: a first look.")
@click.option("--no-training", is_flag=True, help="Theory and random networks only: some seconds.")
@click.option(
    "--from",
    "stored",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw an earlier report.json anew instead of computing.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON (every number is in report.json).")
def report(
    specs: tuple[str, ...],
    out: Path,
    depths: tuple[int, ...] | None,
    width: int,
    seeds: int | None,
    epochs: int | None,
    seed: int,
    quick: bool,
    no_training: bool,
    stored: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Will it train? Theory, random networks and real data, on one page.

    \b
    Examples:
      edgewise report "mrepu(p=2)"
      edgewise report relu gelu "x*sigmoid(1.5*x)" --out comparison
    """
    if bool(specs) == bool(stored):
        raise click.UsageError("give at least one SPEC, or an earlier report with --from (not both)")
    from edgewise.report import render
    from edgewise.report import report as make

    if stored is not None:
        made = render(stored, out=out)
    else:
        chosen = {"depths": depths, "seeds": seeds, "epochs": epochs}
        settings = (_QUICK if quick else {}) | {name: value for name, value in chosen.items() if value is not None}
        training = not no_training
        made = make(specs, out=out, width=width, seed=seed, training=training, progress=not quiet, **settings)
    if as_json:
        print_json(_summary(made))
    else:
        _print(made)
    return 70 if made.broken else 0


def _summary(made: Report) -> dict[str, Any]:
    from edgewise.report.words import deepest

    activations = []
    for subject, (spec, verdict) in zip(made.data.subjects, made.verdicts, strict=True):
        theory = subject.data("theory")
        start = deepest(theory["recommended"]) if theory else None
        recommended = {"depth": start[0], **start[1]} if start else None
        activations.append({"spec": spec, "verdict": verdict.to_dict(), "recommended": recommended})
    return {
        "page": str(made.page),
        "json": str(made.json_file),
        "complete": made.data.complete,
        "broken": list(made.broken),
        "activations": activations,
    }


def _print(made: Report) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from edgewise.report.page import BADGE

    colours = {"yes": "green", "care": "yellow", "no": "red", "unknown": "blue"}
    out = console()
    for spec, verdict in made.verdicts:
        head = Text.assemble(
            (spec, "bold"), "  ", (BADGE[verdict.level], f"bold {colours[verdict.level]}"), "  ", verdict.headline
        )
        out.print(head)
        for text in (verdict.theory, verdict.evidence and f"Measured: {verdict.evidence}"):
            if text:
                out.print(Padding(Text(text), (0, 0, 0, 2)))
        out.print()
    for line in made.broken:
        out.print(Text(f"failed by a slip of edgewise, please report it: {line}", style="red"))
    out.print(f"page: {made.page}", markup=False, soft_wrap=True)
