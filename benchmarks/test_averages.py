"""Gaussian averages beside AnyInit (second moments) and dks (slopes at K = 1): time and error in one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import pytest
import torch

import edgewise as ew
from benchmarks.cold import forget
from benchmarks.paired import paired
from benchmarks.peers import Peer
from edgewise.testing.references import reference_for
from edgewise.theory.averages import average

KERNELS = [10.0**e for e in range(-8, 9)]
SHARED = {
    "relu": "relu",
    "gelu": "gelu",
    "tanh": "tanh",
    "silu": "silu",
    "elu": "elu",
    "softplus": "softplus",
    "mrepu(p=2)": "mrepu",
}
DKS = {"tanh": "tanh", "gelu": "gelu_exact", "silu": "swish", "softplus": "softplus", "arctan": "atan", "elu": "elu"}


def _exact(spec: str, kernel: float, integrand: Callable[[Any, Any], Any]) -> float:
    """The average by mpmath at 30 digits, split at the kinks and on every scale of the integrand."""
    sigma = reference_for(ew.activation(spec))
    assert sigma is not None
    with mp.workdps(30):
        root = mp.sqrt(mp.mpf(kernel))
        cuts = (
            {mp.mpf(0)}
            | {mp.mpf(s * 2.0**e) for e in range(-8, 9, 2) for s in (-1, 1)}
            | {mp.mpf(k) for k in ew.activation(spec).kinks}
        )
        cuts |= {s * root * w for s in (-1, 1) for w in (0.5, 1, 2, 4, 8, 16)}
        edges = sorted(c for c in cuts if abs(c) <= 16 * root)
        value = mp.quad(lambda z: integrand(sigma, z) * mp.exp(-z * z / (2 * root * root)), edges)
        return float(value / (root * mp.sqrt(2 * mp.pi)))


@pytest.mark.parametrize("spec", SHARED)
def test_second_moment_against_anyinit(spec: str, peer: Callable[[str], Peer], benchmark: Any) -> None:
    a, worker = ew.activation(spec), peer("anyinit")
    exact = torch.tensor([_exact(spec, k, lambda s, z: s(z) ** 2) for k in KERNELS], dtype=torch.float64)
    k = torch.tensor(KERNELS, dtype=torch.float64)

    def ours() -> torch.Tensor:
        forget()
        return ew.theory.kernel(a, k)

    mine = ours()
    answer = worker.ask("second_moment", activation=SHARED[spec], variances=KERNELS)["values"]
    theirs = torch.tensor(answer, dtype=torch.float64)
    times = paired(
        ours,
        lambda: float(worker.ask("second_moment", activation=SHARED[spec], variances=KERNELS)["seconds"]),
        pairs=11,
    )
    benchmark.extra_info.update(
        times.record(),
        peer="AnyInit 0.4.0",
        work=f"⟨σ²⟩ of {spec} at 17 K from 1e-8 to 1e8",
        our_error=float(((mine - exact) / exact).abs().max()),
        their_error=float(((theirs - exact) / exact).abs().max()),
    )
    benchmark.pedantic(ours, rounds=11, warmup_rounds=1)
    assert benchmark.extra_info["our_error"] <= 1e-11


@pytest.mark.parametrize("spec", DKS)
def test_slopes_against_dks(spec: str, peer: Callable[[str], Peer], benchmark: Any) -> None:
    a, worker = ew.activation(spec), peer("dks")
    one = torch.ones((), dtype=torch.float64)

    def ours(remembered: bool = False) -> list[float]:
        if not remembered:
            forget()
        routes = (((0, 0), 0), ((0, 1), 1), ((1, 1), 0))
        return [float(average(a, one, orders, z_power).value) for orders, z_power in routes]

    integrands = (
        lambda s, z: s(z) ** 2,
        lambda s, z: z * s(z) * mp.diff(s, z),
        lambda s, z: mp.diff(s, z) ** 2,
    )
    exact = [_exact(spec, 1.0, f) for f in integrands]
    theirs = worker.ask("slopes", activation=DKS[spec])["values"]
    times = paired(ours, lambda: float(worker.ask("slopes", activation=DKS[spec])["seconds"]), pairs=11)
    again = paired(
        lambda: ours(remembered=True),
        lambda: float(worker.ask("slopes", activation=DKS[spec])["seconds"]),
        pairs=11,
    )
    benchmark.extra_info.update(
        times.record(),
        again=again.record()["ratio"],
        peer="dks 0.1.2",
        work=f"⟨σ²⟩, ⟨zσσ′⟩, ⟨σ′²⟩ of {spec} at K = 1",
        our_error=max(abs(m / e - 1) for m, e in zip(ours(), exact, strict=True)),
        their_error=max(abs(t / e - 1) for t, e in zip(theirs, exact, strict=True)),
    )
    benchmark.pedantic(ours, rounds=11, warmup_rounds=1)
    assert benchmark.extra_info["our_error"] <= 1e-11
