"""What this machine offers edgewise: versions, threads, a C++ compiler, accelerators, data folders."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "note", "problem"]

REQUIRED = ("torch", "numpy", "scipy", "matplotlib", "scikit-learn", "rich", "click", "jinja2")
OPTIONAL = ("mpmath", "onnx", "onnxruntime", "onnxscript", "hypothesis")


@dataclass(frozen=True)
class Check:
    """One finding: "ok", "note" (works, but something is slower or missing) or "problem" (something will fail).

    advice: what to do about it, empty where there is nothing to do.
    """

    group: str
    name: str
    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Doctor:
    """All findings, in the order in which they are shown."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing found is a problem."""
        return all(check.status != "problem" for check in self.checks)

    @property
    def reason(self) -> str:
        problems = [check.name for check in self.checks if check.status == "problem"]
        if problems:
            return f"edgewise will not work fully here: see {', '.join(problems)}"
        return "edgewise has all it needs here"

    def to_dict(self) -> dict[str, Any]:
        return {"healthy": self.healthy, "reason": self.reason, "checks": [asdict(check) for check in self.checks]}


def doctor(*, compile_test: bool = False) -> Doctor:
    """Examines this machine; `compile_test` also runs `torch.compile` on one activation, which can take a minute."""
    checks = [*_versions(), *_processor(), *_compiler(compile_test), *_kernels(), *_accelerators(), *_data()]
    return Doctor(tuple(checks))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> list[Check]:
    from edgewise import __version__

    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    checks = [
        Check("versions", "edgewise", "ok", f"{__version__} in {Path(__file__).parent}"),
        Check("versions", "python", "ok", system),
    ]
    for package in REQUIRED:
        found = _version(package)
        missing = Check("versions", package, "problem", "not installed", f"pip install {package}")
        checks.append(Check("versions", package, "ok", found) if found else missing)
    for package in OPTIONAL:
        found = _version(package)
        missing = Check("versions", package, "note", "not installed", "only for edgewise.testing and the tests")
        checks.append(Check("versions", package, "ok", found) if found else missing)
    return checks


def _processor() -> list[Check]:
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    limit = os.environ.get("OMP_NUM_THREADS")
    found = f"{threads} of torch, {usable} CPU cores usable" + (f", OMP_NUM_THREADS={limit}" if limit else "")
    if threads > usable:
        return [Check("processor", "threads", "note", found, f"more threads than cores: set OMP_NUM_THREADS={usable}")]
    if threads < usable:
        return [Check("processor", "threads", "note", found, "cores lie idle: unset OMP_NUM_THREADS or raise it")]
    return [Check("processor", "threads", "ok", found)]


def _compiler(compile_test: bool) -> list[Check]:
    candidates = [os.environ.get("CXX"), "g++", "clang++", "cl"]
    path = next((found for name in candidates if name and (found := shutil.which(name))), None)
    if path is None:
        advice = "only torch.compile needs one: install g++ or clang++, or set CXX"
        return [Check("compiler", "C++ compiler", "note", "none found", advice)]
    checks = [Check("compiler", "C++ compiler", "ok", f"{path}: {_first_line(path)}")]
    if compile_test:
        checks.append(_try_compile())
    return checks


def _first_line(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer --version"
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def _try_compile() -> Check:
    import time

    import torch

    from edgewise.activations import activation

    x = torch.linspace(-2.0, 2.0, 64)
    sigma = activation("tanh")
    compiled: Callable[[torch.Tensor], torch.Tensor] = torch.compile(sigma.__call__, fullgraph=True)
    start = time.perf_counter()
    try:
        gap = float((compiled(x) - sigma(x)).abs().max())
    except Exception as error:  # the compiler's own errors are of many types; any of them is the finding
        advice = "Python headers or a working C++ tool chain may be missing; everything but torch.compile works"
        return Check("compiler", "torch.compile", "note", f"fails: {type(error).__name__}", advice)
    return Check("compiler", "torch.compile", "ok", f"works, {time.perf_counter() - start:.1f} s, difference {gap:.1g}")


def _kernels() -> list[Check]:
    """Whether activations of larger tensors run compiled, and what their first use costs."""
    import time

    import torch

    from edgewise.activations import activation
    from edgewise.activations.kernels import choice

    active, how = choice.status()
    if not active:
        advice = "activations run as plain formulas, with the same results; "
        advice += (
            f"unset {choice.SWITCH}" if choice.SWITCH in how else "pip install llvmlite makes them as fast as torch's"
        )
        return [Check("compiler", "activation kernels", "note", how, advice)]
    start = time.perf_counter()
    kernel = choice.fresh(activation("mrepu(p=2)"), "value", torch.float32, "cpu")
    seconds = time.perf_counter() - start
    if kernel is None:
        return [Check("compiler", "activation kernels", "note", how, "a kernel failed its check: plain formulas run")]
    found = f"{how}; first use of an activation {1e3 * seconds:.0f} ms a kernel"
    return [Check("compiler", "activation kernels", "ok", found)]


def _accelerators() -> list[Check]:
    import torch

    if torch.cuda.is_available():
        return [
            Check("accelerator", f"GPU {i}", "ok", f"{p.name}, {p.total_memory / 2**30:.0f} GiB")
            for i in range(torch.cuda.device_count())
            for p in [torch.cuda.get_device_properties(i)]
        ]
    if torch.backends.mps.is_available():
        return [Check("accelerator", "GPU", "note", "Apple MPS", "it has no float64, so edgewise runs on the CPU")]
    return [Check("accelerator", "GPU", "ok", "none; everything runs on the CPU")]


def _data() -> list[Check]:
    setting = os.environ.get("EDGEWISE_DATA")
    if not setting:
        folder = Check("data", "EDGEWISE_DATA", "ok", "not set; the handwritten digits come with scikit-learn")
        return [folder, _digits()]
    checks = []
    for name in setting.split(os.pathsep):
        path = Path(name).expanduser()
        if path.is_dir():
            count = sum(1 for _ in path.iterdir())
            checks.append(
                Check("data", "EDGEWISE_DATA", "ok", f"{path}: {count} {'entry' if count == 1 else 'entries'}")
            )
        else:
            advice = "create the folder or correct the variable"
            checks.append(Check("data", "EDGEWISE_DATA", "problem", f"{path} is not a folder", advice))
    return [*checks, _digits()]


def _digits() -> Check:
    try:
        from sklearn.datasets import load_digits

        images = load_digits().data
    except Exception as error:  # a broken installation can fail in any way; the finding is that it does
        return Check("data", "digits", "problem", f"{type(error).__name__}: {error}", "pip install scikit-learn")
    return Check("data", "digits", "ok", f"{len(images)} handwritten digits of 8x8 pixels, bundled with scikit-learn")
