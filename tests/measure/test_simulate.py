"""Random networks measured against theory: leading order, 1/n correction, spread, correlations and gradients.

Bounds: a z-score of 4.5, a chance of 7e-6 for each comparison, with a fixed seed. Where only infinite width is known,
two widths are extrapolated to it, which removes the 1/n term and leaves terms of relative size r**2, r = V/(n K**2).
"""

from __future__ import annotations

import json
import math

import pytest
import torch

import edgewise as ew
from edgewise import theory
from edgewise.activations.definition import Definition, Facts
from edgewise.errors import DomainError, SpecError
from edgewise.measure.denormals import denormals_are_flushed
from edgewise.theory.correlation import correlation_flow
from edgewise.theory.finite_width import four_point_vertex

Z = 4.5

CASES = [
    # spec, c_w, c_b, k0, skip, depth
    ("relu", 2.0, 0.0, 1.0, 0.0, 5),
    ("tanh", 1.0, 0.0, 1.0, 0.0, 16),
    ("tanh", 1.7, 0.2, 0.5, 0.0, 8),
    ("gelu", 1.983058257438, 0.172922390756, 3.561552813, 0.0, 5),
    ("mrepu(p=2)", 1.0, 0.0, 0.004, 0.0, 5),
    ("sin", 1.0, 0.0, 0.6, 0.0, 10),
    ("x*sigmoid(1.5*x)", 2.0, 0.05, 1.0, 0.0, 4),
    ("tanh", 0.75, 0.0, 0.8, 0.5, 10),
]


@pytest.mark.parametrize(("spec", "c_w", "c_b", "k0", "skip", "depth"), CASES, ids=lambda v: str(v))
def test_kernels_have_the_mean_and_the_spread_of_first_order_theory(spec, c_w, c_b, k0, skip, depth):
    width, members = 128, 1500
    expected = four_point_vertex(spec, depth, c_w=c_w, c_b=c_b, k0=k0, width=width, skip=skip)
    assert expected.in_range
    got = ew.simulate(spec, depth, width, members, c_w=c_w, c_b=c_b, k0=k0, skip=skip, seed=1)
    assert got.diverged == 0
    assert ((got.mean[:, 0] - expected.kernel_mean).abs() < Z * got.standard_error[:, 0]).all()
    assert ((got.variance[:, 0] - expected.kernel_variance).abs() < Z * got.variance_error[:, 0]).all()


def test_the_first_correction_is_seen():
    """The mean at width 64 is G1/n off the infinitely wide kernel, its spread above 2 K**2/n, beyond the noise."""
    depth, width = 16, 64
    expected = four_point_vertex("tanh", depth, c_w=1.0, k0=1.0, width=width)
    assert expected.in_range
    got = ew.simulate("tanh", depth, width, 4000, c_w=1.0, k0=1.0, seed=2)
    noise = float(got.standard_error[-1, 0])
    assert abs(float(got.mean[-1, 0] - expected.kernel_mean[-1])) < Z * noise
    assert abs(float(got.mean[-1, 0] - expected.kernel[-1])) > Z * noise
    bare = float(2 * expected.kernel[-1] ** 2 / width)
    assert float(got.variance[-1, 0]) - bare > Z * float(got.variance_error[-1, 0])


@pytest.mark.parametrize(
    ("spec", "c_w", "c_b", "k0"),
    [("relu", 2.0, 0.0, 1.0), ("tanh", 1.7, 0.1, 0.5), ("gelu", 1.983058257438, 0.172922390756, 3.561552813)],
)
def test_correlations_and_gradients_follow_theory_at_infinite_width(spec, c_w, c_b, k0):
    depth, rho0 = 6, 0.3
    narrow, wide = (
        ew.simulate(spec, depth, n, m, c_w=c_w, c_b=c_b, k0=k0, samples=2, rho0=rho0, gradients=True, seed=n)
        for n, m in ((96, 500), (192, 500))
    )
    r = four_point_vertex(spec, depth, c_w=c_w, c_b=c_b, k0=k0, width=96).relative_vertex / 96
    flow = theory.kernel_flow(spec, depth, c_w=c_w, c_b=c_b, k0=k0)
    slopes = flow.chi_perp[:-1]
    gradient = torch.cat([slopes.flip(0).cumprod(0).flip(0), torch.ones(1, dtype=torch.float64)])
    rho = correlation_flow(spec, depth, c_w=c_w, c_b=c_b, k0=k0, rho0=rho0).correlation

    def extrapolated(values):
        small, large = (v[..., 0] for v in values)
        error = (4 * large.var(1) / large.shape[1] + small.var(1) / small.shape[1]).sqrt()
        return 2 * large.mean(1) - small.mean(1), error

    measured, error = extrapolated((narrow.correlation, wide.correlation))
    assert ((measured - rho).abs() < Z * error + r**2).all()
    measured, error = extrapolated((narrow.gradient_norm, wide.gradient_norm))
    assert ((measured / gradient - 1).abs() < Z * error / gradient + r[-1] ** 2).all()
    assert torch.allclose(narrow.gradient_norm[-1], torch.ones((), dtype=torch.float64))


def test_gradient_norms_are_those_of_autograd():
    """The same numbers as back-propagation through the formula of the network, from weights drawn the same way."""
    depth, width, skip = 4, 5, 0.5
    a = ew.activation("tanh")
    got = ew.simulate(a, depth, width, 1, c_w=1.5, c_b=0.0, k0=0.7, skip=skip, gradients=True, seed=4)
    source = torch.Generator().manual_seed(4)
    z = torch.randn(1, width, 1, generator=source, dtype=torch.float64) * math.sqrt(0.7)
    leaves = [z.requires_grad_(True)]
    for _ in range(depth - 1):
        drawn = torch.randn(1, width, width, generator=source, dtype=torch.float32)
        leaves.append(drawn.double() * math.sqrt(1.5 / width) @ torch.tanh(leaves[-1]) + skip * leaves[-1])
    u = torch.randn(1, width, 1, generator=source, dtype=torch.float64)
    gradients = torch.autograd.grad((leaves[-1] * u / u.norm()).sum(), leaves)
    for layer in range(depth):
        assert float(got.kernel[layer, 0, 0]) == pytest.approx(float(leaves[layer].detach().square().mean()), rel=1e-12)
        assert float(got.gradient_norm[layer, 0, 0]) == pytest.approx(float(gradients[layer].square().sum()), rel=1e-12)


def test_a_surrogate_slope_is_what_is_propagated():
    """HeLU passes gradients where x > -alpha: at alpha = 50 that is everywhere, and each layer multiplies by C_W."""
    got = ew.simulate("helu(alpha=50)", 3, 64, 400, c_w=2.0, gradients=True, seed=5)
    norm = got.gradient_norm[0, :, 0]
    assert abs(float(norm.mean()) - 4.0) < Z * float(norm.std()) / 20 + 4.0 * 2 / 64


def test_fixed_weights_and_random_inputs():
    """One network, every member its own input: the members share the fluctuation of its weights."""
    depth, width, members = 3, 200, 300
    k0 = 0.8
    runs = [
        ew.simulate("tanh", depth, width, members, c_w=1.0, k0=k0, resample="inputs", samples=2, rho0=0.6, seed=s)
        for s in range(3)
    ]
    first = torch.stack([run.kernel[0] for run in runs])
    # the mean over many inputs fluctuates with the trace of W W^T, variance 2 k0**2/(n n0); over few by 2 k0**2/n more
    bound = Z * k0 * math.sqrt(2 / width * (1 / width + 1 / members) / 3)
    assert abs(float(first.mean()) - k0) < bound
    assert abs(float(runs[0].correlation[0].mean()) - 0.6) < Z * math.sqrt(1 / width / 10)
    assert runs[0].kernel.shape == (depth, members, 2)
    assert runs[0].resample == "inputs"
    flow = theory.kernel_flow("tanh", depth, c_w=1.0, k0=k0)
    spread_of_a_network = math.sqrt(
        2 / width
    )  # the last layer's weights are shared: its fluctuation does not average out
    assert ((runs[0].mean[:, 0] / flow.kernel - 1).abs() < Z * spread_of_a_network).all()


@pytest.mark.parametrize("rho0", [-0.5, 0.0, 1.0])
def test_first_layer_has_the_stated_kernel_and_correlation(rho0):
    samples, width, members = 3, 64, 2000
    got = ew.simulate("relu", 1, width, members, c_w=1.0, k0=2.5, samples=samples, rho0=rho0, seed=6)
    assert (abs(got.mean[0] - 2.5) < Z * 2.5 * math.sqrt(2 / (width * members))).all()
    # the mean of a cosine is rho (1 - (1 - rho**2)/(2n) + ...), its standard deviation at most 1/sqrt(n)
    room = Z / math.sqrt(width * members) + 1 / width
    assert ((got.correlation[0].mean(0) - rho0).abs() < room).all()
    assert got.pairs == ((0, 1), (0, 2), (1, 2))


def test_an_exploding_network_is_named_and_not_averaged_away():
    """RePU squares the kernel: K(l+1) = 1.5 C_W K**2, from 4 beyond 1e308 within a dozen layers."""
    got = ew.simulate("repu(p=2)", 20, 32, 50, c_w=2.0, k0=4.0, samples=2, gradients=True, seed=7)
    assert got.diverged == 50
    assert "50 of 50 members diverged at layer" in got.reason
    first = got.diverged_at
    assert ((first > 1) & (first < 20)).all()
    for member, layer in enumerate(first.tolist()):
        assert torch.isfinite(got.kernel[: layer - 1, member]).all()
        assert not torch.isfinite(got.kernel[layer - 1, member]).all()
    assert not torch.isnan(got.kernel).any()
    assert torch.isinf(got.mean[-1]).all()
    assert torch.isinf(got.standard_error[-1]).all()
    assert torch.isinf(got.quantile(0.1)[-1]).all()
    assert torch.isnan(got.gradient_norm[:, :, 0]).all()
    plain = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert plain["mean"][-1] == [None, None]
    assert plain["diverged"] == 50


def test_survivors_of_an_explosion_are_untouched():
    """At K0 near the repelling point some members explode, others do not; the others have finite gradients too."""
    got = ew.simulate("mrepu(p=2)", 30, 64, 100, c_w=1.0, k0=0.002, gradients=True, seed=8)
    assert 0 < got.diverged < 100
    alive = got.diverged_at == 0
    assert torch.isfinite(got.kernel[:, alive]).all()
    assert torch.isfinite(got.gradient_norm[:, alive]).all()


def test_a_vanishing_network_is_named():
    got = ew.simulate("repu(p=2)", 20, 32, 10, c_w=0.5, k0=0.1, seed=9)
    assert got.diverged == 0
    assert (got.vanished_at > 1).all()
    assert "10 of 10 members vanished" in got.reason


def test_an_activation_that_is_undefined_is_said_to_be():
    """A sigmoid written carelessly is inf/inf beyond x = 710; made by hand, since `ew.activation` refuses it."""

    def careless(x):
        return torch.exp(x) / (1 + torch.exp(x))

    a = Definition("careless", (careless,), lambda: Facts("e^x/(1+e^x)", (0.0, math.nan)), "a test").bind()
    got = ew.simulate(a, 3, 64, 4, c_w=1.0, k0=1e8, seed=0)
    assert torch.isnan(got.kernel[1:]).all()
    assert (got.diverged_at == 2).all()
    assert "not a number" in got.reason


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    options = {"c_w": 2.0, "c_b": 0.1, "samples": 2, "gradients": True}
    one, same, other = (ew.simulate("gelu", 4, 16, 8, **options, seed=s) for s in (0, 0, 1))
    assert torch.equal(one.kernel, same.kernel)
    assert torch.equal(one.gradient_norm, same.gradient_norm)
    assert not torch.equal(one.kernel, other.kernel)
    generator = torch.Generator().manual_seed(0)
    given = ew.simulate("gelu", 4, 16, 8, **options, generator=generator)
    assert torch.equal(one.kernel, given.kernel)
    assert given.provenance.seed is None
    assert one.provenance.seed == 0
    assert one.provenance.torch == torch.__version__


def test_chunks_hold_all_members(monkeypatch):
    """Too little memory for all at once: the same number of members, each still an independent network."""
    import importlib

    module = importlib.import_module("edgewise.measure.simulate")
    monkeypatch.setattr(module, "_BYTES_PER_CHUNK", 50_000)
    seen = []
    got = ew.simulate("tanh", 3, 16, 40, c_w=1.0, gradients=True, seed=3, on_progress=lambda d, t: seen.append((d, t)))
    assert got.kernel.shape == got.gradient_norm.shape == (3, 40, 1)
    assert len(torch.unique(got.kernel[-1])) == 40
    assert seen[-1][0] == seen[-1][1] == len(seen) > 3


@pytest.mark.parametrize("before", [False, True])
def test_the_denormal_setting_is_restored(before):
    torch.set_flush_denormal(before)
    try:
        ew.simulate("relu", 2, 4, 2, c_w=2.0)
        assert denormals_are_flushed() is before
        with pytest.raises(RuntimeError):
            ew.simulate("relu", 2, 4, 2, c_w=2.0, on_progress=_fails)
        assert denormals_are_flushed() is before
    finally:
        torch.set_flush_denormal(False)


def _fails(done: int, total: int) -> None:
    raise RuntimeError


def test_float32_is_the_same_up_to_its_rounding():
    wide, narrow = (ew.simulate("relu", 4, 64, 500, c_w=2.0, seed=1, dtype=d) for d in (torch.float64, torch.float32))
    assert narrow.kernel.dtype == torch.float64
    assert (narrow.mean - wide.mean).abs().max() < Z * (narrow.standard_error**2 + wide.standard_error**2).sqrt().max()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": 0}, "depth=0"),
        ({"width": 2.5}, r"width=2\.5"),
        ({"members": True}, "members=True"),
        ({"c_w": 0.0}, r"c_w=0\.0"),
        ({"c_b": -1.0}, r"c_b=-1\.0"),
        ({"k0": math.nan}, "k0=nan"),
        ({"skip": math.inf}, "skip=inf"),
        ({"rho0": 1.5}, r"rho0=1\.5"),
        ({"samples": 3, "rho0": -0.6}, "in \\[-0.5, 1\\]"),
        ({"samples": 9}, "samples=9"),
        ({"resample": "biases"}, "'biases'"),
        ({"dtype": torch.float16}, "float16"),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(wrong, message):
    given = {"depth": 2, "width": 8, "members": 2, "c_w": 1.0, **wrong}
    with pytest.raises(DomainError, match=message) as caught:
        ew.simulate("relu", **given)
    assert "\n" not in str(caught.value)
    assert "try" in str(caught.value)


def test_an_unknown_activation_is_refused():
    with pytest.raises(SpecError):
        ew.simulate("reluu", 2, 8, 2, c_w=1.0)
