"""`edgewise reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgewise.cli.group import CONTEXT
from edgewise.cli.terminal import console, print_json

if TYPE_CHECKING:
    from edgewise.studies.result import StudyResult
    from edgewise.studies.study import Scale, Study


@click.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[STUDY]...")
@click.option(
    "--scale",
    type=click.Choice(["smoke", "full"]),
    default="smoke",
    show_default=True,
    help="Small networks in minutes, or what the paper did.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="edgewise-study",
    show_default=True,
    help="Folder for STUDY.html, STUDY.json, figures/ and the finished parts.",
)
@click.option("--only", multiple=True, metavar="PART", help="Only this part of the study; may be given several times.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--device", default="cpu", show_default=True, help="Where networks are measured and trained.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Parts that run side by side.")
@click.option("--fresh", is_flag=True, help="Run parts again that were finished before.")
@click.option(
    "--from",
    "stored",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the page of an earlier STUDY.json again; computes nothing.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON (every number is in STUDY.json).")
def reproduce(
    names: tuple[str, ...],
    scale: str,
    out: Path,
    only: tuple[str, ...],
    seed: int,
    device: str,
    jobs: int,
    fresh: bool,
    stored: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """A paper's claims, examined: what it says, what is measured, whether it holds. Without STUDY: lists them.

    Interrupted, it keeps the parts that are finished; the same command goes on from there. The exit code is 0 whether
    claims hold or not, and 70 when a part broke.

    \b
    Examples:
      edgewise reproduce
      edgewise reproduce repu --scale smoke --out repu
      edgewise reproduce repu --from repu/repu.json --out again
    """
    from edgewise.studies.registry import find_study, studies

    if stored is not None:
        return _redraw(stored, names, out, as_json)
    if not names:
        _list([find_study(name) for name in studies()], as_json)
        return 0
    found = [find_study(name) for name in dict.fromkeys(names)]
    results = [_run(study, scale, out, only, seed, device, jobs, fresh, quiet) for study in found]
    _tell(results, [out / f"{study.name}.html" for study in found], as_json)
    return 70 if any(result.failed for result in results) else 0


def _run(
    study: Study,
    scale: str,
    out: Path,
    only: tuple[str, ...],
    seed: int,
    device: str,
    jobs: int,
    fresh: bool,
    quiet: bool,
) -> StudyResult:
    from edgewise.report.progress import listener
    from edgewise.report.study_page import Album, write_study
    from edgewise.studies.reproduction import reproduce as run

    album = Album(out / "figures" / study.name)

    def keep(result: StudyResult) -> None:
        write_study(result, out, album)

    size = cast("Scale", scale)
    wanted = [study.part(key) for key in only] or list(study.parts)
    with listener(not quiet, title=study.name) as tell:
        tell.expect(sum(part.seconds[size] for part in wanted))
        return run(
            study,
            scale=size,
            folder=out,
            only=only,
            seed=seed,
            device=device,
            jobs=jobs,
            fresh=fresh,
            watcher=tell,
            on_part=keep,
        )


def _redraw(stored: Path, names: tuple[str, ...], out: Path, as_json: bool) -> int:
    import json

    from edgewise.errors import DataError
    from edgewise.report.study_page import write_study
    from edgewise.studies.result import StudyResult

    try:
        plain = json.loads(stored.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{stored} is not JSON ({error}); try the JSON of `edgewise reproduce`") from error
    result = StudyResult.from_dict(plain)
    if names and names != (result.study,):
        raise click.UsageError(f"{stored} holds study {result.study!r}, not {' '.join(names)!r}")
    _tell([result], [write_study(result, out)], as_json)
    return 0


def _tell(results: list[StudyResult], pages: list[Path], as_json: bool) -> None:
    if as_json:
        print_json([_summary(result, page) for result, page in zip(results, pages, strict=True)])
        return
    out = console()
    for result, page in zip(results, pages, strict=True):
        out.print(result)
        out.print(result.reason, markup=False)
        out.print(f"page: {page}", markup=False, soft_wrap=True)


def _summary(result: StudyResult, page: Path) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "study": result.study,
        "scale": result.scale,
        "page": str(page),
        "json": str(page.with_suffix(".json")),
        "reason": result.reason,
        "claims": [
            {
                name: value
                for name, value in claim.to_dict().items()
                if name in ("key", "title", "verdict", "measured", "n")
            }
            for claim in result.claims
        ],
        "missing": [asdict(part) for part in result.missing],
    }


def _list(found: list[Study], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "study": study.name,
                    "title": study.title,
                    "paper": study.paper,
                    "parts": [
                        {"key": part.key, "title": part.title, "seconds": dict(part.seconds)} for part in study.parts
                    ],
                }
                for study in found
            ]
        )
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    for study in found:
        out.print(Text.assemble((study.name, "bold"), "  ", study.title))
        out.print(Text(study.paper, style="dim"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for heading in ("part", "what it examines", "smoke", "full"):
            table.add_column(heading, justify="right" if heading in ("smoke", "full") else "left")
        for part in study.parts:
            table.add_row(part.key, part.title, _duration(part.seconds["smoke"]), _duration(part.seconds["full"]))
        out.print(table)
    out.print("Times are for one core. Run one with: edgewise reproduce STUDY --scale smoke", markup=False)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
