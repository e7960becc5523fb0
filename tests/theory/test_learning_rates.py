"""Per-layer learning rates against the class formulas of PDLT chapter 9 and against the NTK they are made for."""

from __future__ import annotations

import math

import pytest
import torch

from edgewise.activations import activation
from edgewise.errors import DomainError
from edgewise.theory import kernel_flow, learning_rates
from edgewise.theory.interpolant import kernel_functions


def test_scale_invariant_layers_share_equally() -> None:
    rates = learning_rates("relu", 8, c_w=2.0, k0=0.5)
    torch.testing.assert_close(rates.lambda_b, torch.full((8,), 1 / 8, dtype=torch.float64))
    torch.testing.assert_close(rates.lambda_w, torch.full((8,), 1 / (8 * 0.25), dtype=torch.float64))  # g = K/2


@pytest.mark.parametrize(("spec", "p_perp"), [("tanh", 1.0), ("sin", 1.0), ("elu", 2.0)])
def test_a_stable_zero_has_power_laws(spec: str, p_perp: float) -> None:
    depth = 4000
    rates = learning_rates(spec, depth, c_w=1.0)
    deep = torch.tensor([1000.0, 2000.0, 4000.0], dtype=torch.float64)
    at = deep.long() - 1
    bias = rates.lambda_b[at] * deep**p_perp
    # corrections are of order log(l)/l (l**-1/2 log l with a kink at 0), at l = 1000
    tolerance = 0.01 if p_perp == 1.0 else 0.05
    assert float(bias.max() / bias.min()) == pytest.approx(1.0, abs=tolerance)
    if p_perp == 1.0:
        assert float(rates.lambda_b[-1]) == pytest.approx(1 / depth)
        assert float(rates.lambda_w[at].max() / rates.lambda_w[at].min()) == pytest.approx(1.0, abs=tolerance)


@pytest.mark.parametrize("skip", [0.0, 0.5])
def test_every_layer_contributes_the_same_to_the_output(skip: float) -> None:
    depth, a = 7, activation("gelu")
    options = {"c_w": 1.6, "c_b": 0.2, "k0": 1.4, "skip": skip}
    rates = learning_rates(a, depth, **options)
    flow = kernel_flow(a, depth, **options)
    g = [(1.4 - 0.2) / 1.6, *kernel_functions(a).kernel(flow.kernel[:-1]).tolist()]
    for layer in range(depth):
        carried = math.prod(flow.chi_perp[layer:-1].tolist())
        assert float(rates.lambda_w[layer]) * g[layer] * carried == pytest.approx(1 / depth)
        assert float(rates.lambda_b[layer]) * carried == pytest.approx(1 / depth)


def test_a_lost_kernel_has_no_rates() -> None:
    with pytest.raises(DomainError, match="diverged at layer"):
        learning_rates("repu(p=2)", 20, c_w=2.0, k0=2.0)


@pytest.mark.parametrize("spec", ["hardshrink", "0*x"])
def test_an_infinite_or_zero_slope_has_no_rates(spec: str) -> None:
    with pytest.raises(DomainError, match="chi_perp"):
        learning_rates(spec, 5, c_w=1.0, c_b=0.1)


def test_a_first_layer_of_bias_alone_needs_its_input_square() -> None:
    with pytest.raises(DomainError, match="k0 > c_b"):
        learning_rates("gelu", 5, c_w=2.0, c_b=2.0, k0=1.0)
    assert float(learning_rates("gelu", 5, c_w=2.0, c_b=2.0, k0=1.0, input_square=0.5).lambda_w[0]) > 0
