"""Adam of an ensemble is torch.optim.Adam of each member."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError
from edgewise.train import Adam, Initial, Member, Parameters, Shape, initialise, train

SHAPE = Shape(inputs=6, width=8, depth=3, outputs=4)
CRITICAL = Initial(c_w=2.0, c_b=0.1, first_c_w=1.0, first_c_b=0.2, last_c_w=0.5, last_c_b=0.3)


def toy(examples: int = 40) -> Split:
    g = torch.Generator().manual_seed(5)
    return Split(torch.randn(examples, 6, generator=g), torch.randint(0, 4, (examples,), generator=g))


def as_leaves(parameters: Parameters, member: int) -> list[torch.Tensor]:
    """Copies of one member's weights and biases, input to output."""
    return [view[member].clone().requires_grad_(True) for view in parameters.layers()]


def trained_by_torch(
    leaves: list[torch.Tensor], data: Split, steps: int, rule=torch.optim.Adam, **options: float
) -> list[float]:
    """Full-batch training of a plain tanh network by torch's own optimiser; the loss before every step."""
    optimiser = rule(leaves, **options)
    count = len(leaves) // 2
    losses = []
    for _ in range(steps):
        x = data.inputs.to(leaves[0].dtype)
        for i in range(count):
            x = x @ leaves[i] + leaves[count + i]
            x = x.tanh() if i < count - 1 else x
        loss = nn.functional.cross_entropy(x, data.labels)
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses


@pytest.mark.parametrize(
    ("dtype", "steps", "relative"),
    [(torch.float64, 25, 1e-9), (torch.float32, 25, 1e-3)],  # rounding, amplified where a gradient is near zero
)
def test_it_is_torch_adam_at_every_members_own_rate(dtype, steps, relative):
    """Full batches, so that the order of the data does not matter."""
    data = toy()
    members = [Member(7, 1e-2, CRITICAL), Member(8, 1e-4, CRITICAL), Member(9, 1e-2, CRITICAL)]
    trained = train(
        ew.activation("tanh"), SHAPE, members, data, steps=steps, batch=len(data), optimiser=Adam(), dtype=dtype
    )
    start = initialise(SHAPE, members, dtype=dtype)
    for i, member in enumerate(members):
        leaves = as_leaves(start, i)
        losses = trained_by_torch(leaves, data, steps, lr=member.learning_rate)
        assert trained.loss[:, i].tolist() == pytest.approx(losses, rel=relative)
        for mine, theirs in zip(trained.parameters.layers(), leaves, strict=True):
            torch.testing.assert_close(mine[i], theirs.detach(), rtol=relative, atol=relative * member.learning_rate)


def test_other_constants_and_layer_rates_reach_the_update():
    data = toy()
    options = {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3}
    member = Member(7, 1e-2, CRITICAL, weight_rates=(0.5,) * 4, bias_rates=(0.5,) * 4)
    trained = train(
        ew.activation("tanh"), SHAPE, [member], data, steps=10, batch=len(data), optimiser=Adam(**options),
        dtype=torch.float64,
    )  # fmt: skip
    leaves = as_leaves(initialise(SHAPE, [member], dtype=torch.float64), 0)
    losses = trained_by_torch(leaves, data, 10, lr=5e-3, betas=(0.5, 0.9), eps=1e-3)
    assert trained.loss[:, 0].tolist() == pytest.approx(losses, rel=1e-10)


def test_weight_decay_is_that_of_torch_adamw():
    data = toy()
    member = Member(7, 1e-2, CRITICAL)
    trained = train(
        ew.activation("tanh"), SHAPE, [member], data, steps=10, batch=len(data), optimiser=Adam(weight_decay=0.5),
        dtype=torch.float64,
    )  # fmt: skip
    leaves = as_leaves(initialise(SHAPE, [member], dtype=torch.float64), 0)
    losses = trained_by_torch(leaves, data, 10, torch.optim.AdamW, lr=1e-2, weight_decay=0.5)
    assert trained.loss[:, 0].tolist() == pytest.approx(losses, rel=1e-10)


def test_a_diverged_member_stays_put_and_the_others_do_not_notice():
    data = toy()
    calm = [Member(s, 1e-3, CRITICAL) for s in range(4)]
    wild = Member(9, 1e-3, Initial(c_w=1e30, c_b=0.0, first_c_w=1e30, first_c_b=0.0, last_c_w=1e30))
    options = {"steps": 20, "batch": 10, "optimiser": Adam()}
    a = ew.activation("relu")
    together = train(a, SHAPE, [*calm[:2], wild, *calm[2:]], data, **options)
    apart = train(a, SHAPE, calm, data, **options)
    assert together.diverged_at.tolist() == [0, 0, 1, 0, 0]
    # one member in five is carried along: the survivors' arithmetic differs by rounding in the batched product alone
    torch.testing.assert_close(together.loss[:, [0, 1, 3, 4]], apart.loss, rtol=1e-4, atol=1e-5)
    untouched = initialise(SHAPE, [wild])
    assert torch.equal(together.parameters.last[2], untouched.last[0])


def test_training_begins_where_it_is_told_and_leaves_that_alone():
    data = toy()
    members = [Member(1, 1e-3, CRITICAL), Member(2, 1e-3, CRITICAL)]
    start = initialise(SHAPE, [Member(5, 1e-3, CRITICAL), Member(6, 1e-3, CRITICAL)])
    before = start.hidden.clone()
    options = {"steps": 5, "batch": len(data), "optimiser": Adam()}
    told = train(ew.activation("tanh"), SHAPE, members, data, start=start, **options)
    same = train(ew.activation("tanh"), SHAPE, [Member(5, 1e-3, CRITICAL), Member(6, 1e-3, CRITICAL)], data, **options)
    assert torch.equal(start.hidden, before)
    # another order of the same full batch: sums differ by rounding
    torch.testing.assert_close(told.loss, same.loss, rtol=1e-4, atol=1e-5)


def test_constants_out_of_range_are_refused():
    with pytest.raises(DomainError, match=r"beta1=1\.0"):
        Adam(beta1=1.0)
