from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgewise.activations import activation
from edgewise.data import Augment, ImageSet
from edgewise.errors import DomainError, SpecError
from edgewise.report import comparison_page
from edgewise.studies.images import comparing, evaluate, image_network
from edgewise.studies.images.comparing import Interrupted, compare
from edgewise.studies.images.comparison import Comparison, Settings
from edgewise.studies.images.ensembles import can_be_one_program
from edgewise.studies.images.sets import Parts, parts

PLAIN = Settings(
    model="mlp(depth=2,width=16)", init="critical", seeds=(0, 1, 2), epochs=3, batch=16, learning_rates=(0.001, 0.01)
)
SINGLE = replace(PLAIN, model="resnet20(depth=8,width=4)", seeds=(0, 1), learning_rates=(0.01,), epochs=2)


@pytest.fixture(scope="module")
def images(quadrants: ImageSet) -> Parts:
    return parts(quadrants)


@pytest.fixture(scope="module")
def plain(images: Parts) -> Comparison:
    return compare(["relu", "tanh"], images, PLAIN)


def test_parts_are_disjoint_and_every_class_has_its_share(quadrants: ImageSet) -> None:
    made = parts(quadrants, train=100, validation=40, test=20)
    assert (len(made.learnt.train), len(made.validation), len(made.learnt.test)) == (100, 40, 20)
    assert torch.bincount(made.learnt.train.labels).tolist() == [25] * 4
    rows = torch.cat([made.learnt.train.images, made.validation.images]).flatten(1)
    assert len(rows.unique(dim=0)) == 140  # noise: no two images are alike
    again = parts(quadrants, train=100, validation=40, test=20)
    assert torch.equal(made.learnt.train.images, again.learnt.train.images)
    with pytest.raises(DomainError, match="161 training images wanted"):
        parts(quadrants, train=161)


@pytest.mark.parametrize("model", ["mlp(depth=1,width=8)", "mlp(depth=3,width=8)", "cnn(depth=2,width=4)"])
def test_members_of_one_program_are_the_networks_they_stand_for(images: Parts, model: str) -> None:
    settings = replace(PLAIN, model=model, epochs=1, learning_rates=(0.01,))
    assert can_be_one_program(model, activation("tanh"), images.learnt, augmented=False)
    made = compare(["tanh"], images, settings)
    sample = next(images.learnt.train.batches(64))[0]
    for trial in made.trials:
        network = image_network(
            model, "tanh", shape=(1, 8, 8), classes=4, init="critical", seed=trial.run.seed, sample=sample
        )
        before = evaluate(network, images.validation)
        curve = trial.run.curves["validation"]
        assert curve.accuracy[0] == before.accuracy
        assert curve.loss[0] == pytest.approx(before.loss, rel=1e-5)  # float32 sums in another order
        assert trial.run.parameters == sum(p.numel() for p in network.parameters())


def test_what_cannot_be_one_program_is_not(images: Parts) -> None:
    def possible(model: str, spec: str, augmented: bool = False) -> bool:
        return can_be_one_program(model, activation(spec), images.learnt, augmented=augmented)

    assert possible("mlp", "relu")
    assert not possible("mlp", "prelu")  # its slope is learnt
    assert not possible("mlp(norm='layer')", "relu")
    assert not possible("mlp(bias=False)", "relu")
    assert not possible("cnn(kernel_size=5)", "relu")
    assert not possible("resnet20", "relu")
    assert not possible("cnn", "relu", augmented=True)


def test_the_best_rate_on_validation_is_reported_and_all_are_kept(plain: Comparison) -> None:
    assert len(plain.trials) == 2 * 3 * 2
    for standing in plain.standings:
        mine = [t for t in plain.trials if t.activation == standing.activation]
        means = {
            rate: sum(t.validation for t in mine if t.run.learning_rate == rate) / 3 for rate in PLAIN.learning_rates
        }
        assert standing.learning_rate == max(means, key=lambda rate: means[rate])
        tested = [t.run.test.accuracy for t in mine if t.run.learning_rate == standing.learning_rate]
        assert standing.accuracy.estimate == pytest.approx(sum(tested) / 3)
    assert any("largest learning rate tried" in remark for remark in plain.remarks)


def test_times_are_told_relative_to_the_first(plain: Comparison) -> None:
    first, second = plain.standings
    assert first.time is None
    assert second.time is not None
    assert second.time.low < second.time.estimate < second.time.high
    assert "round by round" in plain.how_timed


def test_runs_of_one_seed_see_the_same_and_repeat(images: Parts) -> None:
    settings = replace(SINGLE, augment=Augment(crop=1))
    once, again = (compare(["relu", "gelu"], images, settings) for _ in range(2))
    assert [t.run.test for t in once.trials] == [t.run.test for t in again.trials]
    assert [t.run.curves for t in once.trials] == [t.run.curves for t in again.trials]
    assert [(t.activation, t.run.seed) for t in once.trials] == [("relu", 0), ("gelu", 0), ("relu", 1), ("gelu", 1)]
    assert once.standings[1].time is not None
    assert once.standings[1].time.n == 2


@pytest.mark.parametrize("settings", [SINGLE, PLAIN], ids=["single", "together"])
def test_ctrl_c_keeps_what_was_finished_and_the_folder_goes_on(
    images: Parts, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(now: comparing.Now) -> None:
        if now.done > 0.6 * now.total:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        compare(["relu", "tanh"], images, settings, folder=tmp_path, on_progress=stop)
    kept = caught.value.comparison
    assert len(kept.trials) == 2 if settings is SINGLE else 6
    assert kept.unfinished == (("relu", "tanh") if settings is SINGLE else ("tanh",))
    assert "not finished: " in kept.reason or not kept.standings
    whole = compare(["relu", "tanh"], images, settings, folder=tmp_path)
    straight = compare(["relu", "tanh"], images, settings)
    assert [t.run.test for t in whole.trials] == [t.run.test for t in straight.trials]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished run was run again")

    monkeypatch.setattr(comparing, "train_images", never)
    monkeypatch.setattr(comparing, "train_members", never)
    third = compare(["relu", "tanh"], images, settings, folder=tmp_path)
    assert [t.run.to_dict() for t in third.trials] == [t.run.to_dict() for t in whole.trials]
    with pytest.raises(AssertionError, match="run again"):  # other settings are other runs
        compare(["relu", "tanh"], images, replace(settings, epochs=settings.epochs + 1), folder=tmp_path)


def test_everything_is_in_the_json_and_the_page_is_drawn_from_it(plain: Comparison) -> None:
    data = json.loads(json.dumps(plain.to_dict(), allow_nan=False))
    page = comparison_page.html(data)
    assert page.count("<svg") == 3
    assert "Two activations on Quadrants" in page
    assert "relu − tanh" in page
    assert not re.search(r'(src|href)="(?!#)', page.replace("xlink:href", ""))  # nothing is loaded from elsewhere


def test_one_seed_and_one_activation_still_make_a_page(images: Parts) -> None:
    settings = replace(PLAIN, seeds=(0,), learning_rates=(0.01,), epochs=1)
    one, two = compare(["relu"], images, settings), compare(["relu", "tanh"], images, settings)
    assert "one seed cannot tell" in two.reason
    assert two.pairs[0].differ is None
    for made in (one, two):
        assert "<svg" in comparison_page.html(made.to_dict())


def test_diverged_runs_are_counted_and_named(images: Parts) -> None:
    settings = replace(PLAIN, optimiser="sgd", learning_rates=(1e5,), init="he")
    made = compare(["relu", "tanh"], images, settings)
    assert made.standings[0].diverged == 3
    assert "diverged: relu (3 of 3)" in made.reason
    assert "relu and tanh diverged at the one learning rate tried" in made.remarks[0]
    assert "<svg" in comparison_page.html(made.to_dict())


@pytest.mark.parametrize(
    ("specs", "change", "error"),
    [
        ([], {}, SpecError),
        (["relu", "relu"], {}, SpecError),
        (["relu"], {"learning_rates": ()}, DomainError),
        (["relu"], {"optimiser": "magic"}, DomainError),
        (["relu", "nonsense"], {}, SpecError),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_runs(
    images: Parts, specs: list[str], change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        compare(specs, images, replace(PLAIN, **change))  # type: ignore[arg-type]


def test_a_network_that_explodes_as_initialised_is_told_apart(images: Parts) -> None:
    settings = replace(PLAIN, model="mlp(depth=12,width=16)", init="he", seeds=(0, 1))
    made = compare(["repu(p=3)"], images, settings)
    assert all(t.run.diverged_at == 1 for t in made.trials)
    assert "repu(p=3) exploded before the first step, as initialised (he)" in made.remarks[0]
