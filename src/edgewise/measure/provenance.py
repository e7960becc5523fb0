"""Where a measured number comes from: seed, versions, revision, device, dtype, threads, time."""

from __future__ import annotations

import functools
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Provenance:
    """What it takes to run a measurement again and to judge its time.

    seed: None where the caller's own generator was used. revision: git commit of edgewise, None where it was installed
    from a package. seconds: wall time of the measurement.
    """

    seed: int | None
    edgewise: str
    torch: str
    python: str
    revision: str | None
    device: str
    dtype: str
    threads: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def provenance(*, seed: int | None, device: torch.device, dtype: torch.dtype, seconds: float) -> Provenance:
    """The provenance of a measurement made just now in this process."""
    from edgewise import __version__

    name = f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
    return Provenance(
        seed=seed,
        edgewise=__version__,
        torch=str(torch.__version__),
        python=platform.python_version(),
        revision=_revision(),
        device=name,
        dtype=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        seconds=seconds,
    )


@functools.cache
def _revision() -> str | None:
    """The commit this source tree is at; None unless this very file is tracked (site-packages in a checkout is not)."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=here.parent, capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    return git("rev-parse", "HEAD") if git("ls-files", "--error-unmatch", here.name) is not None else None
