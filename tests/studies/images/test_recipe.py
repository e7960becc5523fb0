"""The fast recipe is the loop its literature describes, resumes to the same numbers, and learns real images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewise.data import Images, ImageSet, alternating
from edgewise.data.images import channel_statistics
from edgewise.errors import DomainError, SpecError
from edgewise.models import FastCNN
from edgewise.report import comparison_page
from edgewise.studies.images import comparing, evaluate, image_network, train_images
from edgewise.studies.images.comparing import Interrupted, compare
from edgewise.studies.images.comparison import Settings
from edgewise.studies.images.recipe import Recipe, recipe
from edgewise.studies.images.sets import Parts, image_set, parts
from edgewise.studies.images.training import MIRROR
from edgewise.studies.images.views import Views
from edgewise.train import Lookahead
from edgewise.train.order import ORDER
from edgewise.train.streams import stream

TINY = replace(recipe("fast", "cpu"), model="fastcnn(width=4)", epochs=2, batch=16, first_epochs=1, crop=1)


@pytest.fixture(scope="module")
def colours() -> ImageSet:
    """Noise of 12x12 pixels in which one of three channels, the label, is brighter."""
    draw = torch.Generator().manual_seed(0)

    def some(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % 3
        images = torch.randint(0, 160, (count, 3, 12, 12), generator=draw)
        images[torch.arange(count), labels] += 60
        return images.to(torch.uint8), labels

    train, test = some(96), some(60)
    mean, std = channel_statistics(train[0])
    return ImageSet(
        "colours", "Colours", Images(*train, mean, std), Images(*test, mean, std), ("r", "g", "b"), "made up",
        verified=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def images(colours: ImageSet) -> Parts:
    return parts(colours, validation=16)


def _settings(way: Recipe, whole: ImageSet, **changed: object) -> Settings:
    settings = Settings(
        model=way.model, init=way.init, seeds=(0, 1), epochs=way.epochs, batch=way.batch,
        learning_rates=(way.learning_rate,), optimiser="sgd", augment=way.augmentation(whole), recipe=way,
    )  # fmt: skip
    return replace(settings, **changed)  # type: ignore[arg-type]


def _network(whole: ImageSet, activation: str = "gelu") -> nn.Module:
    sample = next(whole.train.batches(50))[0]
    return image_network(TINY.model, activation, shape=(3, 12, 12), classes=3, init="paper", seed=1, sample=sample)


def test_it_is_the_loop_one_would_write_with_sums_of_losses_and_groups_of_torch(colours: ImageSet) -> None:
    rate, size, per_epoch, steps, seed = 2.0, 16, 6, 12, 3
    augment = TINY.augmentation(colours)
    ours, theirs = _network(colours), _network(colours)
    how = TINY.options(ours, learning_rate=rate, batch=size, per_epoch=per_epoch, epochs=2, augment=augment)
    train_images(ours, colours, epochs=2, batch=size, augment=augment, seed=seed, **how)

    # of the sum of losses, which a constant gradient moves 1 + 1 / (1 - momentum) times as far
    long_run = 1024 * (1 + 1 / (1 - 0.85))
    lr, decay = rate / long_run, 0.0153 * size / long_run
    named = [(name, p) for name, p in theirs.named_parameters() if p.requires_grad]
    shifts = [p for name, p in named if "norm" in name]
    first = [p for name, p in named if name == "whitening.bias"]
    others = [p for name, p in named if "norm" not in name and name != "whitening.bias"]
    assert (len(shifts), len(first), len(others)) == (6, 1, 7)
    groups = [
        {"params": given, "lr": own, "usual": own, "weight_decay": decay / own}
        for given, own in ((shifts, 64 * lr), (first, lr), (others, lr))
    ]
    optimiser = torch.optim.SGD(groups, momentum=0.85, nesterov=True)
    slow = [p.detach().clone() for _, p in named]
    step = 0
    for number in range(2):
        if number == 1:
            for p in first:
                p.requires_grad_(False)
                p.grad = None
        batches = colours.train.batches(
            size, stream(seed, ORDER, number), augment=augment, drop_last=True,
            mirrored=alternating(96, stream(seed, MIRROR).initial_seed(), number),
        )  # fmt: skip
        for inputs, labels in batches:
            for group in optimiser.param_groups:
                group["lr"] = group["usual"] * np.interp(step, [0, 0.23 * steps - 1, steps - 1], [0.2, 1.0, 0.07])
            loss = functional.cross_entropy(theirs.train()(inputs), labels, label_smoothing=0.2, reduction="sum")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            if step % 5 == 0:
                keep = 0.95**5 * (step / steps) ** 3
                with torch.no_grad():
                    for mean, (_, p) in zip(slow, named, strict=True):
                        mean.copy_(keep * mean + (1 - keep) * p)
                        p.copy_(mean)
    with torch.no_grad():
        for mean, (_, p) in zip(slow, named, strict=True):
            p.copy_(mean)
    start, mine = (dict(network.named_parameters()) for network in (_network(colours), ours))
    for name, p in named:
        moved = (p - start[name]).detach()
        assert float(moved.abs().max()) > 0.0, name
        # twelve steps in float32, relative to how far the tensor has come
        error = float((mine[name] - p).detach().abs().max() / moved.abs().max())
        assert error < 1e-3, (name, error)
    assert torch.equal(mine["whitening.weight"], start["whitening.weight"])


def test_what_is_learned_of_an_activation_does_not_decay(colours: ImageSet) -> None:
    network = _network(colours, "prelu")
    rule = TINY.options(network, learning_rate=1.0, batch=16, per_epoch=6, epochs=2, augment=None)["optimiser"]
    assert isinstance(rule, Lookahead)
    decays = rule.inner.weight_decay  # type: ignore[attr-defined]
    trained = [name for name, p in network.named_parameters() if p.requires_grad]
    assert {name for name, decay in zip(trained, decays, strict=True) if decay == 0.0} == {
        name for name in trained if "activation" in name
    }
    assert sum("activation" in name for name in trained) == 7


@pytest.mark.parametrize(("mirror", "shift"), [(False, 0), (True, 0), (False, 1), (True, 2)])
def test_views_are_those_written_out_pixel_by_pixel(mirror: bool, shift: int) -> None:
    inputs = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))

    def network(x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) @ weights).tanh()

    def seen(y: int, x: int, flip: bool) -> torch.Tensor:
        view = torch.empty_like(inputs)
        for i in range(4):
            for j in range(5):
                row, column = abs(i + y), abs((4 - j if flip else j) + x)
                view[:, :, i, j] = inputs[:, :, 3 - abs(3 - row), 4 - abs(4 - column)]
        return network(view)

    places = {(0, 0): 1.0} if shift == 0 else {(0, 0): 0.5, (shift, shift): 0.25, (-shift, -shift): 0.25}
    ways = (False, True) if mirror else (False,)
    expected = sum(w / len(ways) * seen(*place, flip) for place, w in places.items() for flip in ways)
    views = Views(mirror, shift)
    torch.testing.assert_close(views.outputs(network, inputs), expected)
    assert views.count == len(places) * len(ways)


def test_a_score_over_views_is_that_of_their_mean(colours: ImageSet) -> None:
    network, views = _network(colours), Views()
    found = evaluate(network, colours.test, batch=17, views=views)
    network.eval()
    inputs, labels = next(colours.test.batches(60))
    with torch.no_grad():
        outputs = views.outputs(network, inputs)
    assert found.accuracy == pytest.approx(float((outputs.argmax(1) == labels).float().mean()))
    assert found.loss == pytest.approx(float(functional.cross_entropy(outputs, labels)), rel=1e-5)


def test_an_interrupted_recipe_resumes_to_the_same_numbers(
    images: Parts, colours: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(replace(TINY, epochs=3), colours)
    straight = compare(["relu", "gelu"], images, settings)

    def stop(now: comparing.Now) -> None:
        if now.done > 0.62 * now.total:  # in the second epoch of the third run of four
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        compare(["relu", "gelu"], images, settings, folder=tmp_path, on_progress=stop)
    assert len(caught.value.comparison.trials) == 2
    started: list[int] = []

    def first_step(now: comparing.Now) -> None:
        started.append(now.done)

    whole = compare(["relu", "gelu"], images, settings, folder=tmp_path, on_progress=first_step)
    per_run = started[-1] // 4
    assert 2 * per_run < started[0] - 16 < 3 * per_run  # not from the beginning of the run
    assert [t.run.test for t in whole.trials] == [t.run.test for t in straight.trials]
    assert [t.run.curves for t in whole.trials] == [t.run.curves for t in straight.trials]
    assert [t.run.batch_loss for t in whole.trials] == [t.run.batch_loss for t in straight.trials]
    monkeypatch.setattr(comparing, "train_images", _never)
    again = compare(["relu", "gelu"], images, settings, folder=tmp_path)
    assert [t.run.to_dict() for t in again.trials] == [t.run.to_dict() for t in whole.trials]
    other = replace(settings, recipe=replace(TINY, epochs=3, label_smoothing=0.1))
    with pytest.raises(AssertionError, match="run again"):  # another recipe is another run
        compare(["relu", "gelu"], images, other, folder=tmp_path)


def _never(*_: object, **__: object) -> None:
    raise AssertionError("a finished run was run again")


def test_page_and_reason_say_recipe_and_scale(images: Parts, colours: ImageSet) -> None:
    made = compare(["relu"], images, _settings(TINY, colours, seeds=(0,)))
    assert made.standings[0].learning_rate == TINY.learning_rate
    assert "recipe fast on a small scale for a CPU (fastcnn(width=4), 80 images, 2 epochs)" in made.remarks[0]
    page = comparison_page.html(json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    for words in (
        "Recipe fast on a small scale for a CPU",
        "Nesterov momentum 0.85",
        "alternate from epoch to epoch",
        "6 views",
    ):
        assert words in page
    unseen = compare(["relu"], images, _settings(TINY, colours, seeds=(0,), augment=None))
    assert "views" not in comparison_page.html(unseen.to_dict())


def test_it_learns_in_low_precision_with_channels_last(images: Parts, colours: ImageSet) -> None:
    settings = _settings(replace(TINY, epochs=6), colours, seeds=(0,), autocast="bfloat16")
    run = compare(["relu"], images, settings).trials[0].run
    assert run.provenance["dtype"] == "bfloat16"
    assert run.test.accuracy > 1 / 3 + 4 * (2 / 9 / 60) ** 0.5  # guesses spread by 0.06


def test_compiling_is_handed_on(images: Parts, colours: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewise.train import compilation

    seen: list[nn.Module] = []

    def compiled(module: nn.Module, _: torch.device) -> nn.Module:
        seen.append(module)
        return module

    monkeypatch.setattr(compilation, "compiled", compiled)
    plain = compare(["relu"], images, _settings(TINY, colours, seeds=(0,)))
    assert not seen
    made = compare(["relu"], images, _settings(TINY, colours, seeds=(0,), compile=True))
    assert [type(module) for module in seen] == [FastCNN]
    assert made.trials[0].run.test == plain.trials[0].run.test


def test_outputs_that_overflow_in_evaluation_are_told(images: Parts, colours: ImageSet) -> None:
    made = compare(["relu"], images, _settings(TINY, colours, seeds=(0,)))
    run = made.trials[0].run
    lost = replace(made.trials[0], run=replace(run, test=replace(run.test, loss=float("nan"))))
    told = replace(made, trials=(lost,)).remarks
    assert any("outputs of relu are too large to be numbers" in remark for remark in told)
    assert not any("too large to be numbers" in remark for remark in made.remarks)


def test_all_of_it_belongs_to_an_accelerator_and_a_small_scale_to_a_cpu() -> None:
    whole, small = recipe("fast", "cuda"), recipe("fast", "cpu")
    assert (whole.scale, whole.train, whole.seeds) == ("", None, 50)
    assert small.scale
    assert small.seeds < whole.seeds
    changed = {
        name for name, value in vars(small).items() if value != getattr(whole, name)
    }  # fmt: skip
    assert changed == {"scale", "model", "train", "validation", "test", "seeds", "batch"}  # the rest is the same


def test_grey_images_are_not_flipped(quadrants: ImageSet, colours: ImageSet) -> None:
    assert TINY.augmentation(quadrants).flip is False
    assert TINY.augmentation(colours).flip == "alternate"
    assert TINY.amount(quadrants).train is None  # there are not so many
    assert TINY.validation_of(quadrants) is None


def test_what_cannot_be_is_refused(images: Parts, colours: ImageSet) -> None:
    with pytest.raises(SpecError, match="unknown recipe 'slow'"):
        recipe("slow", "cpu")
    with pytest.raises(DomainError, match="crop=-1"):
        replace(TINY, crop=-1)
    with pytest.raises(DomainError, match="shift=-1"):
        Views(shift=-1)
    for changed in ({"optimiser": "adam"}, {"model": "mlp"}):
        with pytest.raises(DomainError, match="for the recipe fast"):
            compare(["relu"], images, _settings(TINY, colours, **changed))


def test_it_learns_photographs(data_folder: Path) -> None:
    whole = image_set("cifar10", folder=data_folder, progress=False)
    way = replace(recipe("fast", "cpu"), model="fastcnn(width=4)", epochs=4)
    chosen = parts(whole, train=1000, validation=100, test=1000)
    run = compare(["gelu"], chosen, _settings(way, whole, seeds=(0,))).trials[0].run
    # a guess is right for one in ten; a thousand guesses spread by 0.0095
    assert run.test.accuracy > 0.1 + 10 * 0.0095
