"""`edgewise compare`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewise.cli.group import SPEC, TAKES_SPEC
from edgewise.cli.terminal import console, print_json

if TYPE_CHECKING:
    from edgewise.studies.images.comparing import Now
    from edgewise.studies.images.comparison import Comparison


@click.command(context_settings=TAKES_SPEC)
@click.argument("specs", type=SPEC, nargs=-1, metavar="SPEC...")
@click.option(
    "--data", "data_name", metavar="NAME",
    help="mnist, fashion_mnist, cifar10, cifar100, stl10, or digits (no download).  [default: mnist; cifar10 with a "
    "recipe]",
)  # fmt: skip
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path),
    help="Folder that holds the set.  [default: EDGEWISE_DATA, then a download]",
)  # fmt: skip
@click.option(
    "--recipe", type=click.Choice(["fast"]),
    help="A whole way to train, from the literature: fast, for colour images on one GPU; on a CPU a small scale of it.",
)  # fmt: skip
@click.option(
    "--model", metavar="NAME",
    help="mlp, cnn, vgg11 … vgg19, resnet20, resnet56, preresnet164, wrn28-10, wrn40-4, densenet100-12, fastcnn; with "
    'options: "cnn(depth=20,width=32)".  [default: mlp, or the recipe\'s]',
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Networks of each activation.  [default: 5; 50 of a recipe on a GPU]"
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training images.  [default: by model]")
@click.option("--batch", type=click.IntRange(min=1), help="Images in a step.  [default: by model]")
@click.option(
    "--learning-rate", "learning_rates", type=click.FloatRange(min=0.0, min_open=True), multiple=True,
    help="Several are all tried; the best on validation images is reported.  [default: by model]",
)  # fmt: skip
@click.option("--optimiser", type=click.Choice(["sgd", "adam"]), help="[default: adam, or the recipe's, which is sgd]")
@click.option(
    "--init", type=click.Choice(["critical", "he", "xavier", "pytorch", "paper"]),
    help="Initialisation: for each activation, or one for all.  [default: critical, or the recipe's]",
)  # fmt: skip
@click.option("--augment/--no-augment", default=None, help="Flips and crops.  [default: for colour and convolutions]")
@click.option("--train-size", type=click.IntRange(min=1), help="Training images.  [default: all on a GPU, else few]")
@click.option("--test-size", type=click.IntRange(min=1), help="Test images.  [default: all on a GPU]")
@click.option("--compile", is_flag=True, help="Compile the networks: up to a minute for each activation to begin with.")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [default: cuda where there is one]")
@click.option(
    "--checkpoint", "kept", type=click.Path(file_okay=False, path_type=Path),
    help="Keep runs in this folder; the same command goes on from there.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default="edgewise-compare", show_default=True,
    help="Folder for compare.html, compare.json and figures/.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (curves are in compare.json).")
def compare(
    specs: tuple[str, ...], data_name: str | None, data_dir: Path | None, device: str | None, train_size: int | None,
    test_size: int | None, kept: Path | None, out: Path, quiet: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Trains image networks with each activation and says which activations differ, and what they cost.

    Every activation sees the same images, seeds and settings. On a CPU the default is a few images and epochs, so that
    an answer takes minutes; what was done is said with the result.

    \b
    Examples:
      edgewise compare relu gelu "mrepu(p=2)" --data mnist
      edgewise compare relu gelu --data cifar10 --model resnet20 --train-size 5000 --epochs 20
      edgewise compare relu tanh --data digits --model "cnn(depth=4,width=16)" --seeds 3
      edgewise compare relu gelu silu --data cifar10 --recipe fast --seeds 50 --device cuda
    """
    if not specs:
        raise click.UsageError("give at least one activation, such as relu gelu")
    from edgewise.activations import activation
    from edgewise.studies.images.comparing import Interrupted, with_device
    from edgewise.studies.images.comparing import compare as run
    from edgewise.studies.images.networks import parsed
    from edgewise.studies.images.scale import usual_amount
    from edgewise.studies.images.sets import image_set, parts

    home = _device(device)
    recipe = _completed(options, home)
    parsed(options["model"])  # a misspelt name is told before anything is downloaded
    for spec in specs:
        activation(spec)
    data_name = data_name or ("mnist" if recipe is None else "cifar10")
    whole = image_set(data_name, folder=data_dir, progress=not quiet)
    usual = (
        usual_amount(options["model"], whole, home.partition(":")[0], options["optimiser"])
        if recipe is None
        else recipe.amount(whole)
    )
    chosen = parts(
        whole, train=train_size or usual.train, test=test_size or usual.test,
        validation=None if recipe is None else recipe.validation_of(whole),
    )  # fmt: skip
    images = with_device(chosen, home)
    settings = _settings(options, usual, whole, home, recipe)
    if not quiet:
        print(_told(settings, images.learnt, whole), file=sys.stderr)
    try:
        with _progress(quiet) as tell:
            made = run(specs, images, settings, folder=kept, on_progress=tell)
    except Interrupted as interruption:
        made = interruption.comparison
        if made.standings:
            names = ", ".join(s.activation for s in made.standings)
            print(f"edgewise: finished before the interruption: {names}; page in {out}", file=sys.stderr)
            _write(made, out)
        raise
    page, numbers = _write(made, out)
    if as_json:
        told = {key: value for key, value in made.to_dict().items() if key != "trials"}
        print_json({"page": str(page), "json": str(numbers), **told})
        return
    terminal = console()
    terminal.print(made)
    terminal.print(f"page: {page}", markup=False, soft_wrap=True)


def _device(given: str | None) -> str:
    import torch

    if given is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=given)
    except (RuntimeError, AssertionError) as error:
        told = str(error).partition("\n")[0]
        raise click.UsageError(f"--device {given} given, which cannot be used ({told}); try --device cpu") from None
    return given


def _completed(options: dict[str, Any], home: str) -> Any:
    """The recipe, if one is wanted; options that were not given become what it says, or what is usual without one."""
    from edgewise.studies.images.networks import is_flat
    from edgewise.studies.images.recipe import recipe

    name = options.pop("recipe")
    found = None if name is None else recipe(name, home.partition(":")[0])
    if found is not None and options["optimiser"] == "adam":
        raise click.UsageError(f"--optimiser adam given with --recipe {name}, which brings its own; leave it out")
    if found is not None and options["model"] is not None and is_flat(options["model"]):
        raise click.UsageError(
            f"--model {options['model']} given with --recipe {name}, which needs a network with convolutions; "
            "leave it out"
        )
    usual: dict[str, Any] = {"model": "mlp", "seeds": 5, "optimiser": "adam", "init": "critical"}
    if found is not None:
        usual = {"model": found.model, "seeds": found.seeds, "optimiser": "sgd", "init": found.init}
    options.update({key: value for key, value in usual.items() if options[key] is None})
    return found


def _settings(options: dict[str, Any], usual: Any, whole: Any, home: str, recipe: Any) -> Any:
    from edgewise.studies.images.comparing import usual_precision
    from edgewise.studies.images.comparison import Settings
    from edgewise.studies.images.scale import usual_augmentation

    if recipe is None:
        augment = usual_augmentation(options["model"], whole, wanted=options["augment"])
    else:
        augment = None if options["augment"] is False else recipe.augmentation(whole)
    return Settings(
        model=options["model"], init=options["init"],
        seeds=tuple(range(options["seed"], options["seed"] + options["seeds"])),
        epochs=options["epochs"] or usual.epochs, batch=options["batch"] or usual.batch,
        learning_rates=tuple(dict.fromkeys(options["learning_rates"])) or usual.learning_rates,
        optimiser=options["optimiser"], augment=augment, autocast=usual_precision(home), device=home,
        recipe=recipe, compile=options["compile"],
    )  # fmt: skip


def _told(settings: Any, learnt: Any, whole: Any) -> str:
    """What is about to be done, and that it is less than all where it is."""
    train, test = len(learnt.train), len(learnt.test)
    told = (
        f"{settings.model} on {whole.title}, {settings.device}: {train:,} of {len(whole.train):,} training images, "
        f"{test:,} of {len(whole.test):,} test images, {settings.epochs} epochs, {len(settings.seeds)} seeds, learning "
        f"rate {', '.join(f'{rate:g}' for rate in settings.learning_rates)}"
    )
    if settings.recipe is not None:
        scale = settings.recipe.scale or "the whole of it"
        return f"recipe {settings.recipe.name}, {scale}: {told}"
    if train < 0.5 * len(whole.train):
        told += "; a small scale, see --train-size and --epochs"
    return told


def _write(made: Comparison, out: Path) -> tuple[Path, Path]:
    """The page, the numbers and the pictures; the paths of the first two."""
    from edgewise.files import write_json, write_text
    from edgewise.report import comparison_page
    from edgewise.report.drawing import save
    from edgewise.report.figures import image_comparison as figures

    data = made.to_dict()
    page, numbers = out / "compare.html", out / "compare.json"
    write_json(numbers, data)
    for name, draw in (
        ("accuracy", figures.accuracy_figure), ("curves", figures.curves_figure), ("cost", figures.cost_figure),
    ):  # fmt: skip
        save(draw(data), out / "figures" / f"{name}.png")
    write_text(page, comparison_page.html(data))
    return page, numbers


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Now], None] | None]:
    """A bar on stderr, a line each run in a pipe, nothing when quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("compare"), BarColumn(bar_width=28), TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True), TextColumn("[dim]{task.description}"),
        )  # fmt: skip
        with Progress(*columns, console=console(stderr=True), speed_estimate_period=120.0) as bar:
            task = bar.add_task("", total=1.0)

            def advance(now: Now) -> None:
                bar.update(task, completed=now.done / now.total, description=now.what)

            yield advance
    else:
        last = ""

        def line(now: Now) -> None:
            nonlocal last
            if now.what != last:
                last = now.what
                print(f"{100 * now.done // now.total} %: {now.what}", file=sys.stderr, flush=True)

        yield line
