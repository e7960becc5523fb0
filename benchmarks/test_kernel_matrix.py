"""The kernel matrix of 128 inputs through 64 layers, beside neural-tangents: its numeric route and its closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import edgewise as ew
from benchmarks.paired import paired
from benchmarks.peers import Peer
from edgewise.theory import kernel_matrix

INPUTS, DEPTH, DEGREE = 128, 64, 100


@dataclass(frozen=True)
class Work:
    """A network whose kernel stays of order 1 for 64 layers: ReLU at criticality, MRePU in its ordered phase."""

    spec: str
    peer_name: str
    c_w: float
    c_b: float


RELU = Work("relu", "relu", 2.0, 0.0)
MREPU = Work("mrepu(p=2)", "mrepu", 0.02, 0.38)


def _inputs() -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(INPUTS, 16))
    return x * np.sqrt(0.5 / (x**2).mean(1, keepdims=True))


def _some_pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[:6, :6]


def _exact_relu(kernel: np.ndarray, work: Work) -> np.ndarray:
    """The arc-cosine kernel of degree 1 (Cho & Saul, NeurIPS 2009, eq. 6), iterated."""
    for _ in range(DEPTH - 1):
        scale = np.sqrt(np.outer(kernel.diagonal(), kernel.diagonal()))
        angle = np.arccos(np.clip(kernel / scale, -1, 1))
        kernel = work.c_b + work.c_w * scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    return kernel


def _exact_mrepu(kernel: np.ndarray, work: Work) -> np.ndarray:
    """A tensor rule of its own: Gauss–Legendre panels in both variables, cut at the kink and graded toward it."""
    nodes, weights = np.polynomial.legendre.leggauss(16)

    def rule(cut: float) -> tuple[np.ndarray, np.ndarray]:
        steps = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 36), np.linspace(1.5, 24.0, 40)])
        edges = np.unique(np.clip(np.concatenate([cut - steps, cut + steps]), -12, 12))
        half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
        x = (middle[:, None] + half[:, None] * nodes).ravel()
        return x, (half[:, None] * weights).ravel() * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)

    def sigma(z: np.ndarray) -> np.ndarray:
        return z * np.maximum(z + 1, 0) ** 2

    def pair(k11: float, k12: float, k22: float) -> float:
        rho = k12 / np.sqrt(k11 * k22)
        x, w = rule(-1 / np.sqrt(k11))
        outer = sigma(np.sqrt(k11) * x) * w
        spread = np.sqrt(max(0.0, 1 - rho * rho))
        if spread < 1e-8:
            return float((outer * sigma(np.sqrt(k22) * np.sign(rho) * x)).sum())
        inner = np.empty_like(x)
        for i, xi in enumerate(x):
            y, v = rule(float(np.clip((-1 / np.sqrt(k22) - rho * xi) / spread, -12, 12)))
            inner[i] = (sigma(np.sqrt(k22) * (rho * xi + spread * y)) * v).sum()
        return float((outer * inner).sum())

    for _ in range(DEPTH - 1):
        moved = np.empty_like(kernel)
        for i in range(len(kernel)):
            for j in range(i, len(kernel)):
                moved[i, j] = moved[j, i] = pair(kernel[i, i], kernel[i, j], kernel[j, j])
        kernel = work.c_b + work.c_w * moved
    return kernel


@pytest.mark.parametrize(
    ("work", "exact", "route"),
    [
        (MREPU, _exact_mrepu, "numeric"),
        (RELU, _exact_relu, "numeric"),
        (RELU, _exact_relu, "closed form"),
    ],
    ids=["mrepu-numeric", "relu-numeric", "relu-closed-form"],
)
def test_kernel_matrix(
    work: Work, exact: Callable[[np.ndarray, Work], np.ndarray], route: str, peer: Callable[[str], Peer], benchmark: Any
) -> None:
    x = _inputs()
    first = x @ x.T / x.shape[1]
    worker = peer("neural_tangents")

    def ours() -> np.ndarray:
        return kernel_matrix(
            ew.activation(work.spec), torch.from_numpy(first), DEPTH, c_w=work.c_w, c_b=work.c_b
        ).nngp.numpy()

    def theirs() -> dict[str, Any]:
        return worker.ask(
            "nngp",
            activation=work.peer_name,
            inputs=x.tolist(),
            depth=DEPTH,
            c_w=work.c_w,
            c_b=work.c_b,
            degree=DEGREE,
            route=route,
        )

    times = paired(ours, lambda: float(theirs()["seconds"]), pairs=3)
    reference = exact(first[:6, :6] if exact is _exact_mrepu else first, work)[:6, :6]
    mine, other = _some_pairs(ours()), _some_pairs(np.asarray(theirs()["kernel"]))
    benchmark.extra_info.update(
        times.record(),
        peer=f"neural-tangents 0.6.5, {route}" + (f", degree {DEGREE}" if route == "numeric" else ""),
        work=f"{INPUTS}×{INPUTS} kernel of {work.spec}, {DEPTH} layers",
        our_error=float(np.abs(mine / reference - 1).max()),
        their_error=float(np.abs(other / reference - 1).max()),
    )
    benchmark.pedantic(ours, rounds=3)
    assert benchmark.extra_info["our_error"] < 1e-6
