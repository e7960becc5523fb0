"""Normalised layers: against closed forms, mpmath, and deep random networks of torch's own layers."""

from __future__ import annotations

import io
import math
from typing import Any

import mpmath as mp
import pytest
import torch
from torch import Tensor, nn

import edgewise as ew
from edgewise.errors import DomainError, NoInitialisationError
from edgewise.theory.averages.sphere import batch_moments
from edgewise.theory.normalisation import Norm, Position, normalised_layer


def _average(f: Any, k: float) -> float:
    root = mp.sqrt(k)
    density = lambda z: mp.exp(-z * z / (2 * k)) / (root * mp.sqrt(2 * mp.pi))  # noqa: E731
    return float(mp.quad(lambda z: f(z) * density(z), [-12 * root, 0, 12 * root]))


def _arc_cosine(rho: float) -> float:
    """E relu(x) relu(y) of unit variances and correlation rho (Cho and Saul 2009)."""
    return (math.sqrt(1 - rho * rho) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)


def test_plain_batch_normalisation_with_relu_explodes_by_pi_over_pi_minus_one() -> None:
    found = normalised_layer("relu", "batch", c_w=2.0)
    assert found.chi_backward == pytest.approx(math.pi / (math.pi - 1), rel=1e-12)
    assert found.chi_perp == found.chi_backward
    assert found.kernel == pytest.approx(1.0)
    assert found.chi_parallel == pytest.approx(1.0)
    assert normalised_layer("relu", "layer", position="after").chi_backward == pytest.approx(math.pi / (math.pi - 1))
    assert normalised_layer("relu", "layer").chi_backward == pytest.approx(1.0)
    assert "grow by a factor of 1.46694" in found.reason


@pytest.mark.parametrize("batch", [4, 5, 9, 32, 4096])
def test_a_finite_batch_in_closed_form(batch: int) -> None:
    """The identity: (B-2)/(B-3) (Yang et al. 2019); ReLU: every average over the sphere is one over a Gaussian pair."""
    assert normalised_layer("identity", "batch", batch=batch).chi_backward == pytest.approx((batch - 2) / (batch - 3))
    rho = -1 / (batch - 1)
    both, product = 0.25 + math.asin(rho) / (2 * math.pi), _arc_cosine(rho)
    trace = (batch - 2 + 1 / batch) / 2 + (1 - 1 / batch) * (both + product - 0.5)
    expected = batch / ((batch - 3) * (0.5 - product)) * trace / (batch - 1)
    assert normalised_layer("relu", "batch", batch=batch).chi_backward == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("batch", [4, 7, 32])
def test_moments_on_the_sphere_of_a_batch(batch: int) -> None:
    """Of x**2, by the moments of a uniform direction in B - 1 dimensions; of hardtanh, by many drawn batches."""
    fourth = 3 * (batch - 1) / (batch + 1)
    found = batch_moments(ew.activation("x**2"), 1.5, batch)
    assert found.square == pytest.approx(1.5**4 * fourth)
    assert found.product == pytest.approx(1.5**4 * (batch - fourth) / (batch - 1))
    assert found.weighted_slope_square == pytest.approx(4 * 1.5**2 * fourth)
    assert found.slope_product == pytest.approx(-4 * 1.5**2 / (batch - 1))
    a, generator = ew.activation("hardtanh"), torch.Generator().manual_seed(1)
    z = torch.randn(100_000, batch, generator=generator, dtype=torch.float64)
    z -= z.mean(1, keepdim=True)
    u = 1.3 * z / (z**2).mean(1, keepdim=True).sqrt()
    mc = {
        "square": a(u[:, 0]) ** 2,
        "product": a(u[:, 0]) * a(u[:, 1]),
        "slope_square": a.derivative(u[:, 0]) ** 2,
        "slope_product": a.derivative(u[:, 0]) * a.derivative(u[:, 1]),
        "weighted_slope_square": (u[:, 0] / 1.3 * a.derivative(u[:, 0])) ** 2,
        "weighted_slope_product": u[:, 0] * u[:, 1] / 1.3**2 * a.derivative(u[:, 0]) * a.derivative(u[:, 1]),
    }
    for name, samples in mc.items():
        error = float(samples.std()) / math.sqrt(len(samples))
        value = getattr(batch_moments(a, 1.3, batch), name)
        assert value == pytest.approx(float(samples.mean()), abs=4.5 * error), name


def test_a_large_batch_is_the_limit_of_finite_ones() -> None:
    limit = normalised_layer("gelu", "batch", c_w=1.7, c_b=0.3, scale=1.4)
    near = normalised_layer("gelu", "batch", c_w=1.7, c_b=0.3, scale=1.4, batch=10**6)
    assert near.chi_backward == pytest.approx(limit.chi_backward, rel=1e-5)  # corrections are of order 1/B
    assert near.kernel == pytest.approx(limit.kernel, rel=1e-5)


@pytest.mark.parametrize(
    ("norm", "position"), [("rms", "before"), ("layer", "after"), ("rms", "after"), ("batch", "before")]
)
def test_against_mpmath(norm: Norm, position: Position) -> None:
    w, b, s = 1.8, 0.2, 1.3
    k = s * s if position == "before" else b + w * s * s
    sigma = lambda z: z / (1 + mp.exp(-z))  # noqa: E731
    slope = lambda z: (1 + z / (1 + mp.exp(z))) / (1 + mp.exp(-z))  # noqa: E731
    g, m = _average(lambda z: sigma(z) ** 2, k), _average(sigma, k)
    across = _average(lambda z: slope(z) ** 2, k)
    found = normalised_layer("silu", norm, c_w=w, c_b=b, scale=s, position=position)
    # what the norm divides z, or sigma(z), by: its mean square, or its variance about the mean it subtracts
    divisor = {
        ("rms", "before"): b + w * g,
        ("batch", "before"): w * (g - m * m),
        ("rms", "after"): g,
        ("layer", "after"): g - m * m,
    }[norm, position]
    assert found.chi_perp == pytest.approx(w * s * s * across / divisor, rel=1e-9)
    assert found.kernel == pytest.approx(b + w * g if position == "before" else k, rel=1e-9)
    if norm == "batch":
        d = _average(lambda z: sigma(z) * slope(z) * z / k, k)
        dm = _average(lambda z: slope(z) * z / (2 * k), k)
        assert found.chi_parallel == pytest.approx(k * (d - 2 * m * dm) / (g - m * m), rel=1e-9)
    else:
        assert found.chi_parallel == 0.0


WIDTH, DEPTH, SKIPPED = 256, 10, 3


def _network(spec: str, norm: str, position: str, c_w: float, c_b: float, generator: torch.Generator) -> nn.Sequential:
    kinds = {
        "batch": lambda: nn.BatchNorm1d(WIDTH, eps=1e-12),
        "layer": lambda: nn.LayerNorm(WIDTH, eps=1e-12),
        "rms": lambda: nn.RMSNorm(WIDTH, eps=1e-12),
        "group": lambda: nn.GroupNorm(2, WIDTH, eps=1e-12),
    }
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        pair = [kinds[norm](), ew.activation(spec).module()]
        linear = nn.Linear(WIDTH, WIDTH)
        with torch.no_grad():
            linear.weight.normal_(std=math.sqrt(c_w / WIDTH), generator=generator)
            linear.bias.normal_(std=math.sqrt(c_b), generator=generator)
        layers += [*(pair if position == "before" else reversed(pair)), linear]
    return nn.Sequential(*layers)


def _measured(model: nn.Sequential, batch: int, generator: torch.Generator) -> tuple[float, float, float]:
    """Kernel, and growth a layer of squared gradients and of nearby distances away from both ends."""
    z = torch.randn(batch, WIDTH, generator=generator)
    seen: list[Tensor] = [z.requires_grad_()]
    for i in range(0, len(model), 3):
        z = model[i + 2](model[i + 1](model[i](z)))
        seen.append(z)
    gradients = torch.autograd.grad(z, seen, torch.randn(z.shape, generator=generator))
    squares = [float((g**2).mean()) for g in gradients]
    back = (squares[1] / squares[DEPTH - SKIPPED]) ** (1 / (DEPTH - SKIPPED - 1))
    start = seen[0].detach()
    step = 1e-4 * torch.randn(start.shape, generator=generator)
    with torch.no_grad():
        d = [step]
        one, two = start, start + step
        for i in range(0, len(model), 3):
            one, two = (model[i + 2](model[i + 1](model[i](x))) for x in (one, two))
            d.append(two - one - (two - one).mean(0) * ("BatchNorm" in str(model)))
    across = [float((x**2).mean()) for x in d]
    forward = (across[-1] / across[SKIPPED]) ** (1 / (DEPTH - SKIPPED))
    return float((seen[-1].detach() ** 2).mean()), back, forward


@pytest.mark.parametrize(
    ("spec", "norm", "position", "batch", "c_w", "c_b"),
    [
        ("relu", "batch", "before", 64, 2.0, 0.0),
        ("relu", "batch", "before", 8, 2.0, 0.5),
        ("gelu", "batch", "before", 12, 1.0, 0.0),
        ("tanh", "batch", "after", 128, 1.5, 0.0),
        ("relu", "layer", "after", 32, 2.0, 0.0),
        ("gelu", "layer", "before", 32, 2.0, 0.3),
        ("relu", "rms", "after", 32, 2.0, 0.1),
        ("tanh", "group", "after", 32, 1.5, 0.2),
    ],
)
def test_deep_networks_do_what_the_theory_says(
    spec: str, norm: Norm, position: Position, batch: int, c_w: float, c_b: float
) -> None:
    """Geometric means over layers and networks, to four standard errors and corrections of order 1/width, 1/batch.

    Measured at width 128 the corrections were 3.3/width; an exact theory of the batch leaves none of order 1/batch.
    """
    generator = torch.Generator().manual_seed(7)
    exact = norm != "batch" or position == "before"
    theory = normalised_layer(
        spec, norm, c_w=c_w, c_b=c_b, position=position, batch=batch if exact and norm == "batch" else None
    )
    runs = [_measured(_network(spec, norm, position, c_w, c_b, generator), batch, generator) for _ in range(5)]
    logs = torch.tensor([[math.log(value) for value in run] for run in runs])
    allowed = 4 * logs.std(0) / math.sqrt(len(runs)) + 4 / WIDTH + (0.0 if exact else 4 / batch)
    expected = torch.tensor([math.log(x) for x in (theory.kernel, theory.chi_backward, theory.chi_perp)])
    assert bool(((logs.mean(0) - expected).abs() < allowed).all()), (logs.mean(0).exp(), expected.exp(), allowed)
    assert float(allowed[1:].max()) < math.log(1.467) / 2  # tight enough to tell 1.467 from 1


def test_one_large_sample_in_a_batch_keeps_its_excess_with_relu() -> None:
    """chi_parallel of batch normalisation: how a sample of twice the usual size fares after one layer."""
    generator = torch.Generator().manual_seed(5)
    for spec in ("relu", "tanh"):
        excess = []
        for _ in range(8):
            model = _network(spec, "batch", "before", 2.0, 0.0, generator)[:3]
            z = torch.randn(512, WIDTH, generator=generator)
            z[0] *= math.sqrt(1.05)
            out = model(z).detach()
            out = out - out.mean(0)
            excess.append(
                float((out[0] ** 2).mean() / (out[1:] ** 2).mean()) - float((z[0] ** 2).mean() / (z[1:] ** 2).mean())
            )
        expected = 0.05 * (normalised_layer(spec, "batch").chi_parallel - 1.0)
        error = float(torch.tensor(excess).std()) / math.sqrt(8)
        assert sum(excess) / 8 == pytest.approx(expected, abs=4 * error)


def test_what_makes_no_sense_is_refused() -> None:
    for bad in (
        {"norm": "instance"},
        {"position": "inside"},
        {"batch": 3},
        {"norm": "layer", "batch": 8},
        {"position": "after", "c_b": 0.1},
        {"scale": 0.0},
    ):
        with pytest.raises(DomainError, match="given"):
            normalised_layer("relu", **{"norm": "batch", **bad})  # type: ignore[arg-type]
    with pytest.raises(NoInitialisationError, match="left to normalise"):
        normalised_layer("0*x+1", "batch")


def test_it_renders() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(normalised_layer("relu", "batch"))
    assert "1.46694" in console.export_text()
    assert normalised_layer("relu", "batch").to_dict()["norm"] == "batch"
