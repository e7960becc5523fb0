"""Points lie where they should, as often as they should, and the same for the same seed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.sampling import Design, adaptive, sample, sample_face, towards

BOX = ((-1.0, 0.0, 2.0), (1.0, 0.5, 5.0))
DESIGNS: tuple[Design, ...] = ("uniform", "latin_hypercube", "sobol", "grid")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("count", [1, 7, 125])
def test_points_lie_inside_and_come_from_the_seed(design: Design, count: int) -> None:
    found = sample(BOX, count, design=design, generator=seeded())
    assert found.shape == (1 if design == "grid" and count == 7 else count, 3)
    lows, highs = torch.tensor(BOX, dtype=torch.float64)
    assert bool(((found >= lows) & (found <= highs)).all())
    assert torch.equal(found, sample(BOX, count, design=design, generator=seeded()))
    if design != "grid":
        assert not torch.equal(found, sample(BOX, count, design=design, generator=seeded(1)))


def test_a_latin_hypercube_has_one_point_in_every_slice_of_every_coordinate() -> None:
    found = sample(((0.0, 0.0), (1.0, 1.0)), 50, design="latin_hypercube", generator=seeded())
    slices = (found * 50).floor().to(torch.int64)
    for axis in range(2):
        assert torch.equal(slices[:, axis].sort().values, torch.arange(50))


def test_sobol_points_integrate_better_than_independent_ones() -> None:
    def error(design: Design, seed: int) -> float:
        x = sample(((0.0, 0.0), (1.0, 1.0)), 1024, design=design, generator=seeded(seed))
        return abs(float((torch.sin(math.pi * x[:, 0]) * x[:, 1].exp()).mean()) - 2.0 / math.pi * (math.e - 1.0))

    uniform, sobol = (sum(error(d, s) ** 2 for s in range(10)) for d in ("uniform", "sobol"))
    # root mean squares of about 0.5 / 32 and, for a smooth function, near 1 / 1024
    assert sobol < uniform / 100


def test_a_grid_is_of_cell_centres() -> None:
    found = sample(((0.0, 0.0), (1.0, 2.0)), 4, design="grid", generator=seeded())
    assert found.tolist() == [[0.25, 0.5], [0.25, 1.5], [0.75, 0.5], [0.75, 1.5]]


@pytest.mark.parametrize("design", DESIGNS)
def test_faces_hold_one_coordinate_exactly(design: Design) -> None:
    found = sample_face(BOX, 1, "high", 16, design=design, generator=seeded())
    assert set(found[:, 1].tolist()) == {0.5}
    assert len(set(found[:, 2].tolist())) > 1
    end = sample_face(((3.0,), (4.0,)), 0, "low", 5, design=design, generator=seeded())
    assert end.tolist() == [[3.0]] * 5


def test_adaptive_points_follow_their_density() -> None:
    """A residual of 3 on the left half and 1 on the right: densities 3/2 + 1 and 1/2 + 1, so 5/8 of the points."""

    def residual(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] < 0.5, 3.0, -1.0).to(torch.float64)

    count, seeds = 400, 25
    left = [
        float((adaptive(residual, ((0.0,), (1.0,)), count, candidates=100, generator=seeded(s))[:, 0] < 0.5).sum())
        for s in range(seeds)
    ]
    share = sum(left) / (count * seeds)
    # a hundredth of the pool is drawn, which hardly depletes it; four standard deviations of a binomial share, and 0.3%
    assert share == pytest.approx(5.0 / 8.0, abs=4.0 * math.sqrt(15.0 / 64.0 / (count * seeds)) + 0.003)


def test_adaptive_points_are_distinct_and_use_all_members() -> None:
    def residual(x: Tensor) -> Tensor:
        return torch.stack([(x[:, 0] < 0.1).double(), (x[:, 0] > 0.9).double()])

    found = adaptive(residual, ((0.0,), (1.0,)), 500, power=2.0, floor=0.0, generator=seeded())[:, 0]
    assert len(set(found.tolist())) == 500
    assert bool(((found < 0.1) | (found > 0.9)).all())
    assert bool((found < 0.1).any())
    assert bool((found > 0.9).any())


def test_adaptive_points_are_uniform_where_the_residual_is_zero_and_refuse_none() -> None:
    found = adaptive(lambda x: torch.zeros(len(x)), ((0.0,), (1.0,)), 300, generator=seeded())[:, 0]
    assert float(found.mean()) == pytest.approx(0.5, abs=4.0 / math.sqrt(12.0 * 300))
    with pytest.raises(DomainError, match="finite at no point"):
        adaptive(lambda x: torch.full((len(x),), math.nan), ((0.0,), (1.0,)), 10, generator=seeded())


def test_points_move_towards_a_shock_and_keep_their_sides() -> None:
    box = ((-1.0, 0.0), (1.0, 1.0))
    x = sample(box, 4096, generator=seeded())
    moved = towards(x, box, 0, 0.0)
    assert torch.equal(moved[:, 1], x[:, 1])
    assert torch.equal(torch.sign(moved[:, 0]), torch.sign(x[:, 0]))
    # half of all within a quarter of the width; a Sobol net of 4096 splits its slices of 1/4096 evenly
    assert float((moved[:, 0].abs() < 0.25).double().mean()) == pytest.approx(0.5, abs=2 / 4096)
    start = towards(x, box, 1, 0.0, power=3.0)[:, 1]
    assert float((start < 0.125).double().mean()) == pytest.approx(0.5, abs=2 / 4096)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample(BOX, 0, generator=seeded()), "count=0 given"),
        (lambda: sample(BOX, True, generator=seeded()), "count=True given"),
        (lambda: sample(((0.0,), (0.0,)), 5, generator=seeded()), "each low below its high"),
        (lambda: sample(BOX, 5, design="halton", generator=seeded()), "design='halton' given"),  # type: ignore[arg-type]
        (lambda: towards(torch.zeros(1, 3), BOX, 0, 3.0), "centre=3.0"),
        (lambda: towards(torch.zeros(1, 3), BOX, 0, 0.0, power=0.5), "power=0.5"),
        (lambda: adaptive(lambda x: x, BOX, 5, candidates=0, generator=seeded()), "candidates=0 given"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DomainError, match=message):
        call()
