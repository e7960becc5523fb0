"""Any module trains in the loop exactly as in one written by hand, its statistics and random numbers included."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from edgewise.errors import CheckpointError, DomainError, TrainingError
from edgewise.train import (
    SGD,
    Adam,
    Checkpoints,
    Constant,
    CrossEntropy,
    Look,
    Network,
    Until,
    empirical_kernels,
    lbfgs,
    minimise,
    outputs,
)


def made() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        # no bias before a norm: its gradient is rounding alone, which Adam makes large
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
        nn.Linear(4 * 36, 3),
    )  # fmt: skip


def batches(number: int):
    """Five batches a pass, different in every pass."""
    g = torch.Generator().manual_seed(number)
    for _ in range(5):
        yield torch.randn(7, 1, 8, 8, generator=g), torch.randint(0, 3, (7,), generator=g)


@pytest.mark.parametrize("clip", [None, 0.5])
def test_it_is_the_loop_one_would_write(clip) -> None:
    ours, theirs = made(), made()
    torch.manual_seed(9)
    run = minimise(Network(ours, batches), steps=12, optimiser=Adam(), learning_rate=1e-2, clip=clip)
    torch.manual_seed(9)
    optimiser = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    losses = []
    for x, y in [batch for number in range(3) for batch in batches(number)][:12]:
        loss = nn.functional.cross_entropy(theirs(x), y)
        optimiser.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(theirs.parameters(), clip)
        optimiser.step()
        losses.append(loss.item())
    # clip_grad_norm_ adds 1e-6 to the norm
    tolerance = 1e-5 if clip is None else 1e-4
    assert run.losses[:, 0].tolist() == pytest.approx(losses, rel=tolerance)
    for (name, mine), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance, msg=name)


def test_a_schedule_for_each_tensor_freezes_what_it_says() -> None:
    module = made()
    plans = [Constant(), Constant(), Until(2, Constant()), Constant(), Constant()]
    seen = []

    def bias(_: Look) -> torch.Tensor:
        seen.append(module[1].bias.detach().clone())
        return torch.zeros(1)

    rates, rule = [0.1, 0.2, 0.3, 0.1, 0.1], SGD(0.9)
    minimise(Network(module, batches), steps=5, optimiser=rule, learning_rate=rates, schedule=plans,
             record={"bias": bias})  # fmt: skip
    moved = [not torch.equal(a, b) for a, b in itertools.pairwise(seen)]
    assert moved == [True, True, False, False, False]
    with pytest.raises(DomainError, match="2 schedules given for 5 tensors"):
        minimise(Network(made(), batches), steps=1, schedule=plans[:2])


def test_smoothed_targets_give_the_cross_entropy_written_out_and_belong_to_the_settings(tmp_path) -> None:
    outputs, labels = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(6) % 4
    targets = 0.8 * nn.functional.one_hot(labels, 4).double() + 0.2 / 4
    expected = -(targets * outputs.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(CrossEntropy(0.2)(outputs, labels), expected, rtol=1e-14, atol=0)
    minimise(Network(made(), batches, CrossEntropy(0.2)), steps=2, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(CheckpointError, match=r"CrossEntropy\(smoothing=0\.1\)"):
        minimise(Network(made(), batches, CrossEntropy(0.1)), steps=2, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(DomainError, match=r"smoothing=1\.0"):
        CrossEntropy(1.0)


def test_weights_that_are_not_to_be_trained_stay() -> None:
    module = made()
    module[0].weight.requires_grad_(False)
    module[1].eval()  # its statistics stay too
    before = {name: value.clone() for name, value in module.state_dict().items()}
    minimise(Network(module, batches), steps=3, optimiser=SGD(), learning_rate=0.1)
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.weight", "1.bias", "5.weight", "5.bias"}


def test_a_module_in_evaluation_mode_is_trained_in_training_mode() -> None:
    module = made().eval()
    minimise(Network(module, batches), steps=1)
    assert module.training
    assert int(module[1].num_batches_tracked) == 1


def test_preactivations_are_seen_and_the_module_left_as_it_was() -> None:
    module, probe = made(), next(batches(3))[0]
    module[3].eval()
    run = minimise(
        Network(module, batches), steps=2, record={"k": empirical_kernels(probe), "o": outputs(probe)}, record_every=1
    )
    assert {name: tuple(values.shape) for name, values in run.records.items()} == {"k": (3, 1, 2, 7), "o": (3, 1, 7, 3)}
    assert [m.training for m in module] == [True, True, True, False, True, True]
    assert int(module[1].num_batches_tracked) == 2  # neither the looks nor the last one counted
    module.eval()
    z = module[0](probe)
    torch.testing.assert_close(run.records["k"][-1, 0, 0], z.square().mean((1, 2, 3)))
    torch.testing.assert_close(run.records["o"][-1, 0], module(probe))
    assert not any(m._forward_hooks for m in module.modules())


def test_a_look_at_the_end_leaves_no_trace() -> None:
    """The loss after the last step is that of a batch that a longer run would see next; statistics do not notice."""
    ours, plain = made(), made()
    torch.manual_seed(4)
    run = minimise(Network(ours, batches), steps=6, record={"loss": lambda look: look.losses}, record_every=6)
    torch.manual_seed(4)
    longer = minimise(Network(plain, batches), steps=7)
    assert float(run.records["loss"][-1]) == float(longer.losses[6])
    assert int(ours[1].num_batches_tracked) == 6


def test_batches_that_cannot_be_had_again_are_noticed(tmp_path) -> None:
    def shuffled(number: int):
        yield torch.randn(7, 1, 8, 8), torch.randint(0, 3, (7,))  # whatever the random state happens to be

    torch.manual_seed(0)
    minimise(Network(made(), shuffled), steps=1, checkpoints=Checkpoints(tmp_path))
    problem = Network(made(), shuffled)
    torch.manual_seed(1)
    with pytest.raises(CheckpointError, match="first batch"):
        minimise(problem, steps=1, checkpoints=Checkpoints(tmp_path))


def test_a_diverged_network_is_told() -> None:
    run = minimise(Network(made(), batches), steps=9, optimiser=SGD(), learning_rate=1e30)
    assert run.diverged.tolist() == [True]
    assert run.reason.startswith("1 network, 9 steps; 1 of 1 diverged: member 0 at step 2")


def test_autocast_computes_in_half_precision_and_keeps_the_weights() -> None:
    seen = []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(outputs.dtype)
        return nn.functional.cross_entropy(outputs, targets)

    module = made()
    run = minimise(Network(module, batches, loss, autocast=torch.bfloat16), steps=2)
    assert seen == [torch.bfloat16] * 2
    assert module[0].weight.dtype == torch.float32
    assert run.losses.dtype == torch.float32


def test_second_order_steps_look_at_one_batch_and_lower_its_loss() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    run = lbfgs(Network(module, batches), steps=30)
    x, y = next(iter(batches(0)))
    assert nn.functional.cross_entropy(module(x), y).item() < 1e-6 < float(run.losses[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(nn.ReLU(), batches), "ReLU given, which has no parameter"),
        (lambda: minimise(Network(made(), lambda number: []), steps=1), "pass 0 through the data has no batch"),
        (
            lambda: minimise(Network(made(), batches, nn.CrossEntropyLoss(reduction="none")), steps=1),
            r"a loss of shape \(7,\) given",
        ),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_line(make, message) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
