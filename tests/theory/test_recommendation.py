"""What is recommended, and that it does what its reason says."""

from __future__ import annotations

import math

import pytest
import torch

import edgewise as ew
from edgewise.activations import activation
from edgewise.errors import DomainError
from edgewise.theory import kernel, kernel_flow, recommend


def test_half_stable_starts_at_its_kernel() -> None:
    made = recommend("gelu", 50)
    assert made.principle == "half_stable"
    assert made.k0 == pytest.approx((3 + math.sqrt(17)) / 2, rel=1e-8)
    assert (made.c_b, made.c_w) == pytest.approx((0.172922390756, 1.983058257438), abs=1e-9)
    flow = kernel_flow("gelu", 50, c_w=made.c_w, c_b=made.c_b, k0=made.k0)
    torch.testing.assert_close(flow.kernel, torch.full((50,), made.k0, dtype=torch.float64), rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    ("spec", "principle", "c_w"),
    [("relu", "scale_invariant", 2.0), ("tanh", "k_star_zero", 1.0), ("relu6", "k_star_zero", 2.0)],
)
def test_where_any_kernel_will_do_it_is_one(spec: str, principle: str, c_w: float) -> None:
    made = recommend(spec, 20)
    assert (made.principle, made.k0, made.c_b) == (principle, 1.0, 0.0)
    assert made.c_w == pytest.approx(c_w, rel=1e-9)


@pytest.mark.parametrize("depth", [5, 20, 50])
@pytest.mark.parametrize("spec", ["mrepu(p=1)", "mrepu(p=2)", "mrepu(p=3)"])
def test_an_unstable_zero_gets_a_horizon_of_twice_the_depth(spec: str, depth: int) -> None:
    made = recommend(spec, depth)
    assert made.principle == "k_star_zero_unstable"
    assert made.layers >= 2 * depth
    larger = kernel_flow(spec, 2 * depth + 1, c_w=made.c_w, k0=made.k0 * 1.2)
    assert larger.horizon is not None
    assert larger.horizon < 2 * depth  # and no smaller a K0 than it takes


def test_width_leaves_room_for_fluctuations() -> None:
    """Of a thousand MRePU networks of width 64 none explodes at the K0 made for that width."""
    depth, width, members = 20, 64, 1000
    a, generator = activation("mrepu(p=2)"), torch.Generator().manual_seed(2)
    narrow, wide = recommend(a, depth, width=width), recommend(a, depth)
    assert narrow.k0 < wide.k0 / 5
    z = narrow.k0**0.5 * torch.randn(members, width, generator=generator, dtype=torch.float64)
    for _ in range(depth - 1):
        scale = (narrow.c_w * (a(z) ** 2).mean(1, keepdim=True)).sqrt()
        z = scale * torch.randn(members, width, generator=generator, dtype=torch.float64)
    kernels = (z**2).mean(1)
    linear = math.exp(
        3.5 * math.sqrt(2 * (depth + 1) / width)
    )  # 3.5 sigma of the log-normal of a linear network: 1 in 4000
    assert float(kernels.max()) < narrow.k0 * linear * 2
    assert "width 64" in narrow.reason


def test_an_unstable_zero_that_turns_back_needs_no_small_start() -> None:
    assert recommend("telu", 5).k0 == pytest.approx(1.0)


def test_repu_has_only_a_least_bad() -> None:
    made = recommend("repu(p=2)", 20)
    assert made.principle == "least_bad"
    assert (made.c_b, made.k0) == (0.0, 1.0)
    assert made.c_w == pytest.approx(2 / 3)
    # ln(K/K0) doubles every layer: 1.1**(2**4) < 10 < 1.1**(2**5)
    assert made.layers == 5
    assert "5 layers of the 20" in made.reason


@pytest.mark.parametrize("spec", ["sigmoid", "softplus", "smelu", "cos", "gaussian", "x*sinh(x)"])
def test_least_bad_does_what_it_says(spec: str) -> None:
    depth = 10
    made = recommend(spec, depth)
    assert made.principle == "least_bad"
    starts = made.k0 * torch.tensor([0.9, 1.0, 1.1], dtype=torch.float64)
    flows = kernel_flow(spec, depth, c_w=made.c_w, k0=starts).kernel
    inside = ((flows <= 10 * made.k0) & (flows >= made.k0 / 10)).all(1)
    assert int(inside.long().cumprod(0).sum()) == min(made.layers, depth)


@pytest.mark.parametrize("spec", ["gelu", "relu", "tanh"])
def test_with_a_skip_the_network_is_critical_too(spec: str) -> None:
    made = recommend(spec, 10, skip=0.5)
    k0 = 1e-10 if spec == "tanh" else made.k0
    flow = kernel_flow(spec, 2, c_w=made.c_w, c_b=made.c_b, k0=k0, skip=0.5)
    assert float(flow.chi_parallel[0]) == pytest.approx(1.0, abs=1e-8)
    assert float(flow.chi_perp[0]) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("spec", ["relu", "mrepu(p=2)", "gelu"])
def test_identity_skips_scale_their_branches(spec: str) -> None:
    made = recommend(spec, 30, skip=1.0)
    flow = kernel_flow(spec, 30, c_w=made.c_w, c_b=made.c_b, k0=made.k0, skip=1.0)
    assert 1.0 < float(flow.kernel[-1]) / made.k0 < 2 * math.e
    assert "1/sqrt(30)" in made.reason


def test_the_first_layer_puts_the_kernel_where_it_should_be() -> None:
    made = recommend("gelu", 20)
    c_w, c_b = made.first_layer(mean_square=0.25)
    assert c_b + c_w * 0.25 == pytest.approx(made.k0)
    with pytest.raises(DomainError, match="mean_square"):
        made.first_layer(mean_square=0.0)


def test_a_half_stable_point_with_a_cliff_says_so() -> None:
    assert "10 % above leaves its decade" in recommend("x-x**3", 20).reason
    assert "leaves its decade" not in recommend("gelu", 20).reason


@pytest.mark.parametrize("bad", [{"depth": 0}, {"depth": 5, "width": 0}, {"depth": 5, "skip": 2.0}])
def test_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(DomainError, match="expected"):
        recommend("relu", **bad)  # type: ignore[arg-type]


def test_a_tailored_activation_under_identity_skips_is_told_to_grow() -> None:
    made = ew.tailor("gelu", depth=20)
    assert "K stays there" in recommend(made, 20).reason
    growing = recommend(made, 20, skip=1.0)
    assert "K grows by about e" in growing.reason
    k = 1.0
    for _ in range(20):
        k += growing.c_w * float(kernel(made, k)) + growing.c_b
    assert k == pytest.approx(math.e, rel=0.1)  # (1 + 1/20)**20 = 2.65, and g(K) is K near K = 1 alone
