"""Members may differ in seed, order, rate, variances, input scale and constants: each is what it is alone."""

from __future__ import annotations

import pytest
import torch

import edgewise as ew
from edgewise.data import Split
from edgewise.errors import DomainError
from edgewise.train import (
    Adam,
    Initial,
    Member,
    MemberActivation,
    MLPEnsemble,
    Shape,
    accuracy,
    empirical_kernels,
    predict,
    tailored_members,
    train,
)  # fmt: skip

SHAPE = Shape(inputs=4, width=6, depth=3, outputs=3)
PLAIN = (1.0, 0.0, 1.0, 0.0)
MEMBERS = (
    Member(1, 1e-2, Initial(1.0, 0.0, 1.0, 0.0, 1.0), constants=(0.5, 0.1, 2.0, -0.05)),
    Member(1, 1e-2, Initial(1.0, 0.0, 1.0, 0.0, 1.0), order_seed=7, input_scale=0.25),
    Member(2, 3e-3, Initial(2.0, 0.1, 0.5, 0.1, 0.5, distribution="uniform"), input_scale=3.0, constants=PLAIN),
)


def data() -> Split:
    g = torch.Generator().manual_seed(2)
    return Split(torch.randn(32, 4, generator=g), torch.randint(0, 3, (32,), generator=g))


def test_an_ensemble_of_members_that_differ_in_everything_is_each_alone() -> None:
    split, options = data(), {"steps": 25, "batch": 8, "optimiser": Adam(), "dtype": torch.float64, "record_every": 5}
    record = {"kernels": empirical_kernels(split.inputs[:3])}
    a = ew.activation("gelu")
    together = train(a, SHAPE, MEMBERS, split, record=record, **options)
    for i, member in enumerate(MEMBERS):
        alone = train(a, SHAPE, [member], split, record=record, **options)
        torch.testing.assert_close(together.loss[:, i], alone.loss[:, 0], rtol=1e-9, atol=1e-12)
        kernels = together.run.records["kernels"][:, i]
        torch.testing.assert_close(kernels, alone.run.records["kernels"][:, 0], rtol=1e-9, atol=1e-12)


def test_a_member_sees_its_inputs_scaled_and_its_own_activation() -> None:
    """Written out for the first batch; and the same for predictions."""
    split = data()
    a = ew.activation("gelu")
    problem = MLPEnsemble.drawn(a, SHAPE, MEMBERS, split, batch=32, dtype=torch.float64)
    losses = problem.losses(1).detach()
    layers = [t.detach() for t in problem.tensors()]
    for i, member in enumerate(MEMBERS):
        alpha, beta, gamma, delta = member.constants or (1.0, 0.0, 1.0, 0.0)
        x = split.inputs.double() * member.input_scale
        for weight, bias in zip(layers[:3], layers[4:7], strict=True):
            x = gamma * (torch.nn.functional.gelu(alpha * (x @ weight[i] + bias[i]) + beta) + delta)
        x = x @ layers[3][i] + layers[7][i]
        expected = torch.nn.functional.cross_entropy(x, split.labels)
        torch.testing.assert_close(losses[i], expected, rtol=1e-12, atol=0.0)


def test_predictions_and_accuracy_take_the_members_into_account() -> None:
    split, a = data(), ew.activation("gelu")
    trained = train(a, SHAPE, MEMBERS, split, steps=3, batch=32, dtype=torch.float64)
    seen = predict(a, trained.parameters, split.inputs, members=MEMBERS)
    probe = MLPEnsemble(a, trained.parameters, MEMBERS, split, batch=32).preactivations(split.inputs)[-1]
    torch.testing.assert_close(seen, probe, rtol=1e-13, atol=1e-14)
    right, loss = accuracy(a, trained.parameters, split, members=MEMBERS)
    assert right.tolist() == pytest.approx((seen.argmax(2) == split.labels).double().mean(1).tolist())
    again = train(a, SHAPE, MEMBERS, split, steps=4, batch=32, dtype=torch.float64)
    torch.testing.assert_close(loss, again.loss[3], rtol=1e-12, atol=0.0)  # full batches: the loss before step 4


def test_tailored_activations_of_one_kind_share_an_ensemble() -> None:
    tailored = [ew.tailor("gelu", depth=depth) for depth in (10, 40)]
    plain = ew.activation("gelu")
    both = tailored_members([*tailored, plain])
    x = torch.randn(3, 5, 6, dtype=torch.float64)
    for i, a in enumerate((*tailored, plain)):
        torch.testing.assert_close(both(x)[i], a(x[i]), rtol=1e-13, atol=1e-15)
        assert torch.equal(both.select(torch.tensor([i]))(x[i : i + 1])[0], both(x)[i])
    assert "gelu" in both.spec


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tailored_members([]), "no activation given"),
        (
            lambda: tailored_members([ew.activation("relu"), ew.activation("tanh")]),
            "made from relu and from tanh given",
        ),
        (lambda: Member(0, float("nan"), MEMBERS[0].initial), "learning_rate=nan"),
        (lambda: Member(0, 0.1, MEMBERS[0].initial, constants=(1.0,)), "1 constants given"),
        (
            lambda: MLPEnsemble.drawn(
                MemberActivation(torch.tanh, [(1, 0, 1, 0)] * 3), SHAPE, MEMBERS, data(), batch=8
            ),
            "constants given twice",
        ),
        (
            lambda: MLPEnsemble.drawn(MemberActivation(torch.tanh, [PLAIN]), SHAPE, MEMBERS, data(), batch=8),
            "for 1 members given to 3",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(make, message) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
