"""How networks on an equation start."""

from __future__ import annotations

import math

import pytest
import torch

import edgewise as ew
from edgewise.errors import SpecError
from edgewise.pinn.start import InputScale, start
from edgewise.train import Member, Shape, initialise
from edgewise.train.ensemble import forward_layers

SHAPE = Shape(2, 400, 3, 1)


def test_xavier_has_the_variances_of_torch() -> None:
    """Glorot & Bengio, equation 16: variance 2/(fan-in + fan-out)."""
    made = start("xavier", ew.activation("tanh"), SHAPE).initial
    for c_w, fan_in, fan_out in ((made.first_c_w, 2, 400), (made.c_w, 400, 400), (made.last_c_w, 400, 1)):
        weight = torch.nn.init.xavier_normal_(torch.empty(fan_out, fan_in), generator=torch.Generator().manual_seed(0))
        error = 5.0 * math.sqrt(2.0 / weight.numel())  # five standard errors of a variance, relative
        assert c_w / fan_in == pytest.approx(float(weight.square().mean()), rel=error)


def test_recommended_puts_the_first_kernel_where_the_activation_wants_it() -> None:
    """Inputs uniform on [-1, 1] have mean square 1/3; GELU's critical kernel is (3 + sqrt(17))/2."""
    made = start("recommended", ew.activation("gelu"), SHAPE)
    drawn = initialise(SHAPE, [Member(s, 1e-3, made.initial) for s in range(40)], dtype=torch.float64)
    x = torch.rand(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2.0 - 1.0
    first = torch.baddbmm(drawn.first_bias, x.expand(40, -1, -1), drawn.first)
    # five standard errors: each network's mean square varies like two weight columns of 400, each point's like its own
    spread = 5.0 * math.sqrt(2.0 / (40 * 400) + 0.2 / 300)
    assert float(first.square().mean()) == pytest.approx((3.0 + math.sqrt(17.0)) / 2.0, rel=spread)


def test_unknown_initialisation_is_told() -> None:
    with pytest.raises(SpecError, match="init='glorot' given, expected one of recommended, xavier"):
        start("glorot", ew.activation("tanh"), SHAPE)  # type: ignore[arg-type]


def test_folded_layers_are_the_network_of_scaled_inputs() -> None:
    shape = Shape(2, 6, 3, 1)
    made = start("pytorch", ew.activation("tanh"), shape)
    layers = initialise(shape, [Member(s, 1e-3, made.initial) for s in range(3)], dtype=torch.float64).layers()
    scale = InputScale.of((-3.0, 1.0), (5.0, 2.0), dtype=torch.float64)
    x = torch.tensor([[-3.0, 1.0], [5.0, 2.0], [0.3, 1.7]], dtype=torch.float64)
    scaled = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-0.175, 0.4]], dtype=torch.float64)
    torch.testing.assert_close(
        forward_layers(torch.tanh, scale.folded(layers), x), forward_layers(torch.tanh, layers, scaled),
        rtol=1e-13, atol=1e-14,
    )  # fmt: skip
