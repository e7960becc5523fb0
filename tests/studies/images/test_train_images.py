from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from edgewise.data import Augment, ImageSet
from edgewise.errors import DomainError, TrainingError
from edgewise.studies.images import ImageRun, evaluate, image_network, train_images
from edgewise.studies.images.memory import kept_for_backward
from edgewise.train import SGD, Adam, Checkpoints, Constant, parameter_norms

MODEL = "resnet20(depth=8,width=4)"


def _network(quadrants: ImageSet, name: str = MODEL, activation: str = "relu") -> nn.Module:
    return image_network(name, activation, shape=quadrants.shape, classes=4, init="paper")


def test_a_network_learns_and_what_is_told_is_what_the_network_does(quadrants: ImageSet) -> None:
    network = _network(quadrants)
    run = train_images(network, quadrants, epochs=4, batch=32, optimiser=Adam(), learning_rate=0.01, seed=1)
    assert run.test.accuracy > 0.9
    assert run.test == evaluate(network, quadrants.test)
    assert (run.steps, run.images, run.batch, run.epochs_seen) == (20, 160, 32, (0, 1, 2, 3, 4))
    assert run.curves["test"].accuracy[-1] == run.test.accuracy
    assert len(run.batch_loss) == 4
    assert run.batch_loss[-1] < run.batch_loss[0]
    assert 0.0 < run.seconds <= run.provenance["seconds"]
    assert not run.diverged
    assert "80 test images right" in run.reason


def test_evaluation_counts_right_answers_and_leaves_modes_alone(quadrants: ImageSet) -> None:
    network = _network(quadrants).train()
    frozen = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    found = evaluate(network, quadrants.test, batch=7)
    assert network.training
    assert not frozen.training
    network.eval()
    inputs, labels = next(quadrants.test.batches(80))
    with torch.no_grad():
        outputs = network(inputs)
    assert found.accuracy == pytest.approx(float((outputs.argmax(1) == labels).float().mean()))
    assert found.loss == pytest.approx(float(nn.functional.cross_entropy(outputs, labels)), rel=1e-5)


def test_outputs_that_are_no_numbers_are_wrong_answers(quadrants: ImageSet) -> None:
    network = _network(quadrants)
    with torch.no_grad():
        network.head.bias[0] = torch.nan  # type: ignore[index, union-attr]
    found = evaluate(network, quadrants.test)
    assert found.accuracy == 0.0
    assert found.to_dict()["loss"] is None


@pytest.mark.parametrize("augment", [None, Augment(crop=1)])
def test_an_interrupted_run_resumes_to_the_same_numbers(
    quadrants: ImageSet, augment: Augment | None, tmp_path: Path
) -> None:
    settings = {"epochs": 3, "batch": 32, "learning_rate": 0.05, "augment": augment}

    def train(checkpoints: Checkpoints | None, stop: int = 0) -> tuple[ImageRun, nn.Module]:
        network = _network(quadrants)

        def interrupt(step: int) -> None:
            if step == stop:
                raise KeyboardInterrupt

        return train_images(
            network,
            quadrants,
            checkpoints=checkpoints,
            on_step=interrupt,
            **settings,  # type: ignore[arg-type]
        ), network

    straight, whole = train(None)
    where = Checkpoints(tmp_path, every=5)
    with pytest.raises(KeyboardInterrupt):
        train(where, stop=12)
    resumed, mended = train(where)
    assert resumed.curves == straight.curves
    assert resumed.batch_loss == straight.batch_loss
    assert resumed.test == straight.test
    for (name, one), other in zip(whole.state_dict().items(), mended.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_run_that_diverges_is_told_and_survives_json(quadrants: ImageSet) -> None:
    run = train_images(
        _network(quadrants, "cnn(depth=3,width=4)"), quadrants, epochs=2, learning_rate=1e6, batch=32,
        schedule=Constant(), optimiser=SGD(0.9),
    )  # fmt: skip
    assert run.diverged
    assert "diverged at step" in run.reason
    plain = json.loads(json.dumps(run.to_dict(), allow_nan=False))
    assert ImageRun.from_dict(plain).to_dict() == plain


def test_recorders_and_scalars_are_fed_at_every_look(quadrants: ImageSet) -> None:
    class Kept:
        def __init__(self) -> None:
            self.rows: list[tuple[str, float, int]] = []
            self.closed = False

        def write(self, values: Mapping[str, float], step: int) -> None:
            self.rows += [(name, value, step) for name, value in values.items()]

        def close(self) -> None:
            self.closed = True

    kept = Kept()
    run = train_images(
        _network(quadrants), quadrants, epochs=3, batch=80, learning_rate=0.01, look_every=2, scalars=kept,
        record={"norms": parameter_norms()}, watch={"held": quadrants.test},
    )  # fmt: skip
    assert run.epochs_seen == (0, 2, 3)
    assert run.records["norms"].shape[:2] == (3, 1)
    seen = [(value, step) for name, value, step in kept.rows if name == "held/accuracy"]
    assert seen == list(zip(run.curves["held"].accuracy, (0, 4, 6), strict=True))
    assert kept.rows[-2][0] == "test/accuracy"
    assert kept.closed


def test_tensorboard_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from edgewise.studies.images.scalars import TensorBoard

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainingError, match=r"edgewise\[tensorboard\]"):
        TensorBoard(tmp_path)


def test_channels_last_and_low_precision_learn_as_well(quadrants: ImageSet) -> None:
    run = train_images(
        _network(quadrants), quadrants, epochs=4, batch=32, optimiser=Adam(), learning_rate=0.01, channels_last=True,
        autocast=torch.bfloat16,
    )  # fmt: skip
    assert run.test.accuracy > 0.9
    assert run.provenance["dtype"] == "bfloat16"


def test_memory_is_that_of_the_tensors_kept() -> None:
    x, weight = torch.randn(10, 20), torch.randn(20, 30, requires_grad=True)
    # the product keeps x (10 x 20) and the parameter, which is left out; the exponential its result (10 x 30)
    assert kept_for_backward(lambda: (x @ weight).exp(), (weight,)) == 4 * (10 * 20 + 10 * 30)


def test_statistics_of_norms_begin_where_they_were(quadrants: ImageSet) -> None:
    network = _network(quadrants)
    train_images(network, quadrants, epochs=1, batch=160, learning_rate=0.01)
    (norm,) = (m for name, m in network.named_modules() if name == "norm")
    # one step, and the batch that the last look works out for nobody: memory is measured on a copy
    assert int(norm.num_batches_tracked) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"look_every": 0}])
def test_counts_are_checked(quadrants: ImageSet, wrong: dict[str, int]) -> None:
    with pytest.raises(DomainError, match=f"{next(iter(wrong))}=0 given"):
        train_images(_network(quadrants), quadrants, **wrong)  # type: ignore[arg-type]
