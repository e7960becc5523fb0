"""`torch.compile` where there is a compiler for it; otherwise one plain line, and the same results more slowly."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch

from edgewise.errors import EdgewiseWarning

P = ParamSpec("P")
R = TypeVar("R")


def cpp_compiler() -> str | None:
    """The C++ compiler that torch would use on this machine; None without one."""
    named = os.environ.get("CXX")
    usual = ("cl",) if sys.platform == "win32" else ("clang++",) if sys.platform == "darwin" else ("g++", "clang++")
    return next((name for name in ((named,) if named else usual) if shutil.which(name)), None)


def compiled(function: Callable[P, R], device: torch.device) -> Callable[P, R]:
    """`function` as a compiled program for tensors on `device`, compiled at its first call.

    Warns with EdgewiseWarning and gives back what runs `function` as it is where there is no C++ compiler, or where
    compiling fails.
    """
    if device.type == "cpu" and cpp_compiler() is None:
        _tell("no C++ compiler (g++ or clang++) found")
        return function
    fast: Callable[..., Any] = torch.compile(function)
    failed = False

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal failed
        if not failed:
            try:
                result: R = fast(*args, **kwargs)
            except torch._dynamo.exc.TorchDynamoException as error:
                failed = True
                _tell(str(error).strip().splitlines()[0])
            else:
                return result
        return function(*args, **kwargs)

    return call


def _tell(why: str) -> None:
    warnings.warn(
        f"compile=True has no effect: {why}; the results are the same, more slowly", EdgewiseWarning, stacklevel=4
    )
