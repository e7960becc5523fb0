"""Kernel flows against closed forms, against layer-by-layer averages, and at the ends of float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgewise.activations import activation
from edgewise.errors import DomainError
from edgewise.theory import depth_horizon, kernel, kernel_flow
from edgewise.theory.averages import average
from edgewise.theory.interpolant import kernel_functions


def test_relu_keeps_its_kernel_at_criticality() -> None:
    flow = kernel_flow("relu", 200, c_w=2.0, k0=0.37)
    torch.testing.assert_close(flow.kernel, torch.full((200,), 0.37, dtype=torch.float64), rtol=1e-13, atol=0)
    torch.testing.assert_close(flow.chi_parallel, torch.ones(200, dtype=torch.float64), rtol=1e-14, atol=0)
    torch.testing.assert_close(flow.chi_perp, torch.ones(200, dtype=torch.float64), rtol=1e-14, atol=0)
    assert flow.horizon is None
    assert flow.diverged_at is None


@pytest.mark.parametrize("k0", [0.6, 0.7])
def test_repu_moves_double_exponentially(k0: float) -> None:
    critical = 2.0 / 3.0
    flow = kernel_flow("repu(p=2)", 6, c_w=1.0, k0=k0)
    expected = [critical * (k0 / critical) ** (2**layer) for layer in range(6)]
    torch.testing.assert_close(flow.kernel, torch.tensor(expected, dtype=torch.float64), rtol=1e-13, atol=0)
    torch.testing.assert_close(flow.chi_parallel / flow.chi_perp, torch.full((6,), 1.5, dtype=torch.float64))


def test_mrepu_iterates() -> None:
    slow = kernel_flow("mrepu(p=2)", 51, c_w=1.0, k0=1e-3).kernel
    assert float(slow[10]) == pytest.approx(0.001215, abs=5e-7)
    assert float(slow[20]) == pytest.approx(0.001545, abs=5e-7)
    assert float(slow[50]) == pytest.approx(0.00748, abs=5e-6)
    fast = kernel_flow("mrepu(p=2)", 20, c_w=1.0, k0=1e-2)
    assert float(fast.kernel[9]) < 10 < float(fast.kernel[10])
    assert fast.diverged_at == 16
    assert "diverged at layer 16" in fast.reason
    assert bool(torch.isinf(fast.kernel[15:]).all())
    assert not bool(torch.isnan(fast.chi_parallel).any())


@pytest.mark.parametrize(
    ("p", "c_w", "fixed"),
    [(1, 0.5, 0.345), (1, 0.99, 0.003367), (2, 0.7, 0.02336), (2, 0.95, 0.002917), (3, 0.9, 0.002439)],
)
def test_mrepu_fixed_point_repels_to_both_sides(p: int, c_w: float, fixed: float) -> None:
    ends = kernel_flow(
        f"mrepu(p={p})", 4000, c_w=c_w, k0=fixed * torch.tensor([0.99, 1.01], dtype=torch.float64)
    ).kernel
    assert float(ends[-1, 0]) < fixed / 10
    assert math.isinf(float(ends[-1, 1]))


@pytest.mark.parametrize("spec", ["tanh", "gelu", "mrepu(p=2)", "elu", "sin", "softplus", "hardtanh"])
@pytest.mark.parametrize("skip", [0.0, 0.5])
def test_a_flow_is_its_averages_layer_by_layer(spec: str, skip: float) -> None:
    a = activation(spec)
    flow = kernel_flow(a, 6, c_w=0.9, c_b=0.05, k0=0.3, skip=skip)
    k = flow.kernel
    torch.testing.assert_close(k[1:], 0.05 + 0.9 * kernel(a, k[:-1]) + skip**2 * k[:-1], rtol=1e-11, atol=0)
    slope = 0.9 * average(a, k, (0, 1), 1).value / k + skip**2
    torch.testing.assert_close(flow.chi_parallel, slope, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(flow.chi_perp, 0.9 * average(a, k, (1, 1)).value + skip**2, rtol=1e-11, atol=0)


def test_chi_parallel_is_the_derivative_of_the_map() -> None:
    step = 1e-5
    flow = kernel_flow("gelu", 2, c_w=1.7, c_b=0.1, k0=torch.tensor([1.0 - step, 1.0, 1.0 + step]), skip=0.6)
    slope = (flow.kernel[1, 2] - flow.kernel[1, 0]) / (flow.kernel[0, 2] - flow.kernel[0, 0])
    # central difference: step**2 from curvature, 2e-16/step from rounding
    assert float(slope) == pytest.approx(float(flow.chi_parallel[0, 1]), abs=1e-9)


@pytest.mark.parametrize("spec", ["tanh", "gelu", "mrepu(p=1)", "softplus", "cos", "x*relu(x+1)**2", "exp(x/4)"])
def test_tables_hold_the_averages_over_many_decades(spec: str) -> None:
    a = activation(spec)
    high = 1.0 if spec.startswith("exp") else 8.0
    k = torch.logspace(-9, high, 61, dtype=torch.float64) * 1.0371
    functions = kernel_functions(a)
    torch.testing.assert_close(functions.kernel(k), kernel(a, k), rtol=1e-11, atol=0)
    found = average(a, k, (0, 1), 1)
    assert bool(((functions.chi_parallel(k) - found.value / k).abs() <= 1e-11 * found.magnitude / k).all())
    torch.testing.assert_close(functions.chi_perp(k), average(a, k, (1, 1)).value, rtol=1e-11, atol=1e-300)
    one_by_one = torch.tensor([functions.kernel_at(x) for x in k.tolist()], dtype=torch.float64)
    torch.testing.assert_close(one_by_one, functions.kernel(k), rtol=1e-14, atol=0)


def test_many_flows_at_once_are_the_single_ones() -> None:
    c_w, c_b = torch.linspace(0.5, 3.0, 4, dtype=torch.float64)[:, None], torch.tensor([0.0, 0.2], dtype=torch.float64)
    many = kernel_flow("tanh", 9, c_w=c_w, c_b=c_b, k0=2.0)
    assert many.kernel.shape == (9, 4, 2)
    for i in range(4):
        for j in range(2):
            one = kernel_flow("tanh", 9, c_w=float(c_w[i]), c_b=float(c_b[j]), k0=2.0)
            torch.testing.assert_close(many.kernel[:, i, j], one.kernel, rtol=1e-12, atol=0)
            assert isinstance(many.horizon, torch.Tensor)
            assert int(many.horizon[i, j]) == (one.horizon or 0)


def test_horizon_of_an_unstable_zero() -> None:
    # K = K0/(1 - a1 K0 l) doubles at l = 1/(2 a1 K0), a1 = 18, with corrections of relative order K0 log(1/K0)
    for k0 in (1e-4, 1e-5):
        assert depth_horizon("mrepu(p=2)", c_w=1.0, k0=k0) == pytest.approx(
            1 / (36 * k0), rel=20 * k0 * math.log(1 / k0)
        )
    assert depth_horizon("mrepu(p=2)", c_w=1.0, k0=1e-3) == kernel_flow("mrepu(p=2)", 60, c_w=1.0, k0=1e-3).horizon


def test_a_kernel_that_settles_has_no_horizon() -> None:
    assert depth_horizon("relu", c_w=2.0) == math.inf
    assert depth_horizon("gelu", c_w=1.983058257438, c_b=0.172922390756, k0=3.561552813, max_depth=10**5) == math.inf
    assert depth_horizon("relu", c_w=1.9, max_depth=100) == math.floor(math.log(2) / math.log(2 / 1.9)) + 1


def test_vanishing_is_said() -> None:
    flow = kernel_flow("relu", 1100, c_w=1.0)
    assert flow.vanished_at == 1024
    assert "vanished at layer 1024" in flow.reason
    assert float(flow.kernel[-1]) == 0.0
    assert not bool(torch.isnan(flow.chi_perp).any())


@pytest.mark.parametrize("spec", ["exp(x)", "exp(x**2/8)", "sinh(x)"])
def test_averages_without_a_value_are_divergences_not_errors(spec: str) -> None:
    flow = kernel_flow(spec, 12, c_w=3.0, k0=3.0)
    assert flow.diverged_at is not None
    assert not bool(torch.isnan(flow.kernel).any())


@pytest.mark.parametrize(
    "bad",
    [{"c_w": 0.0}, {"c_w": -1.0}, {"c_w": math.nan}, {"c_b": -0.1}, {"k0": 0.0}, {"k0": math.inf}, {"skip": 1.5}],
)
def test_hyper_parameters_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(DomainError, match=r"given, expected .*; try"):
        kernel_flow("tanh", 5, **{"c_w": 1.0, **bad})


@pytest.mark.parametrize("depth", [0, -3, 2.5, True])
def test_depth_out_of_range(depth: object) -> None:
    with pytest.raises(DomainError, match="depth"):
        kernel_flow("tanh", depth, c_w=1.0)  # type: ignore[arg-type]


def test_a_flow_as_a_dictionary() -> None:
    plain = kernel_flow("tanh", 3, c_w=1.0).to_dict()
    assert plain["activation"] == "tanh"
    assert len(plain["kernel"]) == plain["depth"] == 3


@pytest.mark.parametrize("bad", [{"c_w": "x"}, {"c_w": 10**400}, {"k0": None}, {"skip": [0.1, 0.2]}, {"skip": "x"}])
def test_what_is_no_number_is_a_typed_error(bad: dict[str, object]) -> None:
    with pytest.raises(DomainError, match=r"given, expected .*; try") as refused:
        kernel_flow("tanh", 5, **{"c_w": 1.0, **bad})  # type: ignore[arg-type]
    assert len(str(refused.value)) < 160
    assert "\n" not in str(refused.value)


def test_integers_and_numbers_of_other_libraries_will_do() -> None:
    flow = kernel_flow("relu", np.int64(4), c_w=np.float32(2.0), skip=torch.tensor(0.5))  # type: ignore[arg-type]
    assert flow.kernel.tolist() == pytest.approx([1.25**layer for layer in range(4)])


@pytest.mark.parametrize(
    ("spec", "c_w", "c_b", "k0"),
    [("0*x", 2.0, 0.1, 1.0), ("softshrink", 1.0, 1e-5, 0.01), ("relu(x-1)", 2.0, 0.0, 0.05)],
)
def test_susceptibilities_that_underflow_are_zero(spec: str, c_w: float, c_b: float, k0: float) -> None:
    flow = kernel_flow(spec, 4, c_w=c_w, c_b=c_b, k0=k0)
    assert flow.chi_parallel[2:].tolist() == flow.chi_perp[2:].tolist() == [0.0, 0.0]
    assert depth_horizon(spec, c_w=c_w, c_b=c_b, k0=k0) == 1.0


@pytest.mark.parametrize("band", [1.0, 0.5, math.nan])
def test_a_band_must_be_one(band: float) -> None:
    with pytest.raises(DomainError, match="band"):
        depth_horizon("tanh", c_w=1.0, band=band)
