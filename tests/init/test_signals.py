"""Laws of single units agree with closed forms: exactly where Gaussian, within the error of draws elsewhere."""

from __future__ import annotations

import math

import pytest
import torch

from edgewise import theory
from edgewise.activations import activation
from edgewise.init import signals
from edgewise.init.signals import DRAWS

RELU = activation("relu")


def test_an_activation_of_a_gaussian_has_the_theorys_kernel_and_mean() -> None:
    z = signals.gaussian(2.0, "z", 1)
    x = signals.through(z, RELU, "relu")
    assert x.second == pytest.approx(1.0, rel=1e-12)
    assert x.mean == pytest.approx(math.sqrt(2.0 / (2.0 * math.pi)), rel=1e-12)
    assert (x.activation, x.kernel) == (RELU, 2.0)


def test_independent_sums_and_products_are_exact() -> None:
    a, b = signals.gaussian(2.0, "a", 1), signals.gaussian(3.0, "b", 2)
    total = signals.added([a, b], "sum")
    assert total.gaussian
    assert total.second == 5.0
    gated = signals.multiplied([signals.through(a, RELU, "relu"), b], "gate")
    assert gated.second == pytest.approx(1.0 * 3.0, rel=1e-12)


def test_related_terms_are_not_taken_for_independent() -> None:
    """<(z + relu z)**2> = K + K/2 + 2 K/2; draws of mean square K have a relative error near sqrt(kurtosis/DRAWS)."""
    z = signals.gaussian(1.0, "z", 1)
    total = signals.added([z, signals.through(z, RELU, "relu")], "sum")
    assert not total.gaussian
    assert total.second == pytest.approx(2.5, rel=5 * math.sqrt(15.0 / DRAWS))


def test_relu_of_a_relu_stream_plus_a_branch() -> None:
    """x = relu(z), y = relu(x + f): <y**2> by two one-dimensional integrals of the folded Gaussian."""
    s = 0.1
    x = signals.through(signals.gaussian(1.0, "z", 1), RELU, "relu")
    y = signals.through(signals.added([x, signals.gaussian(s, "f", 2)], "sum"), RELU, "relu")
    grid = torch.linspace(0.0, 12.0, 200_001, dtype=torch.float64)
    density = torch.exp(-0.5 * grid**2) / math.sqrt(2.0 * math.pi)
    # <relu(x + f)**2> for f ~ N(0, s) at a given x: (x**2 + s) Phi(x/sqrt s) + x sqrt(s) phi(x/sqrt s)
    u = grid / math.sqrt(s)
    inner = (grid**2 + s) * torch.special.ndtr(u) + grid * math.sqrt(s) * torch.exp(-0.5 * u * u) / math.sqrt(
        2.0 * math.pi
    )
    exact = float(torch.trapezoid(density * inner, grid)) + 0.5 * s / 2.0
    spread = float((y.values**2).std()) / math.sqrt(DRAWS)
    assert y.second == pytest.approx(exact, abs=5.0 * spread)


def test_norms_reset_the_kernel_to_weight_and_bias() -> None:
    z = signals.gaussian(7.0, "z", 1)
    w, b = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5])
    out = signals.normalised(z, w, b, eps=0.0, centred=True)
    assert out.second == pytest.approx(2.5 + 0.25, rel=1e-12)
    assert not out.gaussian
    assert signals.normalised(z, None, None, eps=7.0, centred=True).second == pytest.approx(0.5)
    assert signals.normalised(z, torch.full((3,), 2.0), None, eps=0.0, centred=True).gaussian


def test_layer_norm_takes_the_mean_away_and_rms_norm_does_not() -> None:
    x = signals.through(signals.gaussian(1.0, "z", 1), RELU, "relu")
    variance = 0.5 - 1.0 / (2.0 * math.pi)
    centred = signals.normalised(x, None, None, eps=0.0, centred=True)
    assert centred.mean == pytest.approx(0.0, abs=1e-12)
    assert centred.second == pytest.approx(1.0, rel=1e-12)
    shifted = signals.normalised(x, None, None, eps=0.0, centred=False)
    assert shifted.mean == pytest.approx(1.0 / math.sqrt(math.pi), rel=1e-12)
    assert variance == pytest.approx((shifted.second - shifted.mean**2) * 0.5, rel=1e-12)


def test_dropout_scaling_and_concatenation() -> None:
    z = signals.gaussian(3.0, "z", 1, width=10)
    assert signals.dropped(z, 0.25, 3).second == pytest.approx(4.0)
    behind = signals.through(signals.dropped(z, 0.25, 3), RELU, "relu")  # half of 3 / (1 - p)
    error = math.sqrt((3.0 * 9.0 / 0.75**3 / 2.0 - 4.0) / DRAWS)  # of the mean of relu(z)**2 over draws
    assert behind.second == pytest.approx(2.0, abs=5.0 * error)
    assert signals.scaled(z, 2.0).second == pytest.approx(12.0)
    both = signals.concatenated([z, signals.gaussian(1.0, "y", 2, width=30)], "both")
    assert both.second == pytest.approx((10 * 3.0 + 30 * 1.0) / 40)
    assert both.width == 40
    spread = math.sqrt(3.0 * 9.0 / DRAWS)
    assert float(both.values.pow(2).mean()) == pytest.approx(both.second, abs=5.0 * spread)


def test_draws_are_the_same_every_time_and_standard() -> None:
    first, again = signals.gaussian(1.0, "z", 4).values, signals.gaussian(1.0, "z", 4).values
    assert torch.equal(first, again)
    assert float(first.pow(2).mean()) == pytest.approx(1.0, rel=1e-12)
    tanh = activation("tanh")
    found = float(tanh(first).pow(2).mean())
    assert found == pytest.approx(
        float(theory.kernel(tanh, 1.0)), rel=1e-4
    )  # stratified: far better than 1/sqrt(DRAWS)


def test_the_law_of_data_is_that_of_its_numbers() -> None:
    data = torch.tensor([1.0, 3.0])
    x = signals.empirical(data, "the input", 1)
    assert (x.second, x.mean) == (5.0, 2.0)
    assert set(x.values.tolist()) == {1.0, 3.0}
