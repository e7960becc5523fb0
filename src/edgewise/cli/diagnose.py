"""`edgewise diagnose`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise.cli.group import CONTEXT
from edgewise.cli.terminal import console, print_json


@click.command(context_settings=CONTEXT)
@click.argument("factory", metavar="MODULE:FACTORY")
@click.option(
    "--batch",
    metavar="SHAPE|FILE|MODULE:FUNCTION",
    help="64x784 (standard normal), 8x128:50257 (integers below 50257), a .npy, .npz, .safetensors or .pt file, or a "
    "function that returns a batch. Not needed where the factory returns (model, batch).",
)
@click.option(
    "--loss", metavar="MODULE:FUNCTION", help="Function of the model's output that returns a scalar.  [default: none]"
)
@click.option(
    "--mode",
    type=click.Choice(["as-is", "train", "eval"]),
    default="as-is",
    show_default=True,
    help="Mode in which the model is measured.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--no-check", is_flag=True, help="Print advice without trying it on a copy of the model.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with pictures to this file."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diagnose(
    factory: str,
    batch: str | None,
    loss: str | None,
    mode: str,
    seed: int,
    no_check: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """What is wrong with a model, in which layer, and the calls that mend it.

    MODULE:FACTORY names a function (or a module) in a Python module that can be imported from here; called without
    arguments, it returns the model, or the model and a batch. It is run as it is: give only code that you trust.

    \b
    Examples:
      edgewise diagnose mypackage.models:resnet --batch 32x3x32x32
      edgewise diagnose train:make_model --batch inputs.npy --html diagnosis.html
      edgewise diagnose edgewise.models:GPT --batch 8x64:256 --json
    """
    import torch

    from edgewise.cli.objects import batch_from, called, named_object
    from edgewise.measure.diagnose import diagnose as examine

    torch.manual_seed(seed)
    model, given = called(factory)
    data = given if batch is None else batch_from(batch, model, seed)
    if data is None:
        raise click.UsageError(
            "no batch: give --batch, such as --batch 64x784, or let the factory return (model, batch)"
        )
    if mode != "as-is":
        model.train(mode == "train")
    result = examine(model, data, named_object(loss) if loss else None, seed=seed, check=False if no_check else None)
    if html is not None:
        from edgewise.report.diagnosis_page import diagnosis_page

        diagnosis_page(result, out=html)
    if as_json:
        print_json(result.to_dict())
        return
    out = console()
    out.print(result)
    if html is not None:
        out.print(f"\npage written to {html}", markup=False, soft_wrap=True)
