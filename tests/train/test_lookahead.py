"""Lookahead is the loop that its formula describes, member by member, and survives an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.train import SGD, Adam, Checkpoints, Lookahead, Network, minimise


def _slope(p: Tensor) -> Tensor:
    return p.sin() + 0.3


def test_it_is_the_loop_written_out() -> None:
    start = torch.randn(2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rule = Lookahead(SGD(0.9, nesterov=True), steps=13, every=3, most=0.8, power=2.0)
    p = start.clone()
    kept = [[torch.zeros_like(p)] for _ in range(rule.slots)]
    rates, alive = [torch.full((2, 1), 0.1, dtype=p.dtype)], torch.ones(2, dtype=torch.bool)
    expected = start.clone().requires_grad_(True)
    inner, slow = torch.optim.SGD([expected], lr=0.1, momentum=0.9, nesterov=True), start.clone()
    for step in range(1, 14):
        rule.step_([p], [_slope(p)], kept, rates, alive, step=step, scale=1.0)
        expected.grad = _slope(expected.detach())
        inner.step()
        with torch.no_grad():
            if step % 3 == 0:
                keep = 0.8 * (step / 13) ** 2
                slow = keep * slow + (1 - keep) * expected
                expected.copy_(slow)
            if step == 13:
                expected.copy_(slow)
        torch.testing.assert_close(p, expected.detach(), rtol=1e-13, atol=1e-14)


def test_the_dead_stay_where_they_are_when_the_others_go_back() -> None:
    p, start = torch.ones(2, 3), torch.ones(2, 3)
    rule = Lookahead(SGD(0.0), steps=2, every=1)
    kept = [[torch.zeros_like(p)] for _ in range(rule.slots)]
    slope, rates = torch.ones(2, 3), [torch.full((2, 1), 0.5)]
    rule.step_([p], [slope], kept, rates, torch.tensor([True, True]), step=1, scale=1.0)
    assert torch.equal(p, start - 0.25)  # half of the step of 0.5 is kept
    p[0] += 5.0
    before = p[0].clone()
    rule.step_([p], [torch.full_like(slope, torch.nan)], kept, rates, torch.tensor([False, False]), step=2, scale=1.0)
    assert torch.equal(p[0], before)


def test_an_interrupted_run_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    def batches(number: int):
        g = torch.Generator().manual_seed(number)
        for _ in range(4):
            yield torch.randn(8, 3, generator=g), torch.randint(2, (8,), generator=g)

    def run(checkpoints: Checkpoints | None, stop: int = 0) -> Tensor:
        torch.manual_seed(3)
        module = torch.nn.Linear(3, 2)

        def on_step(step: int) -> None:
            if step == stop:
                raise KeyboardInterrupt

        minimise(
            Network(module, batches), steps=11, optimiser=Lookahead(Adam(), steps=11, every=4, most=0.9),
            learning_rate=0.1, checkpoints=checkpoints, on_step=on_step,
        )  # fmt: skip
        return module.weight.detach()

    where = Checkpoints(tmp_path, every=3)
    with pytest.raises(KeyboardInterrupt):
        run(where, stop=7)
    assert torch.equal(run(where), run(None))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"every": 0}, {"most": 1.5}, {"power": -1.0}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DomainError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        Lookahead(SGD(), **{"steps": 10, **wrong})  # type: ignore[arg-type]
