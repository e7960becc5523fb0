"""Which candidates last, against real random networks; and the order of candidates."""

from __future__ import annotations

import io
import math

import pytest
import torch

import edgewise as ew
from edgewise.tailor import candidates as make
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.survival import DEVIATIONS, SLACK, survival


@pytest.mark.parametrize("beta", [6.0, 10.0, 40.0])
def test_the_share_that_survives_is_that_of_random_networks(beta: float) -> None:
    depth, width, members = 40, 32, 300
    a = ew.activation("relu2")
    gamma = (2 + 4 * beta**2) ** -0.5
    transform = (1.0, beta, gamma, -(beta**2 + 1))
    (found,) = survival(a, [transform], Stack(depth), width=width)
    shifted = ew.activation(f"{gamma!r}*(relu(x + {beta!r})**2 - {beta**2 + 1!r})")
    networks = ew.simulate(shifted, depth, width, members, c_w=1.0, gradients=True, seed=5)
    spread = math.sqrt(depth * math.log1p(2 / width))
    bound = DEVIATIONS * spread + math.log(SLACK)

    def inside(values: torch.Tensor) -> torch.Tensor:
        log = torch.nan_to_num(values[:, :, 0], nan=math.inf).log()
        return ((log < bound) & (log > -bound - 0.5 * spread**2)).all(0)

    assert networks.gradient_norm is not None
    forward = float(inside(networks.kernel).double().mean())
    backward = float(inside(networks.gradient_norm).double().mean())
    # three standard errors of the two samples of 300 and 1000, plus what log-normal steps leave out
    slack = 3 * math.sqrt(0.25 / members + 0.25 / 1000) * 2 * math.sqrt(max(forward * (1 - forward), 0.01)) + 0.03
    assert abs(found.forward - forward) < slack
    assert abs(found.backward - backward) < slack + 0.05  # its direction is taken as independent
    if found.forward == 1.0:
        measured = networks.kernel[-1, :, 0].log().std()
        assert found.spread == pytest.approx(float(measured), rel=0.25)


def test_more_nonlinear_means_fewer_survivors() -> None:
    a, stack = ew.activation("relu2"), Stack(100)
    found = [f for zeta in (1.5, 1.1, 1.02) for f in make.shift(a, stack, zeta)]
    shares = [c.survival.share for c in make.measured(a, found, stack, width=128)]
    assert shares[0] < 0.5 < shares[1] < 0.95 < shares[2]


def test_width_and_shallowness_allow_more() -> None:
    def zeta(depth: int, width: int) -> float:
        return ew.tailor("relu2", depth=depth, width=width).tailoring.chosen.zeta

    assert zeta(100, 64) <= zeta(100, 1024)
    assert zeta(100, 1024) > zeta(1000, 128)


def test_of_two_solutions_the_one_whose_networks_survive_is_taken() -> None:
    t = ew.tailor("gelu", depth=100, width=128).tailoring
    assert t.method == "dks"
    assert t.beta == pytest.approx(-1.897, abs=1e-3)
    other = next(c for c in t.candidates if c.zeta == t.chosen.zeta and not c.chosen)
    assert other.beta == pytest.approx(0.259, abs=1e-3)
    assert other.survival.share < t.chosen.survival.share
    assert "of 2 solutions" in t.reason


def test_the_choice_is_marked_first_and_explained() -> None:
    t = ew.tailor("mrepu(p=2)", depth=100, width=128).tailoring
    assert [c.chosen for c in t.candidates] == [True] + [False] * (len(t.candidates) - 1)
    assert t.chosen.survival.share >= 0.99
    assert "carry a signal through" in t.reason
    plain = t.to_dict()
    assert plain["candidates"][0]["chosen"] is True
    assert plain["conditions"][0]["met"] is True


def test_a_tailored_activation_starts_where_it_was_made_for() -> None:
    a = ew.tailor("relu2", depth=100, width=128)
    start = ew.theory.recommend(a, 100, width=128)
    assert (start.principle, start.c_w, start.c_b, start.k0) == ("tailored", 1.0, 0.0, 1.0)
    assert start.layers > 100
    branch = ew.theory.recommend(a, 100, skip=0.6)
    assert branch.c_w == pytest.approx(1 - 0.36)
    flow = ew.theory.kernel_flow(a, 100, c_w=branch.c_w, k0=branch.k0, skip=0.6)
    assert abs(float(flow.kernel[-1]) - 1.0) < 1e-6


def test_it_prints_itself() -> None:
    from rich.console import Console

    console = Console(record=True, width=120, file=io.StringIO())
    console.print(ew.tailor("relu2", depth=50))
    text = console.export_text()
    assert "missed by" in text
    assert "survive" in text
