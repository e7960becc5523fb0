"""Critical points with skip connections, and identity skips."""

from __future__ import annotations

import math

import pytest

from edgewise.errors import DomainError
from edgewise.theory import branch_scaling, kernel_flow, with_skip

CRITICAL = {"gelu": (1.983058257438, 0.172922390756, 3.5615528128), "relu": (2.0, 0.0, 1.0), "tanh": (1.0, 0.0, 1e-9)}


@pytest.mark.parametrize("spec", CRITICAL)
@pytest.mark.parametrize("skip", [0.3, -0.8])
def test_every_class_keeps_its_point(spec: str, skip: float) -> None:
    c_w, c_b, k = CRITICAL[spec]
    c_w, c_b = with_skip(c_w, c_b, skip)
    flow = kernel_flow(spec, 2, c_w=c_w, c_b=c_b, k0=k, skip=skip)
    assert float(flow.kernel[1]) == pytest.approx(k, rel=3e-9)  # tanh: 1 - 2K at K = 1e-9
    assert float(flow.chi_parallel[0]) == pytest.approx(1.0, abs=5e-9)
    assert float(flow.chi_perp[0]) == pytest.approx(1.0, abs=5e-9)


def test_identity_skips_have_no_critical_point() -> None:
    with pytest.raises(DomainError, match="branch_scaling"):
        with_skip(1.0, 0.0, 1.0)


@pytest.mark.parametrize("branches", [4, 50])
def test_scaled_branches_multiply_the_kernel_by_about_e(branches: int) -> None:
    scaling = branch_scaling(branches)
    flow = kernel_flow("relu", branches + 1, c_w=2.0 * scaling.factor**2, skip=1.0)
    assert float(flow.kernel[-1]) == pytest.approx((1 + 1 / branches) ** branches, rel=1e-12)
    assert float(flow.kernel[-1]) < math.e
    assert float(kernel_flow("relu", branches + 1, c_w=2.0, skip=1.0).kernel[-1]) == pytest.approx(2.0**branches)
