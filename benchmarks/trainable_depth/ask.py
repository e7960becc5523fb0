"""What the peers say for each activation and depth, asked once and kept in peers.json, so that a rerun needs no peer.

AnyInit is asked through its PyTorch front end: it traces the very network of the benchmark. It needs NumPy alone, so it
runs here, from its own environment's packages. dks runs in its own environment and process.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import Peer, environment
from benchmarks.trainable_depth.settings import ACTIVATIONS, DEPTHS, Settings

ANSWERS = Path(__file__).with_name("peers.json")
FEATURES, CLASSES = 64, 10

DKS_NAMES = {"relu": "leaky_relu", "gelu": "gelu_exact", "silu": "swish"}
"""dks's own names. Its README: ReLU is "*highly* discouraged. Instead, one should use Leaky ReLUs"."""


class MRePU2(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.clamp(x + 1.0, min=0.0) ** 2


class ReLU2(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) ** 2


class RePU3(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) ** 3


MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "relu2": ReLU2, "mrepu(p=2)": MRePU2,
    "repu(p=3)": RePU3,
}  # fmt: skip


def ask(depths: Sequence[int] = DEPTHS) -> dict[str, Any]:
    """Asks both peers about every activation at these depths and writes peers.json; what it knew of others stays."""
    known = json.loads(ANSWERS.read_text(encoding="utf8")) if ANSWERS.exists() else {}
    answers = {
        name: {"version": version, "answers": {**known.get(name, {}).get("answers", {}), **found}}
        for name, (version, found) in {"anyinit": _anyinit(depths), "dks": _dks(depths)}.items()
    }
    ANSWERS.write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n", encoding="utf8")
    return answers


def _anyinit(depths: Sequence[int]) -> tuple[str, dict[str, Any]]:
    python = environment("anyinit")
    sys.path.extend(str(path) for path in python.parents[1].glob("lib/python3*/site-packages"))
    import anyinit  # type: ignore[import-not-found]

    for module in (MRePU2, ReLU2, RePU3):
        anyinit.register_activation(module)
    found = {f"{depth} {a}": _scales(anyinit, a, depth) for depth in depths for a in ACTIVATIONS}
    return metadata.version("anyinit"), found


def _scales(anyinit: Any, activation: str, depth: int) -> dict[str, Any]:
    """The C_W that AnyInit gives each layer of the benchmark's network; hidden layers share one."""
    sizes = [FEATURES, *[Settings.width] * depth]
    layers = [layer for i in range(depth) for layer in (nn.Linear(sizes[i], sizes[i + 1]), MODULES[activation]())]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], CLASSES))
    report = anyinit.initialize(model, "analytic", (4096, FEATURES), seed=0)
    c_w = [layer.scale**2 * layer.fan for layer in report.layers]
    if len(c_w) != depth + 1 or not all(math.isclose(c, c_w[1], rel_tol=1e-6) for c in c_w[1:-1]):
        raise RuntimeError(f"AnyInit gave {c_w} for {activation}: expected {depth + 1} layers, the hidden ones alike")
    if any(bool(m.bias.any()) for m in model if isinstance(m, nn.Linear)):
        raise RuntimeError("AnyInit left biases that are not 0")
    return {
        "first_c_w": c_w[0], "c_w": c_w[1], "last_c_w": c_w[-1],
        "verdict": report.stability[0].verdict, "warnings": [str(w) for w in report.warnings],
    }  # fmt: skip


def _dks(depths: Sequence[int]) -> tuple[str, dict[str, Any]]:
    worker = Peer("dks")
    found: dict[str, Any] = {}
    for depth in depths:
        for method in ("DKS", "TAT"):
            for a in ACTIVATIONS:
                name = DKS_NAMES.get(a, a)
                try:
                    answer = worker.ask("transformed", activation=name, method=method, depth=depth)
                    found[f"{depth} {method} {a}"] = {"function": name, "parameters": answer["parameters"]}
                except RuntimeError as problem:
                    found[f"{depth} {method} {a}"] = {"error": str(problem)}
    version = str(worker.ask("version")["version"])
    worker.close()
    return version, found


def peers() -> dict[str, Any]:
    """The answers in peers.json. Raises FileNotFoundError where they were never asked for."""
    if not ANSWERS.exists():
        raise FileNotFoundError(f"{ANSWERS} is missing; run python -m benchmarks.trainable_depth ask")
    answers: dict[str, Any] = json.loads(ANSWERS.read_text(encoding="utf8"))
    return answers
