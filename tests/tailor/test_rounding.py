"""What float32 loses of a tailored activation, against networks of float64."""

from __future__ import annotations

import math

import pytest
import torch

import edgewise as ew


def test_rounding_is_the_error_in_float32_of_what_swap_puts_in() -> None:
    made = ew.tailor("mrepu(p=2)", depth=1000)
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    exact = made(x.double())
    error = float(((made(x).double() - exact).square().mean() / exact.square().mean()).sqrt())
    assert made.tailoring.rounding == pytest.approx(error, rel=0.1)
    assert f"{100 * made.tailoring.rounding * math.sqrt(1000):.2g} % over the depth" in made.tailoring.reason
    assert "float32" not in ew.tailor("gelu", depth=20).tailoring.reason


def test_errors_of_layers_add_up_in_squares() -> None:
    depth, width = 300, 64
    made = ew.tailor("mrepu(p=2)", depth=depth, width=width)
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(32, width, generator=generator, dtype=torch.float64)
    single = exact.float()
    with torch.no_grad():
        for _ in range(depth):
            matrix = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))[0]
            exact, single = made(exact) @ matrix, made(single) @ matrix.float()
    error = float(((single.double() - exact).square().mean() / exact.square().mean()).sqrt())
    assert error == pytest.approx(made.tailoring.rounding * math.sqrt(depth), rel=0.5)


def test_a_deviation_of_k_is_followed_through_the_blocks() -> None:
    """Each block changes it by skip**2 + (1 - skip**2) chi_parallel**layers; the last is left through its branch."""
    t = ew.tailor("relu2", depth=100, branches=50).tailoring
    branch = t.chosen.parallel**2
    factor = (1.0 - 1.0 / 50 + branch / 50) ** 49 * branch
    assert f"by a factor of {factor:.4g} from" in t.reason
