"""`edgewise phase`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise.cli.group import SPEC, TAKES_SPEC
from edgewise.cli.terminal import console, print_json


@click.command(context_settings=TAKES_SPEC)
@click.argument("spec", type=SPEC)
@click.option("--depth", type=click.IntRange(min=1), default=64, show_default=True, help="Layers to follow the kernel.")
@click.option("--k0", type=float, default=1.0, show_default=True, help="Kernel of the first layer.")
@click.option(
    "--points", type=click.IntRange(min=2, max=1024), default=128, show_default=True, help="Grid points per axis."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Picture file: .png, .svg or .pdf.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def phase(spec: str, depth: int, k0: float, points: int, out: Path | None, as_json: bool) -> None:
    """The phase diagram: which (C_W, C_b) keep signal and gradient alive, which do not.

    \b
    Examples:
      edgewise phase tanh                     writes tanh-phase.png
      edgewise phase gelu --out gelu.svg
    """
    from edgewise.activations import activation
    from edgewise.report.parts.phase import phase_part

    sigma = activation(spec)
    data = phase_part(sigma, depth=depth, k0=k0, points=points)
    if as_json:
        print_json(data)
    if out is None and as_json:
        return
    from edgewise.report.drawing import save
    from edgewise.report.figures.phase import phase_figure

    path = out or Path(f"{file_name(sigma.spec)}-phase.png")
    save(phase_figure(data, title=sigma.spec), path)
    if not as_json:
        console().print(data["reason"], markup=False)
        console().print(f"picture written to {path}", markup=False)


def file_name(spec: str) -> str:
    from edgewise.report.files import slug

    return slug(spec)
