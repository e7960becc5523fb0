"""What is compared, and at what cost. The numbers were fixed by their cost, before any result was seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "relu2", "mrepu(p=2)", "repu(p=3)")
SCHEMES = ("pytorch", "he", "anyinit", "dks", "tat", "critical", "tailored")
DEPTHS = (10, 50, 100)
CELLS = ".benchmarks/trainable_depth"
"""Where cells lie unless told otherwise."""
OURS = ("critical", "tailored")
TITLES = {
    "pytorch": "PyTorch default",
    "he": "He",
    "anyinit": "AnyInit",
    "dks": "dks: DKS",
    "tat": "dks: TAT",
    "critical": "edgewise critical",
    "tailored": "edgewise tailored",
}


@dataclass(frozen=True)
class Settings:
    """How every network is trained: Adam at a constant rate, the same batches for every scheme, rate and activation."""

    width: int = 128
    steps: int = 400
    batch: int = 64
    learning_rates: tuple[float, ...] = (1e-5, 10**-4.5, 1e-4, 10**-3.5, 1e-3)
    seeds: tuple[int, ...] = (3, 4, 5)  # 0, 1 and 2 were looked at when choosing orthogonal weights for our own rows
    data_seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Cell:
    """One entry of the table."""

    depth: int
    activation: str
    scheme: str

    @property
    def name(self) -> str:
        """Its file name, without suffix."""
        plain = "".join(c for c in self.activation.replace("p=", "") if c.isalnum())
        return f"depth{self.depth:04d}-{plain}-{self.scheme}"
