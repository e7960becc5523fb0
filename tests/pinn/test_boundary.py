"""Penalties weigh what conditions miss, each by its own name."""

from __future__ import annotations

import pytest
import torch

from edgewise.errors import DomainError
from edgewise.pinn.boundary import Condition, penalties

BOX = ((-1.0, 0.0), (1.0, 1.0))
CONDITIONS = (
    Condition("initial", "value", axis=1, side="low", value=lambda x: 2.0 * x[..., 0]),
    Condition("left", "value", axis=0, side="low"),
    Condition("slope", "derivative", axis=0, side="high", order=1, value=lambda x: x[..., 1]),
    Condition("wrap", "periodic", axis=0, side="both"),
    Condition("wrap slope", "periodic", axis=0, side="both", order=1),
)


def test_the_loss_is_the_weighted_mean_square_of_every_condition() -> None:
    weights = {"initial": 10.0, "left": 1.0, "slope": 2.0, "wrap": 5.0, "wrap slope": 0.5}
    counts = {"initial": 7, "left": 3, "slope": 4, "wrap": 6, "wrap slope": 6}
    found = penalties(CONDITIONS, BOX, counts, weights=weights, generator=torch.Generator().manual_seed(0))
    assert [p.wanted for p in found] == [((),), ((0,),), ((), (0,))]
    losses: dict[str, torch.Tensor] = {}
    total = torch.zeros(2, dtype=torch.float64)
    for p in found:
        # two members: u = x + 3 t and u = x^2
        x, t = p.points[:, 0], p.points[:, 1]
        u = {
            (): torch.stack([x + 3.0 * t, x**2])[..., None],
            (0,): torch.stack([torch.ones_like(x), 2.0 * x])[..., None],
        }
        losses |= p.losses(u)
        total += p.loss(u)
        by_name = {name: p.points[span] for name, _, span in p.spans}
        if "initial" in by_name:
            start, left = by_name["initial"], by_name["left"]
            assert len(start) == 7
            assert len(left) == 3
            torch.testing.assert_close(p.losses(u)["initial"][0], (start[:, 0] ** 2).mean())
            torch.testing.assert_close(p.losses(u)["left"][0], ((3.0 * left[:, 1] - 1.0) ** 2).mean())
        if "slope" in by_name:
            torch.testing.assert_close(p.losses(u)["slope"][1], ((2.0 - by_name["slope"][:, 1]) ** 2).mean())
    # x jumps by 2 across the seam and its slope does not; x^2 does not and its slope jumps by 4
    assert losses["wrap"].tolist() == [4.0, 0.0]
    assert losses["wrap slope"].tolist() == [0.0, 16.0]
    torch.testing.assert_close(total, sum(weights[name] * losses[name] for name in weights))


def test_pairs_lie_opposite_one_another() -> None:
    (pair,) = penalties(CONDITIONS[3:], BOX, 5, generator=torch.Generator().manual_seed(0))
    low, high = pair.points[:5], pair.points[5:]
    assert set(low[:, 0].tolist()) == {-1.0}
    assert set(high[:, 0].tolist()) == {1.0}
    assert torch.equal(low[:, 1], high[:, 1])


def test_penalties_move_to_another_type() -> None:
    found = penalties(CONDITIONS, BOX, 5, generator=torch.Generator().manual_seed(0))[0].to("cpu", torch.float32)
    assert {t.dtype for t in (found.points, found.targets, found.weights)} == {torch.float32}


def test_names_must_fit() -> None:
    with pytest.raises(DomainError, match="weights for initial given, expected them for initial, left"):
        penalties(CONDITIONS[:2], BOX, 5, weights={"initial": 1.0}, generator=torch.Generator())
