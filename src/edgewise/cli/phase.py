"""`edgewise phase`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise.cli.group import SPEC, TAKES_SPEC
from edgewise.cli.terminal import console, print_json


@click.command(context_settings=TAKES_SPEC)
@click.argument("spec", type=SPEC)
@click.option("--depth", type=click.IntRange(min=1), default=50, show_default=True, help="Layers to follow the kernel.")
@click.option("--k0", type=float, help="Kernel of the first layer.  [default: as recommended at this depth]")
@click.option("--c-w", "c_w", type=float, help="Largest C_W to show.")
@click.option("--c-b", "c_b", type=float, help="Largest C_b to show.")
@click.option(
    "--points", type=click.IntRange(min=2, max=1024), default=97, show_default=True, help="Grid points per axis."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Picture file: .png, .svg or .pdf.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; draws only if --out is given.")
def phase(
    spec: str,
    depth: int,
    k0: float | None,
    c_w: float | None,
    c_b: float | None,
    points: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Which weight and bias variances keep signal and gradient alive.

    \b
    Examples:
      edgewise phase tanh                     writes tanh-phase.png
      edgewise phase "-x*tanh(x)" --out phase.svg
    """
    from edgewise.activations import activation
    from edgewise.report.parts.phase import diagram

    sigma = activation(spec)
    data = diagram(sigma, depth=depth, k0=k0, c_w_max=c_w, c_b_max=c_b, points=points)
    if as_json:
        print_json(data)
    if as_json and out is None:
        return
    from edgewise.report.drawing import save
    from edgewise.report.figures.phase import phase_figure
    from edgewise.report.files import slug

    path = out or Path(f"{slug(sigma.spec)}-phase.png")
    save(phase_figure(data), path)
    if not as_json:
        console().print(data["reason"], markup=False)
        console().print(f"picture: {path}", markup=False, soft_wrap=True)
