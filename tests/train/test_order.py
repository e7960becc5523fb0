"""Batches are a pure function of seed and step."""

from __future__ import annotations

import torch

from edgewise.train.order import ORDER, Order
from edgewise.train.streams import stream


def test_every_pass_shows_every_row_once_and_no_pass_is_like_another() -> None:
    order = Order([3, 5, 3], examples=12, batch=4)
    rows = torch.stack([order.rows(step) for step in range(1, 7)], 1)  # [member, step, row]
    for number in (0, 1):
        for member in range(3):
            assert sorted(rows[member, 3 * number : 3 * number + 3].flatten().tolist()) == list(range(12))
    assert torch.equal(rows[0], rows[2])
    assert not torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0, :3], rows[0, 3:])


def test_any_step_can_be_asked_in_any_order_and_for_any_members() -> None:
    whole = Order([3, 5], examples=10, batch=3)
    straight = [whole.rows(step) for step in range(1, 30)]
    jumping = Order([3, 5], examples=10, batch=3)
    for step in (17, 2, 29, 1, 9, 10, 28):
        assert torch.equal(jumping.rows(step), straight[step - 1])
        assert torch.equal(jumping.select(torch.tensor([1])).rows(step), straight[step - 1][1:])


def test_the_order_is_not_drawn_from_the_stream_that_weights_are_drawn_from() -> None:
    """Whatever seed a network of the ensemble has, and whatever torch makes of it (its low 32 bits)."""
    order = Order([0], examples=40, batch=40)
    for number in range(1, 5):
        for seed in (*range(64), 2**32):
            assert not torch.equal(
                order.rows(number)[0], torch.randperm(40, generator=torch.Generator().manual_seed(seed))
            )


def test_the_stream_is_torchs_own_permutations() -> None:
    g = stream(3, ORDER)
    first, second = torch.randperm(10, generator=g), torch.randperm(10, generator=g)
    order = Order([3], examples=10, batch=5)
    assert torch.equal(order.rows(2)[0], first[5:])
    assert torch.equal(order.rows(3)[0], second[:5])
