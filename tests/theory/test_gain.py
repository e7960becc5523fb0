"""Gains are what their principle says, and random layers drawn with them do it."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import re
from pathlib import Path
from types import ModuleType

import mpmath as mp
import pytest
import torch
from torch.nn.init import calculate_gain

import edgewise as ew
from edgewise.errors import DomainError, NoInitialisationError
from edgewise.theory.gain import PRINCIPLES, gain

ROOT = Path(__file__).parents[2]


def _average(f: object, k: float) -> float:
    """E f(z), z ~ N(0, k), by mpmath, split at 0."""
    root = mp.sqrt(k)
    density = lambda z: mp.exp(-z * z / (2 * k)) / (root * mp.sqrt(2 * mp.pi))  # noqa: E731
    return float(mp.quad(lambda z: f(z) * density(z), [-12 * root, 0, 12 * root]))  # type: ignore[operator]


def test_critical_is_the_default_and_says_where() -> None:
    g = gain("gelu")
    assert g.principle == "critical"
    assert g.gain**2 == pytest.approx(1.983058257438, abs=1e-9)
    assert g.bias_std**2 == pytest.approx(0.172922390756, abs=1e-9)
    assert g.kernel == pytest.approx((3 + math.sqrt(17)) / 2)
    assert float(g) == g.gain
    assert "K*=3.56155" in g.reason
    assert json.loads(json.dumps(g.to_dict()))["principle"] == "critical"
    assert float(gain("tanh")) == pytest.approx(1.0)
    assert "repels" in gain("mrepu(p=2)").reason


@pytest.mark.parametrize("slope", [None, 0.01, 0.3])
def test_where_torch_is_right_it_is_torchs(slope: float | None) -> None:
    theirs = calculate_gain("relu") if slope is None else calculate_gain("leaky_relu", slope)
    spec = "relu" if slope is None else f"leaky_relu(a={slope})"
    for principle in (None, *PRINCIPLES):
        g = gain(spec, principle=principle)
        assert float(g) == pytest.approx(theirs, rel=1e-12)
        assert g.bias_std == 0.0


@pytest.mark.parametrize("k", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(
    ("spec", "sigma", "slope"),
    [
        ("tanh", mp.tanh, lambda z: mp.sech(z) ** 2),
        ("sigmoid", lambda z: 1 / (1 + mp.exp(-z)), lambda z: mp.exp(-z) / (1 + mp.exp(-z)) ** 2),
        ("softplus", lambda z: mp.log1p(mp.exp(z)), lambda z: 1 / (1 + mp.exp(-z))),
        ("relu2", lambda z: max(z, 0) ** 2, lambda z: 2 * max(z, 0)),
    ],
)
def test_principles_are_their_conditions(spec: str, sigma: object, slope: object, k: float) -> None:
    forward = _average(lambda z: sigma(z) ** 2, k) / k  # type: ignore[operator]
    backward = _average(lambda z: slope(z) ** 2, k)  # type: ignore[operator]
    g = {p: gain(spec, principle=p, kernel=k) for p in ("forward", "backward", "averaged")}
    assert g["forward"].c_w * forward == pytest.approx(1.0, rel=1e-9)
    assert g["backward"].c_w * backward == pytest.approx(1.0, rel=1e-9)
    assert g["averaged"].c_w * (forward + backward) / 2 == pytest.approx(1.0, rel=1e-9)
    assert g["forward"].c_b == 0.0
    for of in g.values():
        assert of.growth == pytest.approx(of.c_b / k + of.c_w * forward, rel=1e-9)
        assert of.chi_perp == pytest.approx(of.c_w * backward, rel=1e-9)
        if of.c_b > 0.0:
            assert of.growth == pytest.approx(1.0, rel=1e-9)
        else:
            assert of.growth >= 1.0 - 1e-9


def test_the_average_lies_between_and_is_the_harmonic_mean() -> None:
    both = [gain("tanh", principle=p).c_w for p in ("forward", "backward")]
    assert gain("tanh", principle="averaged").c_w == pytest.approx(2 / (1 / both[0] + 1 / both[1]))


@pytest.mark.parametrize("spec", ["gelu", "softplus", "tanh"])
def test_a_random_layer_does_what_the_gain_says(spec: str) -> None:
    """Mean square of 4000 x 64 outputs and gradients: their standard error is below 1.5 % for these functions."""
    generator = torch.Generator().manual_seed(3)
    n, samples = 64, 4000
    for principle in ("forward", "backward"):
        g = gain(spec, principle=principle)
        x = torch.randn(samples, n, generator=generator, dtype=torch.float64).requires_grad_()
        w = torch.randn(samples, n, n, generator=generator, dtype=torch.float64) * (float(g) / math.sqrt(n))
        b = torch.randn(samples, n, generator=generator, dtype=torch.float64) * g.bias_std
        z = torch.einsum("sij,sj->si", w, ew.activation(spec)(x)) + b
        assert float((z.detach() ** 2).mean()) == pytest.approx(g.growth, rel=0.05)
        (back,) = torch.autograd.grad(z, x, torch.randn(samples, n, generator=generator, dtype=torch.float64))
        assert float((back**2).mean()) == pytest.approx(g.chi_perp, rel=0.05)


def test_without_a_critical_point_the_default_is_forward_and_says_so() -> None:
    g = gain("relu2")
    assert (g.principle, g.bias_std) == ("forward", 0.0)
    assert [g.c_w, g.chi_parallel, g.chi_perp] == pytest.approx([2 / 3, 2.0, 4 / 3])
    assert "no critical point" in g.reason
    with pytest.raises(DomainError, match="relu2 has no critical point"):
        gain("relu2", principle="critical")


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(DomainError, match="expected one of critical, forward"):
        gain("relu", principle="he")  # type: ignore[arg-type]
    with pytest.raises(DomainError, match=r"kernel=2\.0 given without"):
        gain("relu", kernel=2.0)
    with pytest.raises(DomainError, match="kernel"):
        gain("relu", principle="forward", kernel=-1.0)
    with pytest.raises(NoInitialisationError, match="sigma'"):
        gain("hardshrink", principle="backward")
    assert "another slope" in gain("helu", principle="backward").reason


def test_it_renders() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(gain("gelu"))
    assert "1.408211" in console.export_text()


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_gains", ROOT / "docs" / "generate_gains.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_in_the_docs_is_up_to_date() -> None:
    """Same words in the same places, and numbers equal to the digits shown (the last may round differently)."""
    number = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
    written = (ROOT / "docs" / "gains.md").read_text(encoding="utf8")
    fresh = _generator().page()
    assert number.sub("#", fresh) == number.sub("#", written), "run python docs/generate_gains.py"
    for now, then in zip(number.findall(fresh), number.findall(written), strict=True):
        last = 10.0 ** -len(then.partition("e")[0].partition(".")[2]) * 10.0 ** int(then.partition("e")[2] or 0)
        assert float(now) == pytest.approx(float(then), rel=1e-8, abs=1.01 * last)
    assert all(f"| `{name}` |" in written for name in ew.activations())


def test_a_fixed_point_with_chi_parallel_1_neither_attracts_nor_repels() -> None:
    g = gain("softshrink", principle="backward")  # at K = 1 this is its critical point
    assert g.chi_parallel == pytest.approx(1.0, abs=1e-12)
    assert "neither attracts nor repels" in g.reason


def test_a_tailored_rectifier_is_critical_at_any_kernel() -> None:
    g = gain(ew.tailor("relu", depth=20))
    assert (g.principle, g.gain, g.kernel) == ("tailored", 1.0, None)
    assert "any input scale" in g.reason
