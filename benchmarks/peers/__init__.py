"""Other libraries on the same work, each in a virtual environment of its own and a process that times itself.

A worker answers one JSON line per request with the seconds its own code took, so that neither process start nor the
transfer counts, and the two libraries can take turns within one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

REQUIREMENTS = {
    "neural_tangents": ["neural-tangents==0.6.5", "jax==0.4.35", "jaxlib==0.4.35", "numpy<2", "scipy<1.13"],
    "anyinit": ["anyinit==0.4.0", "numpy>=1.26", "scipy>=1.11"],
    "jax": ["jax==0.10.2", "jaxlib==0.10.2", "optax==0.2.8"],
    "dks": ["dks==0.1.2", "absl-py", "autograd", "numpy<2", "scipy<1.13"],
}

_HOME = Path(os.environ.get("EDGEWISE_PEERS", Path(__file__).parents[2] / ".benchmarks" / "peers"))


def environment(name: str) -> Path:
    """The Python of that peer's virtual environment, made on first use."""
    home = _HOME / name
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS[name]], check=True)
        (home / "ready").touch()
    return python


class Peer:
    """A running worker; `ask` sends one job and waits for its answer. variables: of its environment, beside ours."""

    def __init__(self, name: str, **variables: str) -> None:
        script = Path(__file__).parent / f"{name}_worker.py"
        self._process = subprocess.Popen(
            [environment(name), script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **variables},
        )

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        """The answer: ``{"seconds": …, …}``. Raises RuntimeError with the worker's own words when the job fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"job": job, **arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.terminate()
        self._process.wait()
