"""Statistics of one tensor against sums written out, at sizes where squares overflow or vanish too."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.measure.moments import Measured, MeasuredGradient, MeasuredSlopes, Moments, Pending, Slopes
from edgewise.measure.observation import steepest_slope

FLOAT32 = 1e-5
"""Sums of some thousand float32 numbers, each rounded to 6e-8."""


def moments(z: Tensor, *, channels_first: bool = False, most_samples: int = 64) -> Moments:
    pending = Pending()
    measured = Measured(z, pending, channels_first=channels_first, full=True, most_samples=most_samples)
    return measured.settled(pending.settled())


def slopes(spec: str, z: Tensor, *, channels_first: bool = False) -> Slopes:
    pending, a = Pending(), ew.activation(spec)
    measured = MeasuredSlopes(a, z, pending, channels_first=channels_first, steepest=steepest_slope(a))
    return measured.settled(pending.settled())


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_mean_squares_survive_any_float32(scale: float) -> None:
    z = torch.tensor([[1.0, 2.0], [3.0, -4.0]]) * scale
    found = moments(z)
    assert found.kernel == pytest.approx(7.5 * scale**2, rel=FLOAT32)
    assert found.mean == pytest.approx(0.5 * scale, rel=FLOAT32)
    units, samples = (5.0, 10.0), (2.5, 12.5)
    assert found.unit_spread == pytest.approx(2.5 / 7.5, rel=FLOAT32), units
    assert found.sample_spread == pytest.approx(5.0 / 7.5, rel=FLOAT32), samples


def test_correlation_is_the_mean_cosine_between_different_samples() -> None:
    z = torch.tensor([[1.0, 0.0], [math.cos(0.3), math.sin(0.3)], [math.cos(1.1), math.sin(1.1)]])
    cosines = (math.cos(0.3), math.cos(1.1), math.cos(0.8))
    found = moments(z)
    assert found.one_minus_rho == pytest.approx(1.0 - sum(cosines) / 3.0, rel=FLOAT32)
    squares = 3.0 + 2.0 * sum(c * c for c in cosines)
    assert found.effective_rank == pytest.approx(9.0 / squares, rel=FLOAT32)


def test_nearly_equal_samples_keep_their_distance() -> None:
    angle = 1e-3
    z = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float32)
    assert moments(z).one_minus_rho == pytest.approx(angle**2 / 2.0, rel=1e-3)  # float32 rounds cos to 6e-8 of 5e-7
    assert moments(torch.ones(8, 4)).one_minus_rho == pytest.approx(0.0, abs=1e-14)


def test_effective_rank_counts_orthogonal_directions() -> None:
    assert moments(torch.eye(8)).effective_rank == pytest.approx(8.0)
    assert moments(torch.ones(8, 8)).effective_rank == pytest.approx(1.0)


def test_channels_are_units_and_tokens_are_samples() -> None:
    image, tokens = moments(torch.randn(4, 3, 5, 5), channels_first=True), moments(torch.randn(4, 7, 16))
    assert (image.samples, image.units, image.size) == (4, 3, 300)
    assert (tokens.samples, tokens.units) == (28, 16)


def test_numbers_that_are_not_finite_are_counted() -> None:
    z = torch.ones(4, 4)
    z[0, 0], z[1, 1] = math.nan, math.inf
    found = moments(z)
    assert found.bad == 2
    assert found.kernel == math.inf


def test_a_layer_of_zeros_has_no_correlation() -> None:
    found = moments(torch.zeros(4, 4))
    assert found.kernel == 0.0
    assert found.one_minus_rho is None


def test_static_and_dynamic_dead_units() -> None:
    z = torch.tensor([[-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, -1.0]])
    found = slopes("relu", z)
    assert found.static == pytest.approx(1 / 4)  # unit 0
    assert found.dynamic == pytest.approx(4 / 8 - 1 / 4)
    assert found.total == pytest.approx(1 / 2)
    assert found.saturated is None  # relu is not bounded


def test_a_channel_is_dead_where_all_its_positions_are() -> None:
    z = torch.ones(2, 2, 3)
    z[:, 0] = -1.0
    z[:, 1, 0] = -1.0
    found = slopes("relu", z, channels_first=True)
    assert found.static == pytest.approx(1 / 2)
    assert found.total == pytest.approx((3 + 1) / 6)


@pytest.mark.parametrize(("spec", "dead"), [("tanh", 0.0), ("hardtanh", 2 / 4), ("gelu", 0.0), ("relu6", 2 / 4)])
def test_dead_means_slope_exactly_zero(spec: str, dead: float) -> None:
    assert slopes(spec, torch.tensor([[-7.0, 0.5, 0.9, 7.0]])).total == pytest.approx(dead)


def test_saturated_is_where_a_bounded_activation_is_flat() -> None:
    z = torch.tensor([[0.0, 1.0, 2.9, 3.1, -4.0]])  # tanh' = 1/100 at |z| = arccosh(10) = 2.993
    assert slopes("tanh", z).saturated == pytest.approx(2 / 5)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_gradients_of_any_size(scale: float) -> None:
    pending = Pending()
    measured = MeasuredGradient(torch.tensor([3.0, -4.0]) * scale, pending)
    rms, total = measured.settled(pending.settled())
    assert rms == pytest.approx(math.sqrt(12.5) * scale, rel=FLOAT32)
    assert total == pytest.approx(25.0 * scale**2, rel=FLOAT32)
